"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`."""

from functools import cache

import pandas

from flopwise.config import Settings
from flopwise.config.perceiver import Pretraining, Released
from flopwise.config.perceiver_evaluations import find as find_evaluation
from flopwise.config.perceiver_recipes import find as find_recipe
from flopwise.methods.perceiver import find
from flopwise.studies.perceiver.plan import Grid, slug_of

BACKWARD = 2  # a backward pass costs twice the forward one

COLUMNS = (
    "slug", "task", "arm", "seed", "part", "experiments", "training", "job", "kind", "steps_planned", "forward_gflops",
    "parameters", "planned_gflops",
)  # fmt: skip


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
    its samples cost the same; a first phase that another cell has done costs nothing)."""
    study, rows = settings.preset.perceiver, []
    cells = Grid(study).cells
    for cell in cells.values():
        how, (forward, parameters) = study.tasks[cell.task], arm_cost(cell.task, cell.arm)
        arm = find(cell.task).arms[cell.arm]
        shared = slug_of(cell.task, arm.start, cell.seed) in cells
        steps = how.tuning_steps if shared else how.steps + how.tuning_steps
        rows.append(
            {**cell.row(), "kind": arm.kind, "steps_planned": steps, "forward_gflops": forward, "parameters": parameters,
             "planned_gflops": steps * how.batch_size * (1 + BACKWARD) * forward}
        )  # fmt: skip
    return pandas.DataFrame(rows, columns=list(COLUMNS))


def scoring_gflops(name: str, how: Released) -> float:
    """GFLOPs of an evaluation over the whole set, texts at full length; of sets whose size the catalogue does not know, of one
    sample."""
    from flopwise.cost import perceiver, perceiver_models
    from flopwise.data.catalogue import dataset

    one, row = find_evaluation(name), dataset(find_evaluation(name).dataset)
    if one.kind == "glue":
        points = len(how.glue.rates) * len(how.glue.batch_sizes)
        samples = points * (how.glue.epochs * (1 + BACKWARD) * row.n_train + row.n_test)
        return samples * perceiver.flops(perceiver_models.find("language-bytes-glue")) / 1e9
    passes = {"flow": 12, "images": 1, "clips": 1}[one.kind]  # six tiles, placed in two ways
    model = "multimodal-all" if one.kind == "clips" else one.checkpoint
    return passes * (row.n_test or 1) * perceiver.flops(perceiver_models.find(model)) / 1e9


def pretraining_gflops(name: str, how: Pretraining) -> float:
    """GFLOPs of a recipe's training; what is computed again to save memory is left out."""
    from flopwise.cost import perceiver, perceiver_models

    one = find_recipe(name)
    steps = max(1, round(how.share * one.steps))
    return steps * one.batch_size * (1 + BACKWARD) * perceiver.flops(perceiver_models.find(one.model)) / 1e9


def price(settings: Settings) -> dict:
    """What the study costs before it runs; see `flopwise.studies.study.Study.price`."""
    table = cells_table(settings)
    spent = float(table["planned_gflops"].sum())
    names = [f"{task}/{arm}" for task, arm in zip(table["task"], table["arm"])]
    how = settings.preset.perceiver.released
    scored, recipes = how.evaluations, settings.preset.perceiver.pretraining
    spent += sum(pretraining_gflops(name, recipes) for name in recipes.recipes)
    return {
        "cells": len(table) + len(scored) + len(recipes.recipes),
        "models": list(dict.fromkeys([*names, *scored, *recipes.recipes])), "mafs": spent,
        "gflops": {"training": spent, "scoring": sum(scoring_gflops(name, how) for name in scored)},
        "checkpoint_bytes": 0,
    }  # fmt: skip
