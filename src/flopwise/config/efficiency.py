"""Configuration of the efficiency study: trunks, objectives and their rates, pools, budgets, and the task that encoders are
transferred to."""

from typing import Literal

from pydantic import model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import JobResources, Slug, Strict, StudyPreset, check_known, setting
from flopwise.config.grids import Runs, flat, models

PAIRS = "image-text"  # task of the catalogue's sets of shards
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
    network: str | None = setting(
        None, "vision transformer of timm in place of our own, which real pictures need", "our choice"
    )
    recompute: bool = setting(
        False,
        "what blocks say inside is computed again in the backward pass, so that large batches fit; not counted as FLOPs "
        "of the objective",
        "our choice",
    )

    @model_validator(mode="after")
    def _fits(self):
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}; a multiple of heads ({self.heads}) is allowed")
        return self


class Method(Strict):
    """How one objective is trained."""

    learning_rate: float = setting(..., "peak of AdamW", "docs/efficiency.md", gt=0, le=1)
    weight_decay: float | None = setting(None, "in place of the study's", "docs/efficiency.md", ge=0)
    betas: tuple[float, float] = setting((0.9, 0.95), "of AdamW", "MAE's recipe")
    clip_norm: float | None = setting(None, "in place of the study's", "docs/efficiency.md", gt=0)
    momentum: float | None = setting(None, "in place of the study's", "docs/efficiency.md", ge=0, lt=1)
    options: dict[str, float | int] = setting({}, "of the objective, over its own", "our choice")


class Pool(Strict):
    """One pool: a material, or a part of it, or a real set."""

    material: Slug | None = setting(None, "one of data.materials", "our choice")
    dataset: str | None = setting(
        None,
        "of the catalogue, below `data_root`; neither this nor a material: only others pre-trained on it",
        "our choice",
    )
    part: Literal["all", "quarter", "not-junk"] = setting("all", "of its images", "our choice")
    stands_for: str = setting(..., "the paper's data set", "paper")
    published: str = setting("", "its column in the published table", "paper")

    @model_validator(mode="after")
    def _one(self):
        if self.dataset and (self.material or self.part != "all"):
            raise ValueError(
                f"dataset {self.dataset!r} is read whole and in place of a material; allowed: material null, part all"
            )
        return self


class Pictures(Strict):
    """How real pictures are read for pre-training."""

    side: int = setting(224, "pixels of a view", "MAE, DINO, SimCLR and others", ge=32)
    stored_side: int = setting(256, "pixels of the middle of a picture, of which views are made", "our choice", ge=32)
    precision: Literal["fp32", "bf16"] = setting("bf16", "of matrix products", "our choice")
    checkpoint_every_steps: int = setting(500, "state for an exact resume", "our choice", ge=1)


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


class Checkpoint(Strict):
    """An encoder that others pre-trained; it is placed on the cost axis by their recipe."""

    pretrained: str = setting(..., "`<model>.<tag>` of timm, below `weights_root`", "timm")
    method: Slug = setting(..., "its objective", "timm's table of tags")
    pool: Slug = setting(..., "its data", "timm's table of tags", table="pools")
    size: Slug = setting("small", "its trunk", "timm", table="sizes")
    images: float = setting(..., "pictures that pre-training went through: epochs x images", "see `source`", gt=0)
    recipe: dict[str, int | tuple[int, int, int]] = setting(
        {}, "what a picture's FLOPs depend on, over the defaults of cost.closed_forms.pretraining", "see `source`"
    )
    source: str = setting(..., "where `images` and `recipe` were read", "named")


