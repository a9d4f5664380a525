"""What a model of the study is beside its weights: how it is called, activation included, and how its pictures are made."""

from flopwise.config.continual import ContinualConfig
from flopwise.core.errors import UserError
from flopwise.data.images import SHORTER_SIDE
from flopwise.data.loader import SHORTEST, Resize
from flopwise.models import clip
from flopwise.models.clip import Preprocessing


def name_of(study: ContinualConfig, model: str) -> str:
    """What `flopwise.models.clip` calls `model`: with the tag of the released checkpoint that it starts from. Whatever the
    checkpoint, an embedded model is what its own configuration says."""
    tag = None if model in clip.EMBEDDED else study.models[model].pretrained
    return f"{model}.{tag}" if tag else model


def resize_of(how: Preprocessing) -> Resize:
    return Resize(how.resize_mode, how.interpolation)


def check_copies(card: dict, how: Preprocessing) -> None:
    """Raise `UserError` where a data set is read from prepared copies that a model cannot use: they were made with the
    shorter side at 224 pixels, bicubic."""
    if card.get("prepared") and (how.size > SHORTER_SIDE or resize_of(how) != SHORTEST):
        raise UserError(
            f"data set {card['name']} is read from copies of {SHORTER_SIDE} pixels ({SHORTEST.mode}, {SHORTEST.filter}), the "
            f"model takes {how.size} pixels ({how.resize_mode}, {how.interpolation}); move their manifests *_224.json away, so "
            "that the original pictures are read"
        )
