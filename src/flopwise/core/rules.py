"""The three kinds of rules that turn the tables into one number per seed: a difference, a trend, a spread.

Each lists the runs it needs (`sides`), reads them as a grid of seeds x points and combines the points of a seed."""

import math
from typing import ClassVar, Literal, NamedTuple

import numpy as np
import pandas
from pydantic import BaseModel, ConfigDict

from flopwise.core.errors import UserError

Tables = dict[str, pandas.DataFrame]
Point = dict[str, str]  # axis values that single out runs; an axis not named is at the preset's default


class Side(NamedTuple):
    """Runs that stand together in a rule. worse: the claim says so of this side; None: it says neither."""

    points: tuple[Point, ...]
    worse: bool | None = None
    table: Literal["final", "trajectory"] = "final"

    @property
    def words(self) -> str:
        return "; ".join(_words(point) for point in self.points)


def runs(tables: Tables, table: str, metric: str, point: Point, defaults: Point) -> pandas.DataFrame:
    """The rows of `metric` at `point`, diverged runs among them."""
    frame = tables[table]
    unknown = set(point) - set(frame.columns)
    if unknown:
        raise UserError(f"claim rule names {sorted(unknown)[0]!r}, which table {table} has no column for")
    keep = frame["metric"] == metric
    for axis, value in {**defaults, **point}.items():
        keep &= frame[axis].astype(str) == value
    return frame[keep]


class _Rule(BaseModel):
    """table, metric, column: where the number stands. claimed, margin: the claim says that the number lies `above` or
    `below` `margin`. size: the claimed magnitude beyond the margin, where a source states one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: Literal["final"]
    metric: str
    column: str

    unit: ClassVar[str] = "points"

    def grid(self, tables: Tables, defaults: Point) -> pandas.DataFrame:
        """The values that the rule combines: a row per seed that finished all runs, a column per point of `sides` (or
        per update step of a trajectory); no rows where a point has none."""
        columns = []
        for side in self.sides():
            for point in side.points:
                frame = runs(tables, side.table, self.metric, point, defaults)
                done = frame[frame["status"] == "done"]
                if side.table == "trajectory":
                    columns.append(done.pivot(index="seed", columns="task", values="value"))
                else:
                    columns.append(done.set_index("seed")[[self.column]])
        if any(column.empty for column in columns):
            return pandas.DataFrame()
        return pandas.concat(columns, axis=1).dropna().sort_index()

    def widening(self, seeds: int) -> float:
        """Factor on the standard error of the mean over `seeds`."""
        return 1.0


class Rule(_Rule):
    """value(a) - value(b) per seed, or value(a) alone."""

    a: Point
    b: Point | None = None
    claimed: Literal["above", "below"]
    margin: float = 0.0
    size: float | None = None

    kind: ClassVar[str] = "difference"

    def sides(self) -> tuple[Side, ...]:
        if self.b is None:
            return (Side((self.a,), self.claimed == "below"),)
        if self.margin:
            return Side((self.a,)), Side((self.b,))
        return Side((self.a,), self.claimed == "below"), Side((self.b,), self.claimed == "above")

    def combine(self, values: np.ndarray) -> np.ndarray:
        """(..., seeds, points) -> (..., seeds)"""
        return values[..., 0] if self.b is None else values[..., 0] - values[..., 1]

    def words(self) -> str:
        difference = f"({_words(self.a)}) minus ({_words(self.b)})" if self.b else f"({_words(self.a)})"
        size = f"; stated size {self.size:g}" if self.size is not None else ""
        number = f"{self.column} of {self.metric} in table {self.table}, {difference}, per seed"
        return f"{number}: 95 % t-interval {self.claimed} {self.margin:g}{size}"


class Trend(_Rule):
    """Slope of the number along an axis, per seed: least squares over the positions 0, 1, 2 ... of `values`, in points
    per position. `minus`: the slope at another point of the grid is taken off (does the trend differ?)."""

    along: str
    values: tuple[str, ...]
    at: Point
    minus: Point | None = None
    claimed: Literal["above", "below"]
    margin: float = 0.0
    size: float | None = None

    kind: ClassVar[str] = "trend"
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
        """(..., seeds, points) -> (..., seeds)"""
        steps = len(self.values)
        positions = np.arange(steps) - (steps - 1) / 2
        weights = positions / (positions @ positions)
        slope = values[..., :steps] @ weights
        return slope if self.minus is None else slope - values[..., steps:] @ weights

    def words(self) -> str:
        minus = f", minus the same of ({_words(self.minus)})" if self.minus else ""
        number = f"{self.column} of {self.metric} in table {self.table} of ({_words(self.at)})"
        values = " < ".join(self.values)
        return (
            f"least-squares slope of {number} over {self.along} {values}, per position and seed{minus}: 95 % t-interval "
            f"{self.claimed} {self.margin:g}"
        )


class Spread(_Rule):
    """`ratio` times the wide range minus the narrow one, per seed: is what varies in `narrow` small beside what varies in
    `wide`? `path`, instead of `wide`: the range over the update steps of one run, from the trajectory.

    A range is that of `cross_fitted_range`. It makes the numbers of the seeds depend on each other, so the standard error
    is widened as Nadeau and Bengio (2003) do for cross-validation that leaves out one of n: the variance of the mean is
    s^2 (1/n + 1/(n - 1))."""

    estimate: Literal["cross-fitted"]
    narrow: tuple[Point, ...]
    wide: tuple[Point, ...] = ()
    path: Point | None = None
    ratio: float

    kind: ClassVar[str] = "spread"
    claimed: ClassVar[str] = "above"
    margin: ClassVar[float] = 0.0
    size: ClassVar[float | None] = None

    def sides(self) -> tuple[Side, ...]:
        wide = Side((self.path,), table="trajectory") if self.path is not None else Side(self.wide)
        return Side(self.narrow), wide

    def combine(self, values: np.ndarray) -> np.ndarray:
        """(..., seeds, points) -> (..., seeds)"""
        narrow, wide = values[..., : len(self.narrow)], values[..., len(self.narrow) :]
        return self.ratio * cross_fitted_range(wide) - cross_fitted_range(narrow)

    def widening(self, seeds: int) -> float:
        return math.sqrt(1 + seeds / (seeds - 1))

    def words(self) -> str:
        lists = {name: "; ".join(_words(p) for p in getattr(self, name)) for name in ("narrow", "wide")}
        wide = f"over the update steps of ({_words(self.path)})" if self.path is not None else f"over ({lists['wide']})"
        return (
            f"{self.ratio:g} times the range of {self.column} of {self.metric} {wide}, minus its range over "
            f"({lists['narrow']}), per seed, highest and lowest point chosen by the mean over the other seeds: "
            f"95 % t-interval, standard error times the root of 1 + n / (n - 1), above 0"
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


def _words(point: Point) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in point.items()) or "the default"
