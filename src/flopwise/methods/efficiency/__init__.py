"""Objectives that pre-train a trunk (arXiv 2209.15589), one short file each.

An objective makes a learner: the trunk with its heads, whose `loss(batch)` a step lowers. The protocol around it
(`studies.efficiency.pretrain`) is the same for all; only the trunk is transferred. A file defines `OBJECTIVE`
(`my_objective.py` is `my-objective`) or `OBJECTIVES` by name. None imports torch at its top but through a function."""

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from flopwise.core.choices import check

if TYPE_CHECKING:
    from torch import Generator, Tensor

SUPERVISED, SELF = "supervised", "self-supervised"


@dataclass(frozen=True)
class Batch:
    """What a loss may look at. pictures: float32 (B, 3, S, S), not yet a view. targets: float32 (B, C), a distribution over
    the pool's classes, where it has labels. words: int64 (B, n), numbers of a caption's words, 0 for none. generator: of this
    step, for views and masks, on the CPU. views: makes a view, `data.augment.view` where none is given; side: its pixels."""

    pictures: "Tensor"
    generator: "Generator"
    targets: "Tensor | None" = None
    words: "Tensor | None" = None
    views: Callable | None = None
    side: int | None = None

    def view(self, smallest: float, colour: float, side: int | None = None, **more) -> "Tensor":
        """A view of each picture; see `data.augment.view` and `data.views.view`."""
        from flopwise.data.augment import view

        return (self.views or view)(self.pictures, self.generator, smallest, colour, side or self.side, **more)

    def whole(self) -> "Tensor":
        """The pictures unchanged, at the size of views."""
        from torch.nn.functional import interpolate

        if self.side in (None, self.pictures.shape[-1]):
            return self.pictures
        return interpolate(self.pictures, (self.side, self.side), mode="bilinear", antialias=True)


def full_precision(tensor):
    """Context in which products of similarities, which a temperature magnifies, are not rounded to half precision."""
    import torch

    return nullcontext() if tensor.device.type == "meta" else torch.autocast(tensor.device.type, enabled=False)


@dataclass(frozen=True)
class Facts:
    """What a learner must know of its pool: number of classes (0 without labels) and of different words, words of a caption."""

    classes: int
    vocabulary: int
    context: int


@dataclass(frozen=True)
class Objective:
    """learner(trunk, facts, **options) -> module with `loss(batch)`, and `after_step(momentum)` where it has a teacher.
    needs: `labels` or `captions` of the pool. teacher: an average of the weights follows the trunk."""

    learner: Callable
    label: str
    group: str = SELF
    needs: str = ""
    teacher: bool = False
    options: dict = field(default_factory=dict)


@cache
def _objectives() -> dict[str, tuple[str, Objective]]:
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"{__name__}.{path.stem}")
        known = getattr(module, "OBJECTIVES", None) or {path.stem.replace("_", "-"): module.OBJECTIVE}
        found |= {name: (module.__name__, one) for name, one in known.items()}
    return found


def names() -> tuple[str, ...]:
    return tuple(_objectives())


def load(name: str) -> Objective:
    """The objective called `name`; raises `UserError` if there is none."""
    return _objectives()[check("objective", name, _objectives())][1]


def module_name(name: str) -> str:
    """Full name of the module that defines the objective."""
    return _objectives()[check("objective", name, _objectives())][0]


def modules() -> tuple[str, ...]:
    return tuple(sorted({module for module, _ in _objectives().values()}))
