"""Models of the zoo on disk and in memory."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.config.transfer import ZooModel
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_file, write_tensors
from flopwise.core.paths import making
from flopwise.core.seeds import derive
from flopwise.models import miniature

WEIGHTS = "model.safetensors"


def create(model: ZooModel, classes: int, device: str = "cpu"):
    """The network of a zoo model as it is before training; on `meta` without weights. What its weights lack, a head for other
    classes, is drawn under its seed."""
    if model.network:
        return miniature.create(model.network, classes, model.seed, device)
    import torch

    from flopwise.models import image_towers, zoo

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(model.seed, "initial weights"))
        if model.image_tower:
            return image_towers.create(model.image_tower, classes, device)
        made, facts = zoo.create(model.pretrained, device, classes), zoo.released(model.pretrained)
    made.normalisation = facts["mean"], facts["std"]
    return made


def released(model: ZooModel, classes: int, root: str | None):
    """(a released model with the weights below `root`, checked by `models.weights`; whether its head is as it was drawn, because
    the weights have none for these classes)."""
    from flopwise.models import image_towers, weights, zoo

    tagged = model.pretrained or model.image_tower
    if root is None:
        raise UserError(f"the weights of {tagged} lie below `weights_root`; set it in config/config.yaml")
    name, _, tag = tagged.partition(".")
    made, path = create(model, classes), weights.find_file(name, tag, root)
    if model.image_tower:
        image_towers.load(made, tagged, path)
        return made, True
    own = zoo.released(tagged)["num_classes"]
    if own == classes:
        weights.load(made, tagged, path)
        return made, False
    whole = zoo.create(tagged, device="cpu")
    weights.load(whole, tagged, path)
    shapes = {name: value.shape for name, value in made.state_dict().items()}
    made.load_state_dict({n: v for n, v in whole.state_dict().items() if v.shape == shapes[n]}, strict=False)
    return made, True


def family(model: ZooModel) -> str:
    return miniature.NETWORKS[model.network].family if model.network else model.family or "cnn"


def norm(model: ZooModel) -> str:
    """What normalises inside the network, as far as it is known."""
    return miniature.NETWORKS[model.network].norm if model.network else ""


def parameters(model: ZooModel, classes: int) -> int:
    """Number of values that train."""
    return sum(p.numel() for p in create(model, classes, "meta").parameters())


def save(folder: Path, state: dict) -> None:
    write_tensors(folder / WEIGHTS, state)


def load(folder: Path) -> dict:
    """The state dict of a zoo model. Raises `RunFailure` where the file is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise RunFailure(f"{folder / WEIGHTS} is missing; `{making(folder.parent)}` makes it") from error
    except (SafetensorError, OSError) as error:
        raise RunFailure(f"{folder / WEIGHTS} is damaged ({error}); delete {folder.parent} and run again") from error


def digest(folder: Path) -> str:
    """Hash of the weights' file."""
    return sha256_file(folder / WEIGHTS)


def restored(settings: Settings, name: str, classes: int, folder: Path):
    """A zoo model with its weights, in evaluation mode."""
    model = create(settings.preset.transfer.zoo[name], classes)
    fit(model, load(folder), f"{folder / WEIGHTS}")
    return model.eval()


def fit(model, state: dict, where: str) -> None:
    """Put tensors into a model. Raises `UserError` that names the first that does not fit."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    for name in [*wanted, *found]:
        if wanted.get(name) != found.get(name):
            raise UserError(
                f"{where} does not fit: {name} is {found.get(name, 'missing')}, needed is {wanted.get(name, 'nothing')}"
            )
    model.load_state_dict(state)
