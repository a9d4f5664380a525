"""Configuration of the transfer study: a zoo of models, the grid of transfers between them, and how a transfer trains."""

from itertools import product
from typing import Annotated, Literal

from pydantic import Field, model_validator

from flopwise.config.data import DataConfig
from flopwise.config.fields import JobResources, Slug, Strict, StudyPreset, check_known, setting
from flopwise.config.grids import Runs, flat, models

NOBODY = "none"  # teacher of methods that have none


class ZooModel(Strict):
    """One model of the zoo: trained here, released, or brought by the user."""

    network: Slug | None = setting(None, "one of flopwise.models.miniature, trained here", "our choice")
    pretrained: str | None = setting(
        None, "released weights of timm, `<model>.<tag>`, below `weights_root`", "our choice"
    )
    image_tower: str | None = setting(
        None,
        "image tower of open_clip, `<model>.<tag>`, below `weights_root`; its head is fitted here (`heads`)",
        "our choice",
    )
    tuned_on: str | None = setting(
        None,
        "name in the catalogue of data sets: all of a released model trains on it before it gets its own head back",
        "official code",
    )
    augment: tuple[str, ...] = setting((), "views it is trained on, of flopwise.data.distort", "our choice")
    optimiser: Literal["sgd", "adamw"] = setting("sgd", "SGD with momentum 0.9, or AdamW", "our choice")
    learning_rate: float = setting(0.05, "peak of a one-cycle schedule", "our choice", gt=0, le=1)
    epochs: float = setting(12, "passes over the training data; 0: stays as drawn", "our choice", ge=0)
    seed: int = setting(0, "of weights, order and views", "our choice", ge=0)
    role: Literal["learned", "weak", "twin", "untrained", "elsewhere"] = setting(
        "learned",
        "`weak`: on purpose; `twin`: the recipe of `twin_of` with another seed; `elsewhere`: trained on other data (`tuned_on`)",
        "our choice",
    )
    twin_of: Slug | None = setting(None, "model whose recipe it repeats", "our choice")
    family: Literal["cnn", "transformer", "mlp"] | None = setting(
        None, "of released weights; networks trained here know theirs", "arXiv 2310.17653: table of models"
    )
    family_published: Literal["cnn", "transformer", "mlp"] | None = setting(
        None, "where the paper files it elsewhere", "arXiv 2310.17653: table of models"
    )
    published_name: str = setting("", "what the paper calls it", "arXiv 2310.17653: table of models")
    published_accuracy: float | None = setting(None, "top-1 on ImageNet in the paper, %", "arXiv 2310.17653")
    params_m: float | None = setting(None, "millions of parameters in the paper", "arXiv 2310.17653")
    gflops: float | None = setting(
        None, "forward pass of one picture, `flopwise cost forward timm:...`", "counted here", gt=0
    )

    @model_validator(mode="after")
    def _one_origin(self):
        if sum(one is not None for one in (self.network, self.pretrained, self.image_tower)) != 1:
            raise ValueError("needs one of `network`, `pretrained` and `image_tower`")
        if self.tuned_on and not self.pretrained:
            raise ValueError("`tuned_on` needs a model of timm with its own head (`pretrained`)")
        if (self.role == "elsewhere") != (self.tuned_on is not None):
            raise ValueError("role `elsewhere` and key `tuned_on` belong together")
        if (self.role == "twin") != (self.twin_of is not None):
            raise ValueError("role `twin` and key `twin_of` belong together")
        return self


class Heads(Strict):
    """How released models are trained for the classes of the data, or of other data."""

    epochs: int = setting(50, "passes over the training data", "official code", ge=1)
    batch_size: int = setting(256, "pictures", "our choice", ge=2)
    learning_rate: float = setting(0.1, "peak, times batch / 256", "official code: 0.1; Cars, Infograph 0.01", gt=0)


class Amount(Strict):
    """How much is transferred on."""

    share: float = setting(..., "share of the training data, drawn per class", "paper: 0.1", gt=0, le=1)
    epochs: int = setting(..., "passes over it", "official code: 20", ge=1)


class View(Strict):
    """What the student is shown, and with it the teacher."""

    count: int = setting(
        ..., "seeded views, shown in turn, whose logits are kept; 0: a fresh one at every step, none kept", "our choice",
        ge=0,
    )  # fmt: skip
    distort: tuple[str, ...] = setting((), "what a view does, of flopwise.data.distort", "official code")


