"""The study's tasks, a file each: data, arms (Perceiver IO, baselines, trivial answers), loss and scores.

A file defines `Work`; files are found by their names. None imports torch at its top, so that arms are known without it."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from flopwise.core.choices import check


@dataclass(frozen=True)
class Arm:
    """One way of doing a task. kind: `perceiver`, `baseline` (trained alike), `classical` (nothing is trained) or `trivial`.
    start: the arm whose first phase of training it goes on from; empty: its own."""

    label: str
    kind: str = "perceiver"
    start: str = ""

    @property
    def trained(self) -> bool:
        return self.kind in ("perceiver", "baseline")


class Work:
    """A task with its data. material: that it is trained on; others: of which it reads the arrays `<material>/<name>`, too.
    arms: by name, the trivial one among them. score: the metric that says how good an arm is; higher is better (errors stand
    with their sign turned)."""

    title: ClassVar[str]
    stands_for: ClassVar[str]
    material: ClassVar[str]
    others: ClassVar[tuple[str, ...]] = ()
    arms: ClassVar[Mapping[str, Arm]]
    score: ClassVar[str]
    unit: ClassVar[str]

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self.arrays = arrays

    def model(self, arm: str):
        """A fresh network of a trained arm, drawn from torch's generator."""
        raise NotImplementedError

    def loss(self, model, arm: str, batch_size: int, rng: np.random.Generator):
        """The scalar that a step lowers, on samples drawn with `rng`."""
        raise NotImplementedError

    def scores(self, model, arm: str, seed: int) -> dict[str, float]:
        """Metrics on held-out samples; `model` is None where nothing is trained."""
        raise NotImplementedError

    def first_scores(self, model, arm: str) -> dict[str, float]:
        """Metrics on held-out samples after the first of two phases of training; `model` is None where nothing is trained."""
        return {}

    def once(self, model, arm: str) -> None:
        """One sample through the network, as its cost counts it; needs no data."""
        raise NotImplementedError

    def tuned(self, model, arm: str):
        """The network for a second phase of training, or None."""
        return None


@cache
def works() -> dict[str, type[Work]]:
    """The tasks by name."""
    paths = sorted(Path(__file__).parent.glob("[!_]*.py"))
    return {path.stem: importlib.import_module(f"{__name__}.{path.stem}").Work for path in paths}


def find(name: str) -> type[Work]:
    """The task called `name`; raises `UserError` if there is none."""
    return works()[check("task", name, works())]


def module_name(name: str) -> str:
    return find(name).__module__
