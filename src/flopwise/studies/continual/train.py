"""The protocol loop of FoMo-in-Flux: update a model task by task under a budget, evaluate after each.

For t = 1 .. T: D_t is the training data of chunk t of the stream, B all data of earlier chunks, P the pre-training pool;
N optimiser steps on batches mixed from P, D_t and B with a new optimiser and schedule; the method decides what is
deployed and where the next task starts. Source: official code."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.config.continual import ContinualConfig
from flopwise.core.checkpoint import StateFolder
from flopwise.core.io import read_json
from flopwise.core.loop import AdamW, Diverged, optimiser_tensors, restore_optimiser, run_steps
from flopwise.core.schedules import learning_rate
from flopwise.core.seeds import torch_generator
from flopwise.data.streams import chunks, dataset_chunks, read_stream
from flopwise.methods.continual import Method, load
from flopwise.methods.deployment import Deployment
from flopwise.models import clip
from flopwise.models.loss import contrastive_loss
from flopwise.studies.continual import recipe
from flopwise.studies.continual.budget import schedule_of, tasks_of
from flopwise.studies.continual.corpus import Corpus, TaskBatches
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.plan import Cell


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
    train_seconds: float = 0.0  # CPU seconds; with a GPU seconds that passed
    evaluate_seconds: float = 0.0
    executed_step_gflops: float = 0.0  # counted on a batch, see `_executed_gflops`
    replaced_images: list[int] = field(default_factory=list)  # per task: the pool's that could not be read


class TrainingRun:
    """One training from theta_0 to the end of its stream, and the cells that deploy it, each in its own way; `state`
    makes it resumable at every saved step."""

    def __init__(self, settings: Settings, cells: list[Cell], corpus: Corpus, evaluator: Evaluator, state: StateFolder):
        self.study: ContinualConfig = settings.preset.continual
        self.cells, self.cell = cells, cells[0]
        self.corpus, self.evaluator, self.state = corpus, evaluator, state
        self.method: Method = load(self.cell.shared_training)
        stream = read_stream(
            stream_file(settings, self.cell.model, self.cell.stream, self.cell.seed), set(corpus.entries)
        )
        self.chunks = cut(settings, self.cell, stream)
        sets, cache = len(settings.preset.data.adaptation), settings.results.parent / "state" / "step_cost"
        self.plan = schedule_of(self.study, self.cell, sets, cache)
        self.rate = self.study.learning_rate * self.study.rates[self.cell.rate]
        self.recipe = self.study.recipes[self.cell.recipe]
        initial = clip.load(base_folder(settings, self.cell.model))
        self.placement, self.scaler, self.scaler_state = evaluator.placement, None, {}
        self.model = clip.create(self.cell.model)
        self.model.load_state_dict(initial)
        self.method.prepare(self.model, torch_generator(self.cell.seed, "adapters"), **self.method.prepare_options)
        self.placement.put(self.model)
        self._fix_temperature()
        self.named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        options = self.method.regulariser_options
        self.regulariser = self.method.regulariser(self.named, **options) if self.method.regulariser else None
        self.deployments = [Deployment(load(c.method), c.merge, initial, c.seed) for c in cells]
        self.probe = self.placement.put(clip.create(self.cell.model))  # holds weights while they are scored
        self.progress, self.losses = Progress(), []
        self.rows: dict[str, list[dict]] = {"sets": [], "chunks": [], "inside": []}

    def run(self) -> None:
        """Train and evaluate until the stream ends or the loss diverges."""
        optimiser_state = self._restore()
        if not self.rows["sets"]:
            self._evaluate()
        try:
            for task in range(self.progress.task, len(self.chunks)):
                self._train_task(task, optimiser_state)
                optimiser_state = {}
                self._finish_task(task)
            self.progress.status = "done"
        except Diverged as event:
            self.progress.status = "diverged"
            self.progress.diverged_at = sum(self.plan.steps[: self.progress.task]) + event.step

    def _fix_temperature(self) -> None:
        """Where the cell asks for a fixed temperature tau: the logit scale is log(1 / tau) and does not train."""
        tau = self.study.temperatures[self.cell.temperature]
        if tau is not None:
            self.model.logit_scale.requires_grad_(False).fill_(math.log(1 / tau))

    def _train_task(self, task: int, optimiser_state: dict) -> None:
        update = self.corpus.members(self.chunks[task])
        buffer = self.corpus.members([entry for chunk in self.chunks[:task] for entry in chunk])
        shares, size = self.study.mixtures[self.cell.mixture], self.study.batch_size
        steps = self.plan.steps[task]
        *earlier, before = [*self.progress.replaced_images, 0][: task + 1]
        batches = TaskBatches(
            self.corpus, update, buffer, shares, size, steps, self.cell.seed, task, self.placement, before=before
        )
        make = self.method.optimiser or AdamW
        groups = recipe.groups(self.named, self.recipe, self.study.weight_decay, self.method.vectors)
        optimiser = make(groups, self.rate)
        restore_optimiser(optimiser, optimiser_state)
        self.scaler = self.placement.scaler()
        if self.scaler and self.scaler_state:
            self.scaler.load_state_dict(self.scaler_state)
        clock = self.placement.clock()

        def loss_of(step: int):
            nonlocal clock
            batch = batches[step]
            if not self.progress.executed_step_gflops:
                start = self.placement.clock()
                self.progress.executed_step_gflops = self._executed_gflops(batch)
                clock += self.placement.clock() - start  # counting is no training
            loss = self._loss(batch)
            penalty = self.regulariser.penalty() if self.regulariser else None
            return loss if penalty is None else loss + penalty

        def after(step: int, loss: float) -> None:
            nonlocal clock
            recipe.bound(self.model, self.recipe)
            self.losses.append(loss)
            self.progress.train_seconds += self.placement.clock() - clock
            self.progress.step = step + 1
            self.progress.replaced_images = [*earlier, batches.replaced]
            if step + 1 < steps:
                self._evaluate_inside(step + 1, steps)
                if (step + 1) % self.study.checkpoint_every_steps == 0:
                    self._save(optimiser_tensors(optimiser))
            clock = self.placement.clock()

        self.model.train()
        run_steps(
            loss_of,
            optimiser,
            lambda step: learning_rate(self.cell.schedule, task, step, steps, self.rate),
            self.progress.step,
            steps,
            clip_norm=self.study.clip_norm,
            before_update=lambda step, rate: self.regulariser.before_update(rate) if self.regulariser else None,
            after=after,
            scaler=self.scaler,
            label=f"{self.cell.slug} task {task + 1}/{len(self.chunks)}",
        )
        if self.regulariser:
            self._end_regulariser(task, update)
            self.progress.train_seconds += self.placement.clock() - clock
        self.scaler_state = {}

    def _executed_gflops(self, batch) -> float:
        """GFLOPs that a step of this training really executes. A budget charges the model's whole forward; the lean one
        leaves out padding and what nothing reads, and a batch in parts is computed twice."""
        from flopwise.cost.flops import count

        executed = count(lambda: self._loss(batch).backward()) / 1e9
        for parameter in self.named.values():
            parameter.grad = None
        return executed

    def _loss(self, batch):
        with self.placement.autocast():
            return contrastive_loss(self.model, *batch, self.study.models[self.cell.model].micro_batch_size)

    def _end_regulariser(self, task: int, update: np.ndarray) -> None:
        """The regulariser's pass over the task's own data."""
        passes, nothing = self.plan.end_passes, update[:0]
        size = self.study.batch_size
        batches = TaskBatches(
            self.corpus, update, nothing, (0, 1, 0), size, passes, self.cell.seed, f"end-{task}", self.placement
        )
        self.regulariser.end_task(self._loss, (batches[step] for step in range(passes)))

    def _finish_task(self, task: int) -> None:
        """Deploy, evaluate, set the next task's starting point, save."""
        trained = clip.plain_state(self.model)
        for deployment in self.deployments:
            deployment.after_task(task, trained)
        if self.method.init != "latest":
            self.model.load_state_dict(self.deployments[0].next_start)
            self._fix_temperature()
        self.progress.task, self.progress.step = task + 1, 0
        self._evaluate()
        self._save({})

    def _evaluate(self) -> None:
        """Score what each cell deploys after `progress.task` tasks, where its experiments ask for it."""
        start = self.placement.clock()
        task = self.progress.task
        spent = {"task": task, "samples": sum(self.plan.steps[:task]) * self.study.batch_size}
        spent["gflops"] = self.plan.gflops(task)
        for cell, deployment in zip(self.cells, self.deployments):
            if cell.evaluate == "final":
                continue
            weights = deployment.deployed
            scores = self._scores(weights) if task else self.evaluator.first_scores(self.probe, weights)
            self.rows["sets"] += [{"cell": cell.slug, **spent, **row} for row in scores.rows]
            self.rows["chunks"] += [
                {"cell": cell.slug, "task": task, "chunk": index + 1, **scores.of_entries(chunk)}
                for index, chunk in enumerate(self.chunks)
            ]
        self.progress.evaluate_seconds += self.placement.clock() - start

    def _evaluate_inside(self, step: int, steps: int) -> None:
        """Score the weights in training, `inside` times per task, where an experiment asks for it."""
        wanted = [cell for cell in self.cells if cell.evaluate == "steps"]
        parts = self.study.evaluation.inside + 1
        if not wanted or step not in {round(steps * part / parts) for part in range(1, parts)}:
            return
        start = self.placement.clock()
        scores = self._scores(clip.plain_state(self.model))
        at = {"task": self.progress.task, "step": step, "steps": steps}
        self.rows["inside"] += [{"cell": cell.slug, **at, **row} for cell in wanted for row in scores.rows]
        self.model.train()
        self.progress.evaluate_seconds += self.placement.clock() - start

    def _scores(self, weights: dict):
        self.probe.load_state_dict(weights)
        return self.evaluator.scores(self.probe)

    def _save(self, optimiser_state: dict) -> None:
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"optimiser/{k}": v for k, v in optimiser_state.items()}
        for index, deployment in enumerate(self.deployments):
            tensors |= {f"deployment{index}/{k}": v for k, v in deployment.tensors().items()}
        if self.regulariser:
            tensors |= {f"regulariser/{k}": v for k, v in self.regulariser.tensors().items()}
        record = {"progress": vars(self.progress), "rows": self.rows, "losses": self.losses}
        record["scaler"] = self.scaler.state_dict() if self.scaler and optimiser_state else {}
        self.state.save(sum(self.plan.steps[: self.progress.task]) + self.progress.step, tensors, record)

    def _restore(self) -> dict:
        """Continue from the saved state if there is one; returns the running task's optimiser state."""
        saved = self.state.load()
        if saved is None:
            return {}
        _, tensors, record = saved
        parts: dict[str, dict] = {}
        for name, value in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = value
        self.model.load_state_dict(parts["model"])
        for index, deployment in enumerate(self.deployments):
            deployment.restore(parts.get(f"deployment{index}", {}))
        if self.regulariser:
            self.regulariser.restore({k: self.placement.put(v) for k, v in parts.get("regulariser", {}).items()})
        self.scaler_state = record["scaler"]
        self.progress, self.rows, self.losses = Progress(**record["progress"]), record["rows"], record["losses"]
        return parts.get("optimiser", {})

    def result(self, cell: Cell) -> dict:
        """What is kept of the run for `cell` besides metrics and weights: costs and losses. The costs are those of the
        whole training, whether or not other cells share it."""
        tasks, step = self.progress.task, len(self.losses) - sum(self.plan.steps[: self.progress.task])
        return {
            "slug": cell.slug, "status": self.progress.status, "diverged_at": self.progress.diverged_at,
            "tasks": len(self.chunks), "steps": list(self.plan.steps), "batch_size": self.study.batch_size,
            "device": self.placement.device.partition(":")[0], "precision": self.placement.precision,
            "trainable_parameters": int(sum(np.prod(p.shape) for p in self.named.values())),
            "shared_by": len(self.cells), "step_gflops": self.plan.step_gflops, "multiplier": self.plan.multiplier,
            "charged_gflops": self.plan.gflops(tasks, step),
            "executed_gflops": self.plan.passes(tasks, step) * self.progress.executed_step_gflops,
            "train_seconds": self.progress.train_seconds, "evaluate_seconds": self.progress.evaluate_seconds,
            "losses": self.losses, "replaced_images": self.progress.replaced_images,
        }  # fmt: skip


def finished(state: StateFolder) -> dict | None:
    """The record of a training that already ran to its end under this key, or None."""
    path = state.folder / "finished.json"
    record = read_json(path) if path.exists() else None
    return record if record and record["key"] == state.key else None
