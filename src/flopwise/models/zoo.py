"""Models of timm, by `<model>` or `<model>.<tag>`, the tag being that of released weights. No weights are loaded."""

from flopwise.core.choices import check
from flopwise.models.compat import import_timm


def released(name: str) -> dict:
    """What timm's table says of the released weights `<model>.<tag>` (mean, std, input_size, num_classes ...); empty for
    a name without a tag. Raises `UserError` for a model or tag that does not exist."""
    timm = import_timm()
    model, _, tag = name.partition(".")
    check("timm model", model, timm.list_models())
    if not tag:
        return {}
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{model}.*")]
    check(f"tag of timm model {model}", tag, tags)
    return timm.get_pretrained_cfg(name).to_dict()


def create(name: str, device: str = "meta", classes: int | None = None):
    """The model, with `classes`, else as many as the tag's weights have; without a tag, with as many as timm gives it."""
    import torch

    settings = released(name)
    classes = classes or (settings["num_classes"] if settings else None)
    with torch.device(device):
        return import_timm().create_model(name, pretrained=False, **({"num_classes": classes} if classes else {}))
