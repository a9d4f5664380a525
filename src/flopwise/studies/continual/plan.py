"""The grid of the continual study: cells, the trainings they share, and the jobs that run them. Imports no torch."""

from dataclasses import asdict, dataclass, make_dataclass, replace
from functools import cached_property
from itertools import product

from flopwise.config import Settings
from flopwise.config.continual import TABLE_OF, Axes, ContinualConfig
from flopwise.core.choices import among
from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json
from flopwise.data.streams import ORDERINGS
from flopwise.methods.continual import merges_in_training, shared_training
from flopwise.studies.grids import by_job, in_parts

STUDY = "continual"
TABLES = (
    "trajectory", "per_set", "final", "final_sets", "chunks", "inside", "zero_shot", "cells", "losses", "tuning", "regime",
)  # fmt: skip
AXES = tuple(Axes.model_fields)
KEYS = ["cell", *AXES, "seed", "status"]  # columns of every table of runs
TUNING = (*KEYS, "rate_multiple", "metric", "value", "zero_shot", "delta")  # columns of the table of trials
JOB_AXES = ("model", "budget", "mixture")  # wildcards of a train job, with its shared training; all else is inside
EVALUATE = ("final", "tasks", "steps")
UNUSED = {  # settings that change nothing that a train job computes
    "experiments", "models", "defaults", "runs_per_job", "jobs_per_evaluation", "checkpoint_every_steps",
    "performance_score", "job", "tuning", "max_core_seconds",
}  # fmt: skip
NAMED = {
    axis: table for axis, table in TABLE_OF.items() if table not in UNUSED
}  # of these a job sees its own names only
_Point = make_dataclass("_Point", [("slug", str), *((axis, str) for axis in AXES)], frozen=True)


@dataclass(frozen=True)
class Cell(_Point):
    """One deployed model: a point of the grid (a field per axis) and a seed. `slug` names only what differs from the
    preset's defaults.

    Cells whose methods differ only in what they deploy share one training, that of their `shared_training`."""

    seed: int
    part: str = "all"
    evaluate: str = "tasks"
    experiments: tuple[str, ...] = ()

    @property
    def shared_training(self) -> str:
        """Name of the method whose training this cell deploys."""
        return shared_training(self.method)

    @property
    def training(self) -> tuple[str, ...]:
        """Everything that decides the training; where only deployment merges, how it merges does not."""
        own = (self.merge,) if merges_in_training(self.method) else ()
        rest = (getattr(self, axis) for axis in AXES if axis not in (*JOB_AXES, "method", "merge"))
        return (*(getattr(self, axis) for axis in JOB_AXES), self.shared_training, *own, *rest, str(self.seed))

    @property
    def job(self) -> str:
        """The train job that runs this cell: `<model>/<budget>/<mixture>/<shared_training>/<part>`."""
        return "/".join([*(getattr(self, axis) for axis in JOB_AXES), self.shared_training, self.part])

    def axes(self) -> dict[str, str]:
        return {axis: getattr(self, axis) for axis in AXES}

    def row(self) -> dict:
        """The cell as a row of `cells.tsv`."""
        return {**asdict(self), "experiments": ",".join(self.experiments), "job": self.job}


def slug(axes: dict[str, str], defaults: Axes, seed: int) -> str:
    """Readable, unique name: the method, every other axis that is not at its default, the seed."""
    changed = [axes[axis] for axis in AXES if axis != "method" and axes[axis] != getattr(defaults, axis)]
    return "-".join([axes["method"], *changed, f"s{seed}"])


