"""Pre-training under a FLOP budget: one training at a constant rate, off which every budget branches with a cooldown of its own.

Budget F and FLOPs per step f give N = floor(F / f) steps, the first (1 - c) N of them at the peak rate r, the last c N falling to
0; budgets of one training share their constant part. A budget's cost is N f: what it would cost alone. The rate warms up over the
first w steps. Averaged weights follow with momentum m, which rises to 1 in the cooldown."""

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flopwise.config.efficiency import EfficiencyConfig
from flopwise.core import resumable
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure
from flopwise.core.loop import Diverged, adamw
from flopwise.core.seeds import derive, numpy_generator, torch_generator
from flopwise.data.ahead import Prefetcher, decoding_threads
from flopwise.methods.efficiency import Batch, Objective, load
from flopwise.models.trunk import Shape, Trunk, scaled
from flopwise.studies.efficiency.plan import Cell
from flopwise.studies.efficiency.pools import PoolData, RealPool, Samples
from flopwise.studies.efficiency.price import image_flops, options

PROBE = 512  # pictures on which collapse is measured
MOST_REPLACED, ENOUGH = 0.1, 100  # share of a pool's pictures that may stand in for others, once so many are drawn


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


def trunk(study: EfficiencyConfig, size: str, seed: int):
    """A trunk as it is drawn with a seed: what `scratch` is, and where all objectives of that seed begin."""
    one = study.sizes[size]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "efficiency", "trunk"))
        if one.network:
            from flopwise.models.vit_tokens import VitTokens

            return VitTokens(one.network, recompute=one.recompute)
        return Trunk(Shape(one.width, one.depth, one.heads, one.patch, one.stem))


