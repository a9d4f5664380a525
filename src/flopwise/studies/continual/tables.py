"""Tidy tables of the continual study, from the metrics of its jobs. Figures and claims read these and nothing else."""

from pathlib import Path

import pandas

from flopwise.config import Settings
from flopwise.core.io import read_json, read_table, write_table
from flopwise.core.metrics import geometric_mean
from flopwise.studies.continual.plan import AXES, grid

NAMES = ("trajectory", "per_set", "final", "zero_shot", "cells")
KEYS = ["cell", *AXES, "seed", "status"]


def aggregate(scores: pandas.DataFrame, keys: list[str]) -> pandas.DataFrame:
    """Per group of `keys`: A_KA and A_ZS, the unweighted means over adaptation and evaluation sets, and their geometric
    mean; one row per metric (a_ka, a_zs, gm), value in percent."""
    means = scores.pivot_table(index=keys, columns="role", values="value", aggfunc="mean", sort=False)
    wide = pandas.DataFrame({"a_ka": means["adaptation"], "a_zs": means["evaluation"]})
    wide["gm"] = [geometric_mean(a, b) for a, b in zip(wide["a_ka"], wide["a_zs"])]
    return wide.reset_index().melt(keys, var_name="metric", value_name="value")


def collect(settings: Settings, results: Path, out: Path) -> None:
    """Read every job's metrics under `results`, write the tables to `out`."""
    jobs = list(grid(settings).jobs)
    train = pandas.concat([read_table(results / "train" / f"{job}.csv") for job in jobs], ignore_index=True)
    final = pandas.concat([read_table(results / "metrics" / f"{job}.csv") for job in jobs], ignore_index=True)
    zero = pandas.concat(
        [read_table(results / "start" / model / "zero_shot.csv") for model in grid(settings).models], ignore_index=True
    )
    runs = {run["slug"]: run for job in jobs for run in read_json(results / "train" / f"{job}.json")}
    multiples = settings.preset.continual.budgets
    final["status"] = final["cell"].map(lambda cell: runs[cell]["status"])
    tables = {
        "trajectory": _with_multiples(aggregate(train, [*KEYS, "task", "samples", "gflops"]), multiples),
        "per_set": _with_multiples(train, multiples),
        "final": _with_multiples(_final(final, zero), multiples),
        "zero_shot": zero,
        "cells": _with_multiples(_cells(read_table(results / "cells.tsv", sep="\t"), runs), multiples),
    }
    for name in NAMES:
        write_table(out / f"{name}.csv", tables[name])


def _final(final: pandas.DataFrame, zero: pandas.DataFrame) -> pandas.DataFrame:
    """Full-test aggregates after the stream, the zero-shot value of the same model and the difference."""
    table = aggregate(final, KEYS)
    start = aggregate(zero, ["model"]).rename(columns={"value": "zero_shot"})
    table = table.merge(start, on=["model", "metric"], validate="many_to_one")
    table["delta"] = table["value"] - table["zero_shot"]
    return table


def _with_multiples(table: pandas.DataFrame, multiples: dict[str, float]) -> pandas.DataFrame:
    """`budget` as a multiple of F; the preset's name of it stays as `budget_name`."""
    table = table.rename(columns={"budget": "budget_name"})
    table.insert(table.columns.get_loc("budget_name"), "budget", table["budget_name"].map(multiples))
    return table


def _cells(planned: pandas.DataFrame, runs: dict[str, dict]) -> pandas.DataFrame:
    """The plan's row of every cell beside what it really cost: FLOPs of the steps that ran, CPU seconds, and the rate."""
    measured = pandas.DataFrame(
        {"slug": slug, "status": run["status"], "diverged_at": run["diverged_at"], "tasks": run["tasks"],
         "trainable_parameters": run["trainable_parameters"], "measured_gflops": run["spent_gflops"],
         "train_cpu_seconds": run["train_seconds"], "evaluate_cpu_seconds": run["evaluate_seconds"],
         "cpu_seconds": run["train_seconds"] + run["evaluate_seconds"],
         "gflops_per_second": run["spent_gflops"] / run["train_seconds"] if run["train_seconds"] else None}
        for slug, run in runs.items()
    )  # fmt: skip
    return planned.merge(measured, on="slug", validate="one_to_one").rename(columns={"slug": "cell"})
