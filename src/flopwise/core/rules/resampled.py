"""Rules on pairs and other units that share clusters: a median, a share, a rank correlation. Their intervals come from
draws of whole clusters, so that forty pairs of four teachers do not count as forty teachers."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from flopwise.core.rules.rule import Contrast, Directed, Estimate, Other, Point, Side, Tables, words
from flopwise.core.statistics import (
    CONFIDENCE,
    Fisher,
    bootstrap,
    mean,
    median,
    rank_correlation,
    share_p_value,
    smallest_detectable,
    smallest_share,
    wilson,
)

FEWEST_CLUSTERS = 5  # four give only 35 different draws


class Resampled(Directed):
    """An effect over all units, with a bootstrap over the clusters that `over` names; over both sides of pairs."""

    fewest: ClassVar[int] = FEWEST_CLUSTERS

    @model_validator(mode="after")
    def _clusters(self):
        if self.over == ("seed",):
            raise ValueError(
                f"over is ['seed']: a bootstrap needs more units; name the columns of a {self.kind}'s pairs"
            )
        return self

    def measure(self, tables: Tables, defaults: Point) -> Estimate:
        grid = self.grid(tables, defaults)
        if not len(grid):
            return Estimate()
        clusters = [grid.index.get_level_values(name).to_numpy() for name in self.over]
        counts = [len(np.unique(labels)) for labels in clusters]
        detail = " and ".join(f"{n} {name}{'s' * (n != 1)}" for n, name in zip(counts, self.over))
        if min(counts) < self.fewest:
            return Estimate(len(grid), detail=f"{detail}, fewer than {self.fewest} of a side are too few to draw from")
        return self.resampled(grid.to_numpy(dtype=float), clusters, detail if len(self.over) > 1 else "")

    def resampled(self, grid: np.ndarray, clusters: list[np.ndarray], detail: str) -> Estimate:
        """The estimate from (units, points) values, whose units fall into clusters."""
        found = bootstrap(self.statistic, self.combine(grid), clusters)
        detectable = smallest_detectable(found.error, found.fewest)
        p = found.p_value(self.threshold(found.effect))
        return Estimate(len(grid), found.effect, found.low, found.high, p, detectable, detail)


class Median(Contrast, Resampled):
    """Median over units of value(a) - value(b), or of value(a) alone."""

    kind: Literal["median"]
    over: tuple[str, ...] = ("teacher", "student")

    def statistic(self, values, weights):
        return median(values, weights)

    def words(self) -> str:
        return f"median of {self.number}: 95 % interval, {' and '.join(self.over)} drawn anew, {self.condition}"


class Share(Contrast, Resampled):
    """Share of units in which value(a) - value(b), or value(a) alone, lies above `success`; margin and size are shares.

    Units that share no cluster have Wilson's interval. So do pairs that all succeed or all fail, with as many trials as
    the side of fewer clusters has: no draw of them varies."""

    kind: Literal["share"]
    over: tuple[str, ...] = ("teacher", "student")
    success: float = 0.0
    margin: float = 0.5

    unit: ClassVar[str] = "of all"

    @model_validator(mode="after")
    def _clusters(self):
        """Trials need no clusters; a threshold must be a share."""
        if not 0 < self.margin < 1:
            raise ValueError(f"margin is {self.margin:g}; allowed is a share between 0 and 1")
        return self

    def statistic(self, values, weights):
        return mean(values, weights)

    def combine(self, values: np.ndarray) -> np.ndarray:
        return (super().combine(values) > self.success).astype(float)

    def resampled(self, grid: np.ndarray, clusters: list[np.ndarray], detail: str) -> Estimate:
        share = float(self.combine(grid).mean())
        if len(clusters) > 1 and 0 < share < 1:
            return super().resampled(grid, clusters, detail)
        trials = min(len(np.unique(labels)) for labels in clusters)
        p = share_p_value(share, self.margin, trials)
        return Estimate(len(grid), share, *wilson(share, trials), p, smallest_share(self.margin, trials), detail)

    def words(self) -> str:
        way = f"{' and '.join(self.over)} drawn anew" if len(self.over) > 1 else "Wilson"
        return f"share of {self.number}, above {self.success:g}: 95 % interval ({way}) {self.condition}"


class RankCorrelation(Resampled):
    """Spearman's correlation over units between the number at `at` and the one that `against` names. Pairs: bootstrap over
    both sides; units that share nothing: Fisher's transformation."""

    kind: Literal["rank-correlation"]
    at: Point = Field({})
    against: Other

    unit: ClassVar[str] = "rank correlation"

    @model_validator(mode="after")
    def _clusters(self):
        """Any unit will do."""
        if not -1 < self.margin < 1:
            raise ValueError(f"margin is {self.margin:g}; allowed is a correlation between -1 and 1")
        return self

    def sides(self) -> tuple[Side, ...]:
        other = self.against
        return Side((self.at,)), Side((other.at,), metric=other.metric, column=other.column)

    def statistic(self, values, weights):
        return rank_correlation(values, weights)

    def combine(self, values: np.ndarray) -> np.ndarray:
        return values

    def resampled(self, grid: np.ndarray, clusters: list[np.ndarray], detail: str) -> Estimate:
        if len(clusters) > 1:
            return super().resampled(grid, clusters, detail)
        from scipy.stats import norm

        n, r = len(grid), float(rank_correlation(grid, np.ones(len(grid))))
        if not np.isfinite(r):
            return Estimate(n, detail="all ranks are the same")
        found, goal = Fisher.of(r, n), float(np.arctanh(self.margin))
        reach, power = norm.ppf(0.5 + CONFIDENCE / 2), norm.ppf(0.8)
        low, high = (float(np.tanh(found.z + sign * reach * found.error)) for sign in (-1, 1))
        p = float(2 * norm.sf(abs(found.z - goal) / found.error))
        away = 1 if self.claimed == "above" else -1
        detectable = abs(float(np.tanh(goal + away * (reach + power) * found.error)) - self.margin)
        return Estimate(n, r, low, high, p, detectable)

    def words(self) -> str:
        other = self.against
        first = f"{self.column} of {self.metric} ({words(self.at)})"
        second = f"{other.column or self.column} of {other.metric or self.metric} ({words(other.at)})"
        way = f"{' and '.join(self.over)} drawn anew" if len(self.over) > 1 else "Fisher's transformation"
        return (
            f"Spearman's correlation of {first} with {second} in table {self.table}, over {self.unit_of_inference}s: "
            f"95 % interval ({way}) {self.condition}"
        )
