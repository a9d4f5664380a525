"""Configuration of the continual study: the grid, its axes, budgets and evaluation."""

from itertools import product
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import Slug, Strict, StudyPreset, check_known, setting, table_of
from flopwise.config.grids import Runs, flat, models


class BaseModelConfig(Strict):
    """Where the initial weights theta_0 of one model come from."""

    pretrained: str | None = setting(
        None,
        "tag of a released checkpoint; none: pre-trained here on the pool. `-as-released` behind the tag: pictures are "
        "normalised with OpenAI's mean and deviation, whatever the checkpoint was trained with, as in the official code",
        "official code",
    )
    pretrain_steps: int = setting(0, "optimiser steps of pre-training on the pool", "our choice", ge=0)
    pretrain_batch_size: int = setting(128, "batch size of pre-training", "our choice", ge=2)
    pretrain_learning_rate: float = setting(2e-3, "peak learning rate of pre-training", "our choice", gt=0, le=1)
    micro_batch_size: int = setting(
        0,
        "samples that go through a tower at a time, so that large models fit; 0: the whole batch. The loss compares all "
        "samples of the batch all the same; each part is computed again in the backward pass, which no budget counts",
        "our choice",
        ge=0,
    )

    @model_validator(mode="after")
    def _one_origin(self):
        if (self.pretrained is None) == (self.pretrain_steps == 0):
            raise ValueError("needs either `pretrained` (a tag) or `pretrain_steps` > 0, and not both")
        return self


class Recipe(Strict):
    """What training does to single parameters besides following the gradient."""

    decay: Literal["matrices", "all"] = setting(
        ...,
        "what decays: `matrices`: weights of two or more dimensions, embeddings of tokens and positions among them, but no "
        "norms, biases, vectors of adapters and not the temperature; `all`: everything that trains",
        "matrices: open_clip; all: official code",
    )
    clamp: bool = setting(
        ..., "the logit scale never exceeds ln 100", "true: Radford et al. 2021; false: official code"
    )


class Axes(Strict):
    """One point of the continual study's grid."""

    model: Slug = setting(..., "model scale", "official code", table="models")
    budget: Slug = setting("f1", "compute budget", "official code", table="budgets")
    mixture: Slug = setting("uniform", "data mixture", "official code", table="mixtures")
    method: Slug = setting("full-ft", "update method", "official code")
    merge: Slug = setting("interpolation", "how a method that merges combines weights", "official code")
    stream: Slug = setting("random", "order in which classes arrive", "official code")
    schedule: Slug = setting("cosine", "learning-rate schedule", "official code")
    rate: Slug = setting("lr1", "peak learning rate", "official code", table="rates")
    temperature: Slug = setting("learned", "temperature of the loss", "official code", table="temperatures")
    pool: Slug = setting("pool", "pre-training pool that is replayed, one of the scale's", "official code")
    horizon: Slug = setting("t20", "number of update steps", "official code", table="horizons")
    recipe: Slug = setting(
        "mended", "what decays and whether the temperature is bounded", "our choice", table="recipes"
    )


class ContinualRuns(Runs):
    """What a grid of the continual study says besides the values of its axes."""

    evaluate: Literal["final", "tasks", "steps"] = setting(
        "tasks", "evaluated after the stream only, after each task, or inside tasks too", "our choice"
    )


TABLE_OF = {axis: table_of(field) for axis, field in Axes.model_fields.items() if table_of(field)}
Grid, Choice, Experiment = models(Axes, ContinualRuns)


class Tuning(Strict):
    """Learning rates tried on validation data, the same number of trials for every method; their results are reported
    and change nothing by themselves."""

    method: tuple[Slug, ...] = setting((), "methods", "our choice")
    rate: tuple[Slug, ...] = setting((), "keys of `rates`", "our choice")
    seeds: int = setting(1, "runs per method and rate", "our choice", ge=1, le=100)

    @model_validator(mode="after")
    def _complete(self):
        if bool(self.method) != bool(self.rate):
            raise ValueError("needs both `method` and `rate`, or neither")
        return self


