"""Intervals, tests and power: Student's t for numbers that are independent, a bootstrap over whole clusters for numbers
that are not, Wilson's interval for shares, Fisher's transformation for rank correlations.

All are two-sided at 95 %: an interval errs in 2.5 % of cases to each side, and p < 0.05 where it leaves the threshold out."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
POWER = 0.8
DRAWS = 10_000  # of a bootstrap; the generator always starts from SEED, so equal tables give equal intervals
SEED = 0


def standard_error(values: np.ndarray, widening: float = 1.0) -> np.ndarray:
    """Of the mean of (..., n) values; `widening` where the values depend on each other."""
    return widening * values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


def critical(n: int, confidence: float = CONFIDENCE) -> float:
    """Half-width of the t-interval of a mean of n >= 2 numbers, in standard errors."""
    from scipy.special import stdtrit  # what scipy.stats calls, which takes a second to import

    return stdtrit(n - 1, 0.5 + confidence / 2)


def interval(mean, error, n: int, confidence: float = CONFIDENCE) -> tuple:
    """Ends of the t-interval of a mean of n >= 2 numbers with this standard error."""
    half = critical(n, confidence) * error
    return mean - half, mean + half


def p_value(distance: float, error: float, n: int) -> float:
    """Two-sided t-test: how far the mean of n numbers lies from a threshold."""
    from scipy.stats import t

    return float(2 * t.sf(abs(distance) / error, n - 1)) if error else float(distance == 0)


def smallest_detectable(error: float, n: int, confidence: float = CONFIDENCE, power: float = POWER) -> float:
    """The true distance from a threshold that a t-interval of n numbers with this standard error leaves out with
    probability `power`: the noncentral t-distribution solved for its noncentrality."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    critical = t.ppf(0.5 + confidence / 2, n - 1)
    return float(error * brentq(lambda shift: nct.sf(critical, n - 1, shift) - power, 0, 10 * critical))


def smallest_margin(error: float, n: int, confidence: float = CONFIDENCE, power: float = POWER) -> float:
    """The margin within which n numbers with this standard error show equivalence with probability `power` if their true
    mean is 0: the mean must lie closer to 0 than the margin less the interval's half width, which varies as chi does."""
    from scipy.integrate import quad
    from scipy.optimize import brentq
    from scipy.stats import chi, norm, t

    critical, freedom = t.ppf(0.5 + confidence / 2, n - 1), n - 1

    def reached(margin):
        def inside(u):
            return (2 * norm.cdf(margin - critical * u / freedom**0.5) - 1) * chi.pdf(u, freedom)

        return quad(inside, 0, margin / critical * freedom**0.5)[0] - power

    return float(error * brentq(reached, 1e-6, 20 * critical))


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share of n independent trials."""
    from scipy.stats import norm

    z = norm.ppf(0.5 + CONFIDENCE / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def share_p_value(share: float, threshold: float, n: int) -> float:
    """Score test of a share against 0 < threshold < 1; below 0.05 where Wilson's interval leaves the threshold out."""
    from scipy.stats import norm

    return float(2 * norm.sf(abs(share - threshold) / np.sqrt(threshold * (1 - threshold) / n)))


def smallest_share(threshold: float, n: int, power: float = POWER) -> float:
    """How far a true share must lie above the threshold to be told from it with probability `power` (normal
    approximation); what is left up to 1 where no share is far enough."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    found, missed = norm.ppf(0.5 + CONFIDENCE / 2), norm.ppf(power)

    def beyond(share):
        deviations = found * np.sqrt(threshold * (1 - threshold)) + missed * np.sqrt(share * (1 - share))
        return share - threshold - deviations / np.sqrt(n)

    return float(brentq(beyond, threshold, 1) - threshold) if beyond(1.0) > 0 else 1 - threshold


def rank_correlation(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's correlation of the two columns of `values` (n, 2), each row counted as often as `weights` (..., n) says:
    Pearson's of the mean ranks."""
    ranks = []
    for column in values.T:
        _, level = np.unique(column, return_inverse=True)
        on_level = weights @ np.eye(level.max() + 1)[level]
        rank = (on_level.cumsum(-1) - on_level / 2)[..., level]
        ranks.append(rank - (rank * weights).sum(-1, keepdims=True) / weights.sum(-1, keepdims=True))
    both, first, second = ((weights * a * b).sum(-1) for a, b in [ranks, ranks[:1] * 2, ranks[1:] * 2])
    with np.errstate(invalid="ignore", divide="ignore"):
        return both / np.sqrt(first * second)


