"""From a budget to optimiser steps.

A stream of T tasks may cost F memory-adjusted FLOPs (MAFs). With c = FLOPs of one training step and a = its peak memory
relative to full fine-tuning, a step costs a c, and every task has N = F / (T a c) steps, rounded. A method with an extra
pass at the end of a task (EWC's Fisher pass, k times the cost of a step) is left N = F / (T a c) - k steps of it, or, as
the published table counts, N = F / (T (1 + k) a c). Source: official code and its published cost table."""

from dataclasses import dataclass, replace
from functools import cache
from math import floor
from pathlib import Path

from flopwise.config.continual import Budget, ContinualConfig
from flopwise.core.errors import UserError
from flopwise.core.io import read_json, sha256_json, write_json
from flopwise.core.schedules import learning_rate
from flopwise.methods.continual import load, module_name, priced_as
from flopwise.provenance.sources import code_digest
from flopwise.studies.continual.network import name_of
from flopwise.studies.continual.plan import Cell


def step_gflops(model: str, method: str, batch_size: int, convention: str = "model") -> float:
    """GFLOPs of one training step (forward and backward of both towers and the loss), counted without computing
    anything: the model lies on the meta device. 1 multiply-add = 2 FLOPs; `convention`: see `flopwise.cost.flops`."""
    return _gflops(model, priced_as(method), batch_size, convention)


@cache
def _gflops(model: str, method: str, batch_size: int, convention: str) -> float:
    from flopwise.cost import price
    from flopwise.models import compat
    from flopwise.models.loss import contrastive_loss

    with compat.without_compiler():
        subject = _subject(model)
        if convention == "model":  # what the training here does, its own order of products included
            subject = replace(subject, loss=lambda network, batch: contrastive_loss(network, *batch))
        return price.step_gflops(subject, method, batch_size, convention)


def memory_multiplier(model: str, method: str, batch_size: int, prices: str) -> float:
    """Peak memory of the first training step relative to full fine-tuning (four digits), simulated under fp16 autocast:
    as the device's driver shows it, or for `tensors` that of the tensors alone, where what a regulariser keeps from the
    first task on does not enter. A method that is not in the published table is priced by its own training."""
    from flopwise.cost import mafs
    from flopwise.cost.names import METHODS

    as_published = prices == "published" and method.removesuffix("-as-released") in METHODS  # costs the same
    peaks = (_peak(model, priced_as(name), batch_size, as_published) for name in (method, "full-ft"))
    return mafs.multiplier(*(peak.allocated if prices == "tensors" else peak.total for peak in peaks))


@cache
def _peak(model: str, method: str, batch_size: int, as_published: bool):
    from flopwise.cost import price

    return price.peak(_subject(model), method, batch_size, published=as_published)


@cache
def _subject(model: str):
    """What is priced: the model called `model` on the meta device, its inputs and its loss."""
    import torch

    from flopwise.cost.subjects import Subject, contrastive_loss
    from flopwise.models import clip

    size, length = clip.preprocessing(model).size, clip.configuration(model)["text_cfg"]["context_length"]

    def inputs(samples: int, device: str = "meta"):
        tokens = torch.zeros(samples, length, dtype=torch.long, device=device)
        return torch.empty(samples, 3, size, size, device=device), tokens

    return Subject(model, clip.create(model, device="meta"), inputs, contrastive_loss)


def step_cost(model: str, method: str, batch_size: int, prices: str, cache: Path | None = None) -> tuple[float, float]:
    """(GFLOPs, memory multiplier) of a training step; `prices`: see `ContinualConfig`. `cache`: folder that keeps them for
    other processes, under a hash of all source files that they depend on; counting them anew takes seconds and gives the
    same."""
    if cache is None:
        gflops = step_gflops(model, method, batch_size, "hardware" if prices == "published" else "model")
        return gflops, memory_multiplier(model, method, batch_size, prices)
    sources = code_digest(__name__, module_name(method), module_name("full-ft"))
    path = cache / f"{sha256_json([sources, model, method, batch_size, prices])[:24]}.json"
    if path.exists():
        return tuple(read_json(path))
    cost = step_cost(model, method, batch_size, prices)
    write_json(path, cost)
    return cost


