"""Configuration of the continual study: the grid, its axes, budgets and evaluation."""

from itertools import product
from typing import Literal

from pydantic import field_validator, model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import Slug, Strict, setting


class BaseModelConfig(Strict):
    """Where the initial weights theta_0 of one model come from."""

    pretrained: str | None = setting(
        None, "tag of a released checkpoint; none: pre-trained here on the pool", "official code"
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

    model: Slug = setting(..., "model scale, a key of `models`", "official code")
    budget: Slug = setting("f1", "compute budget, a key of `budgets`", "official code")
    mixture: Slug = setting("uniform", "data mixture, a key of `mixtures`", "official code")
    method: Slug = setting("full-ft", "update method", "official code")
    merge: Slug = setting("interpolation", "how a method that merges combines weights", "official code")
    stream: Slug = setting("random", "order in which classes arrive", "official code")
    schedule: Slug = setting("cosine", "learning-rate schedule", "official code")
    rate: Slug = setting("lr1", "peak learning rate, a key of `rates`", "official code")
    temperature: Slug = setting("learned", "temperature of the loss, a key of `temperatures`", "official code")
    pool: Slug = setting("pool", "pre-training pool that is replayed, a key of `data.pools`", "official code")
    horizon: Slug = setting("t20", "number of update steps, a key of `horizons`", "official code")
    recipe: Slug = setting(
        "mended", "what decays and whether the temperature is bounded, a key of `recipes`", "our choice"
    )


class Experiment(Strict):
    """A grid: the product of the listed values, every other axis at its default."""

    title: str = setting(..., "what the experiment asks", "our choice")
    seeds: int = setting(..., "runs per point; a seed varies stream, batches and adapters", "our choice", ge=1, le=100)
    evaluate: Literal["final", "tasks", "steps"] = setting(
        "tasks", "evaluated after the stream only, after each task, or inside tasks too", "our choice"
    )
    model: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    budget: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    mixture: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    method: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    merge: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    stream: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    schedule: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    rate: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    temperature: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    pool: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    horizon: tuple[Slug, ...] = setting((), "values of the axis", "official code")
    recipe: tuple[Slug, ...] = setting((), "values of the axis", "our choice")


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
        "`validation`: a fifth of each class's training data stands for the test data, for tuning; see docs/reproduce.md",
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


class ContinualConfig(Strict):
    """The continual study at one scale."""

    defaults: Axes = setting(..., "the point that every experiment varies", "our choice")
    models: dict[Slug, BaseModelConfig] = setting(..., "models by name", "official code", min_length=1)
    budget_gflops: float = setting(
        ..., "total budget F of a stream in GFLOPs", "derived from the published cost table", gt=0
    )
    budgets: dict[Slug, Budget] = setting({"f1": Budget()}, "budgets by name", "our choice")
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
    mixtures: dict[Slug, tuple[float, float, float]] = setting(
        ..., "shares (pre-training, update, buffer) by name; they sum to 1", "official code"
    )
    horizons: dict[Slug, int | Literal["sets"]] = setting(
        {"t20": 20}, "update steps T of a stream by name; `sets`: a task per data set", "official code"
    )
    rates: dict[Slug, float] = setting({"lr1": 1.0}, "multiples of `learning_rate` by name", "our choice")
    temperatures: dict[Slug, float | None] = setting(
        {"learned": None}, "fixed temperatures of the loss by name; none: learned", "official code"
    )
    recipes: dict[Slug, Recipe] = setting(
        {"mended": Recipe(decay="matrices", clamp=True), "as-released": Recipe(decay="all", clamp=False)},
        "training recipes by name; `as-released` is that of the official code",
        "our choice",
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
    weight_decay: float = setting(0.2, "AdamW's decoupled weight decay; the recipe says of what", "official code", ge=0)
    clip_norm: float = setting(1.0, "global gradient norm is clipped to this", "official code", gt=0)
    evaluation: EvaluationConfig = setting(EvaluationConfig(), "evaluation while streaming", "official code")
    experiments: dict[Slug, Experiment] = setting(
        ..., "the grids by name; `<name>-more` is drawn with `<name>`", "our choice", min_length=1
    )
    tuning: Tuning = setting(Tuning(), "trials on validation data", "our choice")
    runs_per_job: int = setting(0, "trainings in one job; 0: all of a point", "our choice", ge=0)
    jobs_per_evaluation: int = setting(
        1, "train jobs whose final weights one job scores; 0: all of a model", "our choice", ge=0
    )
    checkpoint_every_steps: int = setting(200, "steps between saved states inside a task", "our choice", ge=1)

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

    @model_validator(mode="after")
    def _axes_exist(self):
        from flopwise.core.schedules import SCHEDULES
        from flopwise.data.streams import KINDS
        from flopwise.methods.deployment import check
        from flopwise.methods.merging.names import MERGES

        allowed = {
            "model": tuple(self.models), "budget": tuple(self.budgets), "mixture": tuple(self.mixtures),
            "merge": tuple(MERGES), "stream": KINDS, "schedule": tuple(SCHEDULES), "rate": tuple(self.rates),
            "temperature": tuple(self.temperatures), "horizon": tuple(self.horizons), "recipe": tuple(self.recipes),
        }  # fmt: skip
        points = {f"experiments.{name}": experiment for name, experiment in self.experiments.items()}
        if self.tuning.rate and 1.0 not in [self.rates.get(name) for name in self.tuning.rate]:
            raise ValueError(
                f"tuning.rate is {list(self.tuning.rate)}; the base rate (a multiple of 1) must be among them"
            )
        tuned = Axes(**self.defaults.model_dump()).model_copy(
            update={"method": self.tuning.method or (self.defaults.method,), "rate": self.tuning.rate}
        )
        for where, point in {"defaults": self.defaults, **points, "tuning": tuned}.items():
            for axis, names in allowed.items():
                value = getattr(point, axis)
                for given in (value,) if isinstance(value, str) else value:
                    if given not in names:
                        raise ValueError(f"{where}.{axis} is {given!r}; allowed are {', '.join(names)}")
            methods = (point.method,) if isinstance(point.method, str) else point.method or (self.defaults.method,)
            merges = (point.merge,) if isinstance(point.merge, str) else point.merge or (self.defaults.merge,)
            for method, merge in product(methods, merges):
                check(method, merge)
            self._check_temperatures(where, methods, point.temperature or self.defaults.temperature)
        return self

    def _check_temperatures(self, where: str, methods: tuple[str, ...], given) -> None:
        from flopwise.methods.continual import load

        fixed = [t for t in ((given,) if isinstance(given, str) else given) if self.temperatures[t] is not None]
        for method in methods:
            if fixed and load(method).learned_temperature:
                raise ValueError(
                    f"{where}: method {method!r} needs a learned temperature, not {fixed[0]!r}, a fixed one"
                )

    @model_validator(mode="after")
    def _per_set_streams(self):
        """A task per data set makes sense where the classes of a set come one after another."""
        for name, experiment in self.experiments.items():
            horizons = experiment.horizon or (self.defaults.horizon,)
            streams = experiment.stream or (self.defaults.stream,)
            cut = [horizon for horizon in horizons if self.horizons[horizon] == "sets"]
            other = [stream for stream in streams if not stream.startswith("dataset-incremental")]
            if cut and other:
                raise ValueError(
                    f"experiments.{name}: horizon {cut[0]!r} cuts at every new data set and needs stream dataset-incremental, "
                    f"not {other[0]}"
                )
        return self

    def check(self, data: DataConfig) -> None:
        """Raise ValueError where the scale's data lack what the study needs."""
        for kind in ("adaptation", "evaluation"):
            if not getattr(data, kind):
                raise ValueError(f"data.{kind} is empty; the study continual needs at least one data set there")
        if "pool" not in data.pools:
            raise ValueError(
                f"data.pools are {', '.join(data.pools)}; one, on which models start, must be called 'pool'"
            )
        points = {"defaults": self.defaults, **{f"experiments.{k}": v for k, v in self.experiments.items()}}
        for where, point in points.items():
            for pool in (point.pool,) if isinstance(point.pool, str) else point.pool:
                if pool not in data.pools:
                    raise ValueError(f"continual.{where}.pool is {pool!r}; allowed are {', '.join(data.pools)}")


CONFIG = ContinualConfig