class Scenes(Strict):
    """Segmentation of a real set in place of the embedded scenes, by the recipe that public code trains MAE's encoder with."""

    dataset: Slug = setting("ade20k", "of the catalogue, below `data_root`", "paper")
    head: Literal["linear", "upernet"] = setting(
        "linear", "one layer on the last tokens, or UPerNet (arXiv 1807.10221)", "paper: not sourced"
    )
    side: int = setting(512, "pixels of a crop and of a window", "mmsegmentation", ge=32, multiple_of=16)
    stride: int = setting(256, "pixels from window to window when scoring", "mmsegmentation", ge=16)
    steps: int = setting(160_000, "optimiser steps", "mmsegmentation", ge=1)
    batch_size: int = setting(16, "crops", "mmsegmentation", ge=1)
    learning_rate: float = setting(1e-4, "peak of AdamW, of the head", "mmsegmentation", gt=0)
    layer_decay: float = setting(
        0.65, "factor on the rate from a block to the one before it", "mmsegmentation", gt=0, le=1
    )
    weight_decay: float = setting(0.05, "of matrices", "mmsegmentation", ge=0)
    warm_up_steps: int = setting(
        1500, "linear from 0, at most a tenth of the steps; then linear to 0", "mmsegmentation", ge=0
    )
    drop_path: float = setting(
        0.1, "largest share of dropped branches, growing linearly with depth", "mmsegmentation", ge=0, lt=1
    )
    trials: tuple[float, ...] = setting(
        (0.5, 1.0, 2.0), "multiples of the rate, the same for all encoders; one: no trial", "our choice", min_length=1
    )
    trial_steps: int = setting(4000, "steps of a trial", "our choice", ge=1)
    held_out: int = setting(
        20, "every n-th labelled picture, in the order of names, is what trials are scored on", "our choice", ge=2
    )
    checkpoint_every_steps: int = setting(1000, "state for an exact resume", "our choice", ge=1)
    precision: Literal["fp32", "bf16"] = setting("bf16", "of matrix products", "our choice")


class Axes(Strict):
    """One point of the efficiency study's grid."""

    method: Slug = setting("supervised", "objective, or `scratch`", "paper")
    pool: Slug = setting("in1k", "pre-training data", "paper", table="pools")
    size: Slug = setting("small", "of the trunk", "paper", table="sizes")
    budget: Slug = setting("f1", "multiple of `budget_gflops`", "paper", table="budgets")


def offers(pool: Pool) -> tuple[str, ...] | None:
    """What a pool has beside pictures: `labels`, `captions`; None where nothing can be pre-trained on it."""
    from flopwise.data.catalogue import dataset
    from flopwise.data.materials.pools import POOLS

    if pool.material:
        facts = POOLS.get(pool.material)
        return ("captions",) if facts and not facts.labelled else ("labels", "captions")
    if pool.dataset:
        return ("captions",) if dataset(pool.dataset).task == PAIRS else ("labels", "captions")
    return None


TABLE_OF = {"pool": "pools", "size": "sizes", "budget": "budgets"}
Grid, Choice, Experiment = models(Axes, Runs)


class Tables(Strict):
    """What the names on some axes stand for."""

    methods: dict[Slug, Method] = setting({}, "how objectives are trained", "our choice")
    pools: dict[Slug, Pool] = setting({}, "by name", "paper")
    sizes: dict[Slug, TrunkSize] = setting({}, "by name", "paper")
    budgets: dict[Slug, float] = setting({}, "multiples of `budget_gflops`", "paper")
    checkpoints: dict[Slug, Checkpoint] = setting({}, "encoders that others pre-trained", "timm")