class Fisher(NamedTuple):
    """Spearman's correlation of n independent pairs on Fisher's scale, where its standard error is about
    sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000). r is first moved half a step towards 0, as for any discrete
    statistic: the largest of few ranks would otherwise have an interval of no width."""

    z: float
    error: float

    @classmethod
    def of(cls, r: float, n: int) -> "Fisher":
        step = 6 / (n**3 - n)
        r = float(np.sign(r) * max(abs(r) - step, 0))
        return cls(float(np.arctanh(r)), float(np.sqrt((1 + r**2 / 2) / (n - 3))))


def median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Median of (n,) values, each counted as often as `weights` (..., n) says; between two, their mean."""
    order = values.argsort(kind="stable")
    reached = weights[..., order].cumsum(-1)
    half, ordered = reached[..., -1:] / 2, values[order]
    return (ordered[(reached < half).sum(-1)] + ordered[(reached <= half).sum(-1)]) / 2


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of (n,) values, each counted as often as `weights` (..., n) says."""
    return weights @ values / weights.sum(-1)


class Bootstrap(NamedTuple):
    """What draws of whole clusters say of a statistic. fewest: clusters on the side that has fewer."""

    effect: float
    low: float
    high: float
    error: float
    draws: np.ndarray
    fewest: int

    def p_value(self, threshold: float) -> float:
        """Twice the share of draws on the other side of the threshold, on the scale of `bootstrap`'s interval."""
        from scipy.stats import norm, t

        beyond = min((self.draws <= threshold).mean(), (self.draws >= threshold).mean())
        score = -norm.ppf(max(beyond, 0.5 / len(self.draws)))
        return float(min(1, 2 * t.sf(score * np.sqrt(1 - 1 / self.fewest), self.fewest - 1)))


def bootstrap(statistic: Callable, values: np.ndarray, clusters: Sequence[np.ndarray], draws: int = DRAWS) -> Bootstrap:
    """`statistic(values, weights)` where values (n, ...) fall into clusters: one array (n,) of labels for each side.

    Each draw takes clusters of every side with replacement; a value counts as often as the product of its clusters (the
    pigeonhole bootstrap, Owen 2007). Interval: percentiles, moved outwards as far as t with `fewest - 1` degrees of freedom
    and the variance's divisor n - 1 lie from the normal ones (expanded percentiles, Hesterberg 2015): plain percentiles of
    few clusters are too narrow. A draw in which the statistic is not defined is left out."""
    from scipy.stats import norm, t

    generator = np.random.default_rng(SEED)
    weights, fewest = np.ones((draws, len(values))), len(values)
    for labels in clusters:
        names, code = np.unique(labels, return_inverse=True)
        weights *= generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)[:, code]
        fewest = min(fewest, len(names))
    drawn = statistic(values, weights[weights.any(axis=1)])
    drawn = drawn[np.isfinite(drawn)]
    wider = np.sqrt(fewest / (fewest - 1))
    tail = norm.cdf(-wider * t.ppf(0.5 + CONFIDENCE / 2, fewest - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    effect = float(statistic(values, np.ones(len(values))))
    return Bootstrap(effect, float(low), float(high), float(wider * drawn.std(ddof=1)), drawn, fewest)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for all tests made together, in the order given (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=float)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()
