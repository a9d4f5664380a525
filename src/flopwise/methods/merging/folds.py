"""Merge operators of any number of models, fed one model at a time: what is kept does not grow with their number, save
where the mathematics needs every model (`Kept`).

A fold lives on flat float32 vectors of one size: theta_0 is `base`, delta_i = theta_i - theta_0. All that it remembers
is in `state` (name -> tensor), so that it can be saved and put back. Equations: official code of FoMo-in-Flux."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(eq=False)
class Fold:
    """`add` takes the next model, `merged` returns the merge of all so far; `count` is their number."""

    base: Tensor

    def __post_init__(self):
        self.state: dict[str, Tensor] = {"count": torch.zeros((), dtype=torch.int64), **self.empty()}

    def empty(self) -> dict[str, Tensor]:
        """What is remembered before the first model, beside the count."""
        return {}

    @property
    def count(self) -> int:
        return int(self.state["count"])

    def add(self, model: Tensor, generator: torch.Generator | None, weight: float = 1.0) -> None:
        """model: flat vector; generator: of the random operators; weight: share, before they are normalised."""
        self.state["count"] += 1
        self.take(model, generator, weight)

    def take(self, model: Tensor, generator, weight: float) -> None:
        raise NotImplementedError

    def merged(self) -> Tensor:
        raise NotImplementedError


class Interpolation(Fold):
    """sum_i w_i theta_i / sum_i w_i, as a running mean M <- M + (w_i / W_i) (theta_i - M), W_i = w_1 + .. + w_i."""

    def empty(self):
        return {"mean": torch.zeros_like(self.base), "weight": torch.zeros((), dtype=torch.float64)}

    def take(self, model, generator, weight):
        self.state["weight"] += weight
        total = self.state["weight"].item()
        # a mean, not a sum that is divided at the end: weights stay of their size however fast the shares grow
        self.state["mean"].lerp_(model, weight / total if total else 0.0)

    def merged(self):
        return self.state["mean"].clone()


@dataclass(eq=False)
class TaskArithmetic(Fold):
    """theta_0 + alpha sum_i delta_i."""

    scaling: float

    def empty(self):
        return {"sum": torch.zeros_like(self.base)}

    def take(self, model, generator, weight):
        self.state["sum"].add_(model).sub_(self.base)

    def merged(self):
        return torch.add(self.base, self.state["sum"], alpha=self.scaling)


@dataclass(eq=False)
class Ties(Fold):
    """theta_0 + alpha m, with the delta_i pruned one by one (`prune_change`). In each coordinate the elected sign is that
    of their sum (where the sum is zero, the sign of the majority of coordinates), and m is the mean of the pruned
    entries of that sign. Kept: sums and counts of the positive and of the negative entries."""

    prune: float
    scaling: float

    def empty(self):
        sums = {sign: torch.zeros_like(self.base) for sign in ("positive", "negative")}
        return sums | {f"{sign}-count": torch.zeros_like(self.base, dtype=torch.int32) for sign in sums}

    def prune_change(self, change: Tensor, generator) -> Tensor:
        """Keep the entries of largest magnitude: those at least the k-th smallest, k = floor(prune x size)."""
        size = change.abs()
        return change.masked_fill_(size < smallest(size, int(self.prune * change.numel())), 0)

    def take(self, model, generator, weight):
        change = self.prune_change(model - self.base, generator)
        self.state["positive"].add_(change.clamp(min=0))
        self.state["negative"].add_(change.clamp(max=0))
        self.state["positive-count"].add_(change > 0)
        self.state["negative-count"].add_(change < 0)

    def merged(self):
        # the sums of both signs add up to the sum of all changes, so that no single change need be kept
        elected = torch.sign(self.state["positive"] + self.state["negative"])
        elected = torch.where(elected == 0, torch.sign(elected.sum()), elected)
        means = {sign: self.state[sign] / self.state[f"{sign}-count"].clamp(min=1) for sign in ("positive", "negative")}
        chosen = torch.where(elected > 0, means["positive"], torch.where(elected < 0, means["negative"], 0.0))
        return torch.add(self.base, chosen, alpha=self.scaling)


class DareTies(Ties):
    """TIES whose pruning drops each entry with probability p and scales the others by 1 / (1 - p)."""

    def prune_change(self, change, generator):
        # drawn where the generator lives, so that a GPU merges as a CPU does
        drawn = torch.rand(change.shape, generator=generator, device=generator.device)
        return change.masked_fill_(drawn.to(change.device) < self.prune, 0).div_(1 - self.prune)


@dataclass(eq=False)
class BreadcrumbsTies(Ties):
    """TIES with another pruning: the floor(prune x size) smallest entries are dropped, one more than TIES itself drops,
    and the floor(top x size) largest. Entries as large as the smallest or largest one that stays do stay."""

    top_prune: float

    def prune_change(self, change, generator):
        size, count = change.abs(), change.numel()
        low = smallest(size, int(self.prune * count) + 1)
        high = smallest(size, count - int(self.top_prune * count))
        return change.masked_fill_((size < low) | (size > high), 0)


@dataclass(eq=False)
class HeldChange(Fold):
    """theta_0 + alpha times a change that holds, in each coordinate, one of the delta_i."""

    scaling: float

    def empty(self):
        return {"change": torch.zeros_like(self.base)}

    def merged(self):
        return torch.add(self.base, self.state["change"], alpha=self.scaling)


class MagMax(HeldChange):
    """Holds the delta_i of largest magnitude (the earlier one of equals)."""

    def take(self, model, generator, weight):
        change, held = model - self.base, self.state["change"]
        torch.where(change.abs() > held.abs(), change, held, out=held)


class Random(HeldChange):
    """Holds the delta_i of an i drawn uniformly. One at a time: model n takes the place of what is held with probability
    1/n, which makes every i = 1 .. n equally likely."""

    def take(self, model, generator, weight):
        drawn = torch.rand(model.shape, generator=generator, device=generator.device).to(model.device)
        held = self.state["change"]
        torch.where(drawn < 1 / self.count, model - self.base, held, out=held)


class Kept(Fold):
    """Keeps every model, for operators that need them all at once."""

    def take(self, model, generator, weight):
        self.state[f"model-{self.count}"] = model

    def models(self) -> list[Tensor]:
        return [self.state[f"model-{i}"] for i in range(1, self.count + 1)]


@dataclass(eq=False)
class TallMasks(Kept):
    """theta_0 + alpha mask x tau with tau = sum_i delta_i; the mask is 1 where at least `threshold` models have
    |theta_0 - theta_i| > lambda |theta_0 + tau - theta_i|. With threshold 0, the official default, it is 1 everywhere and
    the operator is task arithmetic."""

    scaling: float
    tolerance: float
    threshold: int

    def merged(self):
        total = sum(model - self.base for model in self.models())
        votes = torch.zeros_like(self.base, dtype=torch.int32)
        for model in self.models():
            change = model - self.base
            votes += change.abs() > self.tolerance * (total - change).abs()
        return torch.add(self.base, total.masked_fill_(votes < self.threshold, 0), alpha=self.scaling)


@dataclass(eq=False)
class Reversed(Kept):
    """Interpolation whose shares, newest model first, are those that `weighting` gives in the usual order: the share of a
    model changes with every new one."""

    weighting: Callable[[int], float]

    def merged(self):
        fold = Interpolation(self.base)
        for i, model in enumerate(self.models()):
            fold.add(model, None, self.weighting(self.count - i))
        return fold.merged()


FOLDS: dict[str, type[Fold]] = {
    "interpolation": Interpolation,
    "task-arithmetic": TaskArithmetic,
    "ties": Ties,
    "dare-ties": DareTies,
    "breadcrumbs-ties": BreadcrumbsTies,
    "magmax": MagMax,
    "random": Random,
    "tall-masks": TallMasks,
}


def smallest(values: Tensor, k: int) -> float:
    """The k-th smallest of `values` (k from 1); 0 below every magnitude where k is 0."""
    return torch.kthvalue(values, k).values.item() if k else 0.0
