"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`."""

import pandas

from flopwise.config import Settings
from flopwise.studies.continual.budget import step_gflops, steps_per_task, tasks_of
from flopwise.studies.continual.plan import Grid, grid


def cells_table(settings: Settings) -> pandas.DataFrame:
    """One row per cell: slug, every parameter, steps per task, GFLOPs per step and in all."""
    study = settings.preset.continual
    rows = []
    for cell in grid(settings).cells.values():
        steps, per_step = steps_per_task(study, cell), step_gflops(cell.model, cell.method, study.batch_size)
        tasks = tasks_of(study, cell)
        rows.append(
            {**cell.row(), "tasks_planned": tasks, "steps_per_task": steps, "batch_size": study.batch_size,
             "step_gflops": per_step, "planned_gflops": per_step * steps * tasks,
             "allowed_gflops": study.budget_gflops * study.budgets[cell.budget]}
        )  # fmt: skip
    return pandas.DataFrame(rows)


def pretraining_gflops(settings: Settings) -> dict[str, float]:
    """GFLOPs of pre-training by model; released checkpoints cost nothing here."""
    study = settings.preset.continual
    recipes = {model: study.models[model] for model in grid(settings).models}
    return {
        model: recipe.pretrain_steps * step_gflops(model, "full-ft", recipe.pretrain_batch_size)
        for model, recipe in recipes.items()
        if recipe.pretrain_steps
    }


def jobs(settings: Settings, plan: Grid) -> dict[str, int]:
    """Number of jobs of each rule of the study."""
    train = len(plan.jobs)
    models = len(plan.models)
    return {
        "continual_plan": 1, "continual_pretrain": models, "continual_start": models, "continual_train": train,
        "continual_evaluate": train, "continual_collect": 1, "continual_claims": 1,
    }  # fmt: skip
