"""Each kind of rule against scipy, a closed form or a simulation."""

import numpy as np
import pandas
import pytest
from claim_tables import claim, judged, pairs, rule, table
from scipy import stats

from flopwise.core import statistics
from flopwise.core.claims import verdict
from flopwise.core.rules import Estimate
from flopwise.core.rules.means import Spread, cross_fitted_range

GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_draws():
    """Each test draws the same numbers, whichever tests ran before it."""
    GENERATOR.bit_generator.state = np.random.default_rng(0).bit_generator.state


def rates(measured, claimed=(0, np.inf), draws: int = 200) -> tuple[float, float]:
    """How often `measured()`, an estimate from fresh data, is reproduced and is not reproduced."""
    verdicts = [verdict(measured(), claimed) for _ in range(draws)]
    return verdicts.count("reproduced") / draws, verdicts.count("not reproduced") / draws


# difference, trend, equivalence: Student's t


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_smallest_detectable_effect_is_found_four_times_in_five(seeds):
    values = GENERATOR.normal(statistics.smallest_detectable(seeds**-0.5, seeds), 1, (20_000, seeds))
    low, _ = statistics.interval(values.mean(-1), statistics.standard_error(values), seeds)
    assert np.mean(low > 0) == pytest.approx(0.8, abs=0.01)


def test_p_values_are_scipys_and_agree_with_the_interval():
    for values in GENERATOR.normal(1, 1, (50, 4)):
        found = judged(claim(a={"method": "m"}, claimed="above"), table({"m": values}))
        assert found["p_value"] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
        assert (found["p_value"] < 0.05) == (found["verdict"] in ("reproduced", "not reproduced"))
    assert [statistics.p_value(distance, 0.0, 3) for distance in (0, 1)] == [1, 0]


def test_a_trend_is_the_least_squares_slope_per_seed():
    values = {"f0.5": [1.0, 2, 1], "f1": [3.0, 3, 2], "f2": [4.0, 7, 6]}
    one = claim(along="budget", values=list(values), at={}, claimed="above")
    result = judged(one, table(values, "budget"))
    slopes = [np.polyfit(range(3), [values[v][seed] for v in values], 1)[0] for seed in range(3)]
    assert result["effect"] == pytest.approx(np.mean(slopes))
    assert result["low"] == pytest.approx(stats.ttest_1samp(slopes, 0).confidence_interval().low)


def test_a_trend_against_another_is_the_difference_of_slopes():
    frames = [table({"f0.5": a, "f1": b}, "budget").assign(method=m) for m, a, b in (
        ("ema-merge", [1.0, 2, 3], [5.0, 6, 8]), ("full-ft", [1.0, 2, 3], [2.0, 3, 3]))]  # fmt: skip
    one = claim(along="budget", values=["f0.5", "f1"], at={"method": "ema-merge"}, minus={"method": "full-ft"},
                claimed="above")  # fmt: skip
    assert judged(one, pandas.concat(frames))["effect"] == pytest.approx(np.mean([4 - 1, 4 - 1, 5 - 0]))


@pytest.mark.parametrize("values", [[0.1, -0.2, 0.0, 0.1], [0.5, 1.0, 1.4], [3.0, 3.1, 2.8], [-3.0, -3.1, -2.8]])
def test_an_equivalence_is_scipys_two_one_sided_tests(values):
    found = judged(claim(kind="equivalence", a={"method": "m"}, within=1), table({"m": values}))
    above, below = (
        stats.ttest_1samp(values, edge, alternative=side).pvalue for edge, side in ((-1, "greater"), (1, "less"))
    )
    if found["verdict"] == "reproduced":
        assert found["p_value"] == pytest.approx(2 * max(above, below))
    assert (found["verdict"] == "reproduced") == (max(above, below) < 0.025)
    outside = min(
        stats.ttest_1samp(values, edge, alternative=side).pvalue for edge, side in ((-1, "less"), (1, "greater"))
    )
    assert (found["verdict"] == "not reproduced") == (outside < 0.025)


def test_the_smallest_margin_is_shown_four_times_in_five():
    margin, values = statistics.smallest_margin(5**-0.5, 5), GENERATOR.normal(0, 1, (20_000, 5))
    low, high = statistics.interval(values.mean(-1), statistics.standard_error(values), 5)
    assert np.mean((low > -margin) & (high < margin)) == pytest.approx(0.8, abs=0.01)


# spread


def test_a_cross_fitted_range_takes_its_ends_from_the_other_seeds():
    """Means over the other seeds: (5.5, 5, 5), (5, 4, 6.5) and (4.5, 6, 2.5); so points 0 and 1 (the first of equals), 2
    and 1, 1 and 2."""
    values = np.array([[4.0, 5, 4], [5.0, 7, 1], [6.0, 3, 9]])
    assert cross_fitted_range(values).tolist() == [4 - 5, 1 - 7, 3 - 9]


