import json

import numpy as np
import pandas
import pytest
from scipy import stats

from flopwise.config import ROOT
from flopwise.core.claims import Claim, false_positive_rate, judge, smallest_detectable, verdict
from flopwise.studies.continual.claims import claims_file, read_claims

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
    assert judge(claim(), "laptop", {"final": frame}, {})["n_seeds"] == 2


def test_a_scale_that_is_not_listed_is_not_tested():
    assert (
        judge(claim(), "paper", {"final": table([1, 2, 3], [0, 0, 0])}, {})["verdict"] == "not testable at this scale"
    )


def test_smallest_detectable_effect_is_found_about_four_times_in_five():
    generator = np.random.default_rng(1)
    effect = smallest_detectable(np.array([-1.0, 0.0, 1.0, -1.0, 1.0]))
    spread = np.std([-1.0, 0, 1, -1, 1], ddof=1)
    found = np.mean([verdict(generator.normal(effect, spread, 5)) == "reproduced" for _ in range(2000)])
    assert 0.75 < found < 0.9


def test_false_positives_under_permuted_labels_are_rare():
    generator = np.random.default_rng(2)
    residuals = [generator.normal(size=5) for _ in range(20)]
    assert 0.01 < false_positive_rate(residuals, 5) < 0.045


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


def test_a_spread_compares_ranges_over_points_or_along_a_path():
    final = grid_table({"random": [10.0, 11, 12], "time": [11.0, 11.5, 13], "frequency": [10.5, 12, 12.2]}, "stream")
    path = grid_table({"random": [0.0, 0, 0]}, "stream").assign(task=0)
    path = pandas.concat([path, path.assign(task=1, value=[8.0, 9, 10]), path.assign(task=2, value=[6.0, 12, 9])])
    narrow = [{"stream": name} for name in ("random", "time", "frequency")]
    rule = {"narrow": narrow, "path": {"stream": "random"}, "ratio": 0.5}
    result = judge(other_claim(rule), "laptop", {"final": final, "trajectory": path}, {})
    assert result["effect"] == pytest.approx(np.mean([4 - 1, 6 - 1, 5 - 1]))
    assert "over the update steps of (stream random)" in result["rule"]
    wide = {"narrow": narrow[:1], "wide": narrow, "ratio": 1}
    assert judge(other_claim(wide), "laptop", {"final": final}, {})["effect"] == pytest.approx(1)
