"""One seed more of the cells that a claim compares: which trainings it takes, and the rows that they add to the tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from flopwise.config import Settings
from flopwise.core.errors import UserError
from flopwise.core.io import read_table
from flopwise.studies.continual.plan import AXES, KEYS, Cell, Grid, slug

TABLE = "final"  # the only table that an added seed has rows in


def added(grid: Grid, rule, seed: int) -> dict[str, list[Cell]]:
    """The cells of a claim's rule with `seed` that the scale itself does not run: those that share a training under the name
    of the first. They are scored at the end of the stream. Raises UserError for a rule on other scores."""
    defaults, groups = grid.study.defaults, {}
    for side in rule.sides():
        for point in side.points:
            table, odd = side.table or rule.table, sorted(set(point) - set(AXES))
            if table != TABLE or odd:
                raise UserError(
                    f"seeds can be added to claims on the table {TABLE}, this one is on {' '.join([table, *odd])}"
                )
            axes = {**defaults.model_dump(), **point}
            name = slug(axes, defaults, seed)
            if name not in grid.cells:
                cell = Cell(name, **axes, seed=seed, evaluate="final", experiments=("decide",))
                groups.setdefault(cell.training, {})[name] = cell
    return {next(iter(cells)): list(cells.values()) for cells in groups.values()}


def new_streams(grid: Grid, rule, most: int) -> dict[str, list[tuple[str, int]]]:
    """By model, the streams (kind, seed) that the scale does not build and the claim needs for `most` seeds."""
    found: dict[str, dict] = {}
    for seed in range(most):
        for cell in (cell for cells in added(grid, rule, seed).values() for cell in cells):
            if (cell.stream, seed) not in grid.streams:
                found.setdefault(cell.model, {})[cell.stream, seed] = None
    return {model: list(streams) for model, streams in found.items()}


def train(settings: Settings, cells: list[Cell], out: Path, state: Path, sources: str) -> dict:
    """Run the training that `cells` share and score what each deploys on the full test sets, as train and evaluate jobs do.
    Writes `out` (CSV), a row per cell and data set; returns the cost."""
    from flopwise.core.io import write_rows
    from flopwise.studies.continual.evaluate import Evaluator
    from flopwise.studies.continual.jobs import SCORES, costs, run_trainings

    evaluator = Evaluator(settings, cells[0].model)
    finished = run_trainings(settings, [cells], lambda seed: evaluator, state, sources)
    network, start, rows = evaluator.network(), evaluator.placement.clock(), []
    for cell, result in zip(cells, finished[0].results):
        network.load_state_dict(finished[0].weights(cell))
        own = {"cell": cell.slug, **cell.axes(), "seed": cell.seed, "status": result["status"]}
        rows += [{**own, **row} for row in evaluator.scores(network).rows]
    evaluated = evaluator.placement.clock() - start
    write_rows(out, rows, (*KEYS, "dataset", *SCORES))
    finished[0].discard()
    return {**costs(finished), "evaluate_seconds": evaluated}


def with_added(tables: Mapping, files: Iterable[Path]) -> dict:
    """The tables with the rows of added seeds, from the files that `train` wrote."""
    import pandas

    from flopwise.core.metrics import aggregate

    parts = [read_table(path) for path in files]
    if not parts:
        return dict(tables)
    added, known = aggregate(pandas.concat(parts, ignore_index=True), KEYS), tables[TABLE]
    start = known.drop_duplicates(["model", "metric"])[["model", "metric", "zero_shot"]]
    added = added.merge(start, on=["model", "metric"], validate="many_to_one")
    added["delta"] = added["value"] - added["zero_shot"]
    return {**tables, TABLE: pandas.concat([known, added], ignore_index=True)}