def test_a_spread_compares_ranges_over_points_or_along_a_path():
    final = table({"random": [10.0, 10, 10], "time": [11.0, 11.5, 13], "frequency": [10.5, 11, 12.2]}, "stream")
    path = table({"random": [0.0, 0, 0]}, "stream").assign(task=0)
    path = pandas.concat([path, path.assign(task=1, value=[8.0, 9, 10]), path.assign(task=2, value=[6.0, 8, 9])])
    narrow = [{"stream": name} for name in ("random", "time", "frequency")]
    one = claim(narrow=narrow, path={"stream": "random"}, ratio=0.5, estimate="cross-fitted")
    result = judged(one, final, tables={"trajectory": path})
    values = np.array([4 - 1, 4.5 - 1.5, 5 - 3])
    assert result["effect"] == pytest.approx(values.mean())
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) * np.sqrt(1 / 3 + 1 / 2)  # Nadeau and Bengio (2003)
    assert (result["low"], result["high"]) == pytest.approx((values.mean() - half, values.mean() + half))
    assert "over the update steps of (stream random)" in result["rule"]
    more = pandas.concat([final, final[:1].assign(seed=3)])
    assert judged(one, more, tables={"trajectory": path})["effect"] == result["effect"]
    assert judged(one, final, tables={"trajectory": path[:0]})["reason"] == "not run at this scale"
    wide = claim(narrow=narrow[:1], wide=narrow, ratio=1, estimate="cross-fitted")
    assert judged(wide, final)["effect"] == pytest.approx(5.5 / 3 + 0)


SPREAD = rule(
    narrow=[{"m": str(i)} for i in range(6)], wide=[{"m": str(i)} for i in range(7)], ratio=0.5, estimate="cross-fitted"
)


class Replaced(Spread):
    """What the rule was before: half the largest minus the smallest value, over 7 points, minus the same over 6."""

    def combine(self, values):
        return 0.5 * np.ptp(values[..., 6:], axis=-1) - np.ptp(values[..., :6], axis=-1)

    def error(self, values):
        return statistics.standard_error(values)


class NotWidened(Spread):
    def error(self, values):
        return statistics.standard_error(values)


def spread_rates(narrow: float, wide: float, seeds: int, kind: type[Spread] = Spread) -> tuple[float, float]:
    """How often a rule says (reproduced, not reproduced) where the true values of the 6 narrow and 7 wide points are
    spaced evenly over ranges of so many standard deviations of a run."""
    truth = np.concatenate([np.linspace(0, narrow, 6), np.linspace(0, wide, 7)])
    drawn = truth + np.random.default_rng(5).normal(size=(10_000, seeds, 13))
    low, high = kind(**SPREAD.model_dump()).interval(drawn)
    return float(np.mean(low > 0)), float(np.mean(high < 0))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_spread_rule_errs_rarely_where_the_one_it_replaced_erred_often(seeds):
    nothing, identical = (0, 0), (0, 2)
    assert max(spread_rates(*nothing, seeds)) < 0.04
    assert spread_rates(*nothing, seeds, Replaced)[1] > {2: 0.08, 3: 0.2, 5: 0.5}[seeds]
    assert spread_rates(*identical, seeds)[1] < 0.025
    assert spread_rates(*identical, seeds, Replaced)[1] > 0.06
    assert max(spread_rates(2, 4, seeds)) < 0.05  # half of 4 is 2: neither verdict is true


def test_the_spread_rule_finds_what_is_there():
    """Also: without the widening, dependence between seeds makes it err three times as often as it should."""
    assert spread_rates(0, 8, 5)[0] > 0.8
    assert spread_rates(4, 0, 5)[1] > 0.7
    assert min(spread_rates(0, 0, 5, NotWidened)) > 0.06


# pairs: medians, shares, rank correlations


def effects(teachers: float, students: float, noise: float, shape=(8, 6)) -> np.ndarray:
    """Differences of (teachers, students) pairs whose true effect is 0; standard deviations of what each side adds."""
    parts = GENERATOR.normal(0, teachers, (shape[0], 1)), GENERATOR.normal(0, students, (1, shape[1]))
    return sum(parts) + GENERATOR.normal(0, noise, shape)


def test_weighted_statistics_are_numpys_and_scipys_of_repeated_values():
    for _ in range(20):
        values, weights = GENERATOR.integers(0, 5, (9, 2)).astype(float), GENERATOR.integers(0, 4, 9)
        repeated = np.repeat(values, weights, axis=0)
        assert statistics.median(values[:, 0], weights) == np.median(repeated[:, 0])
        assert statistics.mean(values[:, 0], weights) == pytest.approx(repeated[:, 0].mean())
        assert statistics.rank_correlation(values, weights) == pytest.approx(stats.spearmanr(repeated).statistic)