class Axes(Strict):
    """One point of the transfer study's grid."""

    student: Slug = setting(..., "model that learns", "paper", table="zoo")
    teacher: Slug = setting(..., "model that teaches, a name of `teams` or `permuted`, or `none`", "paper")
    method: Slug = setting("kl-dp", "transfer method", "paper")
    amount: Slug = setting("small", "data transferred on", "paper", table="amounts")
    view: Slug = setting("plain", "views of them", "our choice", table="views")
    reading: Literal["as-described", "as-released"] = setting(
        "as-described", "`as-released` repeats slips of the official code (docs/transfer.md)", "official code"
    )


TABLE_OF = {"student": "zoo", "amount": "amounts", "view": "views"}
Grid, Choice, Experiment = models(Axes, Runs)


class Tables(Strict):
    """What the names on some axes stand for."""

    zoo: dict[Slug, ZooModel] = setting({}, "models by name", "paper")
    teams: dict[Slug, tuple[Slug, ...]] = setting({}, "several teachers at once, by name", "paper")
    permuted: dict[Slug, Slug] = setting(
        {}, "teachers whose classes are exchanged: name -> model; a control", "our choice"
    )
    amounts: dict[Slug, Amount] = setting({}, "by name", "paper")
    views: dict[Slug, View] = setting({}, "by name", "official code")