class EfficiencyExperiments(Tables):
    """config/experiments/efficiency.yaml: names on the axes and every experiment in full."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name", "our choice", min_length=1)


class EfficiencyPreset(Tables, StudyPreset):
    """config/scales/<scale>/efficiency.yaml: the efficiency study at one scale."""

    defaults: Axes = setting(Axes(), "the point that every experiment varies", "our choice")
    budget_gflops: float | None = setting(
        None, "GFLOPs of pre-training at budget f1, all that a step executes; needed where something is pre-trained",
        "our choice", gt=0,
    )  # fmt: skip
    pictures: Pictures = setting(Pictures(), "real pictures, where a pool is a data set", "our choice")
    batch_size: int = setting(64, "images", "paper: not sourced", ge=2)
    weight_decay: float = setting(0.05, "of AdamW", "MAE's recipe", ge=0)
    clip_norm: float = setting(3.0, "of the gradient", "DINO's recipe", gt=0)
    warm_up_steps: int = setting(10, "linear from 0", "our choice", ge=0)
    cooldown: float = setting(0.3, "share of a budget's steps in which the rate falls to 0", "our choice", gt=0, le=1)
    momentum: float = setting(
        0.97, "of averaged weights; it rises to 1 in the cooldown", "docs/efficiency.md", ge=0, lt=1
    )
    transfer: Transfer = setting(Transfer(), "segmentation of embedded scenes", "paper: ADE20K")
    scenes: Scenes | None = setting(None, "segmentation of a real set instead", "paper: ADE20K")
    released: tuple[Slug, ...] = setting((), "checkpoints that are transferred here", "our choice")
    released_seeds: int = setting(3, "of their transfers", "our choice", ge=1, le=100)
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
        check_known("released", self.released, self.checkpoints)
        for name in self.released:
            one = self.checkpoints[name]
            check_known(f"checkpoints.{name}.method", [one.method], names())
            for axis in ("pool", "size"):
                check_known(f"checkpoints.{name}.{axis}", [getattr(one, axis)], getattr(self, TABLE_OF[axis]))
            if not self.sizes[one.size].network:
                raise ValueError(f"checkpoints.{name}.size is {one.size!r}, which has no network of timm")
        return self

    def _check_pairs(self, where: str, grid: dict) -> None:
        from flopwise.methods.efficiency import load

        for method in (one for one in grid["method"] if one != SCRATCH):
            if self.budget_gflops is None:
                raise ValueError(f"{where}: method {method!r} is pre-trained here; it needs budget_gflops")
            check_known(f"{where}.method: methods", [method], self.methods)
            for pool in grid["pool"]:
                has = offers(self.pools[pool])
                if has is None:
                    raise ValueError(
                        f"{where}: pool {pool!r} has neither material nor dataset; only others pre-trained on it"
                    )
                if (needs := load(method).needs) and needs not in has:
                    raise ValueError(
                        f"{where}: method {method!r} needs {needs}, and pool {pool!r} ({self.pools[pool].stands_for}) has none"
                    )
                for size in grid["size"]:
                    if bool(self.sizes[size].network) != (self.pools[pool].material is None):
                        raise ValueError(
                            f"{where}: size {size!r} and pool {pool!r} do not go together; a network of timm is allowed on a "
                            "dataset, our own trunk on a material"
                        )

    def check(self, data: DataConfig) -> None:
        """Raise ValueError where the scale's data lack what the study needs."""
        grids = [grid for experiment in self.experiments.values() for grid in flat(experiment)]
        used = sorted({pool for grid in grids if set(grid["method"]) != {SCRATCH} for pool in grid["pool"]})
        materials = [self.pools[pool].material for pool in used if self.pools[pool].material]
        self._check_shards(used, data)
        if self.scenes is None:
            materials.append("segmentation")
        self._check_scenes(grids)
        check_known("efficiency: material", materials, data.materials)
        if self.scenes is None and self.transfer.scenes > (scenes := data.materials["segmentation"]["train"]):
            raise ValueError(f"efficiency.transfer.scenes is {self.transfer.scenes}; at most {scenes} are there")

    def _check_shards(self, used: list[str], data: DataConfig) -> None:
        """Shards are listed once, as a pool of the scale's data."""
        from flopwise.data.catalogue import dataset

        sources = [one.source for one in data.pools.values()]
        for name in (self.pools[pool].dataset for pool in used):
            if name and dataset(name).task == PAIRS:
                check_known("efficiency: source of a pool of data.pools", [name], sources)

    def _check_scenes(self, grids: list[dict]) -> None:
        """Networks of timm read pictures of a real set, our own trunks the embedded ones."""
        from flopwise.data.catalogue import catalogue

        if self.scenes is None:
            if self.released:
                raise ValueError("efficiency.released needs `scenes`: released encoders do not read embedded pictures")
            return
        readable = [name for name, row in catalogue().items() if row.reader == "ade20k"]
        check_known("efficiency.scenes.dataset", [self.scenes.dataset], readable)
        for size in dict.fromkeys(size for grid in grids for size in grid["size"]):
            if not self.sizes[size].network:
                raise ValueError(f"efficiency: size {size!r} has no network of timm, which `scenes` needs")


PRESET, CONFIG, EXPERIMENTS = EfficiencyPreset, EfficiencyConfig, EfficiencyExperiments