@pytest.mark.parametrize(("teachers", "students"), [(0, 0), (2, 0.3), (0, 2), (1, 1)])
def test_pairs_that_share_a_teacher_or_student_do_not_count_as_independent(teachers, students):
    """What t-intervals over all pairs, and draws of pairs, would get wrong up to half of the time."""
    one = rule(kind="median", a={"method": "a"}, b={"method": "b"}, claimed="above")
    shape, labels = (8, 6), [axis.ravel() for axis in np.indices((8, 6))]

    def estimate(clusters):
        values = effects(teachers, students, 0.5, shape).ravel()
        found = statistics.bootstrap(one.statistic, values, clusters, draws=2000)
        return Estimate(48, found.effect, found.low, found.high)

    assert max(rates(lambda: estimate(labels))) <= 0.05  # 2.5 %, and twice the error of 200 draws
    if max(teachers, students) == 2:
        assert sum(rates(lambda: estimate([np.arange(48)]))) > 0.3


def test_a_median_over_pairs():
    differences = effects(0.3, 0.3, 0.5) + 3
    np.fill_diagonal(differences, np.nan)  # a model is not its own teacher
    frame = pairs(differences).dropna()
    found = judged(claim(kind="median", a={"method": "a"}, b={"method": "b"}, claimed="above", margin=1), frame)
    assert found["effect"] == pytest.approx(np.nanmedian(differences))
    assert (found["verdict"], found["n"], found["unit_of_inference"], found["n_seeds"]) == ("reproduced", 42, "pair", 0)
    assert found["reason"] == "8 teachers and 6 students"
    assert found["low"] < found["effect"] < found["high"]
    assert found["p_value"] < 0.05
    again = judged(claim(kind="median", a={"method": "a"}, b={"method": "b"}, claimed="above", margin=1), frame)
    assert again == found  # the draws start from a fixed seed


def test_one_sided_clusters_have_the_coverage_of_t():
    """A mean of six independent numbers: the expanded percentiles err about as often as Student's t."""

    def estimate():
        found = statistics.bootstrap(statistics.mean, GENERATOR.normal(size=6), [np.arange(6)], draws=2000)
        assert (found.p_value(0) < 0.05) == (found.low > 0 or found.high < 0) or 0.03 < found.p_value(0) < 0.07
        return Estimate(6, found.effect, found.low, found.high)

    assert sum(rates(estimate, draws=400)) == pytest.approx(0.05, abs=0.04)


def test_a_share_of_pairs_and_of_independent_trials():
    one = {"kind": "share", "a": {"method": "a"}, "b": {"method": "b"}, "claimed": "above"}
    differences = np.where(np.arange(48).reshape(8, 6) % 8 == 0, -1.0, 1.0)
    found = judged(claim(**one), pairs(differences))
    assert (found["effect"], found["verdict"]) == (pytest.approx(42 / 48), "reproduced")
    everywhere = judged(claim(**one), pairs(np.ones((8, 6))))
    expected = stats.binomtest(6, 6).proportion_ci(method="wilson")
    assert (everywhere["low"], everywhere["high"]) == pytest.approx((expected.low, expected.high))
    trials = judged(claim(**one, over=["seed"]), table({"a": [1] * 9 + [0], "b": [0.5] * 10}))
    expected = stats.binomtest(9, 10).proportion_ci(method="wilson")
    assert (trials["low"], trials["high"]) == pytest.approx((expected.low, expected.high))
    assert (trials["p_value"] < 0.05) == (expected.low > 0.5)
    true = 0.5 + statistics.smallest_share(0.5, 200)
    low = [statistics.wilson(k / 200, 200)[0] for k in range(201)]
    assert stats.binom.pmf(range(201), 200, true)[np.array(low) > 0.5].sum() == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("n", "most"), [(5, 0.017), (8, 0.025), (20, 0.025)])
def test_a_rank_correlation_of_nothing_is_seldom_found(n, most):
    """All orders are equally likely. With 5, the exact test calls 1 of the 120 a finding on each side, and so does this."""
    draws, found = 4000, 0
    for _ in range(draws):
        r = float(statistics.rank_correlation(np.stack([np.arange(n), GENERATOR.permutation(n)], 1), np.ones(n)))
        z, error = statistics.Fisher.of(r, n)
        found += z / error > stats.norm.ppf(0.975)
    assert found / draws < most + 3 * (most * (1 - most) / draws) ** 0.5


