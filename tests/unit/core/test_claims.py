"""Verdicts, reasons, gates and hashes."""

import numpy as np
import pytest
from claim_tables import claim, context, judged, pairs, rule, table
from scipy import stats

from flopwise.config.claims import read_claims
from flopwise.core.claims import Claim
from flopwise.core.errors import UserError
from flopwise.core.judge import Context, judge, judge_all, scales_of
from flopwise.core.rules import KINDS, kind_of
from flopwise.core.rules.means import Difference
from flopwise.core.statistics import holm

PAIR = {"a": {"method": "ema-merge"}, "b": {"method": "full-ft"}, "claimed": "above"}
CLEAR = {"ema-merge": [50, 51, 52], "full-ft": [40, 41.5, 41.9]}


@pytest.mark.parametrize(
    ("values", "changes", "expected"),
    [
        (CLEAR, {}, "reproduced"),
        (CLEAR, {"claimed": "below"}, "not reproduced"),
        ({"ema-merge": [50, 40, 60], "full-ft": [45, 47, 46]}, {}, "inconclusive"),
        (CLEAR, {"size": 20.0}, "direction only"),
        ({"ema-merge": CLEAR["full-ft"], "full-ft": CLEAR["ema-merge"]}, {"claimed": "below", "size": 20.0}, "direction only"),
        (CLEAR, {"size": 10.0}, "reproduced"),
        (CLEAR, {"margin": 30.0}, "not reproduced"),
    ],
)  # fmt: skip
def test_verdicts(values, changes, expected):
    assert judged(claim(**PAIR | changes), table(values))["verdict"] == expected


def test_only_seeds_with_both_runs_count_and_diverged_runs_do_not():
    frame = table({"ema-merge": [50, 51, 52, 53], "full-ft": [40, 41.5, 41.9]})
    frame.loc[(frame.seed == 0) & (frame.method == "full-ft"), "status"] = "diverged"
    result = judged(claim(**PAIR), frame)
    assert (result["n"], result["n_seeds"], result["verdict"]) == (2, 2, "reproduced")
    assert [side["diverged"] for side in result["diverged"]] == [0, 1]
    assert result["reason"] == (
        "runs diverged: 1 of 3 runs of (method full-ft), which agrees with the claim that this side is worse but gives no "
        "number; the interval is over the 2 seeds without"
    )


@pytest.mark.parametrize(
    ("lost", "words"), [("full-ft", "agrees with the claim that"), ("ema-merge", "speaks against the claim that")]
)
def test_a_side_that_always_diverged_is_named(lost, words):
    frame = table(CLEAR)
    frame.loc[frame.method == lost, "status"] = "diverged"
    result = judged(claim(**PAIR), frame)
    assert result["verdict"] == "not testable at this scale"
    assert result["reason"].startswith(f"runs diverged: 3 of 3 runs of (method {lost}), which {words}")


@pytest.mark.parametrize(
    ("one", "values", "options", "reason"),
    [
        (claim(**PAIR), {"ema-merge": [1, 2, 3]}, {}, "not run at this scale"),
        (claim(**PAIR), {"ema-merge": [1], "full-ft": [2]}, {}, "not run at this scale"),
        (claim(**PAIR), CLEAR, {"validation": True}, "validation mode"),
        (claim(**PAIR).model_copy(update={"rule": None}), CLEAR, {}, "no rule"),
    ],
)
def test_what_is_not_testable_has_a_reason(one, values, options, reason):
    result = judged(one, table(values), **options)
    assert (result["verdict"], result["reason"]) == ("not testable at this scale", reason)


def test_one_seed_of_two_planned_says_so():
    ran, planned = table({"ema-merge": [1], "full-ft": [2]}), context({"final": table(CLEAR)})
    result = judge(claim(**PAIR), Context(**{**vars(planned), "tables": {"final": ran}}))
    assert (result["reason"], result["effect"], result["low"]) == ("one seed only", -1, None)


def test_holms_correction_on_a_worked_example():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])


GATED = {  # how far above 10 the oracle's gain lies -> verdict on what builds on it, and why
    "responds": ([14, 15, 16], "reproduced", ""),
    "does not": ([3, 4, 5], "not testable at this scale",
                 "the instrument does not respond: title of gate: not reproduced, 4 points [1.52, 6.48]"),
    "unclear": ([5, 10, 20], "inconclusive",
                "whether the instrument responds is not decided: title of gate: inconclusive, 11.7 points [-7.31, 30.6]"),
}  # fmt: skip


@pytest.mark.parametrize("case", GATED)
def test_a_claim_is_judged_only_where_its_gate_holds(case):
    gains, verdict, reason = GATED[case]
    gate = claim("gate", a={"method": "oracle"}, claimed="above", margin=10)
    claims = [gate, claim("c", ["gate"], **PAIR), claim("alone", **PAIR)]
    found = judge_all(claims, context({"final": table({**CLEAR, "oracle": gains})}))["claims"]
    assert (found[1]["verdict"], found[1]["reason"]) == (verdict, reason)
    assert (found[1]["p_holm"] is None) == (case != "responds")
    assert found[2]["verdict"] == "reproduced"