@dataclass(frozen=True)
class StepPlan:
    """What a cell's training does and costs. `steps`: optimiser steps of each task; `end_passes`: extra passes at the
    end of each task, of which each costs as much as a training step; `allowed`: the budget, in the unit that `unit` says
    (GFLOPs)."""

    steps: tuple[int, ...]
    end_passes: int
    step_gflops: float
    multiplier: float
    allowed: float
    unit: str  # mafs | flops | steps

    def passes(self, tasks: int | None = None, steps: int = 0) -> int:
        """Forward and backward passes in `tasks` whole tasks (all of them unless given) and `steps` of the next one."""
        done = len(self.steps) if tasks is None else tasks
        return sum(self.steps[:done]) + steps + done * self.end_passes

    def gflops(self, tasks: int | None = None, steps: int = 0) -> float:
        """What these passes are charged, in GFLOPs."""
        return self.passes(tasks, steps) * self.step_gflops

    @property
    def planned(self) -> float:
        """Cost of the whole stream in the budget's unit."""
        return self.gflops() * (self.multiplier if self.unit == "mafs" else 1.0)


def tasks_of(study: ContinualConfig, cell: Cell, sets: int) -> int:
    """Number of tasks: the horizon's, the number of adaptation sets where it says `sets`; the oracle has one."""
    if load(cell.method).joint:
        return 1
    horizon = study.horizons[cell.horizon]
    return sets if horizon == "sets" else horizon


def schedule_of(study: ContinualConfig, cell: Cell, sets: int, cache: Path | None = None) -> StepPlan:
    """Steps and cost of the training that `cell` deploys; `sets`: number of adaptation sets; `cache`: see `step_cost`.
    Raises `UserError` where the budget buys no step, or fewer in a task than the schedule needs, and where the method does
    not fit the model."""
    budget, method = study.budgets[cell.budget], cell.shared_training
    tasks, model = tasks_of(study, cell, sets), name_of(study, cell.model)
    per_step, multiplier = step_cost(model, method, study.batch_size, study.prices, cache)
    allowed = study.budget_gflops * budget.multiple
    passes = load(method).end_passes(study.batch_size, study.fisher_samples)
    if budget.equal == "steps":
        model = name_of(study, study.defaults.model)
        allowed *= per_step / step_cost(model, "full-ft", study.batch_size, study.prices, cache)[0]
    unit_cost = per_step * (multiplier if budget.equal == "mafs" else 1.0)
    steps = _steps(allowed / unit_cost, tasks, passes, budget, study.rounding)
    if min(steps) < 1:
        raise UserError(
            f"budget {cell.budget!r} ({allowed:g} GFLOPs over {tasks} tasks) buys no step of {method} on {cell.model} in some "
            f"task; one step costs {unit_cost:g} GFLOPs, the end of a task {passes * unit_cost:g}"
        )
    if tasks > 1:
        learning_rate(cell.schedule, 1, 0, min(steps))  # refuses a schedule that needs longer tasks
    return StepPlan(steps, passes, per_step, multiplier, allowed, budget.equal)


def _steps(affordable: float, tasks: int, passes: int, budget: Budget, rounding: str) -> tuple[int, ...]:
    """Steps of each task where `affordable` steps (a real number) pay for the whole stream."""
    if budget.accounting == "published":
        affordable, passes = affordable / (1 + passes), 0
    if rounding == "published":
        return (round(affordable / tasks) - passes,) * tasks
    bounds = [floor(affordable * t / tasks) for t in range(tasks + 1)]
    return tuple(b - a - passes for a, b in zip(bounds, bounds[1:]))
