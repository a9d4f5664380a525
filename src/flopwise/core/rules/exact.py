"""Rules without sampling: numbers either are what was published or are not; rows either pass or do not."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from flopwise.core.rules.rule import Estimate, Point, Rule, Side, Tables, words


class Exact(Rule):
    """Every row at `at` equals `expected` (a number, or the column that holds it) within `tolerance` plus
    `relative_tolerance` times the expected value; `may_differ` rows need not. The effect is the number of rows that differ.
    over: the column that names the rows."""

    kind: Literal["exact"]
    over: tuple[str, ...] = ("row",)
    at: Point = Field({})
    expected: float | str
    tolerance: float = Field(0.0, ge=0)
    relative_tolerance: float = Field(0.0, ge=0)
    may_differ: int = Field(0, ge=0)

    unit: ClassVar[str] = "rows that differ"
    fewest: ClassVar[int] = 1

    @property
    def unit_of_inference(self) -> str:
        return "exact"

    def sides(self) -> tuple[Side, ...]:
        return (Side((self.at,)),)

    def claimed_range(self) -> tuple[float, float]:
        return -math.inf, self.may_differ + 0.5  # a range is open, a count is whole

    def measure(self, tables: Tables, defaults: Point) -> Estimate:
        """A run that diverged has no number, so its row differs."""
        frame = self.runs(self.sides()[0], self.at, tables, defaults)
        if not len(frame):
            return Estimate()
        found = frame[self.column].to_numpy(dtype=float)
        expected = frame[self.expected] if isinstance(self.expected, str) else np.full(len(found), self.expected)
        expected = np.asarray(expected, dtype=float)
        if "status" in frame:
            found = np.where(frame["status"] == "done", found, np.nan)
        equal = np.isclose(found, expected, rtol=self.relative_tolerance, atol=self.tolerance)
        away = np.abs(found - expected)
        differ = float((~equal).sum())
        return Estimate(len(found), differ, differ, differ, detail=self._largest(frame, found, expected, away))

    def _largest(self, frame, found, expected, away) -> str:
        if np.isnan(away).all():
            return ""
        worst = int(np.nanargmax(away))
        names = [str(frame[name].iloc[worst]) for name in self.over if name in frame]
        where = f" ({', '.join(names)})" if names else ""
        return f"largest deviation: {found[worst]:.6g} where {expected[worst]:.6g} is expected{where}"

    def words(self) -> str:
        metric = f" of {self.metric}" if self.metric else ""
        bounds = [f"{self.tolerance:g}"] if self.tolerance or not self.relative_tolerance else []
        bounds += [f"{self.relative_tolerance:g} of it"] if self.relative_tolerance else []
        most = f"all but {self.may_differ} rows" if self.may_differ else "every row"
        return (
            f"{self.column}{metric} in table {self.table} ({words(self.at)}) equals {self.expected} within "
            f"{' plus '.join(bounds)} in {most}; exact, no sampling"
        )


class Count(Rule):
    """At least `share` of the rows at `at` lie beyond `above` (or below `below`). over: the column that names the rows; runs
    that share a name are averaged."""

    kind: Literal["count"]
    over: tuple[str, ...] = ("dataset",)
    at: Point = Field({})
    above: float | None = None
    below: float | None = None
    share: float = Field(gt=0, le=1)

    unit: ClassVar[str] = "of all"
    fewest: ClassVar[int] = 1

    @model_validator(mode="after")
    def _one_side(self):
        if (self.above is None) == (self.below is None):
            raise ValueError("a count needs one of the keys above and below")
        return self

    @property
    def unit_of_inference(self) -> str:
        return self.over[0]

    def sides(self) -> tuple[Side, ...]:
        return (Side((self.at,)),)

    def claimed_range(self) -> tuple[float, float]:
        return self.share - 1e-9, math.inf  # a range is open, the share itself will do

    def measure(self, tables: Tables, defaults: Point) -> Estimate:
        """A run that diverged is in no average; a row without any fails."""
        frame = self.runs(self.sides()[0], self.at, tables, defaults)
        if not len(frame):
            return Estimate()
        values = frame[self.column].where(frame["status"] == "done") if "status" in frame else frame[self.column]
        means = values.groupby(frame[self.over[0]]).mean()
        passed = means > self.above if self.above is not None else means < self.below
        share = float(passed.mean())
        lost = ", ".join(map(str, passed.index[~passed]))
        return Estimate(len(means), share, share, share, detail=f"not so: {lost}" if lost else "")

    def words(self) -> str:
        side = f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"
        metric = f" of {self.metric}" if self.metric else ""
        return (
            f"{self.column}{metric} in table {self.table} ({words(self.at)}) is {side} in at least {self.share:g} of all "
            f"values of {self.over[0]}; no sampling"
        )
