import json
from itertools import product

import numpy as np
import pandas
import pytest
from scipy import stats

from flopwise.config import ROOT, load
from flopwise.core.calibration import error_rates, residuals
from flopwise.core.claims import Claim, judge, verdict
from flopwise.core.rules import Rule, Spread, Trend, cross_fitted_range
from flopwise.core.statistics import holm, interval, p_value, smallest_detectable
from flopwise.studies.continual.claims import claims_file, judge_all, read_claims

RULE = {"table": "final", "metric": "gm", "column": "value", "a": {"method": "ema-merge"}, "b": {"method": "full-ft"}}


def claim(**rule) -> Claim:
    texts = dict.fromkeys(("title", "source", "paper_says", "quantity"), "x")
    return Claim(id="c", **texts, scales=["laptop"], rule={**RULE, "claimed": "above", **rule})


def table(a, b) -> pandas.DataFrame:
    rows = [("ema-merge", i, x) for i, x in enumerate(a)] + [("full-ft", i, x) for i, x in enumerate(b)]
    frame = pandas.DataFrame(rows, columns=["method", "seed", "value"])
    return frame.assign(metric="gm", status="done", model="vit-s-8")


@pytest.mark.parametrize(
    ("a", "b", "rule", "expected"),
    [
        ([50, 51, 52], [40, 41.5, 41.9], {}, "reproduced"),
        ([50, 51, 52], [40, 41.5, 41.9], {"claimed": "below"}, "not reproduced"),
        ([50, 40, 60], [45, 47, 46], {}, "inconclusive"),
        ([50, 51, 52], [40, 41.5, 41.9], {"size": 20.0}, "direction only"),
        ([50, 51, 52], [40, 41.5, 41.9], {"margin": 30.0}, "not reproduced"),
        ([50], [40], {}, "not testable at this scale"),
    ],
)
def test_verdicts(a, b, rule, expected):
    assert judge(claim(**rule), "laptop", {"final": table(a, b)}, {"model": "vit-s-8"})["verdict"] == expected


def test_the_effect_is_scipys_paired_interval_in_the_quantitys_own_sign():
    a, b = np.array([50.0, 53, 52, 49]), np.array([48.0, 50, 51, 49])
    for claimed in ("above", "below"):
        result = judge(claim(claimed=claimed), "laptop", {"final": table(a, b)}, {})
        expected = stats.ttest_rel(a, b).confidence_interval()
        assert (result["low"], result["high"]) == pytest.approx((expected.low, expected.high))
        assert result["effect"] == pytest.approx((a - b).mean())


def test_only_seeds_with_both_runs_count_and_diverged_runs_do_not():
    frame = table([50, 51, 52, 53], [40, 41.5, 41.9])
    frame.loc[(frame.seed == 0) & (frame.method == "full-ft"), "status"] = "diverged"
    result = judge(claim(), "laptop", {"final": frame}, {})
    assert (result["n_seeds"], result["verdict"]) == (2, "reproduced")
    assert [side["diverged"] for side in result["diverged"]] == [0, 1]
    assert result["reason"] == (
        "runs diverged: 1 of 3 runs of (method full-ft), which agrees with the claim that this side is worse but gives no "
        "number; the interval is over the 2 seeds without"
    )


@pytest.mark.parametrize(
    ("lost", "words"), [("full-ft", "agrees with the claim that"), ("ema-merge", "speaks against the claim that")]
)
def test_a_side_that_always_diverged_is_named(lost, words):
    frame = table([50, 51, 52], [40, 41.5, 41.9])
    frame.loc[frame.method == lost, "status"] = "diverged"
    result = judge(claim(), "laptop", {"final": frame}, {})
    assert result["verdict"] == "not testable at this scale"
    assert result["reason"].startswith(f"runs diverged: 3 of 3 runs of (method {lost}), which {words}")


