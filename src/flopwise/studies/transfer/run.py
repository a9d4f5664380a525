"""One transfer: from a pretrained student to the same student with something of its teachers in it.

The student trains with all its weights (batch normalisation on batch statistics); teachers and the frozen student are asked
in evaluation mode. What they say of kept views comes from the cache, of fresh views from the models themselves. The last
epoch counts. Source: official code of arXiv 2310.17653; docs/transfer.md lists what differs."""

import copy
import math
from dataclasses import dataclass, field

import numpy as np

from flopwise.config.transfer import Amount, TransferPreset, View
from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.loop import Diverged, update
from flopwise.core.seeds import derive, drawn_inside, numpy_generator, torch_generator
from flopwise.core.sgd import SGD
from flopwise.data import distort
from flopwise.methods.masks import flips
from flopwise.methods.slow_weights import SlowWeights, tau_for
from flopwise.methods.transfer import Batch, Method
from flopwise.models.miniature import outputs
from flopwise.studies.transfer import pictures

KINDS = ("positive", "negative", "neutral")  # flips of the current student against the first teacher


class Source:
    """One model as the source of logits and features of the transfer set's pictures, kept or asked anew.

    kept: what it said of each kept view, in order; empty: it is asked. permutation: class c is called permutation[c]."""

    def __init__(self, kept=(), model=None, permutation=None):
        self.kept, self.model, self.permutation = list(kept), model, permutation

    def __call__(self, view: int, indices, images, placement: Placement):
        """(features, logits) of the pictures `indices` (B,), which look like `images` in this view."""
        import torch

        if self.kept:
            said = self.kept[view % len(self.kept)]
            features, logits = said.features[indices], said.logits[indices]
        else:
            with torch.no_grad(), placement.autocast():
                features, logits = outputs(self.model, placement.put(images))
        features, logits = placement.put(features.float()), placement.put(logits.float())
        return features, logits if self.permutation is None else logits[:, self.permutation]


def permuted(classes: int, name: str):
    """A fixed exchange of classes without a fixed point: the teacher keeps its confidence and loses its meaning."""
    import torch

    order = numpy_generator(0, "permuted", name).permutation(classes)
    exchange = np.empty(classes, np.int64)
    exchange[order] = np.roll(order, 1)
    return torch.from_numpy(exchange)


@dataclass
class Transferred:
    """status: done or diverged. steps: optimiser steps done. shares: mean share of samples that a teacher taught, by kind of
    flip and over all; NaN for methods that single out none. seconds: of training. teacher_passes, passes: pictures that one
    teacher would be asked about without a cache, and that went through the student."""

    status: str = "running"
    steps: int = 0
    diverged_at: int | None = None
    losses: list[float] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    passes: int = 0
    teacher_passes: int = 0


@dataclass(frozen=True)
class Material:
    """What a transfer trains on: uint8 (n, 3, H, W) of each kept view, or of the pictures alone where views are fresh; labels
    int64 (n,)."""

    views: list
    labels: object
    view: View
    amount: Amount


