"""The typed configuration: what a user may set, and what a scale preset holds."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from flopwise.config.fields import Strict, setting

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
SCALES = ("smoke", "laptop", "evening", "workstation", "paper")


class DataConfig(Strict):
    """The data sets of a scale and how much of each is made or read."""

    kind: Literal["embedded", "catalogue"] = setting(
        "embedded", "made here (`embedded`) or read from a user's copies (`catalogue`)", "our choice"
    )
    adaptation: tuple[str, ...] = setting(..., "names of the data sets that stream in", "official code", min_length=1)
    evaluation: tuple[str, ...] = setting(
        ..., "names of the data sets only evaluated on", "official code", min_length=1
    )
    train_per_class: int = setting(40, "training images per class (embedded)", "our choice", ge=2, le=10_000)
    test_per_class: int = setting(20, "test images per class (embedded)", "our choice", ge=2, le=10_000)
    pool_samples: int = setting(
        24_000, "images in the pre-training pool (embedded)", "our choice", ge=64, le=10_000_000
    )
    caption_noise: float = setting(
        0.2, "share of the pool's captions that are wrong or damaged", "our choice", ge=0, le=1
    )

    @model_validator(mode="after")
    def _sets_exist(self):
        from flopwise.data.world import WORLD

        for name in (*self.adaptation, *self.evaluation) if self.kind == "embedded" else ():
            if name not in WORLD:
                raise ValueError(f"data set {name!r} is not part of the embedded world; allowed are {', '.join(WORLD)}")
        twice = [name for name in self.adaptation if name in self.evaluation or self.adaptation.count(name) > 1]
        if twice:
            raise ValueError(f"data set {twice[0]!r} is listed twice; a set is for adaptation or for evaluation, once")
        return self


class BaseModelConfig(Strict):
    """Where the initial weights theta_0 of one model come from."""

    pretrained: str | None = setting(
        None, "tag of a released checkpoint; none: pre-trained here on the pool", "official code"
    )
    pretrain_steps: int = setting(0, "optimiser steps of pre-training on the pool", "our choice", ge=0)
    pretrain_batch_size: int = setting(128, "batch size of pre-training", "our choice", ge=2)
    pretrain_learning_rate: float = setting(2e-3, "peak learning rate of pre-training", "our choice", gt=0, le=1)

    @model_validator(mode="after")
    def _one_origin(self):
        if (self.pretrained is None) == (self.pretrain_steps == 0):
            raise ValueError("needs either `pretrained` (a tag) or `pretrain_steps` > 0, and not both")
        return self


class Axes(Strict):
    """One point of the continual study's grid."""

    model: Slug = setting(..., "model scale, a key of `models`", "official code")
    budget: Slug = setting("f1", "compute budget, a key of `budgets`", "official code")
    mixture: Slug = setting("uniform", "data mixture, a key of `mixtures`", "official code")
    method: Slug = setting("full-ft", "update method", "official code")
    stream: Slug = setting("random", "order in which classes arrive", "official code")
    schedule: Slug = setting("cosine", "learning-rate schedule", "official code")


class Experiment(Strict):
    """A grid: the product of the listed values, every other axis at its default."""

    title: str = setting(..., "what the experiment asks", "our choice")
    seeds: int = setting(..., "runs per point; a seed varies stream, batches and adapters", "our choice", ge=1, le=100)
    model: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    budget: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    mixture: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    method: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    stream: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    schedule: tuple[Slug, ...] = setting((), "values of the axis", "official code")


class EvaluationConfig(Strict):
    """How a stream is evaluated after each task."""

    fraction: float = setting(0.1, "share of a test set drawn while streaming", "official code", gt=0, le=1)
    minimum: int = setting(300, "at least so many samples are drawn", "official code", ge=1)
    batch_size: int = setting(500, "images per forward pass; changes no result", "our choice", ge=1)


