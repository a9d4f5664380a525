"""Pre-training under a FLOP budget: one training at a constant rate, off which every budget branches with a cooldown of its own.

Budget F and FLOPs per step f give N = floor(F / f) steps, the first (1 - c) N of them at the peak rate r, the last c N falling to
0; budgets of one training share their constant part. A budget's cost is N f: what it would cost alone. The rate warms up over the
first w steps. Averaged weights follow with momentum m, which rises to 1 in the cooldown."""

import copy
import math
import time
from dataclasses import dataclass

import torch

from flopwise.config.efficiency import EfficiencyConfig
from flopwise.core.loop import Diverged, adamw, progress_bar, update
from flopwise.core.seeds import derive, numpy_generator, torch_generator
from flopwise.methods.efficiency import Batch, Objective, load
from flopwise.models.trunk import Shape, Trunk, scaled
from flopwise.studies.efficiency.plan import Cell
from flopwise.studies.efficiency.pools import PoolData
from flopwise.studies.efficiency.price import image_flops, options

PROBE = 512  # pictures on which collapse is measured


@dataclass(frozen=True)
class Schedule:
    """steps N of a budget, of which the first `constant` are at the peak rate."""

    steps: int
    constant: int

    def rest(self, step: int) -> float:
        """What is left of the cooldown at a step: 1 before it, 0 at its end."""
        return min(1.0, (self.steps - step) / max(1, self.steps - self.constant))


def schedule(study: EfficiencyConfig, step_flops: float, budget: str) -> Schedule:
    """Of a budget whose steps cost `step_flops`; at least one step."""
    steps = max(1, int(study.budget_gflops * 1e9 * study.budgets[budget] // step_flops))
    return Schedule(steps, steps - max(1, round(study.cooldown * steps)))


def trunk(study: EfficiencyConfig, size: str, seed: int) -> Trunk:
    """A trunk as it is drawn with a seed: what `scratch` is, and where all objectives of that seed begin."""
    one = study.sizes[size]
    with torch.random.fork_rng():
        torch.manual_seed(derive(seed, "efficiency", "trunk"))
        return Trunk(Shape(one.width, one.depth, one.heads, one.patch, one.stem))


class Pretraining:
    """The training that `cells`, which differ in their budget alone, share."""

    def __init__(self, study: EfficiencyConfig, cells: list[Cell], pool: PoolData):
        self.study, self.cells, self.pool, self.cell = study, cells, pool, cells[0]
        self.objective: Objective = load(self.cell.method)
        facts = pool.facts
        self.image_flops = image_flops(study, self.cell, facts.classes, facts.context)
        start = trunk(study, self.cell.size, self.cell.seed)
        with torch.random.fork_rng():
            torch.manual_seed(derive(self.cell.seed, "efficiency", "heads", self.cell.method))
            self.learner = self.objective.learner(start, facts, **options(study, self.cell.method))
        trained = [p for p in self.learner.parameters() if p.requires_grad]
        rate = study.methods[self.cell.method].learning_rate
        self.optimiser = adamw(trained, rate, study.weight_decay, (0.9, 0.95))

    def run(self) -> list[dict]:
        """Train; per cell its record, with `trunk`, the state of the encoder, unless it diverged."""
        step, found, losses = 0, [], []
        for cell in self.cells:
            plan = schedule(self.study, self.image_flops * self.study.batch_size, cell.budget)
            record = {"cell": cell.slug, "steps": plan.steps, "image_flops": self.image_flops, "status": "done"}
            began = time.process_time()
            try:
                while step < plan.constant:
                    losses.append(self._step(self.learner, self.optimiser, step, plan))
                    step += 1
                # the cooldown is a copy's own; copied as one, the optimiser's parameters are the copied learner's
                learner, optimiser = copy.deepcopy((self.learner, self.optimiser))
                own = [self._step(learner, optimiser, at, plan) for at in progress_bar(step, plan.steps, cell.slug)]
                measured = self._collapse(learner.trunk)
                record |= {"trunk": learner.trunk.state_dict(), "losses": losses + own, **measured}
            except Diverged:
                record |= {"status": "diverged", "diverged_at": step, "losses": losses}
            found.append(record | {"seconds": time.process_time() - began})
        return found

    def _step(self, learner, optimiser, step: int, plan: Schedule) -> float:
        rest = plan.rest(step)
        peak = self.study.methods[self.cell.method].learning_rate
        warm = min(1.0, (step + 1) / max(1, self.study.warm_up_steps))
        value = update(learner.loss(self.batch(step)), optimiser, peak * warm * rest, clip_norm=self.study.clip_norm)
        if self.objective.teacher:  # m = 1 after the last step
            left = plan.rest(step + 1)
            learner.after_step(1 - (1 - self.study.momentum) * (1 - math.cos(math.pi * left)) / 2)
        return value

    def batch(self, step: int) -> Batch:
        """The batch of a step: the same whatever came before it."""
        seed = self.cell.seed
        rows = numpy_generator(seed, "efficiency", "batch", step).integers(
            0, len(self.pool.chosen), self.study.batch_size
        )
        rows = self.pool.chosen[rows]
        targets = None if self.pool.targets is None else torch.from_numpy(self.pool.targets[rows])
        return Batch(
            scaled(torch.from_numpy(self.pool.images[rows])), torch_generator(seed, "efficiency", "views", step), targets,
            torch.from_numpy(self.pool.words[rows]),
        )  # fmt: skip

    def _collapse(self, encoder: Trunk) -> dict:
        pictures = scaled(torch.from_numpy(self.pool.images[self.pool.chosen[:PROBE]]))
        return collapse(encoder, pictures, torch_generator(self.cell.seed, "efficiency", "probe"))


def collapse(encoder: Trunk, pictures: torch.Tensor, generator: torch.Generator) -> dict:
    """Effective rank of the mean-pooled embedding (exp of the entropy of its singular values' shares of the variance; 1 where all
    pictures look alike), alignment (mean squared distance of two views) and uniformity (log of the mean of exp(-2 d^2)) of
    unit-length embeddings (Wang and Isola 2020)."""
    from torch.nn.functional import normalize, pdist

    from flopwise.data.augment import view

    encoder.eval()
    with torch.no_grad():
        embedded = encoder(pictures).mean(1)
        shares = torch.linalg.svdvals(embedded - embedded.mean(0)) ** 2
        shares = shares / shares.sum().clamp(min=1e-12)
        rank = torch.exp(-(shares * shares.clamp(min=1e-12).log()).sum())
        first, second = (normalize(encoder(view(pictures, generator)).mean(1), dim=1) for _ in range(2))
        alignment = ((first - second) ** 2).sum(1).mean()
        uniformity = (-2 * pdist(first) ** 2).exp().mean().log()
    encoder.train()
    return {"rank": float(rank), "alignment": float(alignment), "uniformity": float(uniformity)}
