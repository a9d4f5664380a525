"""The grid of the efficiency study: cells, the trainings that several budgets share, the jobs that run them. Imports no torch."""

from dataclasses import asdict, dataclass, make_dataclass, replace
from functools import cached_property
from itertools import product

from flopwise.config.efficiency import SCRATCH, Axes, EfficiencyConfig
from flopwise.studies.grids import by_job, in_parts, longest_first

STUDY = "efficiency"
TABLES = ("cells", "final", "front", "fits", "costs", "regime")
AXES = tuple(Axes.model_fields)
_Point = make_dataclass("_Point", [("slug", str), *((axis, str) for axis in AXES)], frozen=True)


@dataclass(frozen=True)
class Cell(_Point):
    """One encoder: a point of the grid (a field per axis) and a seed, of weights, batches, views and labelled scenes."""

    seed: int
    part: str = "all"
    experiments: tuple[str, ...] = ()
    released: bool = False  # others pre-trained it; its budget is the name of the checkpoint

    @property
    def training(self) -> str:
        """Cells that differ in their budget alone branch off one training."""
        return self.slug if self.released else f"{self.method}-{self.pool}-{self.size}-s{self.seed}"

    @property
    def job(self) -> str:
        """`<method>/<size>/<part>`."""
        return f"{self.method}/{self.size}/{self.part}"

    def axes(self) -> dict[str, str]:
        return {axis: getattr(self, axis) for axis in AXES}

    def row(self) -> dict:
        return {**asdict(self), "training": self.training, "experiments": ",".join(self.experiments), "job": self.job}


class Grid:
    """All cells of one scale, shared ones once, and the jobs they fall into."""

    def __init__(self, study: EfficiencyConfig):
        self.study = study

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """Cells by slug, in the order of the preset's experiments."""
        found: dict[str, Cell] = {}
        for name, experiment in self.study.experiments.items():
            for grid in experiment.grids:
                seeds = range(self.study.first_seed, self.study.first_seed + grid.seeds)
                for point, seed in product(product(*(getattr(grid, axis) for axis in AXES)), seeds):
                    axes = dict(zip(AXES, point))
                    slug = "-".join([*axes.values(), f"s{seed}"])
                    known = found.get(slug, Cell(slug, **axes, seed=seed))
                    found[slug] = replace(known, experiments=tuple(dict.fromkeys([*known.experiments, name])))
        for name in self.study.released:
            one = self.study.checkpoints[name]
            for seed in range(self.study.first_seed, self.study.first_seed + self.study.released_seeds):
                slug, axes = f"{name}-s{seed}", (one.method, one.pool, one.size, name)
                found[slug] = Cell(slug, *axes, seed=seed, experiments=("released",), released=True)
        return in_parts(found, self.study.runs_per_job, lambda cell: cell.training)

    @cached_property
    def trained(self) -> list[Cell]:
        """The cells whose encoders are pre-trained here."""
        return [cell for cell in self.cells.values() if cell.method != SCRATCH and not cell.released]

    @cached_property
    def jobs(self) -> dict[str, list[Cell]]:
        """Jobs by name, each with its cells; those with most cells first."""
        return longest_first(by_job(self.cells))

    def trainings(self, job: str) -> list[list[Cell]]:
        """The cells of a job by the training that they share, small budgets first."""
        found: dict[str, list[Cell]] = {}
        for cell in self.jobs[job]:
            found.setdefault(cell.training, []).append(cell)
        return [sorted(cells, key=lambda cell: self.study.budgets.get(cell.budget, 0)) for cells in found.values()]

    def settings_of(self, cells: list[Cell]) -> list:
        """All that decides what these cells compute, as JSON."""
        own = self.study.model_dump(
            mode="json",
            include={"budget_gflops", "batch_size", "weight_decay", "clip_norm", "warm_up_steps", "cooldown", "momentum",
                     "transfer"},
        )  # fmt: skip
        if any(self.study.pools[cell.pool].dataset for cell in cells if cell in self.trained):
            own["pictures"] = self.study.pictures.model_dump(mode="json")
        named = {
            table: {
                name: getattr(self.study, table)[name]
                for name in sorted({getattr(cell, axis) for cell in cells if axis != "budget" or not cell.released})
            }
            for axis, table in (("pool", "pools"), ("size", "sizes"), ("budget", "budgets"))
        }
        named = {
            table: {
                name: one if isinstance(one, float) else one.model_dump(mode="json") for name, one in values.items()
            }
            for table, values in named.items()
        }
        used = sorted({cell.method for cell in cells} & set(self.study.methods))
        methods = {name: self.study.methods[name].model_dump(mode="json") for name in used}
        released = [self.study.checkpoints[cell.budget].model_dump(mode="json") for cell in cells if cell.released]
        return [own, named, methods, [[cell.slug, cell.seed] for cell in cells], *released]
