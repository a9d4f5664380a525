"""Methods that move knowledge from teachers into a pretrained student (arXiv 2310.17653), one short file each.

A method says what the loss of a batch is, whether slow weights follow the student, and how several teachers come in; the
protocol around it (`studies.transfer.run`) is the same for all. A file defines `METHOD` (`my_method.py` is `my-method`)
or `METHODS` by name. Files are found by their names and imported by no statement, so that editing one re-runs what uses
it; none imports torch at its top."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from flopwise.core.choices import check

if TYPE_CHECKING:
    from torch import Generator, Tensor

TEACHERS = ("none", "one", "parallel", "sequential", "soup")
GROUPS = ("headline", "ablation", "control", "several teachers")


@dataclass(frozen=True)
class Batch:
    """What a loss may look at. Logits are (B, C).

    student: of the model in training, with gradient. frozen: of the student before the transfer. teachers: (T, B, C); T
    is 0 where there is none. labels, indices: (B,), classes and places in the transfer set. features, teacher_features:
    (B, d) before the classifier, for losses that ask for them. generator: of this step. as_released: repeat the slips of
    the official code."""

    student: "Tensor"
    frozen: "Tensor"
    teachers: "Tensor"
    labels: "Tensor"
    indices: "Tensor"
    features: "Tensor | None" = None
    teacher_features: "Tensor | None" = None
    generator: "Generator | None" = None
    as_released: bool = False

    @property
    def teacher(self) -> "Tensor":
        """Logits of the only, or the first, teacher."""
        return self.teachers[0]


class Loss(NamedTuple):
    """Scalar loss of a batch; which samples were taught by a teacher, bool (B,), or None where no sample is singled out."""

    value: "Tensor"
    taught: "Tensor | None" = None


@dataclass(frozen=True)
class Method:
    """How one method transfers.

    loss(batch, **options) -> Loss; for a `memory` its object is passed as `memory`. slow: the slow weights of `SlowWeights`
    are evaluated. teachers: `none` (labels and the frozen student alone), `one`, `parallel` (all at once), `sequential`
    (one after the other, the frozen student renewed in between), `soup` (one run for each, weights averaged).
    descending: order of sequential teachers, by accuracy. stretch: as many epochs as each of the teachers would have.
    features: the loss needs features. memory(samples, dims, seed, device) -> an object with trained `parameters()`, whose
    memory_cost(samples) is (FLOPs for each picture of a batch, numbers kept)."""

    loss: Callable[..., Loss]
    label: str
    group: str = "headline"
    options: dict = field(default_factory=dict)
    slow: bool = False
    teachers: str = "one"
    descending: bool = False
    stretch: bool = False
    features: bool = False
    memory: Callable | None = None
    memory_cost: Callable[[int], tuple[float, int]] | None = None

    def __post_init__(self):
        assert self.teachers in TEACHERS
        assert self.group in GROUPS

    @property
    def several(self) -> bool:
        return self.teachers in ("parallel", "sequential", "soup")

    def passes(self, teachers: int) -> int:
        """How many times the epochs of one transfer it trains for with so many teachers."""
        return teachers if self.stretch or self.teachers in ("sequential", "soup") else 1


@cache
def _methods() -> dict[str, tuple[str, Method]]:
    """Name of every method -> (full name of its module, method)."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"{__name__}.{path.stem}")
        methods = getattr(module, "METHODS", None) or {path.stem.replace("_", "-"): module.METHOD}
        found |= {name: (module.__name__, method) for name, method in methods.items()}
    return found


def names() -> tuple[str, ...]:
    return tuple(_methods())


def load(name: str) -> Method:
    """The method called `name`; raises `UserError` if there is none."""
    return _methods()[check("method", name, _methods())][1]


def module_name(name: str) -> str:
    """Full name of the module that defines the method."""
    return _methods()[check("method", name, _methods())][0]


def modules() -> tuple[str, ...]:
    """Full names of the modules of all methods."""
    return tuple(sorted({module for module, _ in _methods().values()}))
