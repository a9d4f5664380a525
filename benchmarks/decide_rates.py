"""How often `flopwise decide` errs where nothing is to be found, and how many seeds it takes where something is: the tables of
docs/audit.md. Worlds are simulated; `--runs` adds worlds that are drawn from a run's own spread over seeds."""

import argparse

import numpy as np
import pandas
from common import show

from flopwise.core.calibration import residuals
from flopwise.core.sequential import Design, critical_values
from flopwise.core.statistics import CONFIDENCE, critical

NOISE = {  # mean 0, standard deviation 1
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "heavy tails: t, 3 degrees of freedom": lambda generator, shape: generator.standard_t(3, shape) / np.sqrt(3),
    "skewness 1: gamma": lambda generator, shape: (generator.gamma(4, size=shape) - 4) / 2,
    "skewness 2: exponential": lambda generator, shape: generator.exponential(size=shape) - 1,
}
AXES = [
    "model",
    "budget",
    "mixture",
    "method",
    "merge",
    "stream",
    "schedule",
    "rate",
    "temperature",
    "pool",
    "horizon",
    "recipe",
]


def spread_of(table: str):
    """Noise from a table of runs, as the report's own error rates are measured (`flopwise.core.calibration`): the difference of
    two points of one seed, drawn at random for each unit, without the points' means."""
    grids = list(residuals(pandas.read_csv(table), AXES).values())

    def draw(generator, shape):
        parts = []
        for grid, size in zip(grids, np.diff(np.linspace(0, shape[0], len(grids) + 1).astype(int))):
            rows, points = grid.shape
            seeds, first = (generator.integers(most, size=(size, shape[1])) for most in (rows, points))
            second = (first + generator.integers(1, points, size=first.shape)) % points
            parts.append(grid[seeds, first] - grid[seeds, second])
        return np.concatenate(parts)

    return draw


def looks(values: np.ndarray, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """(lower, upper) ends (worlds, looks) of the intervals of (worlds, units) numbers."""
    ends = [design.interval(values[:, :n])[1:] for n in range(design.first, design.most + 1)]
    return tuple(np.stack(side, axis=1) for side in zip(*ends))


def error_rates(first: int, most: int, noise: str, worlds: int) -> dict:
    """Shares of worlds, true mean exactly at the claim's threshold, in which a verdict is given: every one is wrong."""
    values = NOISE[noise](np.random.default_rng(1), (worlds, most))

    def wrong(design: Design) -> np.ndarray:
        low, high = looks(values, design)
        return ((low > 0) | (high < 0)).any(axis=1)

    ordinary = wrong(Design(first, first, (critical(first),)))
    decide = wrong(Design.of(first, most))
    plain = wrong(Design(first, most, tuple(critical(n) for n in range(first, most + 1))))
    shares = {
        "decide": decide, "of the inconclusive": decide[~ordinary], "ordinary verdict": ordinary, "either": ordinary | decide,
        "ordinary interval at every look": plain,
    }  # fmt: skip
    return {"noise": noise, "first": first, "most": most, **{f"{k}, %": 100 * v.mean() for k, v in shares.items()}}


def always_valid(first: int, most: int, deviation: float) -> np.ndarray:
    """Half widths, in standard errors, of the t confidence sequence that mixes over effects drawn from a normal distribution
    with this standard deviation, in standard deviations of a unit (Lai 1976; Wang and Ramdas 2023): where the Bayes factor
    sqrt(1 / a) ((1 + t^2 / (n - 1)) / (1 + t^2 / (a (n - 1))))^(n / 2), a = 1 + n deviation^2, reaches 1 / 5 %."""
    n = np.arange(first, most + 1)
    a = 1 + n * deviation**2
    g = (np.sqrt(a) / (1 - CONFIDENCE)) ** (2 / n)
    return np.where(g < a, np.sqrt((n - 1) * (g - 1) / np.maximum(1 - g / a, 1e-12)), np.inf)


def designs(first: int, most: int) -> dict[str, Design]:
    found = {f"spending (n/N)^{exponent:g}": critical_values(first, most, exponent) for exponent in (0.5, 1, 1.5, 2, 3)}
    found |= {f"always valid, effects of {one}": always_valid(first, most, one) for one in (1, 2)}
    found[f"one look, at {most}"] = np.r_[np.full(most - first, np.inf), critical(most)]
    return {name: Design(first, most, tuple(map(float, values))) for name, values in found.items()}


def power(first: int, most: int, effect: float, worlds: int) -> list[dict]:
    """Of worlds whose ordinary verdict is inconclusive: share decided rightly, seeds taken on average, and half width of the
    interval at a few numbers of seeds, in standard deviations of a unit."""
    values = effect + np.random.default_rng(2).standard_normal((worlds, most))
    low, high = looks(values, Design(first, first, (critical(first),)))
    values, rows = values[((low <= 0) & (high >= 0))[:, 0]], []
    for name, design in designs(first, most).items():
        low, high = looks(values, design)
        done = (low > 0) | (high < 0)
        ended, at = done.any(axis=1), done.argmax(axis=1)
        right = ended & (low[np.arange(len(low)), at] > 0)
        rows.append(
            {"design": name, "first": first, "most": most, "effect": effect, "inconclusive, %": 100 * len(values) / worlds,
             "decided rightly, %": 100 * right.mean(), "seeds": float(np.where(ended, at + first, most).mean()),
             **{f"half width at {n}": design.critical[n - first] / np.sqrt(n) for n in (5, 10, most)}}
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=100_000)
    parser.add_argument("--runs", help="final.csv of a run")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if arguments.runs:
        NOISE["the run's own spread"] = spread_of(arguments.runs)
    sizes = [(first, most) for first in (3, 5) for most in (10, 20, 40)]
    print("true mean at the threshold: share of worlds with a verdict, all of them wrong")
    show([error_rates(*size, noise, arguments.worlds) for noise in NOISE for size in sizes], arguments.json)
    print(
        "\ntrue mean above the threshold, in standard deviations of a unit: worlds with an inconclusive ordinary verdict"
    )
    show(
        [row for first in (3, 5) for effect in (0.5, 1, 2) for row in power(first, 20, effect, arguments.worlds)], None
    )


if __name__ == "__main__":
    main()
