"""The cost of one training step of a method, and the table of all of them: FLOPs, memory, MAFs and steps."""

import contextlib
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from torch import nn

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.cost import flops, mafs, memory, subjects
from flopwise.cost.names import ACCOUNTINGS, CONVENTIONS, METHODS
from flopwise.cost.subjects import Subject
from flopwise.methods.continual import apply, load

BASELINE = "full-ft"
FISHER_SAMPLES = 50_000  # of the published Fisher pass, at most


@dataclass(frozen=True)
class StepCost:
    """One training step. gflops: forward and backward; end_of_task_steps: further passes at the end of a task, of which
    each costs as much as a training step; peak: memory."""

    gflops: float
    end_of_task_steps: int
    peak: memory.Peak


def forward(name: str) -> dict:
    """Parameters (millions) and forward GFLOPs of one sample; 1 multiply-add = 2 FLOPs."""
    library, rest = subjects.split(name)
    if library == "perceiver":
        from flopwise.cost import perceiver_models

        parameters, operations = perceiver_models.sizes(perceiver_models.find(rest))
    else:
        subject = subjects.load(name)
        parameters = subject.parameters
        operations = flops.forward(subject.module.eval(), *subject.inputs(1))
    return {"model": name, "params_m": round(parameters / 1e6, 6), "gflops": round(operations / 1e9, 6)}


def prepared(subject: Subject, name: str, published: bool = True) -> nn.Module:
    """A copy of the subject's model made ready for the method called `name`; `published`: with what the published code
    attaches besides. Raises UserError where the method has nothing to train in this model, or in one of its towers."""
    module = copy.deepcopy(subject.module).train()
    apply(name, module, None, subject.name, **(load(name).published_options if published else {}))
    return module


@contextlib.contextmanager
def _one_sample(subject: Subject, batch_size: int) -> Iterator[None]:
    """Say in one line why a step of a single sample fails: batch normalisation over one value per channel has nothing to
    take statistics of."""
    try:
        yield
    except ValueError as error:
        if batch_size > 1 or isinstance(error, UserError):
            raise
        raise UserError(
            f"{subject.name} cannot be trained on batches of 1 sample ({error}); give --batch-size 2 or more"
        ) from error


def step_gflops(subject: Subject, method: str, batch_size: int, convention: str) -> float:
    """GFLOPs of a step of `method`: forward and backward."""
    module, batch = prepared(subject, method, False), subject.inputs(batch_size)
    with _one_sample(subject, batch_size):
        return flops.training_step(lambda: subject.loss(module, batch), convention) / 1e9


def peak(
    subject: Subject, method: str, batch_size: int, precision: str = "fp16", published: bool = True
) -> memory.Peak:
    """Peak memory of the first step of `method`; `published`: with all that the published reading of it includes, the
    method's state on the device and its Fisher pass."""
    module, facts = prepared(subject, method, published), load(method)
    extra = {"device_state": facts.device_state, "passes": 1 + facts.fisher} if published else {}
    with _one_sample(subject, batch_size):
        return memory.training_peak(module, subject.inputs, subject.loss, batch_size, precision, **extra)


def step_cost(subject: Subject, method: str, batch_size: int, convention: str, precision: str = "fp16") -> StepCost:
    """Price one step of `method` as published."""
    gflops = step_gflops(subject, method, batch_size, convention)
    passes = load(method).end_passes(batch_size, FISHER_SAMPLES)
    return StepCost(gflops, passes, peak(subject, method, batch_size, precision))


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
    costs, left_out = _costs(model, batch_size, convention, precision)
    rows = []
    for method, cost in costs.items():
        row = {"method": method, **_row(cost, costs[BASELINE], accounting)}
        terms = (cost.gflops, row["memory_multiplier"], cost.end_of_task_steps, accounting)
        row["steps"] = {str(tasks): mafs.steps(budget, tasks, *terms) for tasks in mafs.TASKS}
        rows.append(row)
    return rows, dict(left_out)


@cache
def _costs(model: str, batch_size: int, convention: str, precision: str) -> tuple[dict[str, StepCost], dict[str, str]]:
    """A step of each method that fits the model, which takes seconds to count; methods left out, each with the reason."""
    subject = subjects.load(model)
    found: dict[tuple, StepCost] = {}  # methods that differ only in what they deploy cost the same
    costs, left_out = {}, {}
    for method in METHODS:
        key = load(method).step
        try:
            if key not in found:
                found[key] = step_cost(subject, method, batch_size, convention, precision)
        except UserError as error:
            if method == BASELINE:
                raise
            left_out[method] = str(error)
            continue
        costs[method] = found[key]
    return costs, left_out
