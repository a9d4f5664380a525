"""The protocol of FoMo-in-Flux: update a model task by task under a budget, evaluate after each.

For t = 1 .. T: D_t is the training data of chunk t of the stream, B all data of earlier chunks, P the pre-training pool;
N optimiser steps on batches mixed from P, D_t and B with a new optimiser and schedule; the method decides what is
deployed and where the next task starts. Source: official code."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.checkpoint import StateFolder, joined, parted
from flopwise.core.loop import AdamW, Diverged, optimiser_tensors, progress_bar, restore_optimiser, update
from flopwise.core.schedules import learning_rate
from flopwise.core.seeds import torch_generator
from flopwise.core.stopwatch import Stopwatch
from flopwise.data.streams import chunks, dataset_chunks, read_stream
from flopwise.methods.continual import Method, apply, load
from flopwise.methods.deployment import Deployment
from flopwise.models import buffers, clip
from flopwise.models.loss import contrastive_loss
from flopwise.studies.continual import recipe
from flopwise.studies.continual.budget import schedule_of, tasks_of
from flopwise.studies.continual.corpus import Corpus, TaskBatches
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.network import name_of
from flopwise.studies.continual.plan import Cell
from flopwise.studies.continual.scoring import Scoring


def stream_file(settings: Settings, model: str, kind: str, seed: int) -> Path:
    return settings.results / "continual" / "streams" / model / f"{kind}-s{seed}.json"


def base_folder(settings: Settings, model: str) -> Path:
    return settings.results / "continual" / "base" / model


def cut(settings: Settings, cell: Cell, stream: list[str]) -> list[list[str]]:
    """The tasks of a cell's stream."""
    sets = len(settings.preset.data.adaptation)
    tasks = tasks_of(settings.preset.continual, cell, sets)
    whole = settings.preset.continual.horizons[cell.horizon] == "sets" and tasks > 1
    return dataset_chunks(stream) if whole else chunks(stream, tasks)


@dataclass
class Progress:
    """Where a training stands; everything in it is saved and restored."""

    task: int = 0  # finished tasks
    step: int = 0  # finished steps of the running task
    status: str = "running"
    diverged_at: int | None = None  # steps done in all
    executed_step_gflops: float = 0.0  # counted on the first batch, see `_executed_gflops`
    losses: list[float] = field(default_factory=list)  # of every step
    replaced_images: list[int] = field(default_factory=list)  # per task: the pool's that could not be read


