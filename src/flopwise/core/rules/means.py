"""Rules on the mean of one number per unit, with Student's t: a difference, a trend, a spread, an equivalence."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from flopwise.core.rules.rule import Compared, Contrast, Directed, Estimate, Other, Point, Rule, Side, Tables, words
from flopwise.core.statistics import (
    CONFIDENCE,
    interval,
    p_value,
    smallest_detectable,
    smallest_margin,
    standard_error,
)


class Mean(Rule):
    """The points of a unit are combined to one number; units are independent."""

    combined_from: ClassVar[int] = 1  # units that the number of one unit is made of

    @model_validator(mode="after")
    def _independent(self):
        if len(self.over) > 1:
            raise ValueError(f"over is {list(self.over)}: pairs depend on each other, a {self.kind} needs one column")
        return self

    def combine(self, values: np.ndarray) -> np.ndarray:
        """(..., units, points) -> (..., units)"""
        raise NotImplementedError

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of the mean of (..., units) numbers."""
        return standard_error(values)

    def interval(self, grid: np.ndarray, confidence: float = CONFIDENCE) -> tuple:
        """Ends of the interval of (..., units, points)."""
        values = self.combine(grid)
        return interval(values.mean(axis=-1), self.error(values), values.shape[-1], confidence)

    def measure(self, tables: Tables, defaults: Point) -> Estimate:
        grid = self.grid(tables, defaults).to_numpy(dtype=float)
        n = len(grid)
        if n < self.fewest:
            return Estimate(n, float(self.combine(grid)[0]) if n >= self.combined_from else None)
        values = self.combine(grid)
        effect, error = float(values.mean()), float(self.error(values))
        low, high = map(float, interval(effect, error, n))
        p = p_value(effect - self.threshold(effect), error, n)
        return Estimate(n, effect, low, high, p, self.detectable(error, n))

    def detectable(self, error: float, n: int) -> float:
        return smallest_detectable(error, n)


class Difference(Contrast, Mean):
    """value(a) - value(b), or value(a) alone."""

    kind: Literal["difference"] = "difference"

    def words(self) -> str:
        return f"{self.number}: 95 % t-interval {self.condition}"


class Trend(Directed, Mean):
    """Slope of the number along an axis, per unit: least squares over the positions 0, 1, 2 ... of `values`, in points
    per position. `minus`: the slope at another point of the grid is taken off (does the trend differ?)."""

    kind: Literal["trend"] = "trend"
    along: str
    values: tuple[str, ...]
    at: Point
    minus: Point | None = None

    unit: ClassVar[str] = "points per position"

    def sides(self) -> tuple[Side, ...]:
        found = [
            Side(({**at, self.along: value},))
            for at in ([self.at] if self.minus is None else [self.at, self.minus])
            for value in self.values
        ]
        if self.minus is None and not self.margin:
            found[0] = found[0]._replace(worse=self.claimed == "above")
            found[-1] = found[-1]._replace(worse=self.claimed == "below")
        return tuple(found)

    def combine(self, values: np.ndarray) -> np.ndarray:
        steps = len(self.values)
        positions = np.arange(steps) - (steps - 1) / 2
        weights = positions / (positions @ positions)
        slope = values[..., :steps] @ weights
        return slope if self.minus is None else slope - values[..., steps:] @ weights

    def words(self) -> str:
        minus = f", minus the same of ({words(self.minus)})" if self.minus else ""
        number = f"{self.column} of {self.metric} in table {self.table} of ({words(self.at)})"
        return (
            f"least-squares slope of {number} over {self.along} {' < '.join(self.values)}, per position and "
            f"{self.unit_of_inference}{minus}: 95 % t-interval {self.condition}"
        )