def test_a_rank_correlation_over_students_and_over_pairs():
    gap = GENERATOR.normal(size=(8, 6))
    gain = gap + GENERATOR.normal(0, 0.3, (8, 6))
    one = {"kind": "rank-correlation", "at": {"method": "a"}, "column": "gap", "against": {"column": "gain"},
           "claimed": "above", "margin": 0.5}  # fmt: skip
    found = judged(claim(**one, over=["teacher", "student"]), pairs(gap, gap=gap, gain=gain))
    assert found["effect"] == pytest.approx(stats.spearmanr(gap.ravel(), gain.ravel()).statistic)
    assert (found["verdict"], found["unit"]) == ("reproduced", "rank correlation")
    first, second = gap[:, :1], gain[:, :1]
    found = judged(claim(**one, over=["teacher"]), pairs(first, gap=first, gain=second))
    r = stats.spearmanr(first, second).statistic
    assert found["effect"] == pytest.approx(r)
    closer = r - 6 / (8**3 - 8)
    half = 1.959964 * np.sqrt((1 + closer**2 / 2) / 5)  # Bonett and Wright (2000)
    assert found["high"] == pytest.approx(np.tanh(np.arctanh(closer) + half))


def test_few_clusters_are_not_drawn_from():
    frame = pairs(np.ones((8, 4)))
    one = claim(kind="median", a={"method": "a"}, claimed="above")
    assert one.rule.measure({"final": frame}, {}).detail.startswith("8 teachers and 4 students, fewer than 5")
    assert judged(one, frame)["verdict"] == "not testable at this scale"


# exact


@pytest.mark.parametrize(
    ("options", "differ", "verdict"),
    [
        ({"expected": "published"}, 2, "not reproduced"),
        ({"expected": "published", "tolerance": 0.06}, 1, "not reproduced"),
        ({"expected": "published", "relative_tolerance": 0.5}, 0, "reproduced"),
        ({"expected": "published", "tolerance": 0.06, "may_differ": 1}, 1, "reproduced"),
        ({"expected": 2.0, "at": {"row": "b"}}, 0, "reproduced"),
    ],
)
def test_an_exact_rule_counts_the_rows_that_differ(options, differ, verdict):
    frame = pandas.DataFrame({"row": ["a", "b", "c"], "gflops": [1.05, 2, 3.9], "published": [1.0, 2, 3]})
    one = claim(kind="exact", metric=None, column="gflops", **options)
    found = judged(one, frame)
    assert (found["effect"], found["verdict"], found["unit_of_inference"]) == (differ, verdict, "exact")
    assert found["p_value"] is None
    if options["expected"] == "published":
        assert found["reason"] == "largest deviation: 3.9 where 3 is expected (c)"


# count and scatter, the rules of checks


def sets(**values) -> pandas.DataFrame:
    """Accuracy per data set and seed."""
    rows = [(name, seed, x) for name, numbers in values.items() for seed, x in enumerate(numbers)]
    return pandas.DataFrame(rows, columns=["dataset", "seed", "value"]).assign(metric="gm", status="done")


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.5, "reproduced"), (0.75, "reproduced"), (0.76, "not reproduced"), (1, "not reproduced")]
)
def test_a_count_is_of_means_and_names_what_fails(share, verdict):
    frame = sets(a=[20, 30], b=[9, 13], c=[40, 2], d=[9, 9])
    found = judged(claim(kind="count", above=10, share=share), frame)
    assert (found["effect"], found["verdict"], found["p_value"]) == (0.75, verdict, None)
    assert found["reason"] == "not so: d"


def test_a_count_can_be_below_and_a_set_whose_runs_all_diverged_fails():
    frame = sets(a=[20, 30], b=[9, 13])
    assert judged(claim(kind="count", below=15, share=0.5), frame)["effect"] == 0.5
    frame.loc[frame["dataset"] == "b", "status"] = "diverged"
    assert judged(claim(kind="count", below=15, share=0.5), frame)["effect"] == 0
    with pytest.raises(ValueError, match="one of the keys above and below"):
        rule(kind="count", share=0.5)


def test_a_scatter_covers_the_true_ratio():
    """Deviation 1 beside a gain of 5: the interval holds 0.2 in 95 of 100 tables."""
    found = []
    for _ in range(300):
        frame = pandas.concat([table({"full-ft": GENERATOR.normal(50, 1, 5)}), table({"oracle": [5.0] * 5})])
        one = claim(
            kind="scatter", a={"method": "full-ft"}, beside={"at": {"method": "oracle"}}, claimed="below", margin=0.2
        )
        found.append(judged(one, frame))
    held = np.mean([one["low"] < 0.2 < one["high"] for one in found])
    assert held == pytest.approx(0.95, abs=0.04)
    assert judged(one, frame.assign(value=-frame["value"]))["verdict"] == "not testable at this scale"