class Transfer:
    """One run. student: a model with its weights, which is trained in place; frozen, teachers: sources."""

    def __init__(
        self, config: TransferPreset, method: Method, material: Material, student, frozen: Source, teachers: list[Source],
        seed: int, placement: Placement, as_released: bool = False,
    ):  # fmt: skip
        self.config, self.method, self.material, self.placement = config, method, material, placement
        self.student, self.frozen, self.teachers = placement.put(student), frozen, teachers
        self.seed, self.as_released = seed, as_released
        if len(material.labels) < config.batch_size:
            raise UserError(
                f"the transfer set has {len(material.labels)} pictures, fewer than a batch ({config.batch_size}); take a "
                "larger share of the data or a smaller batch_size"
            )
        self.result, self._taught = Transferred(), {kind: [0.0, 0] for kind in (*KINDS, "all")}
        self._started = placement.clock()

    @property
    def steps_per_epoch(self) -> int:
        return len(self.material.labels) // self.config.batch_size

    def run(self) -> dict:
        """Train; returns the state dict that counts, on the CPU. `result` says how it went."""
        method, teachers = self.method, len(self.teachers)
        epochs = self.material.amount.epochs
        try:
            if method.teachers == "soup":
                weights = self._soup(epochs)
            elif method.teachers == "sequential":
                weights = self._sequential(epochs)
            else:
                weights = self._train(self.teachers, self.frozen, epochs * method.passes(teachers), 0)
            self.result.status = "done"
        except Diverged:
            self.result.status, self.result.diverged_at = "diverged", self.result.steps
            weights = self.student.state_dict()
        self.result.shares = {kind: total / count for kind, (total, count) in self._taught.items() if count}
        self.result.seconds = self.placement.clock() - self._started
        return {name: value.detach().cpu().clone() for name, value in weights.items()}

    def _sequential(self, epochs: int) -> dict:
        frozen, weights = self.frozen, {}
        for turn, teacher in enumerate(self.teachers):
            weights = self._train([teacher], frozen, epochs, turn)
            self.student.load_state_dict(weights)
            frozen = self._ask_all(self.student)
        return weights

    def _soup(self, epochs: int) -> dict:
        """Each teacher alone from the same student; then the mean of all weights, buffers too."""
        start = {name: value.clone() for name, value in self.student.state_dict().items()}
        total: dict = {}
        for teacher in self.teachers:
            self.student.load_state_dict(start)
            weights = self._train([teacher], self.frozen, epochs, 0)  # the order of a single transfer with this seed
            for name, value in weights.items():
                total[name] = total.get(name, 0) + value.double()
        return {name: (value / len(self.teachers)).to(start[name].dtype) for name, value in total.items()}

    def _ask_all(self, model) -> Source:
        """A copy of the model as the new frozen student; of kept views it is asked once."""
        from flopwise.studies.transfer.predictions import ask

        copied = copy.deepcopy(model).eval()
        if not self.material.view.count:
            return Source(model=copied)
        try:
            return Source(
                [ask(copied, view, self.placement, self.config.evaluation_batch_size) for view in self.material.views]
            )
        except RunFailure as error:
            raise Diverged(str(error)) from error

    def _train(self, teachers: list[Source], frozen: Source, epochs: int, turn: int) -> dict:
        """Train for so many epochs with a new optimiser; returns the state dict that counts."""
        method, n = self.method, len(self.material.labels)
        memory = None
        if method.memory:
            dims = tuple(source(0, np.arange(2), pictures.pixels(self.material.views[0][:2]), self.placement)[0].shape[1]
                         for source in (frozen, teachers[0]))  # fmt: skip
            memory = method.memory(n, dims, self.seed, self.placement.device)
        parameters = [p for p in self.student.parameters() if p.requires_grad]
        rate = self.config.rate(method.slow)
        optimiser = SGD(
            [*parameters, *(memory.parameters() if memory else ())],
            rate,
            self.config.momentum,
            self.config.weight_decay,
        )
        slow, scaler = self._slow(epochs) if method.slow else None, self.placement.scaler()
        self.student.train()
        for epoch in range(epochs):
            order = numpy_generator(self.seed, "order", turn, epoch).permutation(n)
            for step in range(self.steps_per_epoch):
                chosen = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
                loss = self._loss(chosen, epoch, (turn, epoch, step), teachers, frozen, memory)
                self.result.losses.append(update(loss, optimiser, rate, clip_norm=math.inf, scaler=scaler))
                self.result.steps += 1
                if slow:
                    slow.after_step()
            if slow:
                slow.after_epoch()
        return slow.weights() if slow else self.student.state_dict()

    def _slow(self, epochs: int) -> SlowWeights:
        every = self.config.slow_every
        tau = tau_for(self.config.slow_share, epochs * self.steps_per_epoch / every)
        return SlowWeights(self.student, every, tau, self.as_released)

    def _loss(self, chosen: np.ndarray, epoch: int, at: tuple, teachers: list[Source], frozen: Source, memory):
        import torch

        images = self._images(chosen, epoch, at)
        labels = self.placement.put(self.material.labels[chosen])
        said = [source(epoch, chosen, images, self.placement) for source in teachers]
        _, own = frozen(epoch, chosen, images, self.placement)
        with self.placement.autocast(), drawn_inside(derive(self.seed, "inside", *at), self.placement.device):
            features, logits = outputs(self.student, self.placement.put(images))
        logits = logits.float()
        batch = Batch(
            student=logits, frozen=own, labels=labels, indices=torch.from_numpy(chosen).to(logits.device),
            teachers=torch.stack([one for _, one in said]) if said else logits.new_zeros((0, *logits.shape)),
            features=features.float(), teacher_features=said[0][0] if said else None,
            generator=torch_generator(self.seed, "step", *at), as_released=self.as_released,
        )  # fmt: skip
        extra = {"memory": memory} if memory else {}
        loss = self.method.loss(batch, **self.method.options, **extra)
        self._count(batch, loss.taught)
        self.result.passes += len(chosen)
        self.result.teacher_passes += len(chosen) * len(said)
        return loss.value

    def _images(self, chosen: np.ndarray, epoch: int, at: tuple):
        """The pictures of a batch as this epoch's view has them."""
        view = self.material.view
        if view.count:
            return pictures.pixels(self.material.views[epoch % view.count][chosen])
        numbers = distort.draw(len(chosen), self.seed, "fresh", *at)
        return distort.distorted(pictures.pixels(self.material.views[0][chosen]), numbers, view.distort)

    def _count(self, batch: Batch, taught) -> None:
        """Add up which share of samples the teacher taught, by kind of flip."""
        if taught is None or not len(batch.teachers):
            return
        positive, negative = flips(batch.teacher, batch.student.detach(), batch.labels)
        masks = {"positive": positive, "negative": negative, "neutral": ~positive & ~negative, "all": positive | True}
        for kind, mask in masks.items():
            self._taught[kind][0] += int((taught & mask).sum())
            self._taught[kind][1] += int(mask.sum())
