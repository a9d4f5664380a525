"""The grid of the Perceiver study: cells and the jobs that run them. Imports no torch."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property

from flopwise.config.perceiver import PerceiverConfig
from flopwise.methods.perceiver import find
from flopwise.studies.grids import by_job, in_parts, longest_first

STUDY = "perceiver"
TABLES = ("cells", "final", "scaling", "exact", "released")
AXES = ("task", "arm")


def slug_of(task: str, arm: str, seed: int) -> str:
    return f"{task}-{arm}-s{seed}"


@dataclass(frozen=True)
class Cell:
    """One arm of a task with a seed, of weights and batches."""

    slug: str
    task: str
    arm: str
    seed: int
    part: str = "all"
    experiments: tuple[str, ...] = ()

    @property
    def job(self) -> str:
        """`<task>/<part>`."""
        return f"{self.task}/{self.part}"

    def axes(self) -> dict[str, str]:
        return {"task": self.task, "arm": self.arm}

    def row(self) -> dict:
        return {**asdict(self), "training": self.slug, "experiments": ",".join(self.experiments), "job": self.job}


class Grid:
    """All cells of one scale, shared ones once, and the jobs they fall into."""

    def __init__(self, study: PerceiverConfig):
        self.study = study

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Cells by slug, in the order of the preset's experiments."""
        found: dict[str, Cell] = {}
        for name, experiment in self.study.experiments.items():
            for grid in experiment.grids:
                for task in grid.task:
                    for seed in range(self.study.first_seed, self.study.first_seed + grid.seeds):
                        for arm in grid.arm:
                            slug = slug_of(task, arm, seed)
                            known = found.get(slug, Cell(slug, task, arm, seed))
                            found[slug] = replace(known, experiments=tuple(dict.fromkeys([*known.experiments, name])))
        return in_parts(found, self.study.runs_per_job, lambda cell: (_start(cell), cell.seed))

    @cached_property
    def jobs(self) -> dict[str, list[Cell]]:
        """Jobs by name, each with its cells; those with most cells first."""
        return longest_first(by_job(self.cells))

    def settings_of(self, cells: list[Cell]) -> list:
        """All that decides what these cells compute, as JSON."""
        own = self.study.model_dump(mode="json", include={"weight_decay", "clip_norm", "warm_up"})
        tasks = {name: self.study.tasks[name].model_dump(mode="json") for name in sorted({cell.task for cell in cells})}
        return [own, tasks, [[cell.slug, cell.arm, cell.seed] for cell in cells]]


def _start(cell: Cell) -> str:
    """The arm whose first phase of training the cell has; cells that share one run in one job."""
    return find(cell.task).arms[cell.arm].start or cell.arm