class TransferExperiments(Tables):
    """config/experiments/transfer.yaml: zoo, names on the axes, and every experiment in full."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name", "our choice", min_length=1)


class FlipsConfig(Strict):
    """How complementary knowledge is measured."""

    tops: tuple[Annotated[float, Field(gt=0, le=100)], ...] = setting(
        (2, 5, 20, 50), "class sets that cover this share of all positive flips, %", "official code"
    )
    random_sets: int = setting(
        200, "random class sets of equal size, the null of their similarity", "our choice", ge=10
    )
    pairs: int = setting(
        0, "pairs drawn with seeds 0, 1, ... as in the official code; 0: every ordered pair", "official code", ge=0
    )


class TransferPreset(Tables, StudyPreset):
    """config/scales/<scale>/transfer.yaml: the transfer study at one scale. Names on axes add to those of the experiments'
    file."""

    defaults: Axes = setting(..., "the point that every experiment varies", "our choice")
    models: tuple[Slug, ...] = setting(..., "the zoo at this scale, keys of `zoo`", "our choice", min_length=2)
    material: Slug | None = setting("cues", "embedded pictures, one of data.materials; none: `dataset`", "our choice")
    dataset: str | None = setting(
        None, "name in the catalogue of data sets, read below `data_root`", "paper: imagenet_1k"
    )
    side: int = setting(224, "pixels of a real set's pictures", "official code", ge=16)
    epochs_multiple: float = setting(1.0, "multiplies the zoo's `epochs`", "our choice", gt=0, le=10)
    zoo_batch_size: int = setting(64, "of the zoo's training", "our choice", ge=2)
    batch_size: int = setting(
        50, "of a transfer; the paper took what fits into memory", "official code: automatic", ge=2
    )
    learning_rate: float = setting(1e-4, "of a transfer, constant", "official code: 1e-4 x batch / 256", gt=0, le=1)
    slow_learning_rate: float = setting(
        1e-2, "the same where slow weights follow", "official code: 0.01 x batch / 256", gt=0, le=1
    )
    momentum: float = setting(0.9, "of SGD", "official code", ge=0, lt=1)
    weight_decay: float = setting(1e-4, "of SGD", "official code", ge=0)
    slow_every: int = setting(
        2, "steps N between two updates of slow weights", "official code: 2 / (batch / 256)", ge=1
    )
    slow_share: float = setting(
        0.39, "how far a run's updates carry the slow weights towards fast ones that stand still; tau follows from it",
        "derived: 1 - 0.9999^5000", gt=0, lt=1,
    )  # fmt: skip
    evaluation_batch_size: int = setting(200, "images per forward pass; changes no result", "our choice", ge=1)
    precision: Literal["fp32", "fp16", "bf16"] = setting("fp32", "of the matrix products", "official code: fp16")
    heads: Heads | None = setting(
        None, "released models of other classes get a head; none: they are refused", "official code"
    )
    tuning: Heads = setting(Heads(learning_rate=0.01), "how models with `tuned_on` are trained", "official code")
    flips: FlipsConfig = setting(FlipsConfig(), "complementary knowledge", "official code")
    models_per_job: int = setting(0, "zoo models that one job trains or asks; 0: all", "our choice", ge=0)
    runs_per_job: int = setting(0, "transfers of a student in one job; 0: all", "our choice", ge=0)
    split: Literal["test", "validation"] = setting(
        "test", "`validation`: score a fifth of each class's training data instead of the test data", "our choice"
    )
    job: JobResources = setting(JobResources(), "what a job asks for", "our choice")
    experiments: dict[Slug, Choice] = setting(
        ..., "the experiments that run here, in this order, and what of each", "our choice", min_length=1
    )

    def rate(self, slow: bool) -> float:
        """Learning rate of a transfer; `slow`: slow weights follow."""
        return self.slow_learning_rate if slow else self.learning_rate


class TransferConfig(TransferPreset):
    """The transfer study at one scale, with the grids that it chose."""

    experiments: dict[Slug, Experiment] = setting(..., "experiments by name, every axis listed", "our choice")

    def teachers(self, name: str) -> tuple[str, ...]:
        """The models behind a value of the axis `teacher`."""
        if name == NOBODY:
            return ()
        return self.teams.get(name) or (self.permuted.get(name, name),)

    @model_validator(mode="after")
    def _names_exist(self):
        from flopwise.data.catalogue import catalogue
        from flopwise.data.distort import NAMES
        from flopwise.models.miniature import NETWORKS

        check_known("models", self.models, self.zoo)
        if twice := [name for name in self.models if self.models.count(name) > 1]:
            raise ValueError(f"models lists {twice[0]!r} twice")
        for name in self.models:
            one = self.zoo[name]
            if one.network:
                check_known(f"zoo.{name}.network", [one.network], NETWORKS)
            check_known(f"zoo.{name}.augment", one.augment, NAMES)
            if one.tuned_on:
                check_known(f"zoo.{name}.tuned_on", [one.tuned_on], catalogue())
            if one.twin_of:
                check_known(f"zoo.{name}.twin_of", [one.twin_of], self.models)
        for name, view in self.views.items():
            check_known(f"views.{name}.distort", view.distort, NAMES)
            if view.count != 1 and not view.distort:
                raise ValueError(f"views.{name}: without `distort` all views are the same; `count` must be 1")
        for name, experiment in self.experiments.items():
            for grid in flat(experiment):
                self._check_grid(f"experiments.{name}", grid)
        return self

    def _check_grid(self, where: str, grid: dict) -> None:
        from flopwise.methods.transfer import load

        check_known(f"{where}.student", grid["student"], self.models)
        check_known(f"{where}.teacher", grid["teacher"], (*self.models, *self.teams, *self.permuted, NOBODY))
        for axis in ("amount", "view"):
            check_known(f"{where}.{axis}", grid[axis], getattr(self, TABLE_OF[axis]))
        for name in grid["teacher"]:
            check_known(f"{where}.teacher {name}", self.teachers(name), self.models)
        for method, teacher in product(grid["method"], grid["teacher"]):
            kind = load(method).teachers
            needed = {"none": teacher == NOBODY, "one": teacher != NOBODY and teacher not in self.teams}
            if not needed.get(kind, teacher in self.teams):
                wants = {"none": f"the teacher {NOBODY}", "one": "one model as teacher"}.get(kind, "a name of `teams`")
                raise ValueError(f"{where}: method {method!r} needs {wants}, not {teacher!r}")

    def check(self, data: DataConfig) -> None:
        """Raise ValueError where the scale's data lack what the study needs."""
        if (self.material is None) == (self.dataset is None):
            raise ValueError("transfer needs either `material` or `dataset`, and not both")
        if self.material is not None:
            from flopwise.data.materials import MATERIALS

            check_known("transfer.material", [self.material], data.materials)
            if "train" not in (sizes := MATERIALS[self.material].sizes) or "test" not in sizes:
                raise ValueError(f"transfer.material is {self.material!r}, which has no pictures to train and test on")
        else:
            from flopwise.data.catalogue import catalogue

            check_known("transfer.dataset", [self.dataset], catalogue())
            if self.split == "validation":
                raise ValueError(
                    "transfer.split is 'validation', which holds out embedded pictures alone; allowed here is 'test'"
                )
            if made := [name for name in self.models if self.zoo[name].network]:
                raise ValueError(
                    f"transfer.models has {made[0]!r}, a network for embedded pictures; with `dataset` allowed are models with "
                    "`pretrained` or `image_tower`"
                )


PRESET, CONFIG, EXPERIMENTS = TransferPreset, TransferConfig, TransferExperiments