class Budget(Strict):
    """What one stream may cost."""

    multiple: float = setting(1.0, "multiple of the total budget F", "our choice", gt=0)
    equal: Literal["mafs", "flops", "steps"] = setting(
        "mafs",
        "what runs at this budget have in common: memory-adjusted FLOPs, FLOPs, or the number of steps (those of full "
        "fine-tuning of the default model)",
        "official code",
    )
    accounting: Literal["per-task-once", "published"] = setting(
        "per-task-once",
        "an extra pass at the end of a task (EWC) is charged once per task, or with every step as in the published table",
        "derived from the published cost table",
    )


class EvaluationConfig(Strict):
    """How a stream is evaluated after each task."""

    fraction: float = setting(0.1, "share of a test set drawn while streaming", "official code", gt=0, le=1)
    minimum: int = setting(300, "at least so many samples are drawn", "official code", ge=1)
    batch_size: int = setting(500, "images per forward pass; changes no result", "our choice", ge=1)
    inside: int = setting(4, "evaluations inside each task, where an experiment asks for them", "our choice", ge=1)
    split: Literal["test", "validation"] = setting(
        "test",
        "`validation`: score a fifth of each class's training data instead of the test data, for tuning; see docs/reproduce.md",
        "official code",
    )


class JobConfig(Strict):
    """What each job asks for that trains or evaluates; it changes no result on a GPU, on a CPU only `threads` does."""

    threads: int = setting(
        1, "CPU threads; they decode images of real data sets while the model computes", "our choice", ge=1, le=256
    )
    gpus: int = setting(0, "GPUs", "our choice", ge=0, le=1)
    memory_mb: int = setting(4000, "main memory; a job that failed asks for as much again", "our choice", ge=500)
    minutes: int = setting(240, "time of a train job; a job that failed asks for as much again", "our choice", ge=1)


class Tables(Strict):
    """What the names on some axes stand for."""

    budgets: dict[Slug, Budget] = setting({}, "budgets by name", "our choice")
    mixtures: dict[Slug, tuple[float, float, float]] = setting(
        {}, "shares (pre-training, update, buffer) by name; they sum to 1", "official code"
    )
    horizons: dict[Slug, int | Literal["sets"]] = setting(
        {}, "update steps T of a stream by name; `sets`: a task per data set", "official code"
    )
    rates: dict[Slug, float] = setting({}, "multiples of `learning_rate` by name", "our choice")
    temperatures: dict[Slug, float | None] = setting(
        {}, "fixed temperatures of the loss by name; none: learned", "official code"
    )
    recipes: dict[Slug, Recipe] = setting(
        {}, "training recipes by name; `as-released` is that of the official code", "our choice"
    )

    @field_validator("rates", "temperatures", "horizons")
    @classmethod
    def _positive(cls, named, info):
        for name, value in named.items():
            if value not in (None, "sets") and value <= 0:
                raise ValueError(f"{info.field_name}.{name} is {value:g}; allowed are numbers above 0")
        return named

    @field_validator("mixtures")
    @classmethod
    def _sum_to_one(cls, mixtures):
        from flopwise.data.mixtures import are_shares

        for name, shares in mixtures.items():
            if not are_shares(shares):
                raise ValueError(
                    f"mixture {name!r} is {list(shares)}, sum {sum(shares):g}; allowed are shares >= 0 that sum to 1"
                )
        return mixtures


