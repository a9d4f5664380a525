"""Verdicts on published claims: one rule per claim, fixed before the run, applied to one number per seed.

The unit of inference is the seed: it varies stream, batches and the initialisation of adapters. A rule turns the tables
into d_1 .. d_n, one per seed, oriented so that the claim says E[d] > 0, and looks at the 95 % t-interval of their mean:

- reproduced: the whole interval lies above 0 (and, where the claim states a size, reaches it)
- direction only: the whole interval lies above 0 but below the stated size
- not reproduced: the whole interval lies below 0
- inconclusive: the interval holds 0; the smallest effect that n seeds could have seen is given
- not testable at this scale: the scale has no such runs, or fewer than two seeds
"""

import math
from typing import ClassVar, Literal

import numpy as np
import pandas
from pydantic import BaseModel, ConfigDict

from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json

VERDICTS = ("reproduced", "direction only", "not reproduced", "inconclusive", "not testable at this scale")


Tables = dict[str, pandas.DataFrame]
Point = dict[str, str]  # axis values that single out runs; an axis not named is at the preset's default


def _pick(tables: Tables, table: str, metric: str, column: str, point: Point, defaults: Point) -> pandas.Series:
    """`column` of the finished runs at `point`, by seed (and by task in a table that has tasks)."""
    frame = tables[table]
    unknown = set(point) - set(frame.columns)
    if unknown:
        raise UserError(f"claim rule names {sorted(unknown)[0]!r}, which table {table} has no column for")
    keep = (frame["metric"] == metric) & (frame["status"] == "done")
    for axis, value in {**defaults, **point}.items():
        keep &= frame[axis].astype(str) == value
    index = ["seed", "task"] if "task" in frame.columns else ["seed"]
    return frame[keep].set_index(index)[column]


class Rule(BaseModel):
    """d = value(a) - value(b) per seed, or value(a) alone; `above`/`below` `margin` says which side is claimed.

    table, metric, column: where the number stands. a, b: axis values that single out the runs; an axis not named is at
    the preset's default. size: the claimed magnitude beyond the margin, where a source states one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    metric: str
    column: str
    a: Point
    b: Point | None = None
    claimed: Literal["above", "below"]
    margin: float = 0.0
    size: float | None = None

    def measure(self, tables: Tables, defaults: Point) -> pandas.Series:
        """The quantity by seed, in its own sign."""
        values = _pick(tables, self.table, self.metric, self.column, self.a, defaults)
        if self.b is None:
            return values
        return values - _pick(tables, self.table, self.metric, self.column, self.b, defaults)

    def words(self) -> str:
        difference = f"({_words(self.a)}) minus ({_words(self.b)})" if self.b else f"({_words(self.a)})"
        size = f"; stated size {self.size:g}" if self.size is not None else ""
        number = f"{self.column} of {self.metric} in table {self.table}, {difference}, per seed"
        return f"{number}: 95 % t-interval {self.claimed} {self.margin:g}{size}"


class Trend(BaseModel):
    """Slope of the number along an axis, per seed: least squares over the positions 0, 1, 2 ... of `values`, in points
    per position. `minus`: the slope at another point of the grid is taken off (does the trend differ?)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    metric: str
    column: str
    along: str
    values: tuple[str, ...]
    at: Point
    minus: Point | None = None
    claimed: Literal["above", "below"]
    margin: float = 0.0
    size: float | None = None

    def measure(self, tables: Tables, defaults: Point) -> pandas.Series:
        """The slope by seed, in its own sign."""
        slope = self._slope(tables, defaults, self.at)
        return slope if self.minus is None else slope - self._slope(tables, defaults, self.minus)

    def _slope(self, tables: Tables, defaults: Point, at: Point) -> pandas.Series:
        columns = [
            _pick(tables, self.table, self.metric, self.column, {**at, self.along: value}, defaults)
            for value in self.values
        ]
        grid = pandas.concat(columns, axis=1, keys=range(len(columns))).dropna()
        positions = np.arange(len(columns)) - (len(columns) - 1) / 2
        return grid @ positions / (positions @ positions)

    def words(self) -> str:
        minus = f", minus the same of ({_words(self.minus)})" if self.minus else ""
        number = f"{self.column} of {self.metric} in table {self.table} of ({_words(self.at)})"
        values = " < ".join(self.values)
        return (
            f"least-squares slope of {number} over {self.along} {values}, per position and seed{minus}: 95 % t-interval "
            f"{self.claimed} {self.margin:g}"
        )


