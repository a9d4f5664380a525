"""How often the rules find something where nothing is to be found, measured on a study's own spread.

Within each seed the labels of the points are permuted: what the rule takes for its points are the residuals of points
drawn at random, all of one seed, so whatever the points of a seed share stays. No label means anything then, and a rule
should say *reproduced* and *not reproduced* in 2.5 % of draws each. The check sees residuals that are not normal, numbers
of seeds that depend on each other through the rule, and mistakes in the rule. It sees neither what all seeds have in common
(the initial weights), nor margins, nor which claims were chosen to be tested; a draw mixes points whose runs vary more and
less, and end points stand for the update steps of a path."""

import math

import numpy as np
import pandas

from flopwise.core.rules import Rule, Spread, Trend
from flopwise.core.statistics import CONFIDENCE, interval

DRAWS = 4000
FEWEST_POINTS = 20  # with fewer, a draw would often compare a pair with itself


def residuals(final: pandas.DataFrame, axes: list[str]) -> dict[str, np.ndarray]:
    """Per metric an array (seeds, points): value minus the point's mean over its n seeds, times sqrt(n / (n - 1)), so that
    its variance is that of single runs. Seeds that fewer than `FEWEST_POINTS` points have are left out, and then points
    that lack a seed; a metric without enough is left out."""
    done = final[final["status"] == "done"]
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
    rule: Rule | Trend | Spread,
    width: int,
    seeds: int,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
) -> dict:
    """Shares of draws in which `rule`, over `width` points and `seeds` seeds, says that its number lies above 0
    (reproduced) and below 0 (not_reproduced), and the standard error of such a share where it is (1 - confidence) / 2.

    found: from `residuals`. A draw is of one metric. Seeds are drawn without replacement while there are enough."""
    generator = np.random.default_rng(0)
    above = below = made = 0
    for grid in found.values():
        size = draws // len(found)
        drawn = rule.combine(_permuted(grid, generator, size, seeds, width))
        _, low, high = interval(drawn, confidence, rule.widening(seeds))
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
