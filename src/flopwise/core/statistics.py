"""Interval, test and power for n numbers, one per seed.

`widening` multiplies the standard error where the n numbers are not independent (`rules.Spread`); else it is 1."""

from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95


def standard_error(values: np.ndarray, widening: float = 1.0) -> np.ndarray:
    """Of the mean of (..., n) values."""
    return widening * values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


def interval(values: np.ndarray, confidence: float = CONFIDENCE, widening: float = 1.0) -> tuple:
    """Mean and t-interval of (..., n) values, n >= 2; each (...)."""
    from scipy.stats import t

    mean = values.mean(axis=-1)
    half = t.ppf(0.5 + confidence / 2, values.shape[-1] - 1) * standard_error(values, widening)
    return mean, mean - half, mean + half


def p_value(values: np.ndarray, widening: float = 1.0) -> float:
    """Two-sided t-test of mean 0; below 0.05 exactly where the 95 % interval leaves 0 out."""
    from scipy.stats import t

    mean, error = values.mean(), standard_error(values, widening)
    if error == 0:
        return float(mean == 0)
    return float(2 * t.sf(abs(mean) / error, len(values) - 1))


def smallest_detectable(
    values: np.ndarray, confidence: float = CONFIDENCE, power: float = 0.8, widening: float = 1.0
) -> float:
    """The true effect whose interval lies above 0 with probability `power` if the n values have the standard deviation
    that they show: the noncentral t-distribution solved for its noncentrality."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    freedom = len(values) - 1
    critical = t.ppf(0.5 + confidence / 2, freedom)
    shift = brentq(lambda shift: nct.sf(critical, freedom, shift) - power, 0, 10 * critical)
    return float(shift * standard_error(values, widening))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for all tests made together, in the order given (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()
