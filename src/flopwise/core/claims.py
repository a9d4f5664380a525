"""Verdicts on published claims: one rule per claim, fixed before the run, applied to one number per seed.

The unit of inference is the seed: it varies stream, batches and the initialisation of adapters. It does not vary the
initial weights, of which there is one set per model: every interval holds for these weights, and one that compares
models leaves out how much their pre-training would vary.

A rule turns the tables into d_1 .. d_n, one per seed, oriented so that the claim says E[d] > 0, and looks at the 95 %
t-interval of their mean:

- reproduced: the whole interval lies above 0 (and, where the claim states a size, reaches it)
- direction only: the whole interval lies above 0 but below the stated size
- not reproduced: the whole interval lies below 0
- inconclusive: the interval holds 0; the smallest effect that n seeds could have seen is given
- not testable at this scale: `reason` says why
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from flopwise.core.io import sha256_json
from flopwise.core.rules import Point, Rule, Spread, Tables, Trend, runs
from flopwise.core.statistics import interval, p_value, smallest_detectable

VERDICTS = ("reproduced", "direction only", "not reproduced", "inconclusive", "not testable at this scale")
REASONS = {
    "validation": "validation mode",
    "scale": "not run at this scale",
    "seed": "one seed only",
    "diverged": "runs diverged",
    "rule": "no rule",
}


class Claim(BaseModel):
    """A claim. `paper_says` is in our words; `rule` None: why it cannot be tested here stands in `note`.

    stands_for: what the paper (or a source about it) says, a hypothesis of our own that no source states, or a reading
    that contradicts another claim of the list."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    title: str
    source: str
    stands_for: Literal["published", "hypothesis", "contrary"] = "published"
    paper_says: str
    quantity: str
    scales: tuple[str, ...]
    rule: Rule | Trend | Spread | None = None
    note: str = ""

    @property
    def rule_sha256(self) -> str:
        """Hash of everything that decides the verdict."""
        return sha256_json([self.id, self.rule.model_dump() if self.rule else None, list(self.scales)])


def verdict(values: np.ndarray, size: float | None = None, widening: float = 1.0) -> str:
    """The verdict on oriented differences."""
    if len(values) < 2:
        return VERDICTS[-1]
    _, low, high = interval(values, widening=widening)
    if low > 0:
        return "direction only" if size is not None and high < size else "reproduced"
    return "not reproduced" if high < 0 else "inconclusive"


def judge(claim: Claim, scale: str, tables: Tables, defaults: Point, *, validation: bool = False) -> dict:
    """The claim with its verdict, in plain data. `effect`, `low`, `high` are in the quantity's own sign and unit;
    `diverged` counts the runs of each side and how many of them diverged. validation: the tables hold no test scores, so
    nothing is judged."""
    rule = claim.rule
    result = claim.model_dump(exclude={"rule", "scales"}) | {
        "rule": describe(rule), "kind": rule.kind if rule else None, "rule_sha256": claim.rule_sha256,
        "scales": list(claim.scales), "unit": rule.unit if rule else "points",
        "verdict": VERDICTS[-1], "reason": "", "effect": None, "low": None, "high": None, "n_seeds": 0,
        "p_value": None, "p_holm": None, "smallest_detectable": None, "diverged": [],
    }  # fmt: skip
    untested = "validation" if validation else "rule" if rule is None else "scale" if scale not in claim.scales else ""
    if untested:
        return result | {"reason": REASONS[untested]}
    values, lost = per_seed(rule, tables, defaults), _diverged(rule, tables, defaults)
    result |= {"n_seeds": len(values), "diverged": lost, "reason": _reason(len(values), lost)}
    own_sign = (values if rule.claimed == "above" else -values) + rule.margin
    if len(values) < 2:
        return result | {"effect": float(own_sign[0]) if len(values) and rule.kind != "spread" else None}
    widening = rule.widening(len(values))
    mean, low, high = map(float, interval(own_sign, widening=widening))
    return result | {
        "verdict": verdict(values, rule.size, widening), "effect": mean, "low": low, "high": high,
        "p_value": p_value(values, widening), "smallest_detectable": smallest_detectable(values, widening=widening),
    }  # fmt: skip


def per_seed(rule: Rule | Trend | Spread, tables: Tables, defaults: Point) -> np.ndarray:
    """d_i for every seed that has all the runs the rule needs, oriented so that the claim says > 0."""
    grid = rule.grid(tables, defaults).to_numpy(dtype=float)
    if not len(grid):
        return np.array([])
    values = rule.combine(grid) - rule.margin
    return values if rule.claimed == "above" else -values


def describe(rule: Rule | Trend | Spread | None) -> str:
    """The rule in words."""
    return rule.words() if rule else "no rule: see the note"


def _diverged(rule: Rule | Trend | Spread, tables: Tables, defaults: Point) -> list[dict]:
    """Per side of the rule: its words, whether the claim says it is worse, its runs, and how many of them diverged."""
    found = []
    for side in rule.sides():
        status = [
            runs(tables, side.table, rule.metric, point, defaults).drop_duplicates("seed")["status"]
            for point in side.points
        ]
        lost = sum(int((one != "done").sum()) for one in status)
        found.append({"side": side.words, "worse": side.worse, "runs": sum(map(len, status)), "diverged": lost})
    return found


def _reason(seeds: int, sides: list[dict]) -> str:
    """Why there is no verdict, or over which seeds there is one; empty where all runs finished."""
    lost = [side for side in sides if side["diverged"]]
    if not lost:
        return "" if seeds > 1 else REASONS["seed" if seeds else "scale"]
    agreement = {
        True: ", which agrees with the claim that this side is worse but gives no number",
        False: ", which speaks against the claim that this side is better but gives no number",
        None: "",
    }
    parts = [
        f"{side['diverged']} of {side['runs']} runs of ({side['side']}){agreement[side['worse']]}" for side in lost
    ]
    end = f"; the interval is over the {seeds} seeds without" if seeds > 1 else ""
    return f"{REASONS['diverged']}: {'; '.join(parts)}{end}"
