"""How often the rules find something where nothing is to be found, measured on a study's own spread.

Within each seed the labels of the points are permuted: what the rule takes for its points are the residuals of points
drawn at random, all of one seed, so whatever the points of a seed share stays. No label means anything then, and a rule
should find its number above 0 (for most: *reproduced*) and below 0 in 2.5 % of draws each. For an equivalence these are the
errors at the two ends of its range. The check sees residuals that are not normal, numbers of seeds that depend on each
other through the rule, and mistakes in the rule. It sees neither what all seeds have in common (the initial weights), nor
margins, nor which claims were chosen to be tested; a draw mixes points whose runs vary more and less, and end points stand
for the update steps of a path. Rules on pairs are not measured so: permuted labels would take away what pairs of one
teacher share, and that is what their intervals are about; tests simulate them."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas

from flopwise.core.rules import Point, Rule, Tables
from flopwise.core.rules.means import Mean
from flopwise.core.statistics import CONFIDENCE

DRAWS = 4000
FEWEST_POINTS = 20  # with fewer, a draw would often compare a pair with itself


def calibrate(
    rules: Iterable[tuple[str, Rule]],
    counts: Mapping[str, int],
    tables: Tables,
    defaults: Point,
    table: str,
    axes: Sequence[str],
) -> list[dict]:
    """Error rates per kind of rule and number of seeds, each with the first tested rule of that kind that compares runs.

    rules: with the names of their claims. counts: seeds of those that were tested. table: has a row per run and metric."""
    found, rows = residuals(tables[table], list(axes)) if table in tables else {}, {}
    for name, rule in rules:
        if not found or name not in counts or not isinstance(rule, Mean) or rule.over != ("seed",):
            continue
        key = (rule.kind, counts[name])
        width = rule.grid(tables, defaults).shape[1]
        if key not in rows and 1 < width <= min(grid.shape[1] for grid in found.values()):
            rates = error_rates(found, rule, width, counts[name])
            rows[key] = {"kind": key[0], "seeds": key[1], "points": width, "example": name, **rates}
    return [rows[key] for key in sorted(rows)]


def residuals(runs: pandas.DataFrame, axes: list[str]) -> dict[str, np.ndarray]:
    """Per metric an array (seeds, points): value minus the point's mean over its n seeds, times sqrt(n / (n - 1)), so that
    its variance is that of single runs. Seeds that fewer than `FEWEST_POINTS` points have are left out, and then points
    that lack a seed; a metric without enough is left out."""
    done = runs[runs["status"] == "done"]
    found = {}
    for metric, rows in done.groupby("metric"):
        grid = rows.assign(point=rows.groupby(axes).ngroup()).pivot(index="seed", columns="point", values="value")
        count = grid.count()
        grid = ((grid - grid.mean()) * np.sqrt(count / (count - 1)))[count.index[count > 1]]
        grid = grid[grid.count(axis=1) >= FEWEST_POINTS].dropna(axis=1)
        if min(grid.shape) and grid.shape[1] >= FEWEST_POINTS:
            found[str(metric)] = grid.to_numpy()
    return found


def error_rates(
    found: dict[str, np.ndarray],
    rule: Mean,
    width: int,
    seeds: int,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
) -> dict:
    """Shares of draws in which the interval of `rule`, over `width` points and `seeds` seeds, lies above 0 (reproduced) and
    below 0 (not_reproduced), and the standard error of such a share where it is (1 - confidence) / 2.

    found: from `residuals`. A draw is of one metric. Seeds are drawn without replacement while there are enough."""
    generator = np.random.default_rng(0)
    above = below = made = 0
    for grid in found.values():
        size = draws // len(found)
        low, high = rule.interval(_permuted(grid, generator, size, seeds, width), confidence)
        above, below, made = above + int((low > 0).sum()), below + int((high < 0).sum()), made + size
    nominal = (1 - confidence) / 2
    error = math.sqrt(nominal * (1 - nominal) / made)
    return {"reproduced": above / made, "not_reproduced": below / made, "monte_carlo_error": error, "draws": made}


def _permuted(grid: np.ndarray, generator, draws: int, seeds: int, width: int) -> np.ndarray:
    """(draws, seeds, width): residuals of a seed's points in random order, for each seed anew."""
    rows, points = grid.shape
    if seeds <= rows:
        chosen = generator.random((draws, rows)).argsort(axis=1)[:, :seeds]
    else:
        chosen = generator.integers(rows, size=(draws, seeds))
    order = generator.random((draws, seeds, points)).argsort(axis=2)[..., :width]
    return grid[chosen[..., None], order]
