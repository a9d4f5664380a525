"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`."""

from functools import cache

import pandas

from flopwise.config import Settings
from flopwise.methods.perceiver import find
from flopwise.studies.perceiver.plan import Grid

BACKWARD = 2  # a backward pass costs twice the forward one


@cache
def arm_cost(task: str, arm: str) -> tuple[float, int]:
    """(forward GFLOPs of one sample, parameters) of a trained arm."""
    from flopwise.studies.perceiver.train import count

    work = find(task)({})
    if not work.arms[arm].trained:
        return 0.0, 0
    model = work.model(arm)
    return count(work, model, arm) / 1e3, sum(p.numel() for p in model.parameters())


def cells_table(settings: Settings) -> pandas.DataFrame:
    """A row per cell: slug, every parameter, steps, forward GFLOPs of a sample, GFLOPs of its training (the second phase as if
    its samples cost the same)."""
    study, rows = settings.preset.perceiver, []
    for cell in Grid(study).cells.values():
        how, (forward, parameters) = study.tasks[cell.task], arm_cost(cell.task, cell.arm)
        samples = (how.steps + how.tuning_steps) * how.batch_size
        kind = find(cell.task).arms[cell.arm].kind
        rows.append(
            {**cell.row(), "kind": kind, "steps_planned": how.steps + how.tuning_steps, "forward_gflops": forward,
             "parameters": parameters, "planned_gflops": samples * (1 + BACKWARD) * forward}
        )  # fmt: skip
    return pandas.DataFrame(rows)


def price(settings: Settings) -> dict:
    """What the study costs before it runs; see `flopwise.studies.study.Study.price`."""
    table = cells_table(settings)
    spent = float(table["planned_gflops"].sum())
    names = [f"{task}/{arm}" for task, arm in zip(table["task"], table["arm"])]
    return {
        "cells": len(table), "models": list(dict.fromkeys(names)), "mafs": spent, "gflops": {"training": spent},
        "checkpoint_bytes": 0,
    }  # fmt: skip
