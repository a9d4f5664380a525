"""A new head for a released model: only the classifier trains, on the data of the study, before anything is transferred.

Recipe of the official code for CUB, Caltech-256 and Stanford Cars (docs/transfer.md): SGD with momentum 0.9, decay 1e-4, rate
times batch / 256, a twentieth of the steps of warm-up, then a cosine. Ours: what is frozen is asked in evaluation mode; pictures
are moved and mirrored in place of random crops and turns."""

import math

from flopwise.config.transfer import Heads
from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.loop import Diverged, progress_bar, update
from flopwise.core.seeds import derive, numpy_generator
from flopwise.core.sgd import SGD
from flopwise.data import distort
from flopwise.models.miniature import outputs
from flopwise.studies.transfer import pictures
from flopwise.studies.transfer.pictures import Pictures

MOMENTUM, DECAY, LAST, WARM = 0.9, 1e-4, 2e-5, 0.05
VIEWS = ("flip", "crop")


def classifiers(model) -> list:
    """The linear layers that a model ends with; some models of timm have two."""
    found = model.get_classifier()
    return list(found) if isinstance(found, (tuple, list)) else [found]


def rate(step: int, steps: int, peak: float, last: float) -> float:
    rise = max(1, round(WARM * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return last + (peak - last) * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def fit(model, data: Pictures, how: Heads, placement: Placement, label: str) -> dict:
    """Train the classifiers of `model` in place; returns what is known of the training."""
    import torch

    start, n, scale = placement.clock(), len(data.train), how.batch_size / 256
    if n < how.batch_size:
        raise UserError(f"zoo model {label}: {n} pictures, fewer than a batch of {how.batch_size} (heads.batch_size)")
    model = placement.put(model).eval().requires_grad_(False)
    trained = [p for layer in classifiers(model) for p in layer.requires_grad_(True).parameters()]
    per_epoch = n // how.batch_size
    steps, losses = how.epochs * per_epoch, []
    optimiser = SGD(trained, how.learning_rate * scale, MOMENTUM, DECAY)
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
            losses.append(
                update(
                    loss, optimiser, rate(step, steps, how.learning_rate * scale, LAST * scale), clip_norm=float("inf")
                )
            )
        except Diverged as error:
            raise RunFailure(f"head of {label} diverged at step {step} ({error}); lower heads.learning_rate") from error
    recent = losses[-per_epoch:]
    return {"steps": steps, "seconds": placement.clock() - start, "loss": sum(recent) / len(recent)}
