"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`."""

import pandas

from flopwise.config import Settings
from flopwise.studies.continual.budget import schedule_of, step_gflops
from flopwise.studies.continual.plan import Grid, grid, trials


def cells_table(settings: Settings) -> pandas.DataFrame:
    """One row per cell: slug, every parameter, steps, GFLOPs per step and in all, memory-adjusted FLOPs (MAFs, in
    GFLOPs), and the budget they stand against. Cells that share a training (column `training`) carry its cost each."""
    study, sets = settings.preset.continual, len(settings.preset.data.adaptation)
    rows = []
    for cell in grid(settings).cells.values():
        plan = schedule_of(study, cell, sets, settings.results.parent / "state" / "step_cost")
        rows.append(
            {**cell.row(), "training": "/".join(cell.training), "tasks_planned": len(plan.steps),
             "steps_planned": sum(plan.steps), "steps_per_task": sum(plan.steps) / len(plan.steps),
             "end_passes": plan.end_passes, "batch_size": study.batch_size, "step_gflops": plan.step_gflops,
             "planned_gflops": plan.gflops(), "memory_multiplier": plan.multiplier,
             "planned_mafs": plan.gflops() * plan.multiplier, "allowed_gflops": plan.allowed, "budget_unit": plan.unit,
             "planned_share": _share(plan, study.budgets[cell.budget].accounting), **_numbers(study, cell)}
        )  # fmt: skip
    return pandas.DataFrame(rows)


def _numbers(study, cell) -> dict:
    """What the names on a cell's axes stand for."""
    shares = dict(zip(("pool_share", "update_share", "buffer_share"), study.mixtures[cell.mixture]))
    temperature = study.temperatures[cell.temperature]
    return {"rate_multiple": study.rates[cell.rate], "temperature_value": temperature, **shares}


def _share(plan, accounting: str) -> float:
    """Planned cost as a share of the budget, under the budget's own accounting."""
    if accounting == "published" and plan.end_passes:
        steps = sum(plan.steps) * (1 + plan.end_passes) * plan.step_gflops
        return steps * (plan.multiplier if plan.unit == "mafs" else 1.0) / plan.allowed
    return plan.planned / plan.allowed


def pretraining_gflops(settings: Settings) -> dict[str, float]:
    """GFLOPs of pre-training by model; released checkpoints cost nothing here."""
    study = settings.preset.continual
    recipes = {model: study.models[model] for model in grid(settings).models}
    return {
        model: recipe.pretrain_steps * step_gflops(model, "full-ft", recipe.pretrain_batch_size)
        for model, recipe in recipes.items()
        if recipe.pretrain_steps
    }


def tuning_gflops(settings: Settings) -> float:
    """GFLOPs of the trials on validation data."""
    study, sets = settings.preset.continual, len(settings.preset.data.adaptation)
    cache = settings.results.parent / "state" / "step_cost"
    return sum(
        schedule_of(study, cell, sets, cache).gflops()
        for method in study.tuning.method
        for cell in trials(study, method)
    )


def price(settings: Settings, plan: Grid) -> dict:
    """What the study costs before it runs; see `flopwise.studies.study.Study.price`."""
    table = cells_table(settings)
    trainings = table.drop_duplicates("training")  # a shared one is paid once
    weights = {model: 4 * _parameters(model) for model in plan.models}  # float32
    return {
        "cells": len(table), "models": plan.models, "mafs": float(trainings["planned_mafs"].sum()),
        "gflops": {
            "pretraining": sum(pretraining_gflops(settings).values()), "training": float(trainings["planned_gflops"].sum()),
            "tuning": tuning_gflops(settings),
        },
        "checkpoint_bytes": sum(weights.values()) + sum(weights[model] for model in table["model"]),
    }  # fmt: skip


def _parameters(model: str) -> int:
    from flopwise.models import clip

    return sum(p.numel() for p in clip.create(model, device="meta").parameters())