def test_a_gate_stands_above_what_it_is_the_gate_of(tmp_path):
    file = tmp_path / "claims.yaml"
    text = "{id: c, title: t, source: s, paper_says: p, quantity: q, gates: [later]}"
    file.write_text(f"claims:\n  - {text}\n")
    with pytest.raises(UserError, match="gate 'later' is no claim that stands above"):
        read_claims(file)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{kind: mediam, table: t}", "rule.kind is 'mediam'; allowed are difference, trend"),
        ("{kind: median, table: t, metric: m, column: c, a: {}, claimed: above, overr: [x]}", "did you mean 'over'"),
        ("{kind: median, table: t, metric: m, column: c, a: {}, claimed: above, over: [seed]}", "needs more units"),
        ("{table: t, metric: m, column: c, a: {}, claimed: above, over: [teacher, student]}", "pairs depend on each"),
    ],
)
def test_a_mistake_in_a_rule_is_one_line(tmp_path, written, message):
    file = tmp_path / "claims.yaml"
    file.write_text(f"claims:\n  - {{id: c, title: t, source: s, paper_says: p, quantity: q, rule: {written}}}\n")
    with pytest.raises(UserError) as error:
        read_claims(file)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_hash_covers_what_decides_and_nothing_else():
    class Grown(Difference):
        later: float = 1.0

    one = claim(**PAIR)
    same = [
        one.model_copy(update={"title": "another", "note": "n", "unit": "px", "id": "other"}),
        claim(**PAIR, kind="difference", margin=0.0, over=["seed"]),
        one.model_copy(update={"rule": Grown(**one.rule.model_dump())}),
    ]
    assert {other.rule_sha256 for other in same} == {one.rule_sha256}
    others = [claim(gates=["g"], **PAIR), claim(**PAIR, margin=1), claim(**PAIR, kind="median", over=["student"])]
    others.append(one.model_copy(update={"rule": Grown(**one.rule.model_dump(), later=2)}))
    assert len({one.rule_sha256, *(other.rule_sha256 for other in others)}) == 5


def test_every_kind_keeps_its_name_and_none_is_needed_for_the_older_ones():
    assert set(KINDS) == {
        "difference", "trend", "spread", "equivalence", "median", "share", "rank-correlation", "exact",
        "count", "scatter",
    }  # fmt: skip
    assert [kind_of(raw) for raw in ({"along": "x"}, {"narrow": []}, {"a": {}})] == ["trend", "spread", "difference"]


def test_scales_are_those_that_plan_enough_units_at_every_point():
    plans = {
        "two": context({"final": table({"ema-merge": [0, 0], "full-ft": [0, 0]})}),
        "one": context({"final": table({"ema-merge": [0, 0], "full-ft": [0]})}),
        "pairs": context({"final": pairs(np.zeros((5, 5)))}),
        "few": context({"final": pairs(np.zeros((9, 4)))}),
    }
    planned = {name: plan.planned["laptop"] for name, plan in plans.items()}
    assert scales_of(rule(**PAIR), planned) == ["two"]
    assert scales_of(rule(kind="median", a={"method": "a"}, claimed="above"), planned) == ["pairs"]
    assert scales_of(rule(kind="exact", at={"method": "a"}, expected=0, over=["pair"]), planned) == ["pairs", "few"]
    path = {
        "narrow": [{"method": "ema-merge"}],
        "path": {"method": "ema-merge"},
        "ratio": 1,
        "estimate": "cross-fitted",
    }
    assert scales_of(rule(**path), planned) == []
    assert scales_of(None, planned) == []
    assert Claim(id="c", title="t", source="s", paper_says="p", quantity="q").rule is None


def test_the_effect_is_scipys_paired_interval_in_the_quantitys_own_sign():
    a, b = np.array([50.0, 53, 52, 49]), np.array([48.0, 50, 51, 49])
    for claimed in ("above", "below"):
        result = judged(claim(**PAIR | {"claimed": claimed}), table({"ema-merge": a, "full-ft": b}))
        expected = stats.ttest_rel(a, b)
        ends = expected.confidence_interval()
        assert (result["low"], result["high"]) == pytest.approx((ends.low, ends.high))
        assert (result["effect"], result["p_value"]) == pytest.approx(((a - b).mean(), expected.pvalue))


def test_checks_are_gates_of_every_claim_that_names_none(tmp_path):
    texts = "title: t, source: s, paper_says: p, quantity: q"
    rule = "rule: {table: final, metric: gm, column: value, a: {}, claimed: above}"
    (tmp_path / "c.yaml").write_text(
        f"checks: [{{id: k, {texts}, {rule}}}]\n"
        f"claims: [{{id: a, {texts}, {rule}}}, {{id: b, {texts}, {rule}, gates: []}}, {{id: c, {texts}}}]\n"
    )
    claims = read_claims(tmp_path / "c.yaml")
    assert [(one.id, one.stands_for, one.gates) for one in claims] == [
        ("k", "check", ()), ("a", "published", ("k",)), ("b", "published", ()), ("c", "published", ()),
    ]  # fmt: skip
    assert claims[1].rule_sha256 != claims[2].rule_sha256


def test_p_values_of_checks_are_no_tests_among_others():
    frame = table({"full-ft": [1.0, 2, 3], "ema-merge": [3.0, 4, 6]})
    check = claim("k", **PAIR).model_copy(update={"stands_for": "check"})
    found = judge_all([check, claim("c", **PAIR)], context({"final": frame}))["claims"]
    assert found[0]["p_holm"] is None
    assert found[1]["p_holm"] == found[1]["p_value"]
