"""The released byte model on GLUE, fine-tuned on one task at a time (arXiv 2107.14795, section F.4).

    text -> [CLS] bytes [SEP] (bytes [SEP]) -> encoder and latents of the released model -> one learned query -> linear, tanh,
    linear -> classes, or a score

LAMB, ten epochs, 200 steps of warm-up, decay 0.01; the best score on the development set over the rates and batch sizes that are
tried, as published. The query and what follows it start anew. What the paper does not say is ours: the rate falls linearly to 0,
gradients are clipped at norm 1, scores are regressed as a fifth of themselves."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from flopwise.core import resumable
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json
from flopwise.core.lamb import Lamb
from flopwise.core.loop import Diverged
from flopwise.core.seeds import derive, numpy_generator
from flopwise.data.readers import glue
from flopwise.models.perceiver import create
from flopwise.models.perceiver.specs import LearnedQueries, Tasks

CLASS, SEPARATOR, BYTES = 4, 5, 6  # numbers of two marks, and what is added to a byte
CLIP_NORM = 1.0
KEPT = ("inputs.", "latents", "encoder.", "layers.")  # of the released model
METRICS = {"cola": "matthews", "stsb": "pearson"}  # all others: accuracy
SCORE = 5.0  # largest of STS-B


def symbols(texts: tuple[str, ...], length: int) -> list[int]:
    """Numbers of one or two texts, at most `length`: the longer one is cut first."""
    parts = [list(text.encode()) for text in texts]
    room = length - 1 - len(parts)
    while (excess := sum(map(len, parts)) - room) > 0:
        longest = max(parts, key=len)
        del longest[max(len(longest) - excess, room // len(parts)) :]
    found = [CLASS]
    for part in parts:
        found += [*(byte + BYTES for byte in part), SEPARATOR]
    return found


def padded(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """(symbols int64 (B, longest), mask bool): 0 and false behind the end of each."""
    found = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for row, out in zip(rows, found):
        out[: len(row)] = torch.tensor(row)
    return found, torch.arange(found.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]


def model_for(task: str, released, seed: int):
    """The released masked language model with one learned query and a network of its own for the task."""
    outputs, config = max(1, len(glue.TASKS[task].classes)), released.config
    head = {"queries": LearnedQueries(1, config.width), "head": Tasks({task: outputs}), "decoder_value": config.width}
    model = create(replace(config, **head), seed=derive(seed, "perceiver", "glue"))
    kept = {name: value for name, value in released.state_dict().items() if name.startswith(KEPT)}
    missing = [name for name in model.load_state_dict(kept, strict=False).missing_keys if name.startswith(KEPT)]
    if missing:
        raise UserError(f"the released model lacks {missing[0]}")
    return model


class Finetuning:
    """One task: its examples and the grid of rates and batch sizes. folder: state, for an exact resume."""

    def __init__(self, task: str, folder: Path, released, how, placement: Placement, state: Path, key: str):
        self.task, self.released, self.how, self.placement, self.state, self.key = (
            task,
            released,
            how,
            placement,
            state,
            key,
        )
        length = released.config.inputs.length
        self.splits = {}
        for split in glue.splits_of(task):
            if not split.startswith("test"):
                found = glue.read_split(folder, task, split)
                keep = limited_rows(len(found.texts), how.limit)
                self.splits[split] = (
                    [symbols(found.texts[row], length) for row in keep],
                    found.labels[keep],
                    len(found.texts),
                )

    def best(self) -> dict[str, float]:
        """The best over the grid: metric -> percent, `rate` and `batch_size` of it. Raises `UserError` where all diverged."""
        found = {point: self._point(*point) for point in product(self.how.glue.rates, self.how.glue.batch_sizes)}
        scored = {point: value for point, value in found.items() if value}
        if not scored:
            raise UserError(f"GLUE task {self.task}: all {len(found)} trainings diverged")
        best = max(scored, key=lambda point: np.mean(list(scored[point].values())))
        return {**scored[best], "rate": best[0], "batch_size": float(best[1])}

    def _point(self, rate: float, size: int) -> dict[str, float]:
        """Scores of one training; empty where it diverged. One that ended is not run again."""
        name = f"{rate:g}-{size}"
        done = StateFolder(self.state / name / "done", self.key)
        if (kept := done.load()) is None:
            running = StateFolder(self.state / name, sha256_json([self.key, rate, size]))
            try:
                scores = self._scores(self._trained(rate, size, running))
            except Diverged:
                scores = {}
            kept = (1, {}, scores)
            done.save(*kept)
            running.clear()
        return kept[2]

    def _trained(self, rate: float, size: int, running: StateFolder):
        rows, labels, _ = self.splits["train"]
        if size > len(rows):
            raise UserError(f"GLUE task {self.task} has {len(rows)} examples, fewer than a batch of {size}")
        per_epoch = len(rows) // size
        steps = self.how.glue.epochs * per_epoch
        model = self.placement.put(model_for(self.task, self.released, 0)).train()
        matrices, others = ([p for p in model.parameters() if (p.ndim > 1) == wide] for wide in (True, False))
        groups = [
            {"params": matrices, "weight_decay": self.how.glue.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]

        def loss(step: int) -> Tensor:
            epoch, place = divmod(step, per_epoch)
            order = numpy_generator(0, "perceiver", "glue", epoch).permutation(len(rows))
            chosen = order[place * size : (place + 1) * size]
            return self._loss(self._said(model, [rows[row] for row in chosen]), torch.from_numpy(labels[chosen]))

        how = self.how.glue
        resumable.train(
            model, Lamb(groups, rate), running, steps, loss, lambda step: rate * resumable.warmed(step, steps, how.warm_up),
            every=how.checkpoint_every_steps, clip_norm=CLIP_NORM, placement=self.placement, seed_of=lambda step: step,
            label=f"{self.task} {rate:g}",
        )  # fmt: skip
        return model.eval()

    def _said(self, model, rows: list[list[int]]) -> Tensor:
        """float32 (B, outputs)."""
        numbers, mask = map(self.placement.put, padded(rows))
        with self.placement.autocast():
            return model(numbers, mask=mask)[self.task].float()

    def _loss(self, said: Tensor, labels: Tensor) -> Tensor:
        labels = self.placement.put(labels)
        return cross_entropy(said, labels) if glue.TASKS[self.task].classes else mse_loss(said[:, 0], labels / SCORE)

    @torch.no_grad()
    def _scores(self, model) -> dict[str, float]:
        """The task's metric in percent; of MNLI on both development sets."""
        found = {}
        for split, (rows, labels, _) in self.splits.items():
            if split == "train":
                continue
            said = [
                self._said(model, rows[at : at + self.how.batch_size]).cpu()
                for at in range(0, len(rows), self.how.batch_size)
            ]
            ending = split.removeprefix("dev")
            found[METRICS.get(self.task, "accuracy") + ending] = metric(self.task, torch.cat(said).numpy(), labels)
        return found