class Pretraining:
    """The training that `cells`, which differ in their budget alone, share. folder: state, for an exact resume under `key`."""

    def __init__(
        self, study: EfficiencyConfig, cells: list[Cell], pool: PoolData | RealPool, folder: Path, key: str = "",
        placement: Placement | None = None,
    ):  # fmt: skip
        self.study, self.cells, self.pool, self.cell = study, cells, pool, cells[0]
        self.folder, self.key, self.placement = folder, key, placement or Placement()
        self.how, self.real = study.methods[self.cell.method], isinstance(pool, RealPool)
        self.threads = decoding_threads(self.placement) if self.real else 0
        self.drawn = self.replaced = 0
        self.objective: Objective = load(self.cell.method)
        facts = pool.facts
        self.image_flops = image_flops(study, self.cell, facts.classes, facts.context)
        start = trunk(study, self.cell.size, self.cell.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.cell.seed, "efficiency", "heads", self.cell.method))
            learner = self.objective.learner(start, facts, **options(study, self.cell.method))
        self.learner = self.placement.put(learner)
        trained = [p for p in self.learner.parameters() if p.requires_grad]
        decay = study.weight_decay if self.how.weight_decay is None else self.how.weight_decay
        self.optimiser = adamw(trained, self.how.learning_rate, decay, self.how.betas)

    def run(self) -> list[dict]:
        """Train; per cell its record, with `trunk`, the state of the encoder, unless it diverged."""
        found, losses, shared, reached = [], [], 0.0, 0
        for cell in self.cells:
            plan = schedule(self.study, self.image_flops * self.study.batch_size, cell.budget)
            record = {"cell": cell.slug, "steps": plan.steps, "image_flops": self.image_flops, "status": "done"}
            own, branch, seconds, kept = losses, StateFolder(self.folder / cell.budget, self.key), 0.0, None
            try:
                shared = self._train(self.learner, self.optimiser, "constant", len(losses), plan.constant, plan, losses)
                own, began, kept = list(losses), self.placement.clock(), branch.load()
                if kept is None and len(losses) > plan.constant:
                    raise RunFailure(f"the state in {self.folder} lacks {cell.budget}; delete the folder to start anew")
                if kept is not None and kept[2].get("diverged"):
                    own, seconds = kept[2]["losses"], kept[2]["seconds"]
                    raise Diverged
                # the cooldown is a copy's own; copied as one, the optimiser's parameters are the copied learner's
                learner, optimiser = copy.deepcopy((self.learner, self.optimiser))
                seconds = self._train(learner, optimiser, cell.budget, plan.constant, plan.steps, plan, own)
                trained = self.placement.clock()
                record |= {"trunk": learner.trunk.state_dict(), "losses": own, **self._collapse(learner.trunk)}
                seconds += self.placement.clock() - trained
            except Diverged:
                if own is not losses and not seconds:  # kept, so that the training can go on with later budgets
                    seconds = self.placement.clock() - began + (kept[2]["seconds"] if kept else 0.0)
                    branch.save(len(own), {}, {"losses": own, "seconds": seconds, "diverged": True})
                record |= {"status": "diverged", "diverged_at": len(own), "losses": list(own)}
            found.append(record | {"seconds": seconds, "replaced": self.replaced, "constant": plan.constant - reached})
            reached = plan.constant
        for record in found:  # each budget has its share of the steps at the constant rate
            record["seconds"] += shared * record.pop("constant") / max(1, reached)
        return found

    def clear(self) -> None:
        """Remove the state of a training whose records have been kept."""
        for name in ("constant", *(cell.budget for cell in self.cells)):
            StateFolder(self.folder / name, "").clear()

    def _train(
        self, learner, optimiser, name: str, first: int, last: int, plan: Schedule, losses: list[float]
    ) -> float:
        """Go on from step `first` to `last`, or from the state called `name` where that is further. Returns the seconds that all
        steps under that name took."""
        study = self.study
        batches = Prefetcher(self.samples, last, self.threads)
        warm = lambda step: min(1.0, (step + 1) / max(1, study.warm_up_steps))  # noqa: E731
        return resumable.train(
            learner, optimiser, StateFolder(self.folder / name, self.key), last, lambda step: self._loss(learner, step, batches),
            lambda step: self.how.learning_rate * warm(step) * plan.rest(step),
            every=study.pictures.checkpoint_every_steps, placement=self.placement, label=self.cell.training, first=first,
            clip_norm=study.clip_norm if self.how.clip_norm is None else self.how.clip_norm, losses=losses,
            seed_of=lambda step: derive(self.cell.seed, "efficiency", "inside", step),
            after=lambda step: self._follow(learner, plan.rest(step + 1)),
        )  # fmt: skip

    def _follow(self, learner, left: float) -> None:
        """Let averaged weights follow; m = 1 after the last step."""
        if self.objective.teacher:
            momentum = self.study.momentum if self.how.momentum is None else self.how.momentum
            learner.after_step(1 - (1 - momentum) * (1 - math.cos(math.pi * left)) / 2)

    def _loss(self, learner, step: int, batches: Prefetcher):
        samples = batches[step]
        self.drawn, self.replaced = self.drawn + len(samples.pictures), self.replaced + samples.replaced
        if self.replaced > MOST_REPLACED * max(ENOUGH, self.drawn):
            raise RunFailure(
                f"{self.replaced:,} of {self.drawn:,} pictures of the pool {self.cell.pool} cannot be read; at most "
                f"{MOST_REPLACED:.0%} may be replaced by others"
            )
        with self.placement.autocast():
            return learner.loss(
                self.batch(samples, torch_generator(self.cell.seed, "efficiency", "views", step))
            ).float()

    def samples(self, step: int) -> Samples:
        """The samples of a step: the same whatever came before it."""
        draw = numpy_generator(self.cell.seed, "efficiency", "batch", step)
        numbers = draw.integers(0, len(self.pool), self.study.batch_size)
        return self.pool.samples(numbers, derive(self.cell.seed, "efficiency", "samples", step), self.threads)

    def batch(self, samples: Samples, generator: torch.Generator) -> Batch:
        """Samples as a loss looks at them, on the device."""
        put = lambda array: self.placement.put(torch.from_numpy(np.asarray(array)))  # noqa: E731
        targets = None if samples.targets is None else put(samples.targets)
        if not self.real:
            return Batch(scaled(put(samples.pictures)), generator, targets, put(samples.words))
        from flopwise.data.views import view

        pictures = put(samples.pictures).permute(0, 3, 1, 2).float().div_(255)
        return Batch(pictures, generator, targets, put(samples.words), view, self.study.pictures.side)

    def _collapse(self, encoder) -> dict:
        count = min(PROBE, len(self.pool))
        spread = np.arange(len(self.pool)) if not self.real else np.linspace(0, len(self.pool) - 1, count).astype(int)
        samples = self.pool.samples(spread[:count], derive(self.cell.seed, "efficiency", "probe"), max(1, self.threads))
        return collapse(encoder, self.batch(samples, torch_generator(self.cell.seed, "efficiency", "probe")))


def collapse(encoder, batch: Batch) -> dict:
    """Effective rank of the mean-pooled embedding (exp of the entropy of its singular values' shares of the variance; 1 where all
    pictures look alike), alignment (mean squared distance of two views) and uniformity (log of the mean of exp(-2 d^2)) of
    unit-length embeddings (Wang and Isola 2020)."""
    from torch.nn.functional import normalize, pdist

    encoder.eval()
    with torch.no_grad():
        embedded = encoder(batch.whole()).mean(1)
        shares = torch.linalg.svdvals(embedded - embedded.mean(0)) ** 2
        shares = shares / shares.sum().clamp(min=1e-12)
        rank = torch.exp(-(shares * shares.clamp(min=1e-12).log()).sum())
        first, second = (normalize(encoder(batch.view(0.4, 0.6)).mean(1), dim=1) for _ in range(2))
        alignment = ((first - second) ** 2).sum(1).mean()
        uniformity = (-2 * pdist(first) ** 2).exp().mean().log()
    encoder.train()
    return {"rank": float(rank), "alignment": float(alignment), "uniformity": float(uniformity)}
