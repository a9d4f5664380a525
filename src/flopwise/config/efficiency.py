"""Configuration of the efficiency study: trunks, objectives and their rates, pools, budgets, and the task that encoders are
transferred to."""

from typing import Literal

from pydantic import model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import JobResources, Slug, Strict, StudyPreset, check_known, setting
from flopwise.config.grids import Runs, flat, models

SCRATCH = "scratch"  # the method that pre-trains nothing, the reference of all


class TrunkSize(Strict):
    """One size of the trunk."""

    width: int = setting(64, "of tokens", "our choice", ge=16, le=4096, multiple_of=4)
    depth: int = setting(2, "blocks", "our choice", ge=1, le=64)
    heads: int = setting(4, "of attention", "our choice", ge=1)
    patch: int = setting(8, "pixels of a token's side", "paper: 16", ge=4)
    stem: Literal["convolutions", "patches"] = setting(
        "convolutions", "three convolutions with batch norm, or one layer per patch", "paper: patches"
    )

    @model_validator(mode="after")
    def _fits(self):
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; a multiple of heads ({self.heads}) is allowed")
        return self


class Method(Strict):
    """How one objective is trained."""

    learning_rate: float = setting(..., "peak of AdamW", "docs/efficiency.md", gt=0, le=1)
    options: dict[str, float | int] = setting({}, "of the objective, over its own", "our choice")


class Pool(Strict):
    """One pool: a material, or a part of it."""

    material: Slug = setting(..., "one of data.materials", "our choice")
    part: Literal["all", "quarter", "not-junk"] = setting("all", "of its images", "our choice")
    stands_for: str = setting(..., "the paper's data set", "paper")
    published: str = setting("", "its column in the published table", "paper")


class Transfer(Strict):
    """The task that shows what an encoder is worth: segmentation of few labelled scenes."""

    scenes: int = setting(16, "labelled scenes", "paper: 20,210 images", ge=2)
    draws: int = setting(
        1, "draws of labelled scenes, the same for all encoders; scores are means over them", "our choice", ge=1
    )
    steps: int = setting(80, "optimiser steps", "our choice", ge=1)
    batch_size: int = setting(16, "scenes", "our choice", ge=2)
    learning_rate: float = setting(3e-3, "of fine-tuning, the same for all encoders", "docs/efficiency.md", gt=0)
    frozen_learning_rate: float = setting(1e-2, "where only the head learns", "docs/efficiency.md", gt=0)
    cells: int = setting(2, "the head says cells x cells classes for each token", "paper: not sourced", ge=1)


class Axes(Strict):
    """One point of the efficiency study's grid."""

    method: Slug = setting("supervised", "objective, or `scratch`", "paper")
    pool: Slug = setting("in1k", "pre-training data", "paper", table="pools")
    size: Slug = setting("small", "of the trunk", "paper", table="sizes")
    budget: Slug = setting("f1", "multiple of `budget_gflops`", "paper", table="budgets")


TABLE_OF = {"pool": "pools", "size": "sizes", "budget": "budgets"}
Grid, Choice, Experiment = models(Axes, Runs)


class Tables(Strict):
    """What the names on some axes stand for."""

    methods: dict[Slug, Method] = setting({}, "how objectives are trained", "our choice")
    pools: dict[Slug, Pool] = setting({}, "by name", "paper")
    sizes: dict[Slug, TrunkSize] = setting({}, "by name", "paper")
    budgets: dict[Slug, float] = setting({}, "multiples of `budget_gflops`", "paper")


class EfficiencyExperiments(Tables):
    """config/experiments/efficiency.yaml: names on the axes and every experiment in full."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name", "our choice", min_length=1)


class EfficiencyPreset(Tables, StudyPreset):
    """config/scales/<scale>/efficiency.yaml: the efficiency study at one scale."""

    defaults: Axes = setting(Axes(), "the point that every experiment varies", "our choice")
    budget_gflops: float = setting(
        ..., "GFLOPs of pre-training at budget f1, all that a step executes", "our choice", gt=0
    )
    batch_size: int = setting(64, "images", "paper: not sourced", ge=2)
    weight_decay: float = setting(0.05, "of AdamW", "MAE's recipe", ge=0)
    clip_norm: float = setting(3.0, "of the gradient", "DINO's recipe", gt=0)
    warm_up_steps: int = setting(10, "linear from 0", "our choice", ge=0)
    cooldown: float = setting(0.3, "share of a budget's steps in which the rate falls to 0", "our choice", gt=0, le=1)
    momentum: float = setting(
        0.97, "of averaged weights; it rises to 1 in the cooldown", "docs/efficiency.md", ge=0, lt=1
    )
    transfer: Transfer = setting(Transfer(), "segmentation", "paper: ADE20K")
    runs_per_job: int = setting(0, "trainings of one method and size in one job; 0: all", "our choice", ge=0)
    first_seed: int = setting(0, "seeds count from here; 100 and above are for development", "our choice", ge=0)
    job: JobResources = setting(JobResources(memory_mb=3000), "what a job asks for", "our choice")
    experiments: dict[Slug, Choice] = setting(
        ..., "the experiments that run here, in this order, and what of each", "our choice", min_length=1
    )


class EfficiencyConfig(EfficiencyPreset):
    """The efficiency study at one scale, with the grids that it chose."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name, every axis listed", "our choice")

    @model_validator(mode="after")
    def _names_exist(self):
        from flopwise.methods.efficiency import names

        known = (*names(), SCRATCH)
        check_known("methods", self.methods, names())
        for name, experiment in self.experiments.items():
            for grid in flat(experiment):
                check_known(f"experiments.{name}.method", grid["method"], known)
                for axis, table in TABLE_OF.items():
                    check_known(f"experiments.{name}.{axis}", grid[axis], getattr(self, table))
                self._check_pairs(f"experiments.{name}", grid)
        return self

    def _check_pairs(self, where: str, grid: dict) -> None:
        from flopwise.data.materials.pools import POOLS
        from flopwise.methods.efficiency import load

        for method in (one for one in grid["method"] if one != SCRATCH):
            check_known(f"{where}.method: methods", [method], self.methods)
            for pool in grid["pool"]:
                facts = POOLS.get(self.pools[pool].material)
                if load(method).needs == "labels" and facts and not facts.labelled:
                    raise ValueError(
                        f"{where}: method {method!r} needs labels, and pool {pool!r} ({self.pools[pool].stands_for}) has none"
                    )

    def check(self, data: DataConfig) -> None:
        """Raise ValueError where the scale's data lack what the study needs."""
        used = {pool for experiment in self.experiments.values() for grid in flat(experiment) for pool in grid["pool"]}
        materials = [*(self.pools[pool].material for pool in sorted(used)), "segmentation"]
        check_known("efficiency: material", materials, data.materials)
        scenes = data.materials["segmentation"]["train"]
        if self.transfer.scenes > scenes:
            raise ValueError(f"efficiency.transfer.scenes is {self.transfer.scenes}; at most {scenes} are there")


PRESET, CONFIG, EXPERIMENTS = EfficiencyPreset, EfficiencyConfig, EfficiencyExperiments
