"""Tidy tables of the continual study, from the metrics of its jobs. Figures and claims read these and nothing else."""

from pathlib import Path

import pandas

from flopwise.config import Settings
from flopwise.core.io import read_json, read_table, write_table
from flopwise.core.metrics import aggregate, normalised
from flopwise.studies.continual import regime
from flopwise.studies.continual.plan import KEYS, TABLES, TUNING, Grid

LOSS_POINTS = 60  # mean losses kept per run


def collect(settings: Settings, results: Path, out: Path) -> None:
    """Read every job's metrics under `results`, write the tables to `out`."""
    grid = Grid(settings.preset.continual)
    per_set, chunks, inside = (
        _joined([results / "train" / f"{job}{end}" for job in grid.jobs])
        for end in (".csv", ".chunks.csv", ".inside.csv")
    )
    scores = _joined([results / "metrics" / f"{name}.csv" for name in grid.evaluations])
    zero = _joined([results / "start" / model / "zero_shot.csv" for model in grid.models])
    runs = {run["slug"]: run for job in grid.jobs for run in read_json(results / "train" / f"{job}.json")}
    scores["status"] = scores["cell"].map(lambda cell: runs[cell]["status"])
    tables = {
        "trajectory": aggregate(per_set, [*KEYS, "task", "samples", "gflops"]) if len(per_set) else per_set,
        "per_set": per_set,
        "final": _final(scores, zero),
        "final_sets": _normalised(_against_zero_shot(scores, zero, ["model", "dataset"])),
        "chunks": chunks,
        "inside": aggregate(inside, [*KEYS, "task", "step", "steps"]) if len(inside) else inside,
        "zero_shot": zero,
        "cells": _cells(read_table(results / "cells.tsv", sep="\t"), runs),
        "losses": _losses(grid, runs),
        "tuning": _tuning([results / "tuning" / f"{method}.csv" for method in settings.preset.continual.tuning.method]),
    }
    tables["regime"] = _regime(settings, zero, tables["final"])
    multiples = {name: budget.multiple for name, budget in settings.preset.continual.budgets.items()}
    for name in TABLES:
        table = tables[name]
        if "budget" in table.columns:
            table.insert(table.columns.get_loc("budget") + 1, "budget_multiple", table["budget"].map(multiples))
        write_table(out / f"{name}.csv", table)


def _regime(settings: Settings, zero: pandas.DataFrame, final: pandas.DataFrame) -> pandas.DataFrame:
    """What decides how runs behave, the paper's value beside this scale's; see `flopwise.studies.regime`."""
    quantities = (*regime.planned(settings), *regime.measured(settings, zero, final))
    return pandas.DataFrame(quantity.row() for quantity in quantities)


def _joined(files: list[Path]) -> pandas.DataFrame:
    """All rows of tables with the same columns; a table may be empty."""
    parts = [read_table(path) for path in files]
    filled = [part for part in parts if len(part)]
    return pandas.concat(filled, ignore_index=True) if filled else parts[0]


def _tuning(files: list[Path]) -> pandas.DataFrame:
    """All trials of a scale; none where it tunes nothing."""
    return _joined(files) if files else pandas.DataFrame(columns=list(TUNING))


def _final(scores: pandas.DataFrame, zero: pandas.DataFrame) -> pandas.DataFrame:
    """Full-test aggregates after the stream, the zero-shot value of the same model and the difference."""
    return _against_zero_shot(aggregate(scores, KEYS), aggregate(zero, ["model"]), ["model", "metric"])


def _against_zero_shot(table: pandas.DataFrame, zero: pandas.DataFrame, keys: list[str]) -> pandas.DataFrame:
    start = zero[[*keys, "value"]].rename(columns={"value": "zero_shot"})
    table = table.merge(start, on=keys, validate="many_to_one")
    table["delta"] = table["value"] - table["zero_shot"]
    return table


def _normalised(table: pandas.DataFrame) -> pandas.DataFrame:
    """Percent of the way from chance to 100, as the table of zero-shot scores has it."""
    return table.assign(normalised=normalised(table["value"], table["chance"]))


def _cells(planned: pandas.DataFrame, runs: dict[str, dict]) -> pandas.DataFrame:
    """The plan's row of every cell beside what its run cost: FLOPs and MAFs charged for the steps that ran and their
    share of the budget, FLOPs that these steps executed, CPU seconds, and executed FLOPs per second."""
    charged = pandas.DataFrame(
        {"slug": slug, "status": run["status"], "diverged_at": run["diverged_at"], "tasks": run["tasks"],
         "steps_run": len(run["losses"]), "shared_by": run["shared_by"],
         "trainable_parameters": run["trainable_parameters"], "charged_gflops": run["charged_gflops"],
         "charged_mafs": run["charged_gflops"] * run["multiplier"], "executed_gflops": run["executed_gflops"],
         "train_cpu_seconds": run["train_seconds"], "evaluate_cpu_seconds": run["evaluate_seconds"],
         "cpu_seconds": run["train_seconds"] + run["evaluate_seconds"],
         "gflops_per_second": run["executed_gflops"] / run["train_seconds"] if run["train_seconds"] else None}
        for slug, run in runs.items()
    )  # fmt: skip
    table = planned.merge(charged, on="slug", validate="one_to_one").rename(columns={"slug": "cell"})
    table["charged_share"] = table["planned_share"] * table["charged_gflops"] / table["planned_gflops"]
    return table


def _losses(grid: Grid, runs: dict[str, dict]) -> pandas.DataFrame:
    """Training loss of every training, averaged over at most `LOSS_POINTS` stretches of equal length: the cell that the
    training is named after, step (the stretch's last), task, loss."""
    rows = []
    for job in grid.jobs:
        for first, *_ in grid.trainings(job):
            run = runs[first.slug]
            losses = pandas.Series(run["losses"], dtype=float)
            width = max(1, -(-len(losses) // LOSS_POINTS))
            ends = pandas.Series(run["steps"]).cumsum()
            rows += [
                {"cell": first.slug, **first.axes(), "seed": first.seed, "status": run["status"],
                 "step": int(part.index[-1]) + 1, "task": int((ends < part.index[-1] + 1).sum()) + 1, "loss": part.mean()}
                for _, part in losses.groupby(losses.index // width)
            ]  # fmt: skip
    return pandas.DataFrame(rows)
