"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`."""

from functools import cache

import pandas

from flopwise.config import Settings
from flopwise.cost import mafs
from flopwise.methods.continual import load
from flopwise.studies.continual.budget import step_gflops, steps_per_task, tasks_of
from flopwise.studies.continual.plan import Grid, grid


@cache
def memory_multiplier(model: str, method: str, batch_size: int) -> float:
    """Peak memory of a training step relative to full fine-tuning (four digits), simulated under fp16 autocast."""
    return mafs.multiplier(_peak_memory(model, method, batch_size), _peak_memory(model, "full-ft", batch_size))


@cache
def _peak_memory(model: str, method: str, batch_size: int) -> float:
    """Simulated peak device memory of a training step in bytes; see `flopwise.cost.memory`."""
    import torch

    from flopwise.cost import memory
    from flopwise.cost.subjects import contrastive_loss
    from flopwise.models import clip

    recipe, config = load(method), clip.configuration(model)
    network = clip.create(model, device="meta")
    recipe.prepare(network, None, **recipe.prepare_options)
    size, length = config["vision_cfg"]["image_size"], config["text_cfg"]["context_length"]

    def inputs(samples: int, device: str = "meta"):
        tokens = torch.zeros(samples, length, dtype=torch.long, device=device)
        return torch.empty(samples, 3, size, size, device=device), tokens

    return memory.training_peak(network.train(), inputs, contrastive_loss, batch_size, "fp16").total


def cells_table(settings: Settings) -> pandas.DataFrame:
    """One row per cell: slug, every parameter, steps per task, GFLOPs per step and in all, and memory-adjusted
    FLOPs (MAFs, in GFLOPs)."""
    study = settings.preset.continual
    rows = []
    for cell in grid(settings).cells.values():
        steps, per_step = steps_per_task(study, cell), step_gflops(cell.model, cell.method, study.batch_size)
        tasks, multiplier = tasks_of(study, cell), memory_multiplier(cell.model, cell.method, study.batch_size)
        rows.append(
            {**cell.row(), "tasks_planned": tasks, "steps_per_task": steps, "batch_size": study.batch_size,
             "step_gflops": per_step, "planned_gflops": per_step * steps * tasks,
             "memory_multiplier": multiplier, "planned_mafs": per_step * steps * tasks * multiplier,
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