class ContinualConfig(Strict):
    """The continual study at one scale."""

    defaults: Axes = setting(..., "the point that every experiment varies", "our choice")
    models: dict[Slug, BaseModelConfig] = setting(..., "models by name", "official code", min_length=1)
    budget_gflops: float = setting(
        ..., "total budget F of a stream in GFLOPs", "derived from the published cost table", gt=0
    )
    budgets: dict[Slug, float] = setting({"f1": 1.0}, "multiples of F by name", "our choice")
    mixtures: dict[Slug, tuple[float, float, float]] = setting(
        ..., "shares (pre-training, update, buffer) by name; they sum to 1", "official code"
    )
    performance_score: Literal["similarity", "accuracy"] = setting(
        "similarity",
        "what the performance stream sorts by, per class: cosine of image and caption, or top-1",
        "our choice",
    )
    tasks: int = setting(20, "update steps T of a stream", "official code", ge=1, le=1000)
    batch_size: int = setting(512, "samples per batch b", "official code", ge=2)
    learning_rate: float = setting(1e-5, "peak learning rate", "official code", gt=0, le=1)
    weight_decay: float = setting(
        0.2, "AdamW's decoupled weight decay, on all trained parameters", "official code", ge=0
    )
    clip_norm: float = setting(1.0, "global gradient norm is clipped to this", "official code", gt=0)
    evaluation: EvaluationConfig = setting(EvaluationConfig(), "evaluation while streaming", "official code")
    experiments: dict[Slug, Experiment] = setting(..., "the grids", "our choice", min_length=1)
    seeds_per_job: int = setting(0, "seeds and streams trained by one job; 0: all of a point", "our choice", ge=0)
    checkpoint_every_steps: int = setting(200, "steps between saved states inside a task", "our choice", ge=1)

    @field_validator("budgets")
    @classmethod
    def _positive(cls, budgets):
        for name, multiple in budgets.items():
            if multiple <= 0:
                raise ValueError(f"budget {name!r} is {multiple:g} times F; allowed are numbers above 0")
        return budgets

    @field_validator("mixtures")
    @classmethod
    def _sum_to_one(cls, mixtures):
        for name, shares in mixtures.items():
            if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise ValueError(
                    f"mixture {name!r} is {list(shares)}, sum {sum(shares):g}; allowed are shares >= 0 that sum to 1"
                )
        return mixtures

    @model_validator(mode="after")
    def _axes_exist(self):
        from flopwise.core.schedules import SCHEDULES
        from flopwise.data.streams import KINDS
        from flopwise.methods.continual import module_name

        allowed = {
            "model": tuple(self.models), "budget": tuple(self.budgets), "mixture": tuple(self.mixtures),
            "stream": KINDS, "schedule": tuple(SCHEDULES),
        }  # fmt: skip
        points = {f"experiments.{name}": experiment for name, experiment in self.experiments.items()}
        for where, point in {"defaults": self.defaults, **points}.items():
            for axis, names in allowed.items():
                value = getattr(point, axis)
                for given in (value,) if isinstance(value, str) else value:
                    if given not in names:
                        raise ValueError(f"{where}.{axis} is {given!r}; allowed are {', '.join(names)}")
            for method in (point.method,) if isinstance(point.method, str) else point.method:
                module_name(method)
        return self


class CostConfig(Strict):
    """How a scale is priced, and how much of the published figures is checked."""

    device: str = setting("laptop-2-cores", "device that prices are for, one of flopwise.cost.devices", "our choice")
    utilisation: float = setting(0.4, "share of the device's peak that training reaches", "our choice", gt=0, le=1)
    checked_models: int = setting(
        12, "models per library whose published profile is checked", "our choice", ge=1, le=75
    )

    @field_validator("device")
    @classmethod
    def _known(cls, device):
        from flopwise.cost.devices import DEVICES

        if device not in DEVICES:
            raise ValueError(f"device {device!r} is not known; allowed are {', '.join(DEVICES)}")
        return device


class Ledger(Strict):
    """Core-seconds that a scale may spend, by study; what was used is printed beside it."""

    continual: float = setting(..., "the continual study", "our choice", gt=0)
    other: float = setting(..., "data, notebooks and the report", "our choice", gt=0)


class Scale(Strict):
    """A scale preset: everything that differs between a laptop and a cluster."""

    title: str = setting(..., "hardware and time it assumes", "our choice")
    max_core_seconds: Ledger = setting(..., "what the scale may spend", "our choice")
    data: DataConfig = setting(..., "data sets", "official code")
    continual: ContinualConfig = setting(..., "the continual study", "arXiv 2408.14471")
    cost: CostConfig = setting(CostConfig(), "prices", "our choice")


class Config(Strict):
    """The file a user edits: config/config.yaml."""

    scale: Literal[SCALES] = setting("laptop", "preset in config/scales/", "our choice")
    results: str = setting("results", "folder of everything that is generated", "our choice", min_length=1)
    data_root: str | None = setting(None, "folder of your copies of the real data sets", "our choice")
    weights_root: str | None = setting(None, "folder of released checkpoints", "our choice")
    overrides: dict = setting({}, "values that replace the preset's, in the preset's own nesting", "our choice")

    @field_validator("results")
    @classmethod
    def _no_odd_characters(cls, results):
        if not re.fullmatch(r"[\w./~-]+", results):
            raise ValueError(f"is {results!r}; allowed are letters, digits and . / _ - ~")
        return results
