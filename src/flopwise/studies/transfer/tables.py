"""Tidy tables of the transfer study, from what its jobs wrote. Figures and claims read these and nothing else."""

import math
from pathlib import Path

import numpy as np
import pandas

from flopwise.config import Settings
from flopwise.core.io import read_json, read_table, write_table
from flopwise.data.store import open_arrays
from flopwise.methods.transfer import load
from flopwise.studies.transfer import flips, network, pictures, regime, summaries
from flopwise.studies.transfer.complementary import all_scores, kinds
from flopwise.studies.transfer.pictures import Pictures
from flopwise.studies.transfer.plan import TABLES, Cell, Grid
from flopwise.studies.transfer.zoo import recipe

TOPS = (2, 5, 20, 50, 100)  # of the figures on transfer rates


def collect(settings: Settings, folder: Path, out: Path) -> None:
    """Read every job's files under `folder`, write the tables to `out`."""
    study, data = settings.preset.transfer, pictures.load(settings)
    grid = Grid(study)
    scores = all_scores(grid, folder)
    runs = {slug: run for job in grid.jobs for slug, run in read_json(folder / "transfer" / job / "runs.json").items()}
    zoo = _zoo(settings, data, grid, folder)
    rows, tops, sizes = [], [], dict(zip(zoo["model"], zoo["parameters"]))
    for cell in grid.cells.values():
        own, by_top = _cell_rows(study, data, scores, sizes, cell, runs[cell.slug], folder)
        rows += own
        tops += by_top
    final = pandas.DataFrame([*rows, *summaries.beside_single(study, rows)])
    cells = _cells(read_table(folder / "cells.tsv", sep="\t"), runs)
    pairs = {name: read_table(folder / "flips" / f"{name}.csv") for name in ("flips", "class_flips", "tops")}
    tables = {
        "cells": cells, "zoo": zoo, **pairs, "final": final, "top_rates": pandas.DataFrame(tops),
        "students": summaries.students(final), "groups": summaries.groups(final), "tests": summaries.tests(final),
        "costs": summaries.costs(cells, final),
        "regime": pandas.DataFrame(one.row() for one in (*regime.planned(settings), *regime.measured(settings, zoo, final))),
    }  # fmt: skip
    for name in TABLES:
        write_table(out / f"{name}.csv", tables[name])


def _zoo(settings: Settings, data: Pictures, grid: Grid, folder: Path) -> pandas.DataFrame:
    """A row per model: recipe, accuracy on test and (a part of) training pictures, what its making cost."""
    rows = []
    for part, names in grid.parts.items():
        asked = read_json(folder / "predictions" / part / "asked.json")
        trained = read_json(folder / "zoo" / part / "trained.json")
        for name in names:
            own = recipe(settings, name)
            accuracy = asked[name]["accuracy"]
            rows.append(
                {"model": name, "network": own.network or own.pretrained or own.image_tower, "family": network.family(own),
                 "family_published": own.family_published or network.family(own), "norm": network.norm(own),
                 "role": own.role, "augment": "+".join(own.augment) or "none", "optimiser": own.optimiser,
                 "epochs": own.epochs, "seed": own.seed, "status": "done", "accuracy": accuracy["test"],
                 "train_accuracy": accuracy["train"], "chance": data.chance,
                 "normalised": 100 * (accuracy["test"] - data.chance) / (100 - data.chance),
                 "parameters": trained[name]["parameters"],
                 "train_cpu_seconds": trained[name]["seconds"], "test_cpu_seconds": asked[name]["test_seconds"],
                 "cache_cpu_seconds": asked[name]["cache_seconds"]}
            )  # fmt: skip
    return pandas.DataFrame(rows)


def _cell_rows(
    study, data: Pictures, scores: dict, sizes: dict, cell: Cell, run: dict, folder: Path
) -> tuple[list, list]:
    """Rows of `final` (a row per metric) and of `top_rates` (a row per X) of one transfer. With several teachers, `teacher
    right` means that any of them is; without one, that the student itself was."""
    targets, classes = data.test.targets, len(data.classes)
    before = scores[cell.student]
    names = study.teachers(cell.teacher) or (cell.student,)
    right = np.any([scores[name]["predicted"] == targets for name in names], axis=0)
    teacher = np.where(right, targets, -1)
    accuracy = 100 * float(np.max([(scores[name]["predicted"] == targets).mean() for name in names]))
    after = np.asarray(open_arrays(folder / "transfer" / cell.job / cell.slug).arrays["predicted"])
    base = {
        "cell": cell.slug, **cell.axes(), **kinds(study, cell.teacher, cell.student), "seed": cell.seed,
        "status": run["status"],
    }  # fmt: skip
    one = flips.change(before["predicted"], after, teacher, targets, classes)
    done = run["status"] == "done"
    together = flips.ensemble(scores[names[0]], before)
    values = {
        "delta": one.delta, "gain": one.gain, "loss": one.loss, "error": one.error, "mcnemar_p": one.p_value,
        "success": float(one.delta > 0), "success_margin": float(one.delta > 0.05),
        "improved": float(one.p_value < 0.05 and one.delta > 0), "harmed": float(one.p_value < 0.05 and one.delta < 0),
        "difference": accuracy - one.before, "remaining": one.remaining, "rate": one.rate, "released_rate": one.released_rate,
        "over_ensemble": one.after - 100 * float((together == targets).mean()),
        "student_parameters": float(sizes[cell.student]),
        **{f"share_{kind}": 100 * share for kind, share in run["shares"].items()},
    }  # fmt: skip
    rows = [{**base, "metric": name, "value": value if done else math.nan} for name, value in values.items()]
    tops = []
    if done and load(cell.method).teachers == "one":
        for top in TOPS:
            rate = flips.top_rate(before["predicted"], after, teacher, targets, classes, top)
            tops.append({**base, "top": f"top{top}", **rate._asdict(), "beyond_blind": rate.plotted - rate.blind})
    return rows, tops


def _cells(planned: pandas.DataFrame, runs: dict[str, dict]) -> pandas.DataFrame:
    """The plan's row of every cell beside what its run took."""
    ran = pandas.DataFrame(
        {"slug": slug, "status": run["status"], "diverged_at": run["diverged_at"], "steps_run": run["steps"],
         "passes": run["passes"], "teacher_passes": run["teacher_passes"],
         "last_loss": run["losses"][-1] if run["losses"] else None,
         "train_cpu_seconds": run["seconds"], "evaluate_cpu_seconds": run["evaluate_seconds"]}
        for slug, run in runs.items()
    )  # fmt: skip
    return planned.merge(ran, on="slug", validate="one_to_one").rename(columns={"slug": "cell"})