class TrainingRun:
    """One training from theta_0 to the end of its stream, and the cells that deploy it, each in its own way.

    `state`: where it is saved, so that it can go on exactly as if it had never stopped."""

    def __init__(self, settings: Settings, cells: list[Cell], corpus: Corpus, evaluator: Evaluator, state: StateFolder):
        self.config, self.placement = settings.preset.continual, evaluator.placement
        self.cells, self.cell, self.corpus, self.state = cells, cells[0], corpus, state
        self.recipe = self.config.recipes[self.cell.recipe]
        self.method: Method = load(self.cell.shared_training)
        sets, cache = len(settings.preset.data.adaptation), settings.results.parent / "state" / "step_cost"
        self.step_plan = schedule_of(self.config, self.cell, sets, cache)
        stream = stream_file(settings, self.cell.model, self.cell.stream, self.cell.seed)
        self.chunks = cut(settings, self.cell, read_stream(stream, set(corpus.entries)))

        initial = clip.load(base_folder(settings, self.cell.model))
        self.model = clip.create(name_of(self.config, self.cell.model))
        self.model.load_state_dict(initial)
        statistics = buffers.names(self.model)
        apply(self.cell.shared_training, self.model, torch_generator(self.cell.seed, "adapters"), self.cell.model)
        self.placement.put(self.model)
        self._fix_temperature()
        self.trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        regulariser, options = self.method.regulariser, self.method.regulariser_options
        self.regulariser = regulariser(self.trainable, **options) if regulariser else None
        self.deployments = [Deployment(load(c.method), c.merge, initial, c.seed, statistics) for c in cells]

        self.scoring = Scoring(evaluator, cells, self.chunks, self.config.evaluation.inside)
        self.progress = Progress()
        self.stopwatch = Stopwatch(self.placement.clock)

    def run(self) -> None:
        """Train and evaluate until the stream ends or the loss diverges; goes on where a saved state stops."""
        saved = self.load()
        if saved is None:
            self._evaluate()  # theta_0
        try:
            for task in range(self.progress.task, len(self.chunks)):
                self._train_task(task, **(saved or {}))
                saved = None  # only the first of these tasks was under way
                self._deploy(task)
                self._evaluate()
                self.save()
            self.progress.status = "done"
        except Diverged:
            self.progress.status, self.progress.diverged_at = "diverged", len(self.progress.losses)

    def _train_task(self, task: int, optimiser_state: dict | None = None, scaler_state: dict | None = None) -> None:
        """All steps of a task, or those that are left of it: then with the state of its optimiser and gradient scaler."""
        now, steps = self.progress, self.step_plan.steps[task]
        peak = self.config.peak_rate(self.cell.shared_training, self.cell.rate)
        groups = recipe.groups(self.trainable, self.recipe, self.config.weight_decay, self.method.vectors)
        optimiser = (self.method.optimiser or AdamW)(groups, peak)  # a new one for each task, as in the official code
        restore_optimiser(optimiser, optimiser_state or {})
        scaler = self.placement.scaler()
        if scaler and scaler_state:
            scaler.load_state_dict(scaler_state)
        batches = self._batches(task, steps)
        before_update = self.regulariser.before_update if self.regulariser else None
        label = f"{self.cell.slug} task {task + 1}/{len(self.chunks)}"

        buffers.train(self.model)
        with self.stopwatch.measure("train"):
            for step in progress_bar(now.step, steps, label):
                loss = self._objective(batches[step])
                rate = learning_rate(self.cell.schedule, task, step, steps, peak)
                now.losses.append(
                    update(
                        loss,
                        optimiser,
                        rate,
                        clip_norm=self.config.clip_norm,
                        before_update=before_update,
                        scaler=scaler,
                    )
                )
                recipe.bound(self.model, self.recipe)
                now.step = step + 1
                now.replaced_images[task:] = [batches.replaced]  # the running task's is the last, if it is there
                if now.step < steps:  # after the last step the task is finished first: its end is part of its state
                    self._evaluate_within_task(steps)
                    if now.step % self.config.checkpoint_every_steps == 0:
                        self.save(optimiser, scaler)
            if self.regulariser:
                self._end_regulariser(task)

    def _batches(self, task: int, steps: int) -> TaskBatches:
        """Batches mixed from the task's own data, that of earlier tasks and the pool."""
        current = self.corpus.members(self.chunks[task])
        buffer = self.corpus.members([entry for chunk in self.chunks[:task] for entry in chunk])
        shares, size = self.config.mixtures[self.cell.mixture], self.config.batch_size
        before = sum(self.progress.replaced_images[task:])  # in steps of this task that an interrupted run had done
        return TaskBatches(
            self.corpus, current, buffer, shares, size, steps, self.cell.seed, task, self.placement, before=before
        )

    def _objective(self, batch):
        """What a step lowers: the loss, and the regulariser's penalty where there is one."""
        if not self.progress.executed_step_gflops:
            with self.stopwatch.measure("counting"):  # a step of its own, which updates nothing: no training time
                self.progress.executed_step_gflops = self._executed_gflops(batch)
        loss = self._loss(batch)
        penalty = self.regulariser.penalty() if self.regulariser else None
        return loss if penalty is None else loss + penalty

    def _loss(self, batch):
        with self.placement.autocast():
            return contrastive_loss(self.model, *batch, self.config.models[self.cell.model].micro_batch_size)

    def _executed_gflops(self, batch) -> float:
        """GFLOPs that a step of this training really executes. A budget charges the model's whole forward; the lean one
        leaves out padding and what nothing reads, and a batch in parts is computed twice."""
        from flopwise.cost.flops import count

        with buffers.kept(self.model):
            executed = count(lambda: self._loss(batch).backward()) / 1e9
        for parameter in self.trainable.values():
            parameter.grad = None
        return executed

    def _end_regulariser(self, task: int) -> None:
        """The regulariser's pass over the task's own data."""
        current, passes = self.corpus.members(self.chunks[task]), self.step_plan.end_passes
        shares, size, use = (0, 1, 0), self.config.batch_size, f"end-{task}"
        batches = TaskBatches(
            self.corpus, current, current[:0], shares, size, passes, self.cell.seed, use, self.placement
        )
        with buffers.kept(self.model):
            self.regulariser.end_task(self._loss, (batches[step] for step in range(passes)))

    def _deploy(self, task: int) -> None:
        """End the task: each cell merges what it deploys, and the model takes on the next task's starting point."""
        trained = clip.plain_state(self.model)
        for deployment in self.deployments:
            deployment.after_task(task, trained)
        if self.method.init != "latest":
            # Cells that share a training start tasks alike, whatever they deploy: any of their deployments will do.
            self.model.load_state_dict(self.deployments[0].next_start)
            self._fix_temperature()
        self.progress.task, self.progress.step = task + 1, 0

    def _fix_temperature(self) -> None:
        """Where the cell asks for a fixed temperature tau: the logit scale is log(1 / tau) and does not train."""
        tau = self.config.temperatures[self.cell.temperature]
        if tau is not None:
            self.model.logit_scale.requires_grad_(False).fill_(math.log(1 / tau))

    def _evaluate(self) -> None:
        """Score what each cell deploys after the tasks finished so far."""
        task = self.progress.task
        samples = sum(self.step_plan.steps[:task]) * self.config.batch_size
        deployed = [deployment.deployed for deployment in self.deployments]
        with self.stopwatch.measure("evaluate"):
            self.scoring.after_task(task, samples, self.step_plan.gflops(task), deployed)

    def _evaluate_within_task(self, steps: int) -> None:
        step = self.progress.step
        if self.scoring.due_within_task(step, steps):
            with self.stopwatch.measure("evaluate"):
                self.scoring.during_task(self.progress.task, step, steps, clip.plain_state(self.model))

    def save(self, optimiser=None, scaler=None) -> None:
        """Save all that decides how the training goes on; `optimiser`, `scaler`: of a task that is under way.

        No random generator is among it: batches, crops and merges draw from generators of their own, made anew from
        (seed, task, step), so that a step is the same whether or not the steps before it ran in this process."""
        with self.stopwatch.measure("save"):
            parts = {"model": self.model.state_dict()}
            parts |= {f"deployment{i}": deployment.tensors() for i, deployment in enumerate(self.deployments)}
            parts["regulariser"] = self.regulariser.tensors() if self.regulariser else {}
            parts["optimiser"] = optimiser_tensors(optimiser) if optimiser else {}
            record = {"progress": vars(self.progress), "rows": self.scoring.rows, "seconds": self.stopwatch.seconds}
            record["scaler"] = scaler.state_dict() if scaler else {}
            self.state.save(len(self.progress.losses), joined(parts), record)

    def load(self) -> dict | None:
        """Take on the saved state, if there is one; returns what the task under way needs of it."""
        saved = self.state.load()
        if saved is None:
            return None
        _, tensors, record = saved
        parts = parted(tensors)
        self.model.load_state_dict(parts["model"])
        for i, deployment in enumerate(self.deployments):
            deployment.restore(parts[f"deployment{i}"])
        if self.regulariser:
            self.regulariser.restore({name: self.placement.put(value) for name, value in parts["regulariser"].items()})
        self.progress = Progress(**record["progress"])
        self.scoring.rows, self.stopwatch.seconds = record["rows"], record["seconds"]
        return {"optimiser_state": parts["optimiser"], "scaler_state": record["scaler"]}

    def result(self, cell: Cell) -> dict:
        """What is kept of the run for `cell` besides metrics and weights: costs and losses. The costs are those of the
        whole training, whether or not other cells share it."""
        now, plan = self.progress, self.step_plan
        return {
            "slug": cell.slug, "status": now.status, "diverged_at": now.diverged_at,
            "tasks": len(self.chunks), "steps": list(plan.steps), "batch_size": self.config.batch_size,
            "device": self.placement.device.partition(":")[0], "precision": self.placement.precision,
            "trainable_parameters": int(sum(np.prod(p.shape) for p in self.trainable.values())),
            "shared_by": len(self.cells), "step_gflops": plan.step_gflops, "multiplier": plan.multiplier,
            "charged_gflops": plan.gflops(now.task, now.step),
            "executed_gflops": plan.passes(now.task, now.step) * now.executed_step_gflops,
            "train_seconds": self.stopwatch.seconds.get("train", 0.0),
            "evaluate_seconds": self.stopwatch.seconds.get("evaluate", 0.0),
            "losses": now.losses, "replaced_images": now.replaced_images,
        }  # fmt: skip
