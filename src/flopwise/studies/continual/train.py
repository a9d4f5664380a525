"""The protocol loop of FoMo-in-Flux: update a model task by task under a budget, evaluate after each.

For t = 1 .. T: D_t is the training data of chunk t of the stream, B all data of earlier chunks, P the pre-training pool;
N optimiser steps on batches mixed from P, D_t and B with a new optimiser and schedule; the method decides what is
deployed and where the next task starts. Source: official code."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.config.models import ContinualConfig
from flopwise.core.checkpoint import StateFolder
from flopwise.core.io import read_json
from flopwise.core.loop import Diverged, adamw, optimiser_tensors, restore_optimiser, run_steps
from flopwise.core.schedules import learning_rate
from flopwise.core.seeds import torch_generator
from flopwise.data.streams import chunks, read_stream
from flopwise.methods.continual import Method, load
from flopwise.methods.deployment import Deployment
from flopwise.methods.merging.names import DEFAULT
from flopwise.models import clip
from flopwise.studies.continual.budget import step_gflops, steps_per_task
from flopwise.studies.continual.corpus import Corpus, TaskBatches
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.loss import contrastive_loss
from flopwise.studies.continual.plan import Cell


def stream_file(settings: Settings, model: str, kind: str, seed: int) -> Path:
    return settings.results / "continual" / "streams" / model / f"{kind}-s{seed}.json"


def base_folder(settings: Settings, model: str) -> Path:
    return settings.results / "continual" / "base" / model


@dataclass
class Progress:
    """Where a cell stands; everything in it is saved and restored."""

    task: int = 0  # finished tasks
    step: int = 0  # finished steps of the running task
    status: str = "running"
    diverged_at: int | None = None
    train_seconds: float = 0.0  # CPU seconds
    evaluate_seconds: float = 0.0


class CellRun:
    """One cell from theta_0 to the end of its stream; `state` makes it resumable at every saved step."""

    def __init__(self, settings: Settings, cell: Cell, corpus: Corpus, state: StateFolder):
        self.study: ContinualConfig = settings.preset.continual
        self.cell, self.corpus, self.state = cell, corpus, state
        self.method: Method = load(cell.method)
        stream = read_stream(stream_file(settings, cell.model, cell.stream, cell.seed), set(corpus.entries))
        self.chunks = chunks(stream, 1 if self.method.joint else self.study.tasks)
        self.steps = steps_per_task(self.study, cell)
        self.initial = clip.load(base_folder(settings, cell.model))
        self.model = clip.create(cell.model)
        self.model.load_state_dict(self.initial)
        self.method.prepare(self.model, torch_generator(cell.seed, "adapters"), **self.method.prepare_options)
        self.trainable = [p for p in self.model.parameters() if p.requires_grad]
        named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.named, make = named, self.method.regulariser
        self.regulariser = make(named, **self.method.regulariser_options) if make else None
        self.deployment = Deployment(self.method, DEFAULT, self.initial, cell.seed)
        self.probe = clip.create(cell.model)  # holds deployed weights while they are scored
        self.evaluator = Evaluator(settings, cell.model, cell.seed)
        self.progress, self.rows, self.losses = Progress(), [], []

    def run(self) -> None:
        """Train and evaluate until the stream ends or the loss diverges."""
        optimiser_state = self._restore()
        if not self.rows:
            self._evaluate()
        try:
            for task in range(self.progress.task, len(self.chunks)):
                self._train_task(task, optimiser_state)
                optimiser_state = {}
                self._finish_task(task)
            self.progress.status = "done"
        except Diverged as event:
            self.progress.status, self.progress.diverged_at = "diverged", self.progress.task * self.steps + event.step

    def _train_task(self, task: int, optimiser_state: dict) -> None:
        update = self.corpus.members(self.chunks[task])
        buffer = self.corpus.members([entry for chunk in self.chunks[:task] for entry in chunk])
        shares = self.study.mixtures[self.cell.mixture]
        batches = TaskBatches(
            self.corpus, update, buffer, shares, self.study.batch_size, self.steps, self.cell.seed, task
        )
        rates = (self.study.learning_rate, self.study.weight_decay)
        optimiser = (self.method.optimiser or (lambda named, *r: adamw(named.values(), *r)))(self.named, *rates)
        restore_optimiser(optimiser, optimiser_state)
        clock = time.process_time()

        def after(step: int, loss: float) -> None:
            nonlocal clock
            self.losses.append(loss)
            now = time.process_time()
            self.progress.train_seconds += now - clock
            clock = now
            self.progress.step = step + 1
            if (step + 1) % self.study.checkpoint_every_steps == 0 and step + 1 < self.steps:
                self._save(optimiser_tensors(optimiser))
                clock = time.process_time()

        def loss_of(step: int):
            loss = contrastive_loss(self.model, *batches[step])
            penalty = self.regulariser.penalty() if self.regulariser else None
            return loss if penalty is None else loss + penalty

        self.model.train()
        run_steps(
            loss_of,
            optimiser,
            lambda step: learning_rate(self.cell.schedule, task, step, self.steps, self.study.learning_rate),
            self.progress.step,
            self.steps,
            clip_norm=self.study.clip_norm,
            after=after,
            before_update=self.regulariser.before_update if self.regulariser else lambda rate: None,
            label=f"{self.cell.slug} task {task + 1}/{len(self.chunks)}",
        )

    def _finish_task(self, task: int) -> None:
        """Deploy, evaluate, set the next task's starting point, save."""
        if self.regulariser:
            self._end_task_of_regulariser(task)
        self.deployment.after_task(task, clip.plain_state(self.model))
        if self.method.init != "latest":
            self.model.load_state_dict(self.deployment.next_start)
        self.progress.task, self.progress.step = task + 1, 0
        self._evaluate()
        self._save({})

    def _end_task_of_regulariser(self, task: int) -> None:
        update = self.corpus.members(self.chunks[task])
        size = min(self.study.batch_size, len(update))
        steps = self.regulariser.fisher_batches(size, len(update) // size)
        empty = update[:0]
        batches = TaskBatches(self.corpus, update, empty, (0, 1, 0), size, steps, self.cell.seed, f"fisher-{task}")
        self.regulariser.end_task(
            lambda batch: contrastive_loss(self.model, *batch), (batches[step] for step in range(steps))
        )

    @property
    def deployed(self) -> dict:
        return self.deployment.deployed

    def _evaluate(self) -> None:
        """Append a row per data set: scores of the deployed weights after `progress.task` tasks."""
        start = time.process_time()
        self.probe.load_state_dict(self.deployed)
        done = self.progress.task * self.steps
        spent = {"task": self.progress.task, "samples": done * self.study.batch_size}
        spent["gflops"] = done * step_gflops(self.cell.model, self.cell.method, self.study.batch_size)
        self.rows += [{**spent, **row} for row in self.evaluator.scores(self.probe)]
        self.progress.evaluate_seconds += time.process_time() - start

    def _save(self, optimiser_state: dict) -> None:
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"deployment/{k}": v for k, v in self.deployment.tensors().items()}
        if self.regulariser:
            tensors |= {f"regulariser/{k}": v for k, v in self.regulariser.tensors().items()}
        tensors |= {f"optimiser/{k}": v for k, v in optimiser_state.items()}
        record = {"progress": vars(self.progress), "rows": self.rows, "losses": self.losses}
        self.state.save(self.progress.task * self.steps + self.progress.step, tensors, record)

    def _restore(self) -> dict:
        """Continue from the saved state if there is one; returns the running task's optimiser state."""
        saved = self.state.load()
        if saved is None:
            return {}
        _, tensors, record = saved
        parts = {"model": {}, "deployment": {}, "regulariser": {}, "optimiser": {}}
        for name, value in tensors.items():
            part, _, key = name.partition("/")
            parts[part][key] = value
        self.model.load_state_dict(parts["model"])
        self.deployment.restore(parts["deployment"])
        if self.regulariser:
            self.regulariser.restore(parts["regulariser"])
        self.progress, self.rows, self.losses = Progress(**record["progress"]), record["rows"], record["losses"]
        return parts["optimiser"]

    def result(self) -> dict:
        """What is kept of the run besides metrics and weights: costs and losses."""
        per_step = step_gflops(self.cell.model, self.cell.method, self.study.batch_size)
        done = len(self.losses)
        return {
            "slug": self.cell.slug, "status": self.progress.status, "diverged_at": self.progress.diverged_at,
            "tasks": len(self.chunks), "steps_per_task": self.steps, "batch_size": self.study.batch_size,
            "trainable_parameters": int(sum(np.prod(p.shape) for p in self.trainable)),
            "step_gflops": per_step, "planned_gflops": per_step * self.steps * len(self.chunks),
            "spent_gflops": per_step * done, "train_seconds": self.progress.train_seconds,
            "evaluate_seconds": self.progress.evaluate_seconds, "losses": self.losses,
        }  # fmt: skip


def finished(state: StateFolder) -> dict | None:
    """The record of a cell that already ran to its end under this key, or None."""
    path = state.folder / "finished.json"
    record = read_json(path) if path.exists() else None
    return record if record and record["key"] == state.key else None