class ContinualExperiments(Tables):
    """config/experiments/continual.yaml: the names on the axes and every experiment in full."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name", "our choice", min_length=1)

    @model_validator(mode="after")
    def _values_exist(self):
        default = {axis: (field.default,) for axis, field in Axes.model_fields.items() if not field.is_required()}
        _check_experiments(self, default)
        return self


class ContinualPreset(Tables, StudyPreset):
    """config/scales/<scale>/continual.yaml: the continual study at one scale. Names on axes add to those of the experiments'
    file."""

    defaults: Axes = setting(..., "the point that every experiment varies", "our choice")
    models: dict[Slug, BaseModelConfig] = setting(..., "models by name", "official code", min_length=1)
    budget_gflops: float = setting(
        ..., "total budget F of a stream in GFLOPs", "derived from the published cost table", gt=0
    )
    rounding: Literal["within", "published"] = setting(
        "within",
        "`within`: a stream never costs more than its budget, tasks differ by at most one step; `published`: every task "
        "has round(F / T / cost of a step) steps",
        "derived from the published cost table",
    )
    prices: Literal["published", "tensors"] = setting(
        "published",
        "cost of a step. `published`: as `flopwise cost table`, FLOPs with what fused attention recomputes, peak memory as "
        "the device's driver shows it; `tensors`: FLOPs without recomputation, memory of the tensors alone, for models so "
        "small that the CUDA runtime's 1.3 GiB would hide them",
        "derived from the published cost table",
    )
    fisher_samples: int = setting(
        50_000, "samples of EWC's Fisher pass at the end of a task, rounded up to batches", "official code", ge=1
    )
    performance_score: Literal["similarity", "accuracy"] = setting(
        "similarity",
        "what the performance stream sorts by, per class: cosine of image and caption, or top-1",
        "our choice",
    )
    batch_size: int = setting(512, "samples per batch b", "official code", ge=2)
    precision: Literal["fp32", "fp16", "bf16"] = setting(
        "fp32",
        "of the matrix products: `fp16` (with dynamic loss scaling) on a GPU only, on a CPU it is fp32; `bf16` on both",
        "official code: fp16",
    )
    job: JobConfig = setting(JobConfig(), "what a job asks for", "our choice")
    learning_rate: float = setting(1e-5, "peak learning rate", "official code", gt=0, le=1)
    own_learning_rates: dict[Slug, Annotated[float, Field(gt=0, le=1)]] = setting(
        {},
        "peak learning rates of methods that do not take `learning_rate`, by name without rank; found with as many trials",
        "our choice",
    )
    weight_decay: float = setting(0.2, "AdamW's decoupled weight decay; the recipe says of what", "official code", ge=0)
    clip_norm: float = setting(1.0, "global gradient norm is clipped to this", "official code", gt=0)
    evaluation: EvaluationConfig = setting(EvaluationConfig(), "evaluation while streaming", "official code")
    experiments: dict[Slug, Choice] = setting(
        ..., "the experiments that run here, in this order, and what of each", "our choice", min_length=1
    )
    tuning: Tuning = setting(Tuning(), "trials on validation data", "our choice")
    runs_per_job: int = setting(0, "trainings in one job; 0: all of a point", "our choice", ge=0)
    jobs_per_evaluation: int = setting(
        1, "train jobs whose final weights one job scores; 0: all of a model", "our choice", ge=0
    )
    checkpoint_every_steps: int = setting(200, "steps between saved states inside a task", "our choice", ge=1)

    @field_validator("models")
    @classmethod
    def _can_be_made(cls, models):
        from flopwise.models.clip import EMBEDDED, configuration

        for name in models:
            if "." in name and name not in EMBEDDED:
                raise ValueError(f"is {name!r}; the tag of a released checkpoint belongs into its key `pretrained`")
            configuration(name)
        return models


class ContinualConfig(ContinualPreset):
    """The continual study at one scale, with the grids that it chose."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name, every axis listed", "our choice")

    def peak_rate(self, method: str, rate: str) -> float:
        """Peak learning rate of a method at a name on the axis `rate`."""
        from flopwise.methods.continual import family

        return self.own_learning_rates.get(family(method), self.learning_rate) * self.rates[rate]

    def used(self, axis: str) -> list[str]:
        """Names on an axis that some experiment lists, in the order of their table."""
        used = {
            name
            for experiment in self.experiments.values()
            for grid in experiment.grids
            for name in getattr(grid, axis)
        }
        return [name for name in getattr(self, TABLE_OF[axis]) if name in used]

    def seeds(self) -> list[int]:
        """Numbers of seeds that some grid has, small to large."""
        return sorted({grid.seeds for experiment in self.experiments.values() for grid in experiment.grids})

    @model_validator(mode="after")
    def _names_exist(self):
        if self.tuning.rate and 1.0 not in [self.rates.get(name) for name in self.tuning.rate]:
            raise ValueError(
                f"tuning.rate is {list(self.tuning.rate)}; the base rate (a multiple of 1) must be among them"
            )
        from flopwise.methods.continual import families

        check_known("own_learning_rates", self.own_learning_rates, families())
        default, names = {axis: (name,) for axis, name in self.defaults}, {"model": tuple(self.models)}
        tuned = {"method": self.tuning.method, "rate": self.tuning.rate}
        for where, grid in {"defaults": {}, "tuning": {axis: value for axis, value in tuned.items() if value}}.items():
            _check_grid(where, default | grid, self, names)
        _check_experiments(self, default, names)
        return self

    def check(self, data: DataConfig) -> None:
        """Raise ValueError where the scale's data lack what the study needs."""
        from flopwise.models.clip import EMBEDDED

        for kind in ("adaptation", "evaluation"):
            if not getattr(data, kind):
                raise ValueError(f"data.{kind} is empty; the study continual needs at least one data set there")
        large = [name for name in self.models if name not in EMBEDDED] if data.kind == "embedded" else []
        if large:
            raise ValueError(
                f"continual.models.{large[0]}: pictures made here have 32 x 32 pixels, too few for it; allowed are "
                f"{', '.join(EMBEDDED)}"
            )
        if "pool" not in data.pools:
            raise ValueError(
                f"data.pools are {', '.join(data.pools)}; one, on which models start, must be called 'pool'"
            )
        check_known("continual.defaults.pool", (self.defaults.pool,), tuple(data.pools))
        for name, experiment in self.experiments.items():
            for grid in flat(experiment):
                check_known(f"continual.experiments.{name}.pool", grid.get("pool", ()), tuple(data.pools))


