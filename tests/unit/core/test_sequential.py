"""Intervals that stay valid while units are added: against a closed form, an integral and simulated worlds."""

import numpy as np
import pytest
from claim_tables import rule
from scipy import stats

from flopwise.core import statistics
from flopwise.core.claims import INCONCLUSIVE, verdict
from flopwise.core.rules import Estimate
from flopwise.core.sequential import Design, critical_values, spent

WORLDS = 4000
NOISE = {
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "skewed": lambda generator, shape: generator.exponential(size=shape) - generator.exponential(0.5, size=shape) - 0.5,
    "heavy-tailed": lambda generator, shape: generator.standard_t(3, shape),
}


def worlds(most: int, noise: str = "normal") -> np.ndarray:
    return NOISE[noise](np.random.default_rng(1), (WORLDS, most))


def ever(values: np.ndarray, design: Design, edge: float = 0) -> np.ndarray:
    """Whether some interval of the design leaves `edge` out, in each world of (worlds, units) numbers."""
    ends = [design.interval(values[:, :n])[1:] for n in range(design.first, design.most + 1)]
    return np.any([(low > edge) | (high < edge) for low, high in ends], axis=0)


def plain(first: int, most: int) -> Design:
    """The ordinary t-interval at every look."""
    return Design(first, most, tuple(statistics.critical(n) for n in range(first, most + 1)))


@pytest.mark.parametrize(("first", "most"), [(2, 4), (3, 20), (5, 10)])
def test_the_first_look_is_a_t_test_at_what_is_given_out_there(first, most):
    exact = stats.t.isf(spent(first / most) / 2, first - 1)
    assert critical_values(first, most)[0] == pytest.approx(exact, rel=0.03)


def test_the_second_look_gives_out_its_share_by_an_integral():
    """The direction of a normal sample is uniform. From 3 to 4 numbers the sum over the root of the sum of squares, u, turns
    into u sqrt(1 - b^2) + b with density sqrt(1 - b^2) of b, and t depends on u alone."""
    first, second = critical_values(3, 4)
    middle = lambda count, end: (np.arange(count) + 0.5) / count * 2 * end - end  # noqa: E731
    u, b = np.sqrt(3) * middle(3000, first / np.sqrt(2 + first**2)), middle(3000, 1)
    weight = np.sqrt(1 - b**2) / np.sqrt(1 - b**2).sum()
    share = (u[:, None] * np.sqrt(1 - b**2) + b) / np.sqrt(4)
    crossed = np.sqrt(3) * np.abs(share) / np.sqrt(1 - share**2) > second
    inside = first / np.sqrt(2 + first**2)  # for 3 numbers u / sqrt(3) is uniform between -1 and 1
    assert inside * (crossed @ weight).mean() == pytest.approx(spent(1) - spent(3 / 4), rel=0.02)


@pytest.mark.parametrize(("first", "most"), [(3, 10), (5, 20)])
def test_all_looks_together_err_in_5_percent_and_plain_intervals_would_in_far_more(first, most):
    values = worlds(most)
    assert ever(values, Design.of(first, most)).mean() == pytest.approx(0.05, abs=0.01)
    assert ever(values, plain(first, most)).mean() > 0.11


@pytest.mark.parametrize(("noise", "most"), [("heavy-tailed", 0.05), ("skewed", 0.08)])
def test_noise_that_is_not_normal(noise, most):
    """Heavy tails make Student's t err less often, skewness (here of two runs, one twice as skewed as the other) more, with
    one look as with many."""
    values = worlds(20, noise)
    assert ever(values, Design.of(5, 20)).mean() < most


@pytest.mark.parametrize("edge", [-1, 1])
def test_both_ends_of_an_equivalence_are_kept(edge):
    """A true effect at the edge of the margin lies neither within nor without: any verdict is wrong."""
    one = rule(kind="equivalence", a={"method": "m"}, within=1)
    values, design = edge + worlds(12)[:1000], Design.of(3, 12)
    wrong = 0
    for world in values:
        for n in range(3, 13):
            mean, low, high = design.interval(world[:n])
            if verdict(Estimate(n, mean, low, high), one.claimed_range()) != INCONCLUSIVE:
                wrong += 1
                break
    assert wrong / len(values) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(values))


def test_a_large_effect_is_decided_with_few_seeds():
    values = 2 + worlds(20)
    assert ever(values[:, :8], Design(3, 8, Design.of(3, 20).critical[:6])).mean() > 0.8


def test_the_interval_at_the_first_look_holds_the_ordinary_one():
    values, design = worlds(3), Design.of(3, 12)
    _, low, high = design.interval(values)
    ordinary = statistics.interval(values.mean(-1), statistics.standard_error(values), 3)
    assert (low < ordinary[0]).all()
    assert (high > ordinary[1]).all()


def test_a_design_is_the_same_twice():
    assert Design.of(3, 6) == Design.of(3, 6)
