"""The grid of the transfer study: cells, the jobs that run them, the zoo's parts. Imports no torch."""

from dataclasses import asdict, dataclass, make_dataclass, replace
from functools import cached_property
from itertools import product

from flopwise.config.transfer import NOBODY, Axes, TransferConfig
from flopwise.core.choices import among
from flopwise.core.errors import UserError
from flopwise.studies.grids import by_job, in_parts, longest_first

READ = ("material", "dataset", "side")  # what decides which pictures are read, and how
STUDY = "transfer"
TABLES = (
    "cells", "zoo", "flips", "class_flips", "tops", "final", "top_rates", "students", "groups", "tests", "costs", "regime",
)  # fmt: skip
AXES = tuple(Axes.model_fields)
_Point = make_dataclass("_Point", [("slug", str), *((axis, str) for axis in AXES)], frozen=True)


@dataclass(frozen=True)
class Cell(_Point):
    """One transfer: a point of the grid (a field per axis) and a seed, which varies the order of samples and masks."""

    seed: int
    part: str = "all"
    experiments: tuple[str, ...] = ()

    @property
    def job(self) -> str:
        """The transfer job that runs this cell: `<student>/<part>`."""
        return f"{self.student}/{self.part}"

    def axes(self) -> dict[str, str]:
        return {axis: getattr(self, axis) for axis in AXES}

    def row(self) -> dict:
        """The cell as a row of `cells.tsv`."""
        return {**asdict(self), "experiments": ",".join(self.experiments), "job": self.job}


def slug(axes: dict[str, str], defaults: Axes, seed: int) -> str:
    """Readable, unique name: student, teacher, method, every other axis that is not at its default, the seed."""
    named = [axes["student"], axes["teacher"], axes["method"]]
    changed = [axes[axis] for axis in AXES[3:] if axes[axis] != getattr(defaults, axis)]
    return "-".join([*named, *changed, f"s{seed}"])


class Grid:
    """All cells of one scale, shared ones once, and the jobs they fall into."""

    def __init__(self, study: TransferConfig):
        self.study = study

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Cells by slug, in the order of the preset's experiments."""
        found: dict[str, Cell] = {}
        for name, experiment in self.study.experiments.items():
            for grid in experiment.grids:
                for point, seed in product(product(*(getattr(grid, axis) for axis in AXES)), range(grid.seeds)):
                    self._add(found, dict(zip(AXES, point)), seed, name)
        return in_parts(found, self.study.runs_per_job)

    def _add(self, found: dict[str, Cell], axes: dict[str, str], seed: int, experiment: str) -> None:
        key = slug(axes, self.study.defaults, seed)
        known = found.setdefault(key, Cell(key, **axes, seed=seed))
        if known.axes() != axes:
            raise UserError(f"two points of the grid would both be called {key!r}: {known.axes()} and {axes}")
        found[key] = replace(known, experiments=tuple(dict.fromkeys([*known.experiments, experiment])))

    @cached_property
    def jobs(self) -> dict[str, list[Cell]]:
        """Transfer jobs by name, each with its cells; those with most cells first."""
        return longest_first(by_job(self.cells))

    def job(self, name: str) -> list[Cell]:
        if name not in self.jobs:
            raise UserError(f"transfer job {name!r} does not exist at this scale; {among(name, self.jobs)}")
        return self.jobs[name]

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The zoo's jobs: name of each part -> its models. Models of all costs come into every part."""
        models, size = self.study.models, self.study.models_per_job
        if size == 0:
            return {"all": models}
        count = -(-len(models) // size)
        return {f"part{index}": models[index::count] for index in range(count)}

    def part_of(self, model: str) -> str:
        return next(part for part, models in self.parts.items() if model in models)

    @property
    def students(self) -> list[str]:
        return list(dict.fromkeys(cell.student for cell in self.cells.values()))

    def involved(self, cells: list[Cell]) -> list[str]:
        """The models that these cells need, students and teachers."""
        found: dict[str, None] = {}
        for cell in cells:
            found |= dict.fromkeys((cell.student, *self.study.teachers(cell.teacher)))
        return list(found)

    def settings_of(self, cells: list[Cell]) -> list:
        """All that decides what these cells compute, as JSON."""
        own = self.study.model_dump(
            mode="json", include={"batch_size", "learning_rate", "slow_learning_rate", "momentum", "weight_decay",
                                  "slow_every", "slow_share", "precision", "split", *READ}
        )  # fmt: skip
        amounts, views = ({getattr(cell, axis) for cell in cells} for axis in ("amount", "view"))
        named = {
            **{name: self.study.amounts[name].model_dump(mode="json") for name in sorted(amounts)},
            **{name: self.study.views[name].model_dump(mode="json") for name in sorted(views)},
        }
        teachers = {cell.teacher: self.study.teachers(cell.teacher) for cell in cells}
        permuted = sorted({cell.teacher for cell in cells} & set(self.study.permuted))
        return [own, named, teachers, permuted, [[cell.slug, *cell.axes().values(), cell.seed] for cell in cells]]

    def kept_of(self, model: str) -> list[tuple[str, str]]:
        """(amount, view) of the transfer sets about which a model is asked beforehand: those of its cells with kept views."""
        cells = (cell for cell in self.cells.values() if model in self.involved([cell]))
        return sorted({(cell.amount, cell.view) for cell in cells if self.study.views[cell.view].count})


__all__ = ["AXES", "NOBODY", "STUDY", "TABLES", "Cell", "Grid", "slug"]
