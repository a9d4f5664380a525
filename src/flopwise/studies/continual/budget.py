"""From a budget in FLOPs to optimiser steps: N = round(F / (T c)), c = FLOPs of one training step."""

from functools import cache

from flopwise.config.models import ContinualConfig
from flopwise.core.errors import UserError
from flopwise.cost.flops import count
from flopwise.methods.continual import load
from flopwise.studies.continual.plan import Cell


@cache
def step_gflops(model: str, method: str, batch_size: int) -> float:
    """GFLOPs of one training step (forward and backward of both towers and the loss), counted without computing
    anything: the model lies on the meta device. 1 multiply-add = 2 FLOPs; nothing is recomputed."""
    import torch

    from flopwise.models import clip, compat
    from flopwise.studies.continual.loss import contrastive_loss

    recipe = load(method)
    text = clip.configuration(model)["text_cfg"]
    size = clip.configuration(model)["vision_cfg"]["image_size"]
    with compat.without_compiler():
        network = clip.create(model, device="meta")
        recipe.prepare(network, None, **recipe.prepare_options)
        images = torch.empty(batch_size, 3, size, size, device="meta")
        tokens = torch.empty(batch_size, text["context_length"], dtype=torch.long, device="meta")
        return count(lambda: contrastive_loss(network, images, tokens).backward()) / 1e9


def tasks_of(study: ContinualConfig, cell: Cell) -> int:
    """Number of tasks; the oracle has one."""
    return 1 if load(cell.method).joint else study.tasks


def steps_per_task(study: ContinualConfig, cell: Cell) -> int:
    """Optimiser steps of each of the cell's tasks; the oracle spends the whole budget in its single task."""
    tasks = tasks_of(study, cell)
    budget = study.budget_gflops * study.budgets[cell.budget]
    steps = round(budget / (tasks * step_gflops(cell.model, cell.method, study.batch_size)))
    if steps < 1:
        raise UserError(
            f"budget {cell.budget!r} ({budget:g} GFLOPs over {tasks} tasks) buys no step of {cell.method} on {cell.model}; "
            f"one step costs {step_gflops(cell.model, cell.method, study.batch_size):g} GFLOPs"
        )
    return steps