class Spread(Mean):
    """`ratio` times the wide range minus the narrow one, per seed: is what varies in `narrow` small beside what varies in
    `wide`? `path`, instead of `wide`: the range over the update steps of one run, from the trajectory.

    A range is that of `cross_fitted_range`. It makes the numbers of the seeds depend on each other, so the standard error
    is widened as Nadeau and Bengio (2003) do for cross-validation that leaves out one of n: the variance of the mean is
    s^2 (1/n + 1/(n - 1))."""

    kind: Literal["spread"] = "spread"
    estimate: Literal["cross-fitted"]
    narrow: tuple[Point, ...]
    wide: tuple[Point, ...] = ()
    path: Point | None = None
    ratio: float

    combined_from: ClassVar[int] = 2

    def claimed_range(self) -> tuple[float, float]:
        return 0.0, math.inf

    def sides(self) -> tuple[Side, ...]:
        wide = Side((self.path,), table="trajectory") if self.path is not None else Side(self.wide)
        return Side(self.narrow), wide

    def combine(self, values: np.ndarray) -> np.ndarray:
        narrow, wide = values[..., : len(self.narrow)], values[..., len(self.narrow) :]
        return self.ratio * cross_fitted_range(wide) - cross_fitted_range(narrow)

    def error(self, values: np.ndarray) -> np.ndarray:
        n = values.shape[-1]
        return standard_error(values, widening=math.sqrt(1 + n / (n - 1)))

    def words(self) -> str:
        lists = {name: "; ".join(words(p) for p in getattr(self, name)) for name in ("narrow", "wide")}
        wide = f"over the update steps of ({words(self.path)})" if self.path is not None else f"over ({lists['wide']})"
        return (
            f"{self.ratio:g} times the range of {self.column} of {self.metric} {wide}, minus its range over "
            f"({lists['narrow']}), per seed, highest and lowest point chosen by the mean over the other seeds: "
            f"95 % t-interval, standard error times the root of 1 + n / (n - 1), above 0"
        )


class Equivalence(Compared, Mean):
    """Two one-sided tests: value(a) - value(b) is said to lie within `within` of 0. Reproduced where the whole interval
    does, not reproduced where all of it lies outside. With a 95 % interval each of the tests is at 2.5 %, the error that
    every other kind of rule allows to a verdict, and stricter than the usual 5 %."""

    kind: Literal["equivalence"]
    within: float = Field(gt=0)

    def claimed_range(self) -> tuple[float, float]:
        return -self.within, self.within

    def detectable(self, error: float, n: int) -> float:
        """The smallest margin that so many units could have shown if nothing differs."""
        return smallest_margin(error, n)

    def words(self) -> str:
        return f"{self.number}: 95 % t-interval between {-self.within:g} and {self.within:g}"


class Scatter(Directed, Rule):
    """How far runs with other seeds lie apart: standard deviation over seeds of the number at `a`, divided by the mean over
    seeds of the number that `beside` names. Interval: chi-squared for the deviation, the mean taken as it is."""

    kind: Literal["scatter"]
    a: Point
    beside: Other

    unit: ClassVar[str] = "of it"

    def sides(self) -> tuple[Side, ...]:
        return Side((self.a,)), Side((self.beside.at,), metric=self.beside.metric, column=self.beside.column)

    def measure(self, tables: Tables, defaults: Point) -> Estimate:
        from scipy.stats import chi2

        grid = self.grid(tables, defaults).to_numpy(dtype=float)
        n = len(grid)
        if n < self.fewest:
            return Estimate(n)
        deviation, mean = float(grid[:, 0].std(ddof=1)), float(grid[:, 1].mean())
        if mean <= 0:
            return Estimate(n, detail=f"what it is beside is {mean:.3g}, not above 0")
        tail = (1 - CONFIDENCE) / 2
        low, high = (deviation / mean * math.sqrt((n - 1) / chi2.ppf(p, n - 1)) for p in (1 - tail, tail))
        return Estimate(n, deviation / mean, float(low), float(high))

    def words(self) -> str:
        other = self.beside
        second = f"{other.column or self.column} of {other.metric or self.metric} ({words(other.at)})"
        return (
            f"standard deviation over seeds of {self.column} of {self.metric} in table {self.table} ({words(self.a)}), "
            f"divided by the mean of {second}: 95 % chi-squared interval {self.condition}"
        )


def cross_fitted_range(values: np.ndarray) -> np.ndarray:
    """(..., seeds, points) -> (..., seeds): value of the highest minus value of the lowest point in each seed, the two
    points chosen by the mean over the other seeds. Where nothing but noise tells points apart, its expectation is 0; the
    largest minus the smallest value of k noisy points is about 2.5 standard deviations there (k = 6). Needs 2 seeds."""
    others = values.sum(axis=-2, keepdims=True) - values
    ends = [
        np.take_along_axis(values, choose(others, axis=-1)[..., None], axis=-1) for choose in (np.argmax, np.argmin)
    ]
    return (ends[0] - ends[1])[..., 0]