@pytest.mark.parametrize(
    ("frame", "scale", "options", "reason"),
    [
        (table([1, 2, 3], [0, 0, 0]), "paper", {}, "not run at this scale"),
        (table([1, 2, 3], []), "laptop", {}, "not run at this scale"),
        (table([1], [0]), "laptop", {}, "one seed only"),
        (table([1, 2, 3], [0, 0, 0]), "laptop", {"validation": True}, "validation mode"),
    ],
)
def test_what_is_not_testable_has_a_reason(frame, scale, options, reason):
    result = judge(claim(), scale, {"final": frame}, {}, **options)
    assert (result["verdict"], result["reason"]) == ("not testable at this scale", reason)


def test_a_claim_without_a_rule_says_so_and_keeps_its_note():
    result = judge(claim().model_copy(update={"rule": None, "note": "needs data"}), "laptop", {}, {})
    assert (result["reason"], result["note"]) == ("no rule", "needs data")


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_smallest_detectable_effect_is_found_four_times_in_five(seeds):
    pattern = np.arange(seeds, dtype=float)
    effect, spread = smallest_detectable(pattern), pattern.std(ddof=1)
    _, low, _ = interval(np.random.default_rng(1).normal(effect, spread, (20_000, seeds)))
    assert np.mean(low > 0) == pytest.approx(0.8, abs=0.01)


def test_p_values_are_scipys_and_agree_with_the_interval():
    for values in np.random.default_rng(2).normal(1, 1, (50, 4)):
        assert p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
        assert (p_value(values) < 0.05) == (verdict(values) in ("reproduced", "not reproduced"))
    assert (p_value(np.zeros(3)), p_value(np.ones(3))) == (1, 0)


def test_holms_correction_on_a_worked_example():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])


def null_table(seeds: int, points: int = 40) -> pandas.DataFrame:
    """Points that differ in their mean only; what a seed does to all points is far larger than noise."""
    generator = np.random.default_rng(3)
    noise = generator.normal(size=(points, seeds)) + generator.normal(0, 5, seeds) + generator.normal(0, 9, (points, 1))
    rows = [(f"m{p}", s, metric, noise[p, s]) for p in range(points) for s in range(seeds) for metric in ("gm", "a_ka")]
    return pandas.DataFrame(rows, columns=["method", "seed", "metric", "value"]).assign(status="done")


COLUMNS = {"table": "final", "metric": "gm", "column": "value", "claimed": "above"}
DIFFERENCE = Rule(**COLUMNS, a={"method": "m0"}, b={"method": "m1"})
TREND = Trend(**COLUMNS, along="method", values=("m0", "m1", "m2"), at={})


@pytest.mark.parametrize(("rule", "width"), [(DIFFERENCE, 2), (TREND, 3)])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_calibration_finds_nominal_rates_and_an_interval_that_is_too_narrow(rule, width, seeds):
    found = residuals(null_table(seeds), ["method"])
    rates = error_rates(found, rule, width, seeds)
    broken = error_rates(found, rule, width, seeds, confidence=0.5)
    for side in ("reproduced", "not_reproduced"):
        assert rates[side] == pytest.approx(0.025, abs=4 * rates["monte_carlo_error"])
        assert broken[side] == pytest.approx(0.25, abs=0.05)
    assert rates["monte_carlo_error"] == pytest.approx((0.025 * 0.975 / rates["draws"]) ** 0.5)


def test_too_few_points_are_not_calibrated_on():
    assert residuals(null_table(3, points=5), ["method"]) == {}


def judged(folder, file=None) -> dict[str, dict]:
    """Verdicts by claim where only EMA-merging and full fine-tuning ran, with five seeds."""
    settings = load(file, scale="laptop")
    generator = np.random.default_rng(4)
    point = settings.preset.continual.defaults.model_dump()
    rows = [
        {**point, "method": method, "seed": seed, "metric": metric, "status": "done", "task": 0,
         "value": generator.normal(30 + (method == "ema-merge"), 0.1), "delta": generator.normal(0, 1)}
        for method, seed, metric in product(("full-ft", "ema-merge"), range(5), ("gm", "a_ka", "a_zs"))
    ]  # fmt: skip
    for name in ("final", "trajectory"):
        pandas.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    judge_all(settings, folder, folder / "claims.json")
    return {result["id"]: result for result in json.loads((folder / "claims.json").read_text())["claims"]}


