"""What an encoder is worth: semantic segmentation of few labelled scenes, the encoder fine-tuned or frozen.

Head: LayerNormed tokens -> Linear(D, cells^2 C) -> cells x cells classes per token -> bilinear to the picture -> cross-entropy
per pixel. mIoU from one confusion matrix over all validation scenes: IoU_c = TP / (TP + FP + FN), mean over classes that
occur."""

import copy
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate

from flopwise.config import Settings
from flopwise.config.efficiency import Transfer
from flopwise.core.loop import Diverged, adamw, update
from flopwise.core.seeds import derive, numpy_generator, torch_generator
from flopwise.data.materials.scenes import CLASSES, GROUNDS, IGNORE
from flopwise.data.store import open_arrays
from flopwise.models.trunk import Trunk, scaled
from flopwise.studies.efficiency.pools import folder

CLIP_NORM, WEIGHT_DECAY, WARM_UP = 3.0, 0.01, 5


@dataclass(frozen=True)
class Scenes:
    """pictures float32 (N, 3, S, S), masks int64 (N, S, S) of labelled and validation scenes."""

    train: tuple[torch.Tensor, torch.Tensor]
    validation: tuple[torch.Tensor, torch.Tensor]

    def labelled(self, count: int, draw: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The scenes of one draw, the same for all encoders."""
        rows = numpy_generator(draw, "efficiency", "scenes").permutation(len(self.train[0]))[:count]
        rows = torch.from_numpy(np.sort(rows))
        return self.train[0][rows], self.train[1][rows]


def load(settings: Settings) -> Scenes:
    stored = open_arrays(folder(settings, "segmentation")).arrays

    def split(name: str):
        images, masks = (np.array(stored[f"{name}_{kind}"]) for kind in ("images", "masks"))
        return scaled(torch.from_numpy(images)), torch.from_numpy(masks).long()

    return Scenes(split("train"), split("validation"))


class Segmenter(nn.Module):
    def __init__(self, encoder: Trunk, classes: int, cells: int):
        super().__init__()
        self.encoder, self.cells, self.classes = encoder, cells, classes
        self.head = nn.Linear(encoder.shape.width, cells * cells * classes)

    def forward(self, pictures: torch.Tensor, frozen: bool = False) -> torch.Tensor:
        """(B, 3, S, S) -> logits (B, C, S, S)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            tokens = self.encoder(pictures)
        batch, n, _ = tokens.shape
        side, cells = round(n**0.5), self.cells
        logits = self.head(tokens).view(batch, side, side, cells, cells, self.classes)
        logits = logits.permute(0, 5, 1, 3, 2, 4).reshape(batch, self.classes, cells * side, cells * side)
        return interpolate(logits, size=pictures.shape[-2:], mode="bilinear")


def transfer(encoder: Trunk, scenes: Scenes, how: Transfer, seed: int, draw: int, frozen: bool) -> dict[str, float]:
    """Train on a draw of labelled scenes, score the validation scenes; mIoU in percent: `miou`, of `things` and `stuff`."""
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "efficiency", "head"))
        model = Segmenter(copy.deepcopy(encoder), len(CLASSES), how.cells)
    model.train()
    if frozen:
        model.encoder.eval().requires_grad_(False)
    pictures, masks = scenes.labelled(how.scenes, draw)
    peak = how.frozen_learning_rate if frozen else how.learning_rate
    optimiser = adamw([p for p in model.parameters() if p.requires_grad], peak, WEIGHT_DECAY)
    for step in range(how.steps):
        order = torch_generator(seed, "efficiency", "segment", draw, step)
        rows = torch.randint(len(pictures), (how.batch_size,), generator=order)
        batch, truth = pictures[rows], masks[rows]
        if torch.rand((), generator=order) < 0.5:
            batch, truth = batch.flip(3), truth.flip(2)
        rate = peak * min(1, (step + 1) / WARM_UP) * (1 - step / how.steps)
        update(cross_entropy(model(batch, frozen), truth, ignore_index=IGNORE), optimiser, rate, clip_norm=CLIP_NORM)
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(part).argmax(1) for part in scenes.validation[0].split(128)])
    return means(iou(confusion(predicted, scenes.validation[1], len(CLASSES))), range(len(GROUNDS)))


def confusion(predicted: torch.Tensor, truth: torch.Tensor, classes: int) -> torch.Tensor:
    """int64 (C, C): pixels of each true class (rows) by what was said (columns), those that are ignored left out."""
    known = truth != IGNORE
    return torch.bincount(truth[known].long() * classes + predicted[known], minlength=classes**2).view(classes, classes)


def iou(matrix: torch.Tensor) -> torch.Tensor:
    """IoU of each class in percent from one confusion matrix; NaN for a class that neither occurs nor is predicted."""
    matrix = matrix.double()
    union = matrix.sum(0) + matrix.sum(1) - matrix.diag()
    return torch.where(union > 0, 100 * matrix.diag() / union, torch.nan)


def means(values: torch.Tensor, stuff: Collection[int]) -> dict[str, float]:
    """Mean over all classes, over things and over the classes that are stuff."""
    things = [index for index in range(len(values)) if index not in stuff]
    parts = {"miou": values, "things": values[things], "stuff": values[list(stuff)]}
    return {name: float(part.nanmean()) for name, part in parts.items()}


def scores(encoder: Trunk, scenes: Scenes, how: Transfer, seed: int) -> dict[str, float] | None:
    """Fine-tuned, mean over the draws of labelled scenes, and frozen, on the first draw; None where any diverged."""
    try:
        tuned = [transfer(encoder, scenes, how, seed, draw, False) for draw in range(how.draws)]
        fixed = transfer(encoder, scenes, how, seed, 0, True)
    except Diverged:
        return None
    return {**{name: float(np.mean([one[name] for one in tuned])) for name in tuned[0]}, "frozen": fixed["miou"]}
