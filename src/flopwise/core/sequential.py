"""Intervals that stay valid while units are added one at a time until a claim is decided.

A group-sequential design: a look at every number n of units from `first`, those that there are, to `most`, both fixed before
the first is added. At each look the interval is the mean plus and minus critical(n) standard errors (a repeated confidence
interval: Jennison and Turnbull 1989). All of them together leave the true mean out in 5 % of cases, so a verdict may be taken
at the first look at which there is one. The 5 % are given out from look to look by a spending function (Lan and DeMets
1983) of the power family (Kim and DeMets 1987).

The t-statistics of a growing normal sample with mean zero have a joint distribution that depends on no parameter. It is
drawn from here: normal quantiles would be far too small for three units, and t-quantiles at normal levels still are inexact."""

from dataclasses import dataclass

import numpy as np

from flopwise.core.statistics import CONFIDENCE, SEED, standard_error

EXPONENT = 1.5  # of the spending function: docs/audit.md compares
DRAWS = 1_000_000  # the shares that cross are then right to 0.02 % of all cases
METHOD = "group-sequential intervals (Lan-DeMets spending, exact for Student's t)"


@dataclass(frozen=True)
class Design:
    """first, most: units at the first and at the last look. critical: for each number of units from `first` to `most`, the
    half width of its interval in standard errors."""

    first: int
    most: int
    critical: tuple[float, ...]

    @classmethod
    def of(cls, first: int, most: int) -> "Design":
        """Of `first` >= 2 and `most` > `first` units."""
        return cls(first, most, tuple(map(float, critical_values(first, most))))

    def interval(self, values: np.ndarray) -> tuple:
        """(mean, low, high) of (..., n) numbers, n one of the design's looks."""
        mean = values.mean(axis=-1)
        half = self.critical[values.shape[-1] - self.first] * standard_error(values)
        return mean, mean - half, mean + half


def spent(share, exponent: float = EXPONENT):
    """How much of the allowed error is given out when `share` of the most units are there."""
    return (1 - CONFIDENCE) * np.asarray(share, dtype=float) ** exponent


def critical_values(first: int, most: int, exponent: float = EXPONENT, draws: int = DRAWS) -> np.ndarray:
    """Critical values of |t| for the looks at `first` ... `most` units: at each, as many of the drawn samples whose mean is
    zero cross for the first time as the spending function gives out there."""
    generator = np.random.default_rng(SEED)
    allowed = np.rint(spent(np.arange(first, most + 1) / most, exponent) * draws).astype(int)
    sums, squares, found = np.zeros(draws), np.zeros(draws), []
    for n in range(1, most + 1):
        new = generator.standard_normal(len(sums))
        sums, squares = sums + new, squares + new**2
        if n >= first:
            t = t_statistic(sums, squares, n)
            crossing = max(1, allowed[n - first] - (draws - len(sums)))  # what rounding left over included
            found.append(np.partition(t, -crossing)[-crossing])
            sums, squares = sums[t < found[-1]], squares[t < found[-1]]
    return np.array(found)


def t_statistic(sums: np.ndarray, squares: np.ndarray, n: int) -> np.ndarray:
    """|t| of samples of n numbers, from their sums and sums of squares."""
    return np.abs(sums) / np.sqrt((n * squares - sums**2) / (n - 1))
