"""The grid of the continual study: cells, the jobs that train them, and what each will cost. Imports no torch."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product

from flopwise.config import Settings
from flopwise.config.models import Axes, ContinualConfig
from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json
from flopwise.data.streams import ORDERINGS

STUDY = "continual"
AXES = tuple(Axes.model_fields)
JOB_AXES = ("model", "budget", "mixture", "method")  # the wildcards of a train job; streams and seeds are inside


@dataclass(frozen=True)
class Cell:
    """One run: a point of the grid and a seed. `slug` names only what differs from the preset's defaults."""

    slug: str
    model: str
    budget: str
    mixture: str
    method: str
    stream: str
    schedule: str
    seed: int
    part: str
    experiments: tuple[str, ...]

    @property
    def job(self) -> str:
        """The train job that runs this cell: `<model>/<budget>/<mixture>/<method>/<part>`."""
        return "/".join([*(getattr(self, axis) for axis in JOB_AXES), self.part])

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
            values = [getattr(experiment, axis) or (getattr(defaults, axis),) for axis in AXES]
            for point in product(*values):
                axes = dict(zip(AXES, point))
                for seed in range(experiment.seeds):
                    key = slug(axes, defaults, seed)
                    if key in found:
                        found[key] = replace(found[key], experiments=(*found[key].experiments, name))
                    else:
                        found[key] = Cell(key, **axes, seed=seed, part="all", experiments=(name,))
        return self._with_parts(found)

    def _with_parts(self, cells: dict[str, Cell]) -> dict[str, Cell]:
        """Split the cells of each point into jobs of at most `seeds_per_job`."""
        size = self.study.seeds_per_job
        if size == 0:
            return cells
        result, position = {}, {}
        for key, cell in cells.items():
            index = position[cell.job] = position.get(cell.job, -1) + 1
            result[key] = replace(cell, part=f"part{index // size}")
        return result

    @cached_property
    def jobs(self) -> dict[str, list[Cell]]:
        """Train jobs by name, each with its cells."""
        jobs: dict[str, list[Cell]] = {}
        for cell in self.cells.values():
            jobs.setdefault(cell.job, []).append(cell)
        return jobs

    @cached_property
    def streams(self) -> list[tuple[str, int]]:
        """(kind, seed) of every stream that a cell needs, and each ordering with seed 0, which the report draws; each
        model gets all of them."""
        return sorted({(cell.stream, cell.seed) for cell in self.cells.values()} | {(kind, 0) for kind in ORDERINGS})

    @cached_property
    def models(self) -> list[str]:
        """Models that some cell uses, in the preset's order."""
        used = {cell.model for cell in self.cells.values()}
        return [model for model in self.study.models if model in used]

    def job(self, name: str) -> list[Cell]:
        if name not in self.jobs:
            raise UserError(f"train job {name!r} does not exist at this scale; allowed are {', '.join(self.jobs)}")
        return self.jobs[name]

    def digest(self, job: str) -> str:
        """Hash of all settings that decide what a job computes; experiments' names and other jobs do not enter."""
        cells = [{axis: getattr(cell, axis) for axis in (*AXES, "seed")} for cell in self.job(job)]
        _, budget, mixture, *_ = job.split("/")
        study = self.study.model_dump(
            exclude={"experiments", "models", "budgets", "mixtures", "defaults", "seeds_per_job", "performance_score"}
        )
        study.pop("checkpoint_every_steps")
        own = {"budget": self.study.budgets[budget], "mixture": self.study.mixtures[mixture]}
        return sha256_json({"cells": cells, "study": study, **own})[:16]


def grid(settings: Settings) -> Grid:
    return Grid(settings.preset.continual)
