"""A new head for a released model: only the classifier trains, on the data of the study, before anything is transferred. And
teachers from another domain: the whole model trains on other data, and then has its own head again.

Recipe of the official code for CUB, Caltech-256 and Stanford Cars (docs/transfer.md): SGD with momentum 0.9, decay 1e-4, rate
times batch / 256, a twentieth of the steps of warm-up, then a cosine. Ours: what is frozen is asked in evaluation mode; pictures
are moved and mirrored in place of random crops and turns."""

import math

from flopwise.config.transfer import Heads, ZooModel
from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.loop import Diverged, progress_bar, update
from flopwise.core.seeds import derive, numpy_generator
from flopwise.core.sgd import SGD
from flopwise.data import distort
from flopwise.models.miniature import outputs
from flopwise.studies.transfer import network, pictures
from flopwise.studies.transfer.pictures import Pictures

MOMENTUM, DECAY, LAST, WARM = 0.9, 1e-4, 2e-5, 0.05
VIEWS = ("flip", "crop")


def classifiers(model) -> list:
    """The layers that a model of timm ends with: one, or two where it was distilled or has another for its tokens."""
    found = model.get_classifier()
    layers = [*(found if isinstance(found, (tuple, list)) else [found]), getattr(model, "aux_head", None)]
    return [layer for layer in layers if layer is not None]


def rate(step: int, steps: int, peak: float, last: float) -> float:
    rise = max(1, round(WARM * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return last + (peak - last) * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def fit(model, data: Pictures, how: Heads, placement: Placement, label: str, whole: bool = False) -> dict:
    """Train the classifiers of `model`, or the `whole` of it, in place; returns what is known of the training."""
    import torch

    start, n, scale = placement.clock(), len(data.train), how.batch_size / 256
    if n < how.batch_size:
        raise UserError(f"zoo model {label}: {n} pictures, fewer than a batch of {how.batch_size} (heads.batch_size)")
    model = placement.put(model).train(whole).requires_grad_(whole)
    trained = [
        p for layer in ([model] if whole else classifiers(model)) for p in layer.requires_grad_(True).parameters()
    ]
    per_epoch = n // how.batch_size
    steps, losses = how.epochs * per_epoch, []
    optimiser, scaler = SGD(trained, how.learning_rate * scale, MOMENTUM, DECAY), placement.scaler()
    for step in progress_bar(0, steps, f"head of {label}"):
        epoch, place_in = divmod(step, per_epoch)
        if place_in == 0:
            order = numpy_generator(0, "head", epoch).permutation(n)
        chosen = order[place_in * how.batch_size : (place_in + 1) * how.batch_size]
        images = pictures.pixels(placement.put(pictures.tensor(data.train, chosen)))
        numbers = distort.draw(len(chosen), derive(0, "head", step), "views")
        with placement.autocast():
            said = outputs(model, distort.distorted(images, numbers, VIEWS))[1]
            loss = torch.nn.functional.cross_entropy(said, placement.put(torch.from_numpy(data.train.targets[chosen])))
        try:
            now = rate(step, steps, how.learning_rate * scale, LAST * scale)
            losses.append(update(loss, optimiser, now, clip_norm=math.inf, scaler=scaler))
        except Diverged as error:
            raise RunFailure(f"head of {label} diverged at step {step} ({error}); lower heads.learning_rate") from error
    recent = losses[-per_epoch:]
    return {"steps": steps, "seconds": placement.clock() - start, "loss": sum(recent) / len(recent)}


def train_elsewhere(model, own: ZooModel, data: Pictures, how: Heads, placement: Placement, label: str) -> dict:
    """Train all of a released model on other data under a head for their classes, then put its own head back: a teacher from
    another domain, in place. Returns what is known of the training."""
    other = network.create(own, len(data.classes))
    head = _names(other, classifiers(other))
    kept = {name: value for name, value in model.state_dict().items() if name not in head}
    other.load_state_dict(kept, strict=False)
    facts = fit(other, data, how, placement, label, whole=True)
    moved = {name: value.cpu() for name, value in other.state_dict().items() if name not in head}
    model.load_state_dict(moved, strict=False)
    return facts


def _names(model, layers: list) -> set[str]:
    """Names of the parameters of these layers of the model."""
    within = [(name, module) for name, module in model.named_modules() if any(module is layer for layer in layers)]
    return {f"{name}.{own}" for name, module in within for own, _ in module.named_parameters()}