def metric(task: str, said: np.ndarray, labels: np.ndarray) -> float:
    """Matthews correlation (CoLA), Pearson correlation (STS-B) or accuracy, in percent."""
    if task == "stsb":
        return 100 * float(np.corrcoef(said[:, 0], labels)[0, 1])
    guessed = said.argmax(1)
    if task != "cola":
        return 100 * float((guessed == labels).mean())
    (tn, fp), (fn, tp) = (((labels == a)[None] * (guessed == np.array([0, 1])[:, None])).sum(1) for a in (0, 1))
    root = np.sqrt(float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return 100 * float((tp * tn - fp * fn) / root) if root else 0.0


def limited_rows(count: int, limit: int | None) -> np.ndarray:
    """All rows, or `limit` of them, evenly spread."""
    return np.arange(count) if limit is None or limit >= count else np.arange(limit) * count // limit


def score_glue(released, one, folder: Path, how, placement: Placement, state: Path, key: str) -> tuple[dict, int, int]:
    """Scores of the task that `one` names, examples of the development sets that were scored, and how many they hold."""
    run = Finetuning(one.dataset.removeprefix("glue_"), folder, released, how, placement, state, key)
    dev = [part for name, part in run.splits.items() if name != "train"]
    return run.best(), sum(len(rows) for rows, *_ in dev), sum(whole for *_, whole in dev)