class Spread(BaseModel):
    """`ratio` times the wide range minus the narrow one, per seed: is what varies in `narrow` small beside what varies in
    `wide`? A range is the largest minus the smallest value over the points listed. `path`, instead of `wide`: the range
    over the update steps of one run, from the trajectory."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    metric: str
    column: str
    narrow: tuple[Point, ...]
    wide: tuple[Point, ...] = ()
    path: Point | None = None
    ratio: float

    claimed: ClassVar[str] = "above"
    margin: ClassVar[float] = 0.0
    size: ClassVar[float | None] = None

    def measure(self, tables: Tables, defaults: Point) -> pandas.Series:
        """ratio x wide range - narrow range, by seed."""
        if self.path is not None:
            by_seed = _pick(tables, "trajectory", self.metric, "value", self.path, defaults).groupby("seed")
            wide = by_seed.max() - by_seed.min()
        else:
            wide = self._range(tables, defaults, self.wide)
        return self.ratio * wide - self._range(tables, defaults, self.narrow)

    def _range(self, tables: Tables, defaults: Point, points: tuple[Point, ...]) -> pandas.Series:
        columns = [_pick(tables, self.table, self.metric, self.column, point, defaults) for point in points]
        grid = pandas.concat(columns, axis=1, keys=range(len(columns))).dropna()
        return grid.max(axis=1) - grid.min(axis=1)

    def words(self) -> str:
        lists = {name: "; ".join(_words(p) for p in getattr(self, name)) for name in ("narrow", "wide")}
        wide = f"over the update steps of ({_words(self.path)})" if self.path else f"over ({lists['wide']})"
        return (
            f"{self.ratio:g} times the range of {self.column} of {self.metric} {wide}, minus its range over "
            f"({lists['narrow']}), per seed: 95 % t-interval above 0"
        )


def _words(point: Point) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in point.items()) or "the default"


class Claim(BaseModel):
    """A published claim. `paper_says` is in our words; `rule` None: why it cannot be tested here stands in `note`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    title: str
    source: str
    paper_says: str
    quantity: str
    scales: tuple[str, ...]
    rule: Rule | Trend | Spread | None = None
    note: str = ""

    @property
    def rule_sha256(self) -> str:
        """Hash of everything that decides the verdict."""
        return sha256_json([self.id, self.rule.model_dump() if self.rule else None, list(self.scales)])


def per_seed(rule: Rule | Trend | Spread, tables: Tables, defaults: Point) -> np.ndarray:
    """d_i for every seed that has all the runs the rule needs, oriented so that the claim says > 0."""
    differences = rule.measure(tables, defaults).dropna().sort_index().to_numpy(dtype=float) - rule.margin
    return differences if rule.claimed == "above" else -differences


def interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean and t-interval of n >= 2 values."""
    from scipy.stats import t

    n = len(values)
    half = t.ppf(0.5 + confidence / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def smallest_detectable(values: np.ndarray, confidence: float = 0.95, power: float = 0.8) -> float:
    """The effect that n seeds with this spread show with probability `power`: (t_{1-a/2} + t_power) s / sqrt(n)."""
    from scipy.stats import t

    n = len(values)
    factor = t.ppf(0.5 + confidence / 2, n - 1) + t.ppf(power, n - 1)
    return float(factor * values.std(ddof=1) / math.sqrt(n))


def verdict(values: np.ndarray, size: float | None = None) -> str:
    """The verdict on oriented differences."""
    if len(values) < 2:
        return "not testable at this scale"
    _, low, high = interval(values)
    if low > 0:
        return "direction only" if size is not None and high < size else "reproduced"
    return "not reproduced" if high < 0 else "inconclusive"


def judge(claim: Claim, scale: str, tables: dict[str, pandas.DataFrame], defaults: dict[str, str]) -> dict:
    """The claim with its verdict, in plain data. `effect`, `low`, `high` are in the quantity's own sign and unit."""
    result = claim.model_dump(exclude={"rule", "scales"}) | {
        "rule": describe(claim.rule), "rule_sha256": claim.rule_sha256, "scales": list(claim.scales), 
        "unit": "points per position" if isinstance(claim.rule, Trend) else "points",
        "verdict": VERDICTS[-1], "effect": None, "low": None, "high": None, "n_seeds": 0, "smallest_detectable": None,
    }  # fmt: skip
    if claim.rule is None or scale not in claim.scales:
        return result
    values = per_seed(claim.rule, tables, defaults)
    result |= {"n_seeds": len(values), "verdict": verdict(values, claim.rule.size)}
    if len(values) < 2:
        if len(values) == 1:
            result["effect"] = float(_own_sign(claim.rule, values)[0])
        return result
    mean, low, high = interval(_own_sign(claim.rule, values))
    return result | {"effect": mean, "low": low, "high": high, "smallest_detectable": smallest_detectable(values)}


def _own_sign(rule: Rule | Trend | Spread, values: np.ndarray) -> np.ndarray:
    return (values if rule.claimed == "above" else -values) + rule.margin


def describe(rule: Rule | Trend | Spread | None) -> str:
    """The rule in words."""
    return rule.words() if rule else "no rule: see the note"


def false_positive_rate(residuals: list[np.ndarray], seeds: int, draws: int = 4000) -> float:
    """How often the engine says `reproduced` where nothing is to be found.

    `residuals`: per point of the grid, value minus the point's mean over seeds, scaled to the variance of single runs.
    Labels are permuted: two sets of `seeds` residuals are drawn from all points at random and compared as two methods
    would be. Two-sided 95 % intervals should give 2.5 %."""
    pooled = np.concatenate(residuals)
    generator = np.random.default_rng(0)
    hits = sum(
        verdict(generator.choice(pooled, seeds, replace=False) - generator.choice(pooled, seeds, replace=False))
        == "reproduced"
        for _ in range(draws)
    )
    return hits / draws