class Grid:
    """All cells of one scale, shared ones once, and the jobs they fall into."""

    def __init__(self, study: ContinualConfig):
        self.study = study

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Cells by slug, in the order of the preset's experiments."""
        found: dict[str, Cell] = {}
        defaults = self.study.defaults
        for name, experiment in self.study.experiments.items():
            for grid in experiment.grids:
                values = [getattr(grid, axis) or (getattr(defaults, axis),) for axis in AXES]
                for point, seed in product(product(*values), range(grid.seeds)):
                    self._add(found, dict(zip(AXES, point)), seed, name, grid.evaluate)
        return in_parts(found, self.study.runs_per_job, lambda cell: cell.training)

    def _add(self, found: dict[str, Cell], axes: dict[str, str], seed: int, experiment: str, evaluate: str) -> None:
        key = slug(axes, self.study.defaults, seed)
        known = found.get(key)
        if known is None:
            found[key] = Cell(key, **axes, seed=seed, evaluate=evaluate, experiments=(experiment,))
            return
        if known.axes() != axes:
            raise UserError(
                f"two points of the grid would both be called {key!r}: {known.axes()} and {axes}; give one of the values "
                "another name"
            )
        evaluate = max(known.evaluate, evaluate, key=EVALUATE.index)
        experiments = tuple(dict.fromkeys([*known.experiments, experiment]))  # once, even if two of its grids meet here
        found[key] = replace(known, evaluate=evaluate, experiments=experiments)

    @cached_property
    def jobs(self) -> dict[str, list[Cell]]:
        """Train jobs by name, each with its cells; those with most trainings first, so that no long one starts last."""
        return by_job(self.cells)

    def trainings(self, job: str) -> list[list[Cell]]:
        """The cells of a job, grouped by the training they share."""
        groups: dict[tuple, list[Cell]] = {}
        for cell in self.job(job):
            groups.setdefault(cell.training, []).append(cell)
        return list(groups.values())

    @cached_property
    def evaluations(self) -> dict[str, list[str]]:
        """Jobs that score final weights, `<model>/<part>` -> the train jobs whose weights they score."""
        size = self.study.jobs_per_evaluation
        found: dict[str, list[str]] = {}
        position: dict[str, int] = {}
        for job in self.jobs:
            model = job.split("/")[0]
            index = position[model] = position.get(model, -1) + 1
            found.setdefault(f"{model}/part{index // size}" if size else f"{model}/all", []).append(job)
        return found

    def evaluation(self, name: str) -> list[str]:
        return _known(self.evaluations, name, "evaluation job")

    @cached_property
    def streams(self) -> list[tuple[str, int]]:
        """(kind, seed) of every stream that a cell needs, and each ordering with seed 0, which the report draws; each
        model gets all of them."""
        used = {(cell.stream, cell.seed) for cell in self.cells.values()} | {(kind, 0) for kind in ORDERINGS}
        return sorted(used | {(self.study.defaults.stream, seed) for seed in range(self.study.tuning.seeds)})

    @cached_property
    def models(self) -> list[str]:
        """Models that some cell uses, in the preset's order."""
        used = {cell.model for cell in self.cells.values()}
        return [model for model in self.study.models if model in used]

    def job(self, name: str) -> list[Cell]:
        return _known(self.jobs, name, "train job")

    def digest_of(self, trained: list[Cell]) -> str:
        """Hash of all settings that decide what the training of some cells computes."""
        return sha256_json(self.settings_of(trained))[:16]

    def settings_of(self, trained: list[Cell]) -> dict:
        """The settings themselves; experiments' names and other cells do not enter."""
        keys = (*AXES, "seed", "evaluate")
        cells = [{key: getattr(cell, key) for key in keys} for cell in trained]
        study = self.study.model_dump(mode="json", exclude={*UNUSED, *NAMED.values()})
        own = {
            axis: {cell[axis]: self.study.model_dump(mode="json", include={table})[table][cell[axis]] for cell in cells}
            for axis, table in NAMED.items()
        }
        own_models = {cell["model"]: self.study.models[cell["model"]] for cell in cells}
        parts = {name: model.micro_batch_size for name, model in own_models.items()}
        starts = {name: model.pretrained for name, model in own_models.items()}
        rest = {"study": study, "reference": self.study.defaults.model, "parts": parts, "starts": starts}
        return {"cells": cells, **rest, **own}


def trials(study: ContinualConfig, method: str) -> list[Cell]:
    """The runs of a method: the default point at each rate, with each seed; scored at the end of the stream only."""
    points = [{**study.defaults.model_dump(), "method": method, "rate": rate} for rate in study.tuning.rate]
    return [
        Cell(
            "trial-" + slug(point, study.defaults, seed), **point, seed=seed, evaluate="final", experiments=("tuning",)
        )
        for point in points
        for seed in range(study.tuning.seeds)
    ]


def _known(table: dict, name: str, kind: str):
    if name not in table:
        raise UserError(f"{kind} {name!r} does not exist at this scale; {among(name, table)}")
    return table[name]


def grid(settings: Settings) -> Grid:
    return Grid(settings.preset.continual)
