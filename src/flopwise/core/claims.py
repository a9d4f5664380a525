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
from typing import Literal

import numpy as np
import pandas
from pydantic import BaseModel, ConfigDict

from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json

VERDICTS = ("reproduced", "direction only", "not reproduced", "inconclusive", "not testable at this scale")


class Rule(BaseModel):
    """d = value(a) - value(b) per seed, or value(a) alone; `above`/`below` `margin` says which side is claimed.

    table, metric, column: where the number stands. a, b: axis values that single out the runs; an axis not named is at
    the preset's default. size: the claimed magnitude beyond the margin, where a source states one."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    metric: str
    column: str
    a: dict[str, str]
    b: dict[str, str] | None = None
    claimed: Literal["above", "below"]
    margin: float = 0.0
    size: float | None = None


class Claim(BaseModel):
    """A published claim. `paper_says` is in our words; `rule` None: why it cannot be tested here stands in `note`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    title: str
    source: str
    paper_says: str
    quantity: str
    scales: tuple[str, ...]
    rule: Rule | None = None
    note: str = ""

    @property
    def rule_sha256(self) -> str:
        """Hash of everything that decides the verdict."""
        return sha256_json([self.id, self.rule.model_dump() if self.rule else None, list(self.scales)])


def per_seed(rule: Rule, tables: dict[str, pandas.DataFrame], defaults: dict[str, str]) -> np.ndarray:
    """d_i for every seed that has all the runs the rule needs, oriented so that the claim says > 0."""

    def pick(axes: dict[str, str]) -> pandas.Series:
        table = tables[rule.table]
        unknown = set(axes) - set(table.columns)
        if unknown:
            raise UserError(f"claim rule names {sorted(unknown)[0]!r}, which table {rule.table} has no column for")
        keep = (table["metric"] == rule.metric) & (table["status"] == "done")
        for axis, value in {**defaults, **axes}.items():
            keep &= table[axis].astype(str) == value
        return table[keep].set_index("seed")[rule.column]

    values = pick(rule.a)
    if rule.b is not None:
        values = (values - pick(rule.b)).dropna()
    differences = values.sort_index().to_numpy(dtype=float) - rule.margin
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
        "rule": describe(claim.rule), "rule_sha256": claim.rule_sha256, "scales": list(claim.scales), "unit": "points",
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


def _own_sign(rule: Rule, values: np.ndarray) -> np.ndarray:
    return (values if rule.claimed == "above" else -values) + rule.margin


def describe(rule: Rule | None) -> str:
    """The rule in words."""
    if rule is None:
        return "no rule: see the note"
    name = lambda axes: ", ".join(f"{k} {v}" for k, v in axes.items())  # noqa: E731
    difference = f"({name(rule.a)}) minus ({name(rule.b)})" if rule.b else f"({name(rule.a)})"
    size = f"; stated size {rule.size:g}" if rule.size is not None else ""
    number = f"{rule.column} of {rule.metric} in table {rule.table}, {difference}, per seed"
    return f"{number}: 95 % t-interval {rule.claimed} {rule.margin:g}{size}"


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