def test_verdicts_of_the_study_carry_a_corrected_p_value(tmp_path):
    found = judged(tmp_path)
    tested = {name: result for name, result in found.items() if result["p_value"] is not None}
    assert set(tested) == {"continual-1", "continual-2a", "continual-2b", "continual-3", "continual-18g"}
    assert all(result["p_holm"] >= result["p_value"] for result in tested.values())
    assert (tested["continual-1"]["verdict"], tested["continual-1"]["n_seeds"]) == ("reproduced", 5)
    assert found["continual-19"]["reason"] == "no rule"


def test_no_claim_is_judged_on_validation_scores(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("overrides: {continual: {evaluation: {split: validation}}}")
    found = judged(tmp_path, file)
    assert {(r["verdict"], r["reason"]) for r in found.values()} == {("not testable at this scale", "validation mode")}


def test_only_claims_with_a_source_stand_for_the_papers():
    for one in read_claims(claims_file()):
        assert (one.stands_for == "hypothesis") == one.source.startswith("not sourced"), one.id


def test_rules_are_those_whose_hashes_are_committed():
    lock = json.loads((ROOT / "config" / "claims" / "continual.lock.json").read_text())
    assert {c.id: c.rule_sha256 for c in read_claims(claims_file())} == lock


def grid_table(values: dict[str, list[float]], axis: str) -> pandas.DataFrame:
    rows = [(value, seed, x) for value, numbers in values.items() for seed, x in enumerate(numbers)]
    frame = pandas.DataFrame(rows, columns=[axis, "seed", "value"])
    return frame.assign(metric="gm", status="done")


def other_claim(rule: dict) -> Claim:
    texts = dict.fromkeys(("title", "source", "paper_says", "quantity"), "x")
    return Claim(id="c", **texts, scales=["laptop"], rule={"table": "final", "metric": "gm", "column": "value", **rule})


def test_a_trend_is_the_least_squares_slope_per_seed():
    values = {"f0.5": [1.0, 2, 1], "f1": [3.0, 3, 2], "f2": [4.0, 7, 6]}
    rule = {"along": "budget", "values": ["f0.5", "f1", "f2"], "at": {}, "claimed": "above"}
    result = judge(other_claim(rule), "laptop", {"final": grid_table(values, "budget")}, {})
    slopes = [np.polyfit(range(3), [values[v][seed] for v in values], 1)[0] for seed in range(3)]
    assert result["effect"] == pytest.approx(np.mean(slopes))
    assert result["verdict"] == verdict(np.array(slopes)) == "reproduced"


def test_a_trend_against_another_is_the_difference_of_slopes():
    frames = [grid_table({"f0.5": a, "f1": b}, "budget").assign(method=m) for m, a, b in (
        ("ema-merge", [1.0, 2, 3], [5.0, 6, 8]), ("full-ft", [1.0, 2, 3], [2.0, 3, 3]))]  # fmt: skip
    rule = {"along": "budget", "values": ["f0.5", "f1"], "at": {"method": "ema-merge"}, "minus": {"method": "full-ft"},
            "claimed": "above"}  # fmt: skip
    result = judge(other_claim(rule), "laptop", {"final": pandas.concat(frames)}, {})
    assert result["effect"] == pytest.approx(np.mean([4 - 1, 4 - 1, 5 - 0]))


def test_a_cross_fitted_range_takes_its_ends_from_the_other_seeds():
    """Means over the other seeds: (5.5, 5, 5), (5, 4, 6.5) and (4.5, 6, 2.5); so points 0 and 1 (the first of equals), 2
    and 1, 1 and 2."""
    values = np.array([[4.0, 5, 4], [5.0, 7, 1], [6.0, 3, 9]])
    assert cross_fitted_range(values).tolist() == [4 - 5, 1 - 7, 3 - 9]


def test_a_spread_compares_ranges_over_points_or_along_a_path():
    final = grid_table({"random": [10.0, 10, 10], "time": [11.0, 11.5, 13], "frequency": [10.5, 11, 12.2]}, "stream")
    path = grid_table({"random": [0.0, 0, 0]}, "stream").assign(task=0)
    path = pandas.concat([path, path.assign(task=1, value=[8.0, 9, 10]), path.assign(task=2, value=[6.0, 8, 9])])
    narrow = [{"stream": name} for name in ("random", "time", "frequency")]
    rule = {"narrow": narrow, "path": {"stream": "random"}, "ratio": 0.5, "estimate": "cross-fitted"}
    result = judge(other_claim(rule), "laptop", {"final": final, "trajectory": path}, {})
    values = np.array([4 - 1, 4.5 - 1.5, 5 - 3])
    assert result["effect"] == pytest.approx(values.mean())
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) * np.sqrt(1 / 3 + 1 / 2)  # Nadeau and Bengio (2003)
    assert (result["low"], result["high"]) == pytest.approx((values.mean() - half, values.mean() + half))
    assert "over the update steps of (stream random)" in result["rule"]
    more = {"final": pandas.concat([final, final[:1].assign(seed=3)]), "trajectory": path}
    assert judge(other_claim(rule), "laptop", more, {})["effect"] == result["effect"]
    none = {"final": final, "trajectory": path[:0]}
    assert judge(other_claim(rule), "laptop", none, {})["reason"] == "not run at this scale"
    wide = {"narrow": narrow[:1], "wide": narrow, "ratio": 1, "estimate": "cross-fitted"}
    assert judge(other_claim(wide), "laptop", {"final": final}, {})["effect"] == pytest.approx(5.5 / 3 + 0)


