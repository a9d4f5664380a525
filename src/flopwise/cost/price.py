"""The cost of one training step of a method, and the table of all of them: FLOPs, memory, MAFs and steps."""

import copy
import math
from dataclasses import dataclass

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.cost import flops, mafs, memory, methods, subjects
from flopwise.cost.names import ACCOUNTINGS, CONVENTIONS, METHODS
from flopwise.cost.subjects import Subject

BASELINE = "full-ft"


@dataclass(frozen=True)
class StepCost:
    """One training step. gflops: forward and backward; end_of_task_steps: further passes at the end of a task, each
    costs as much as a training step; peak: memory."""

    gflops: float
    end_of_task_steps: int
    peak: memory.Peak


def forward(name: str) -> dict:
    """Parameters (millions) and forward GFLOPs of one sample; 1 multiply-add = 2 FLOPs."""
    library, rest = subjects.split(name)
    if library == "perceiver":
        from flopwise.cost import perceiver

        configuration = perceiver.find(rest)
        parameters, operations = perceiver.parameters(configuration), perceiver.flops(configuration)
    else:
        subject = subjects.load(name)
        parameters = subject.parameters
        operations = flops.forward(subject.module.eval(), *subject.inputs(1))
    return {"model": name, "params_m": round(parameters / 1e6, 6), "gflops": round(operations / 1e9, 6)}


def step_cost(subject: Subject, method: str, batch_size: int, convention: str, precision: str = "fp16") -> StepCost:
    """Price one step of `method` on a copy of the subject's model."""
    description = methods.DESCRIPTIONS[method]
    module = copy.deepcopy(subject.module).train()
    methods.apply(method, module, subject.name)
    batch = subject.inputs(batch_size)
    operations = flops.training_step(lambda: subject.loss(module, batch), convention)
    module.zero_grad()
    peak = memory.training_peak(
        module,
        subject.inputs,
        subject.loss,
        batch_size,
        precision,
        device_state=description.device_state,
        passes=2 if description.fisher_samples else 1,
    )
    return StepCost(operations / 1e9, description.end_of_task_steps(batch_size), peak)


def _row(cost: StepCost, baseline: StepCost, accounting: str) -> dict:
    """The published columns of one method. Under `published` the end-of-task passes stand in every step."""
    gflops = cost.gflops * (1 + cost.end_of_task_steps if accounting == "published" else 1)
    ratio = mafs.multiplier(cost.peak.total, baseline.peak.total)
    return {
        "gflops_per_step": round(gflops, 4),
        "peak_memory_gb": round(cost.peak.gib, 4),
        "memory_multiplier": ratio,
        "maf_per_step": round(gflops * ratio, 4),
    }


def _check(batch_size: int, convention: str, accounting: str = "published") -> None:
    if batch_size < 1:
        raise UserError(f"--batch-size {batch_size}: a training step needs at least 1 sample")
    check("convention", convention, CONVENTIONS)
    check("accounting", accounting, ACCOUNTINGS)


def step(model: str, method: str, batch_size: int, convention: str = "hardware", precision: str = "fp16") -> dict:
    """gflops_per_step (GFLOPs), peak_memory_gb (GiB), memory_multiplier and maf_per_step (GFLOPs) of one method."""
    _check(batch_size, convention)
    check("method", method, METHODS)
    subject = subjects.load(model)
    cost = step_cost(subject, method, batch_size, convention, precision)
    baseline = cost if method == BASELINE else step_cost(subject, BASELINE, batch_size, convention, precision)
    return _row(cost, baseline, "published")


def table(
    model: str,
    batch_size: int,
    budget: float = mafs.BUDGET_GFLOPS,
    convention: str = "hardware",
    accounting: str = "published",
    precision: str = "fp16",
) -> tuple[list[dict], dict[str, str]]:
    """One row per method that fits the model: the keys of `step`, `method`, and `steps`, training steps per task for
    each number of tasks (as a string). Second result: methods left out, each with the reason.

    budget: total MAFs in GFLOPs
    """
    _check(batch_size, convention, accounting)
    if not 0 < budget < math.inf:
        raise UserError(f"--budget {budget:g}: a budget is a positive number of GFLOPs")
    subject = subjects.load(model)
    costs: dict[methods.Description, StepCost] = {}  # methods that differ only in what they deploy cost the same
    rows, left_out = [], {}
    for method in METHODS:
        description = methods.DESCRIPTIONS[method]
        try:
            cost = costs.get(description) or step_cost(subject, method, batch_size, convention, precision)
        except UserError as error:
            if method == BASELINE:
                raise
            left_out[method] = str(error)
            continue
        costs[description] = cost
        row = {"method": method, **_row(cost, costs[methods.DESCRIPTIONS[BASELINE]], accounting)}
        terms = (cost.gflops, row["memory_multiplier"], cost.end_of_task_steps, accounting)
        row["steps"] = {str(tasks): mafs.steps(budget, tasks, *terms) for tasks in mafs.TASKS}
        rows.append(row)
    return rows, left_out
