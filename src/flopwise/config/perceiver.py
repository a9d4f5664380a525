"""Configuration of the Perceiver study: how each task is trained, and which arms run."""

from typing import Literal

from pydantic import model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import JobResources, Slug, Strict, StudyPreset, check_known, setting
from flopwise.config.grids import Runs, flat, models


class TaskTraining(Strict):
    """How all arms of a task are trained."""

    steps: int = setting(..., "optimiser steps", "our choice", ge=1)
    batch_size: int = setting(..., "samples", "our choice", ge=2)
    learning_rate: float = setting(..., "peak, the same for all arms", "docs/perceiver.md", gt=0, le=1)
    tuning_steps: int = setting(0, "steps of the second phase, where the task has one", "our choice", ge=0)
    tuning_learning_rate: float = setting(2e-3, "its peak", "docs/perceiver.md", gt=0, le=1)


class Axes(Strict):
    """One point of the Perceiver study's grid."""

    task: Slug = setting("images", "what is to be done", "paper", table="tasks")
    arm: Slug = setting("fourier", "which model does it", "paper")


Grid, Choice, Experiment = models(Axes, Runs)


class Tables(Strict):
    """What the names on some axes stand for."""

    tasks: dict[Slug, TaskTraining] = setting({}, "training by task", "our choice")


class PerceiverExperiments(Tables):
    """config/experiments/perceiver.yaml: every experiment in full."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name", "our choice", min_length=1)


class Scaling(Strict):
    """Sizes at which cost is counted and measured."""

    inputs: tuple[int, ...] = setting(
        (256, 1024, 4096), "elements M read; the rest at its smallest", "paper: Sec. 3", min_length=3
    )
    outputs: tuple[int, ...] = setting((256, 1024, 4096), "outputs O written", "paper: Sec. 3", min_length=3)
    layers: tuple[int, ...] = setting((2, 4, 8), "latent layers L", "paper: Sec. 3", min_length=3)
    transformer: int = setting(1024, "most elements that the transformer beside it reads", "our choice", ge=64)


class Glue(Strict):
    """How the released byte model is fine-tuned on a task of GLUE."""

    rates: tuple[float, ...] = setting(
        (1e-4, 5e-5, 2e-5, 1e-5), "peaks that are tried; the best counts", "paper: F.4", min_length=1
    )
    batch_sizes: tuple[int, ...] = setting((16, 32, 64), "that are tried", "paper: F.4", min_length=1)
    epochs: int = setting(10, "passes over the training set", "paper: F.4", ge=1)
    warm_up: int = setting(200, "steps", "paper: F.4", ge=0)
    weight_decay: float = setting(0.01, "of matrices", "paper: F.4", ge=0)
    precision: Literal["fp32", "bf16"] = setting("bf16", "of matrix products", "our choice")
    checkpoint_every_steps: int = setting(500, "state for an exact resume", "our choice", ge=1)


class Released(Strict):
    """Released checkpoints, scored on the sets that the paper scored them on."""

    evaluations: tuple[Slug, ...] = setting((), "names of config/perceiver_evaluations.py", "paper")
    batch_size: int = setting(8, "pictures, tiles or texts at a time", "our choice", ge=1)
    glue: Glue = setting(Glue(), "fine-tuning", "paper: F.4")
    limit: int | None = setting(
        None, "at most so many samples, evenly spread over the list; null: all", "our choice", ge=1
    )


class Pretraining(Strict):
    """Published models trained from scratch on a user's copies."""

    recipes: tuple[Slug, ...] = setting((), "names of config/perceiver_recipes.py", "paper")
    share: float = setting(1.0, "of the published steps", "our choice", gt=0, le=1)
    part_size: int = setting(
        16, "samples in memory at a time; the gradient is that of the whole batch", "our choice", ge=1
    )
    precision: Literal["fp32", "bf16"] = setting("bf16", "of matrix products", "our choice")
    checkpoint_every_steps: int = setting(200, "state for an exact resume", "our choice", ge=1)


class PerceiverPreset(Tables, StudyPreset):
    """config/scales/<scale>/perceiver.yaml: the Perceiver study at one scale."""

    defaults: Axes = setting(Axes(), "the point that experiments start from", "our choice")
    weight_decay: float = setting(0.01, "of AdamW", "our choice", ge=0)
    clip_norm: float = setting(1.0, "of the gradient", "our choice", gt=0)
    warm_up: float = setting(
        0.05, "share of the steps in which the rate rises; then a cosine to 0", "our choice", ge=0, lt=1
    )
    scaling: Scaling = setting(Scaling(), "cost against size", "our choice")
    runs_per_job: int = setting(0, "trainings of a task in one job; 0: all", "our choice", ge=0)
    first_seed: int = setting(0, "seeds count from here; 100 and above are for development", "our choice", ge=0)
    job: JobResources = setting(JobResources(memory_mb=3000), "what a job asks for", "our choice")
    released: Released = setting(Released(), "checkpoints of the authors", "paper")
    pretraining: Pretraining = setting(Pretraining(), "their models trained from scratch", "paper")
    experiments: dict[Slug, Choice] = setting(
        {}, "the experiments that run here, in this order, and what of each", "our choice"
    )


class PerceiverConfig(PerceiverPreset):
    """The Perceiver study at one scale, with the grids that it chose."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name, every axis listed", "our choice")

    @model_validator(mode="after")
    def _names_exist(self):
        from flopwise.config.perceiver_evaluations import EVALUATIONS
        from flopwise.config.perceiver_recipes import RECIPES
        from flopwise.methods.perceiver import works

        check_known(
            "released.evaluations", self.released.evaluations, [k for k, one in EVALUATIONS.items() if one.released]
        )
        check_known("pretraining.recipes", self.pretraining.recipes, RECIPES)
        if not (self.experiments or self.released.evaluations or self.pretraining.recipes):
            raise ValueError("`experiments`, `released.evaluations` and `pretraining.recipes` name nothing to run")

        known = works()
        check_known("tasks", self.tasks, known)
        for name, experiment in self.experiments.items():
            for grid in flat(experiment):
                check_known(f"experiments.{name}.task", grid["task"], self.tasks)
                for task in grid["task"]:
                    check_known(f"experiments.{name}.arm (task {task})", grid["arm"], known[task].arms)
        return self

    def check(self, data: DataConfig) -> None:
        """Raise ValueError where the scale's data lack what the study needs."""
        from flopwise.methods.perceiver import works

        used = {task for experiment in self.experiments.values() for grid in flat(experiment) for task in grid["task"]}
        check_known("perceiver: material", [works()[task].material for task in sorted(used)], data.materials)


PRESET, CONFIG, EXPERIMENTS = PerceiverPreset, PerceiverConfig, PerceiverExperiments