SPREAD = {"narrow": [{"m": str(i)} for i in range(6)], "wide": [{"m": str(i)} for i in range(7)], "ratio": 0.5}
SPREAD = Spread(**{key: COLUMNS[key] for key in ("table", "metric", "column")}, **SPREAD, estimate="cross-fitted")


def replaced_rule(values: np.ndarray) -> np.ndarray:
    """What the rule was before: half the largest minus the smallest value, over 7 points, minus the same over 6."""
    return 0.5 * np.ptp(values[..., 6:], axis=-1) - np.ptp(values[..., :6], axis=-1)


def spread_rates(narrow: float, wide: float, seeds: int, combine=SPREAD.combine, widening=1.0) -> tuple[float, float]:
    """How often a rule says (reproduced, not reproduced) where the true values of the 6 narrow and 7 wide points are
    spaced evenly over ranges of so many standard deviations of a run."""
    truth = np.concatenate([np.linspace(0, narrow, 6), np.linspace(0, wide, 7)])
    drawn = combine(truth + np.random.default_rng(5).normal(size=(10_000, seeds, 13)))
    _, low, high = interval(drawn, widening=widening)
    return float(np.mean(low > 0)), float(np.mean(high < 0))


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_spread_rule_errs_rarely_where_the_one_it_replaced_erred_often(seeds):
    new = {"widening": SPREAD.widening(seeds)}
    old = {"combine": replaced_rule}
    nothing, identical = (0, 0), (0, 2)
    assert max(spread_rates(*nothing, seeds, **new)) < 0.04
    assert spread_rates(*nothing, seeds, **old)[1] > {2: 0.08, 3: 0.2, 5: 0.5}[seeds]
    assert spread_rates(*identical, seeds, **new)[1] < 0.025
    assert spread_rates(*identical, seeds, **old)[1] > 0.06
    assert max(spread_rates(2, 4, seeds, **new)) < 0.05  # half of 4 is 2: neither verdict is true


def test_the_spread_rule_finds_what_is_there():
    """Also: without the widening, dependence between seeds makes it err three times as often as it should."""
    new = {"widening": SPREAD.widening(5)}
    assert spread_rates(0, 8, 5, **new)[0] > 0.8
    assert spread_rates(4, 0, 5, **new)[1] > 0.7
    assert min(spread_rates(0, 0, 5)) > 0.06


class ReplacedSpread(Spread):
    def combine(self, values):
        return replaced_rule(values)

    def widening(self, seeds):
        return 1.0


def test_the_calibration_would_have_found_the_rule_that_was_replaced():
    found = residuals(null_table(3), ["method"])
    assert error_rates(found, SPREAD, 13, 3)["not_reproduced"] < 0.04
    assert error_rates(found, ReplacedSpread(**SPREAD.model_dump()), 13, 3)["not_reproduced"] > 0.15
