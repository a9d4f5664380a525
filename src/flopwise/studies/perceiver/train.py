"""The same training for every arm of a task: AdamW with betas (0.9, 0.98), warm-up, a cosine to 0; a second phase where the task
has one."""

import math
import time
from pathlib import Path

import torch

from flopwise.config import Settings
from flopwise.config.perceiver import PerceiverConfig
from flopwise.core.checkpoint import StateFolder
from flopwise.core.io import sha256_json, write_json
from flopwise.core.loop import Diverged, adamw, progress_bar, update
from flopwise.core.seeds import derive, numpy_generator
from flopwise.cost import flops
from flopwise.data.store import open_arrays
from flopwise.methods.perceiver import Work, find
from flopwise.studies.perceiver.plan import Cell, Grid


def rate(step: int, steps: int, peak: float, warm_up: float) -> float:
    """Linear from 0 over the first `warm_up` of the steps, then half a cosine to 0."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


def run(study: PerceiverConfig, work: Work, cell: Cell) -> dict:
    """Train and score one cell: status, scores, forward MFLOPs of a sample, parameters, losses, seconds."""
    arm, how = work.arms[cell.arm], study.tasks[cell.task]
    record = {
        "status": "done",
        "mflops": 0.0,
        "parameters": 0,
        "losses": [],
        "train_seconds": 0.0,
        "evaluate_seconds": 0.0,
    }
    model, start = None, time.process_time()
    if arm.trained:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(cell.seed, "perceiver", cell.task, cell.arm))
            model = work.model(cell.arm)
            record |= {"mflops": count(work, model, cell.arm), "parameters": sum(p.numel() for p in model.parameters())}
            try:
                losses = _phase(study, work, model, cell, how.steps, how.learning_rate, "first")
                if how.tuning_steps and (tuned := work.tuned(model, cell.arm)) is not None:
                    model = tuned
                    losses += _phase(study, work, model, cell, how.tuning_steps, how.tuning_learning_rate, "second")
            except Diverged:
                return record | {"status": "diverged", "scores": {}, "train_seconds": time.process_time() - start}
            record["losses"] = losses
        model.eval()
    record["train_seconds"] = time.process_time() - start
    scored = time.process_time()
    record["scores"] = work.scores(model, cell.arm, cell.seed)
    return record | {"evaluate_seconds": time.process_time() - scored}


def count(work: Work, model, arm: str) -> float:
    """MFLOPs of one sample's forward pass."""
    model.eval()
    with torch.no_grad():
        found = flops.count(lambda: work.once(model, arm)) / 1e6
    model.train()
    return found


def _phase(study: PerceiverConfig, work: Work, model, cell: Cell, steps: int, peak: float, name: str) -> list[float]:
    how = study.tasks[cell.task]
    optimiser, losses = adamw(model.parameters(), peak, study.weight_decay, (0.9, 0.98)), []
    model.train()
    for step in progress_bar(0, steps, f"{cell.slug} {name}"):
        rng = numpy_generator(cell.seed, "perceiver", cell.task, name, step)  # the same batches for all arms
        loss = work.loss(model, cell.arm, how.batch_size, rng)
        losses.append(update(loss, optimiser, rate(step, steps, peak, study.warm_up), clip_norm=study.clip_norm))
    return losses


def train_job(settings: Settings, job: str, data: Path, out: Path, state: Path, sources: str) -> dict:
    """Run the cells of `job` on the material in the folder `data`. Writes `out` (JSON): a record by cell. A cell that ended
    before an interruption is not run again."""
    study, grid = settings.preset.perceiver, Grid(settings.preset.perceiver)
    cells, records = grid.jobs[job], {}
    stored = open_arrays(data)
    work = find(cells[0].task)(stored.arrays)
    digest = sha256_json([sources, stored.card["files"], grid.settings_of(cells)])
    for cell in cells:
        saved = StateFolder(state / cell.slug, digest)
        if (done := saved.load()) is None:
            done = (0, {}, run(study, work, cell))
            saved.save(*done)
        records[cell.slug] = done[2]
    write_json(out, records)
    for cell in cells:
        StateFolder(state / cell.slug, digest).clear()
    return {name: sum(one[name] for one in records.values()) for name in ("train_seconds", "evaluate_seconds")}