def _check_experiments(tables: Tables, default: dict, more: dict | None = None) -> None:
    for name, experiment in tables.experiments.items():
        for grid in flat(experiment):
            _check_grid(
                f"experiments.{name}", default | {axis: names for axis, names in grid.items() if names}, tables, more
            )


def _check_grid(where: str, grid: dict, tables: Tables, more: dict[str, tuple[str, ...]] | None = None) -> None:
    """Raise ValueError for a name that does not exist, in code, in `tables` or in `more`, and for a combination that makes
    no sense."""
    from flopwise.core.schedules import SCHEDULES
    from flopwise.data.streams import KINDS
    from flopwise.methods.continual import load
    from flopwise.methods.deployment import check
    from flopwise.methods.merging.names import MERGES

    code = {"merge": tuple(MERGES), "stream": KINDS, "schedule": tuple(SCHEDULES)}
    named = {axis: tuple(getattr(tables, table)) for axis, table in TABLE_OF.items() if table in Tables.model_fields}
    for axis, names in (code | named | (more or {})).items():
        check_known(f"{where}.{axis}", grid[axis], names)
    for method, merge in product(grid["method"], grid["merge"]):
        check(method, merge)
    fixed = [name for name in grid["temperature"] if tables.temperatures[name] is not None]
    for method in grid["method"] if fixed else ():
        if load(method).learned_temperature:
            raise ValueError(f"{where}: method {method!r} needs a learned temperature, not {fixed[0]!r}, a fixed one")
    cut = [name for name in grid["horizon"] if tables.horizons[name] == "sets"]
    other = [stream for stream in grid["stream"] if not stream.startswith("dataset-incremental")]
    if cut and other:  # a task per data set makes sense where the classes of a set come one after another
        raise ValueError(
            f"{where}: horizon {cut[0]!r} cuts at every new data set and needs stream dataset-incremental, not {other[0]}"
        )


PRESET, CONFIG, EXPERIMENTS = ContinualPreset, ContinualConfig, ContinualExperiments
