"""Tidy tables of the efficiency study, from what its jobs wrote. Figures and claims read these and nothing else."""

from pathlib import Path

import numpy as np
import pandas

from flopwise.config import Settings
from flopwise.config.efficiency import SCRATCH
from flopwise.core.io import read_json, read_table, write_table
from flopwise.cost.devices import DEVICES
from flopwise.methods.efficiency import load
from flopwise.studies.efficiency import fits, regime
from flopwise.studies.efficiency.jobs import RECORD
from flopwise.studies.efficiency.plan import AXES, TABLES, Grid

COSTS = (
    "method", "pool", "size", "status", "metric", "image_mflops", "gflops", "executed_gflops", "train_cpu_seconds",
    "images_per_second", "image_milliseconds", "gflops_per_second", "clock", "watts",
)  # fmt: skip
MEASURED = ("rank", "alignment", "uniformity")


def collect(settings: Settings, folder: Path, out: Path) -> None:
    """Read every job's files under `folder`, write the tables to `out`."""
    study = settings.preset.efficiency
    grid = Grid(study)
    runs, scores = {}, {}
    for job in grid.jobs:
        runs |= read_json(folder / "pretrain" / job / RECORD)
        scores |= read_json(folder / "segment" / f"{job}.json")
    cells = _cells(read_table(folder / "cells.tsv", sep="\t"), runs)
    final = _final(grid, runs, scores, cells)
    tables = {
        "cells": cells, "final": final, "front": front(final), "fits": fits.table(final), "costs": _costs(settings, cells),
        "regime": pandas.DataFrame(one.row() for one in regime.planned(settings)),
    }  # fmt: skip
    for name in TABLES:
        write_table(out / f"{name}.csv", tables[name])


def _cells(planned: pandas.DataFrame, runs: dict[str, dict]) -> pandas.DataFrame:
    """The plan's row of every cell beside what its run took."""
    ran = pandas.DataFrame(
        {"slug": slug, "status": run["status"], "diverged_at": run.get("diverged_at"), "steps": run["steps"],
         "images": run["images"], "pool_images": run["pool_images"], "image_flops": run["image_flops"],
         "gflops": run["images"] * run["image_flops"] / 1e9, "train_cpu_seconds": run["seconds"],
         "first_loss": run["losses"][0] if run["losses"] else None,
         "last_loss": float(np.mean(run["losses"][-10:])) if run["losses"] else None}
        for slug, run in runs.items()
    )  # fmt: skip
    return planned.merge(ran, on="slug", validate="one_to_one").rename(columns={"slug": "cell"})


def _final(grid: Grid, runs: dict, scores: dict, cells: pandas.DataFrame) -> pandas.DataFrame:
    """A row per cell and metric. `gain`, `frozen_gain`: mIoU minus that of the random encoder of the same size and seed, from the
    same labelled scenes; collapse measures as in `pretrain.collapse`."""
    gflops = dict(zip(cells["cell"], cells["gflops"]))
    start = {(c.size, c.seed): scores[c.slug] for c in grid.cells.values() if c.method == SCRATCH and scores[c.slug]}
    rows = []
    for cell in grid.cells.values():
        group = "reference" if cell.method == SCRATCH else load(cell.method).group
        base = {
            "cell": cell.slug, **cell.axes(), "group": group, "seed": cell.seed, "gflops": gflops[cell.slug],
            "status": "done" if scores[cell.slug] else "diverged",
        }  # fmt: skip
        found = dict(scores[cell.slug] or dict.fromkeys(("miou", "things", "stuff", "frozen"), np.nan))
        if reference := start.get((cell.size, cell.seed)):
            found |= {"gain": found["miou"] - reference["miou"], "frozen_gain": found["frozen"] - reference["frozen"]}
        found |= {name: runs[cell.slug].get(name, np.nan) for name in MEASURED} if cell.method != SCRATCH else {}
        rows += [{**base, "metric": name, "value": value} for name, value in found.items()]
    return pandas.DataFrame(rows)


def front(final: pandas.DataFrame) -> pandas.DataFrame:
    """Who leads: a row per pool, size, budget and seed with the best method, its group, and by how much the best supervised one
    (CLIP among them) leads the best self-supervised one (`lead`, points of mIoU)."""
    done = final[(final["metric"] == "miou") & (final["group"] != "reference") & final["value"].notna()]
    rows = []
    for (pool, size, budget, seed), part in done.groupby(["pool", "size", "budget", "seed"], sort=False):
        best = part.loc[part["value"].idxmax()]
        by_group = part.groupby("group")["value"].max()
        both = {"supervised", "self-supervised"} <= set(by_group.index)
        rows.append(
            {"pool": pool, "size": size, "budget": budget, "seed": seed, "status": "done", "best": best["method"],
             "group": best["group"], "value": best["value"], "metric": "lead",
             "lead": by_group["supervised"] - by_group["self-supervised"] if both else np.nan,
             "supervised_leads": float(best["group"] == "supervised")}
        )  # fmt: skip
    return pandas.DataFrame(rows, columns=["pool", "size", "budget", "seed", "status", "best", "group", "value", "metric", "lead",
                                           "supervised_leads"])  # fmt: skip


def _costs(settings: Settings, cells: pandas.DataFrame) -> pandas.DataFrame:
    """Of what was pre-trained here, per method, size and pool: FLOPs per image, images and GFLOPs per second, seconds. clock: of
    which seconds, CPU or those in which a GPU was held; watts: of a core of a laptop, or of the scale's device."""
    sizes = settings.preset.efficiency.sizes
    real = {name for name, one in sizes.items() if one.network}
    watts = DEVICES["laptop-2-cores"].watts / 2, DEVICES[settings.preset.cost.device].watts
    ran = cells[(cells["method"] != SCRATCH) & (cells["status"] == "done") & ~cells["released"]]
    grouped = ran.groupby([*AXES[:3]], sort=False)
    rows = [
        {"method": method, "pool": pool, "size": size, "status": "done", "metric": "cost",
         "image_mflops": part["image_flops"].iloc[0] / 1e6,
         "gflops": part["gflops"].sum(), "executed_gflops": part["added_gflops"].sum(),
         "train_cpu_seconds": part["train_cpu_seconds"].sum(),
         "images_per_second": _images(part) / part["train_cpu_seconds"].sum(),
         "image_milliseconds": 1e3 * part["train_cpu_seconds"].sum() / _images(part),
         "gflops_per_second": part["added_gflops"].sum() / part["train_cpu_seconds"].sum(),
         "clock": "device" if size in real else "CPU", "watts": watts[size in real]}
        for (method, pool, size), part in grouped
    ]  # fmt: skip
    return pandas.DataFrame(rows, columns=list(COSTS))


def _images(part: pandas.DataFrame) -> float:
    """Pictures that trainings really went through: budgets share the constant part."""
    return part["added_gflops"].sum() * 1e9 / part["image_flops"].iloc[0]
