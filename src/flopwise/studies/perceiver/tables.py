"""Tidy tables of the Perceiver study, from what its jobs wrote. Figures and claims read these and nothing else."""

from pathlib import Path

import numpy as np
import pandas

from flopwise.config import Settings
from flopwise.core.io import read_json, read_table, write_table
from flopwise.methods.perceiver import find
from flopwise.studies.perceiver.plan import TABLES, Grid

RAN = (
    "slug",
    "status",
    "diverged_at",
    "mflops",
    "first_loss",
    "last_loss",
    "train_cpu_seconds",
    "evaluate_cpu_seconds",
)
RELEASED = ("evaluation", "checkpoint", "dataset", "metric", "value", "published", "samples", "listed", "source")


def collect(settings: Settings, folder: Path, out: Path) -> None:
    """Read every job's files under `folder`, write the tables to `out`."""
    grid, evaluations = Grid(settings.preset.perceiver), settings.preset.perceiver.released.evaluations
    runs = {slug: run for job in grid.jobs for slug, run in read_json(folder / "train" / f"{job}.json").items()}
    scaling = read_json(folder / "scaling.json")
    cells = _cells(read_table(folder / "cells.tsv", sep="\t"), runs)
    exact = pandas.DataFrame([*scaling["exact"], *_dearer(cells)])
    tables = {
        "cells": cells, "final": _final(grid, runs), "scaling": exponents(pandas.DataFrame(scaling["rows"])), "exact": exact,
        "released": _released([
            *((name, read_json(folder / "released" / f"{name}.json")) for name in evaluations),
            *(pair for name in settings.preset.perceiver.pretraining.recipes
              for pair in read_json(folder / "pretrain" / name / "scores.json")["scores"].items()),
        ]),
    }  # fmt: skip
    for name in TABLES:
        write_table(out / f"{name}.csv", tables[name])


def _cells(planned: pandas.DataFrame, runs: dict[str, dict]) -> pandas.DataFrame:
    """The plan's row of every cell beside what its run took."""
    ran = pandas.DataFrame(
        {"slug": slug, "status": run["status"], "diverged_at": len(run["losses"]) if run["status"] == "diverged" else None,
         "mflops": run["mflops"], "first_loss": run["losses"][0] if run["losses"] else None,
         "last_loss": float(np.mean(run["losses"][-10:])) if run["losses"] else None,
         "train_cpu_seconds": run["train_seconds"], "evaluate_cpu_seconds": run["evaluate_seconds"]}
        for slug, run in runs.items()
    )  # fmt: skip
    ran = ran if runs else pandas.DataFrame(columns=list(RAN))
    return planned.merge(ran, on="slug", validate="one_to_one").rename(columns={"slug": "cell"})


def _dearer(cells: pandas.DataFrame) -> list[dict]:
    """What a transformer over units lacks to 3.5 times the FLOPs of Perceiver IO."""
    cost = cells[cells["task"] == "units"].groupby("arm")["mflops"].mean()
    if not {"perceiver", "transformer"} <= set(cost.index):
        return []
    missing = max(0.0, 3.5 - cost["transformer"] / cost["perceiver"])
    return [{"identity": "a transformer over units costs 3.5 times as much", "deviation": missing}]


def _final(grid: Grid, runs: dict) -> pandas.DataFrame:
    """A row per cell and metric; `score` is the task's own, `above_trivial` what it is above the trivial arm's."""
    kind = {cell.slug: find(cell.task).arms[cell.arm].kind for cell in grid.cells.values()}
    trivial = {cell.task: runs[cell.slug]["scores"] for cell in grid.cells.values() if kind[cell.slug] == "trivial"}
    rows = []
    for cell in grid.cells.values():
        work, run = find(cell.task), runs[cell.slug]
        base = {"cell": cell.slug, **cell.axes(), "kind": kind[cell.slug], "seed": cell.seed, "status": run["status"]}
        found = dict(run["scores"]) or {work.score: np.nan}
        found |= {"score": found[work.score], "mflops": run["mflops"]}
        if reference := trivial.get(cell.task):
            found["above_trivial"] = found["score"] - reference[work.score]
        rows += [{**base, "metric": name, "value": value} for name, value in found.items()]
    return pandas.DataFrame(rows, columns=["cell", "task", "arm", "kind", "seed", "status", "metric", "value"])


def _released(scored: list[tuple[str, dict]]) -> pandas.DataFrame:
    """A row per checkpoint, released or trained here, set and metric, with the published value where there is one."""
    rows = [
        {"evaluation": name, "checkpoint": one["checkpoint"], "dataset": one["dataset"], "metric": metric, "value": value,
         "published": one["published"].get(metric), "samples": one["samples"], "listed": one["listed"], "source": one["source"]}
        for name, one in scored for metric, value in one["metrics"].items()
    ]  # fmt: skip
    return pandas.DataFrame(rows, columns=list(RELEASED))


def _spread(before: list[float], after: list[float], step: float) -> tuple[float, float]:
    slopes = np.log(np.divide.outer(np.array(after), np.array(before))) / step
    return tuple(np.percentile(slopes, [2.5, 97.5]))


def exponents(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Each size with its costs and, per model and axis, the exponent between it and the size before: log-log slope. Of time also
    the range in which 95 % of the slopes lie that pairs of repetitions give."""
    parts = []
    for _, part in rows.groupby(["model", "along"], sort=False):
        part = part.sort_values("size")
        steps = np.log(part["size"]).diff()
        names = ("gflops", "activations_mb", "peak_mb", "cpu_seconds")
        part = part.assign(**{f"{name}_exponent": np.log(part[name]).diff() / steps for name in names})
        low, high = zip((np.nan, np.nan), *map(_spread, part["seconds"], part["seconds"].iloc[1:], steps.iloc[1:]))
        parts.append(part.assign(cpu_seconds_exponent_low=low, cpu_seconds_exponent_high=high).drop(columns="seconds"))
    found = pandas.concat(parts, ignore_index=True)
    last = found.groupby(["model", "along"])["size"].transform("max") == found["size"]
    return found.assign(last=last, name=found["model"] + "/" + found["along"])
