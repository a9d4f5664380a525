"""How often `flopwise decide` errs where nothing is to be found, and how many seeds it takes where something is: the tables of
docs/audit.md. Everything is simulated; no run is read."""

import argparse

import numpy as np
from common import show

from flopwise.core.sequential import Design, critical_values
from flopwise.core.statistics import CONFIDENCE, critical

ERROR = 1 - CONFIDENCE
NOISE = {  # mean 0, standard deviation 1
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "skewed: exponential": lambda generator, shape: generator.exponential(size=shape) - 1,
    "heavy tails: t, 3 degrees": lambda generator, shape: generator.standard_t(3, shape) / np.sqrt(3),
}


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
        "decide": decide, "plain t at every look": plain, "ordinary verdict": ordinary,
        "decide, of those left inconclusive": decide[~ordinary], "either": ordinary | decide,
    }  # fmt: skip
    return {"noise": noise, "first": first, "most": most, **{f"{k}, %": 100 * v.mean() for k, v in shares.items()}}


def fixed_levels(first: int, most: int, shape) -> Design:
    """A design with another spending function, by its critical values."""
    return Design(first, most, tuple(shape(first, most)))


def always_valid(first: int, most: int, deviation: float = 1.0) -> np.ndarray:
    """Half widths, in standard errors, of the t confidence sequence that mixes over effects of normal distribution with this
    standard deviation, in standard deviations of a unit (Lai 1976; Wang and Ramdas 2023): where the Bayes factor is 1 / 5 %."""
    n = np.arange(first, most + 1)
    a = 1 + n * deviation**2
    g = (np.sqrt(a) / ERROR) ** (2 / n)
    return np.where(g < a, np.sqrt((n - 1) * (g - 1) / np.maximum(1 - g / a, 1e-12)), np.inf)


def designs(first: int, most: int) -> dict[str, Design]:
    own = {f"spending n^{exponent:g}": critical_values(first, most, exponent) for exponent in (0.5, 1, 1.5, 2, 3)}
    own["always valid, effects of 1"] = always_valid(first, most)
    own["always valid, effects of 2"] = always_valid(first, most, 2)
    own[f"one look at {most}"] = np.r_[np.full(most - first, np.inf), critical(most)]
    return {name: Design(first, most, tuple(map(float, values))) for name, values in own.items()}


def power(first: int, most: int, effect: float, worlds: int) -> list[dict]:
    """Of worlds whose ordinary verdict is inconclusive: share decided rightly, seeds taken on average, and half width of the
    interval in standard deviations of a unit at a few numbers of seeds."""
    values = effect + np.random.default_rng(2).standard_normal((worlds, most))
    low, high = looks(values, Design(first, first, (critical(first),)))
    values = values[((low <= 0) & (high >= 0))[:, 0]]
    rows = []
    for name, design in designs(first, most).items():
        with np.errstate(invalid="ignore"):
            low, high = looks(values, design)
        done = (low > 0) | (high < 0)
        ended = done.any(axis=1)
        taken = np.where(ended, done.argmax(axis=1) + first, most)
        right = low[np.arange(len(low)), done.argmax(axis=1)] > 0
        rows.append(
            {"design": name, "first": first, "most": most, "effect": effect, "inconclusive first, %": 100 * len(values) / worlds,
             "decided rightly, %": 100 * (ended & right).mean(), "seeds": float(taken.mean()),
             **{f"half width at {n}": design.critical[n - first] / np.sqrt(n) for n in (5, 10, most)}}
        )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=100_000)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    sizes = [(first, most) for first in (3, 5) for most in (10, 20, 40)]
    print("true mean at the threshold")
    show([error_rates(*size, noise, arguments.worlds) for noise in NOISE for size in sizes], arguments.json)
    print("\ntrue mean 1 or 2 standard deviations above it")
    show(
        [row for first in (3, 5) for effect in (0.5, 1, 2) for row in power(first, 20, effect, arguments.worlds)], None
    )


if __name__ == "__main__":
    main()
