"""What every rule has: where its numbers stand, which runs it needs, which numbers the claim allows, and one estimate."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import pandas
from pydantic import BaseModel, ConfigDict, Field

from flopwise.core.errors import UserError

Tables = dict[str, pandas.DataFrame]
Point = dict[str, str]  # axis values that single out runs; an axis not named is at the preset's default


@dataclass(frozen=True)
class Estimate:
    """What the runs say. effect, low, high: in the quantity's own sign and unit; None: not measured, or too few for an
    interval. smallest_detectable: distance from the claim's threshold that so many units find four times in five.
    n: units of inference. detail: what a reader should know beside."""

    n: int = 0
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    smallest_detectable: float | None = None
    detail: str = ""


class Side(NamedTuple):
    """Runs that stand together in a rule. worse: the claim says so of this side; None: it says neither. table, metric,
    column: None: the rule's own."""

    points: tuple[Point, ...]
    worse: bool | None = None
    table: str | None = None
    metric: str | None = None
    column: str | None = None

    @property
    def words(self) -> str:
        return "; ".join(words(point) for point in self.points)


class Rule(BaseModel):
    """table, metric, column: where the number stands. over: columns that name the units of inference, whose values are
    taken to be a sample: `seed`, `student`, or two sides of a pair (`teacher`, `student`). Runs that share a unit are
    averaged, except over seeds, where there must be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    metric: str | None = None  # None: the table has one number in a row
    column: str
    over: tuple[str, ...] = Field(("seed",), min_length=1, max_length=2)

    unit: ClassVar[str] = "points"  # of the effect
    fewest: ClassVar[int] = 2  # units of each side that an interval needs

    @property
    def unit_of_inference(self) -> str:
        return "pair" if len(self.over) == 2 else self.over[0]

    def sides(self) -> tuple[Side, ...]:
        """The runs that the rule needs."""
        raise NotImplementedError

    def claimed_range(self) -> tuple[float, float]:
        """Between which numbers the claim says that the true effect lies."""
        raise NotImplementedError

    def stated_size(self) -> float | None:
        """How far beyond its threshold the claim says that the effect lies, where it says so."""
        return None

    def measure(self, tables: Tables, defaults: Point) -> Estimate:
        """Effect, interval, p-value and power from the runs at the points of the rule."""
        raise NotImplementedError

    def words(self) -> str:
        """The rule in words."""
        raise NotImplementedError

    def threshold(self, effect: float) -> float:
        """The finite end of the claimed range that is nearest to the effect; tests are against it."""
        return min(filter(math.isfinite, self.claimed_range()), key=lambda end: abs(effect - end))

    def runs(self, side: Side, point: Point, tables: Tables, defaults: Point) -> pandas.DataFrame:
        """The rows of a side at one of its points, diverged runs among them."""
        name = side.table or self.table
        if name not in tables:
            raise UserError(f"claim rule reads table {name!r}, which does not exist; there are {', '.join(tables)}")
        frame = tables[name]
        metric = side.metric or self.metric
        unknown = set(point) - set(frame.columns)
        if unknown:
            raise UserError(f"claim rule names {sorted(unknown)[0]!r}, which table {name} has no column for")
        keep = pandas.Series(True, frame.index) if metric is None else frame["metric"] == metric
        for axis, value in {**defaults, **point}.items():
            if axis in point or (axis in frame.columns and axis not in self.over):
                keep &= frame[axis].astype(str) == value
        return frame[keep]

    def grid(self, tables: Tables, defaults: Point) -> pandas.DataFrame:
        """The values that the rule combines: a row per unit that finished all runs, a column per point of `sides` (or per
        update step of a trajectory); no rows where a point has none."""
        columns, units = [], list(self.over)
        for side in self.sides():
            for point in side.points:
                frame = self.runs(side, point, tables, defaults)
                done = frame[frame["status"] == "done"] if "status" in frame else frame
                if side.table == "trajectory":
                    columns.append(done.pivot(index=units, columns="task", values="value"))
                    continue
                if units == ["seed"] and done["seed"].duplicated().any():
                    raise UserError(f"claim rule: several runs of ({words(point)}) have the same seed; name their axis")
                columns.append(done.groupby(units)[[side.column or self.column]].mean())
        if any(column.empty for column in columns):
            return pandas.DataFrame()
        return pandas.concat(columns, axis=1).dropna().sort_index()


class Directed(Rule):
    """A rule whose claim names a side. claimed, margin: the claim says that the number lies `above` or `below` `margin`.
    size: the claimed magnitude beyond the margin, where a source states one."""

    claimed: Literal["above", "below"]
    margin: float = 0.0
    size: float | None = None

    def claimed_range(self) -> tuple[float, float]:
        return (self.margin, math.inf) if self.claimed == "above" else (-math.inf, self.margin)

    def stated_size(self) -> float | None:
        return self.size

    @property
    def condition(self) -> str:
        size = f"; stated size {self.size:g}" if self.size is not None else ""
        return f"{self.claimed} {self.margin:g}{size}"


class Compared(Rule):
    """A rule on value(a) - value(b) in each unit, or on value(a) alone."""

    a: Point
    b: Point | None = None

    def sides(self) -> tuple[Side, ...]:
        return tuple(Side((point,)) for point in (self.a, self.b) if point is not None)

    def combine(self, values):
        """(..., units, points) -> (..., units)"""
        return values[..., 0] if self.b is None else values[..., 0] - values[..., 1]

    @property
    def number(self) -> str:
        difference = f"({words(self.a)}) minus ({words(self.b)})" if self.b else f"({words(self.a)})"
        return f"{self.column} of {self.metric} in table {self.table}, {difference}, per {self.unit_of_inference}"


class Contrast(Compared, Directed):
    """A comparison whose claim names a side."""

    def sides(self) -> tuple[Side, ...]:
        """A side is said to be worse where the claim is that one value lies above or below the other."""
        first, *second = super().sides()
        if not second:
            return (first._replace(worse=self.claimed == "below"),)
        if self.margin:
            return first, *second
        return first._replace(worse=self.claimed == "below"), second[0]._replace(worse=self.claimed == "above")


class Other(BaseModel):
    """Another quantity in a rule; what is not named is as in the rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    metric: str | None = None
    column: str | None = None
    at: Point = Field({})


def words(point: Point) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in point.items()) or "the default"
