"""The same training for every arm of a task: AdamW with betas (0.9, 0.98), warm-up, a cosine to 0; a second phase where the task
has one."""

import copy
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


def run(study: PerceiverConfig, work: Work, cell: Cell, first_phases: dict) -> dict:
    """Train and score one cell: status, scores, forward MFLOPs of a sample, parameters, losses, seconds. first_phases: weights,
    losses and scores after the first phase by arm and seed, for arms that go on from another's; filled here."""
    arm = work.arms[cell.arm]
    record = {
        "status": "done",
        "mflops": 0.0,
        "parameters": 0,
        "losses": [],
        "train_seconds": 0.0,
        "evaluate_seconds": 0.0,
    }
    model, first, start = None, {}, time.process_time()
    if arm.trained:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(cell.seed, "perceiver", cell.task, arm.start or cell.arm))
            model = work.model(cell.arm)
            record |= {"mflops": count(work, model, cell.arm), "parameters": sum(p.numel() for p in model.parameters())}
            try:
                model, record["losses"], first = _trained(study, work, model, cell, first_phases)
            except Diverged:
                return record | {"status": "diverged", "scores": {}, "train_seconds": time.process_time() - start}
        model.eval()
    else:
        first = work.first_scores(None, cell.arm)
    record["train_seconds"] = time.process_time() - start
    scored = time.process_time()
    record["scores"] = work.scores(model, cell.arm, cell.seed) | first
    return record | {"evaluate_seconds": time.process_time() - scored}


def _trained(study: PerceiverConfig, work: Work, model, cell: Cell, first_phases: dict):
    """The model after one or two phases of training, its losses, and its scores after the first of two."""
    how, key = study.tasks[cell.task], (work.arms[cell.arm].start or cell.arm, cell.seed)
    if key in first_phases:
        weights, losses, first = first_phases[key]
        model.load_state_dict(weights)
    else:
        losses = _phase(study, work, model, cell, how.steps, how.learning_rate, "first")
        first = work.first_scores(model.eval(), cell.arm)
        first_phases[key] = copy.deepcopy(model.state_dict()), losses, first
    if not how.tuning_steps or (tuned := work.tuned(model, cell.arm)) is None:
        return model, losses, first
    losses = losses + _phase(study, work, tuned, cell, how.tuning_steps, how.tuning_learning_rate, "second")
    return tuned, losses, first


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


def read_materials(folders: tuple[Path, ...]) -> tuple[dict, list]:
    """The arrays of a task's materials, those of all but the first as `<material>/<name>`; the records of their files."""
    own, *others = (open_arrays(folder) for folder in folders)
    arrays = dict(own.arrays)
    for folder, other in zip(folders[1:], others):
        arrays |= {f"{folder.name}/{name}": array for name, array in other.arrays.items()}
    return arrays, [one.card["files"] for one in (own, *others)]


def train_job(settings: Settings, job: str, data: tuple[Path, ...], out: Path, state: Path, sources: str) -> dict:
    """Run the cells of `job` on the materials in the folders `data`, its own first. Writes `out` (JSON): a record by cell. A cell
    that ended before an interruption is not run again."""
    study, grid = settings.preset.perceiver, Grid(settings.preset.perceiver)
    cells, records, first_phases = grid.jobs[job], {}, {}
    arrays, files = read_materials(data)
    work = find(cells[0].task)(arrays)
    digest = sha256_json([sources, files, grid.settings_of(cells)])
    for cell in cells:
        saved = StateFolder(state / cell.slug, digest)
        if (done := saved.load()) is None:
            done = (0, {}, run(study, work, cell, first_phases))
            saved.save(*done)
        records[cell.slug] = done[2]
    write_json(out, records)
    for cell in cells:
        StateFolder(state / cell.slug, digest).clear()
    return {name: sum(one[name] for one in records.values()) for name in ("train_seconds", "evaluate_seconds")}
