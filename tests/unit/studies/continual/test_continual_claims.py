"""The claims of the study: their rules are those that were committed, and run where they are said to."""

import json
from itertools import product

import numpy as np
import pandas
import pytest

from flopwise.config import load
from flopwise.config.claims import read_claims
from flopwise.config.files import claims_file, lock_file, scales
from flopwise.core.judge import judge_all, scales_of
from flopwise.studies.continual.claims import READ, claim_context

CLAIMS = read_claims(claims_file("continual"))


def judged(folder, file=None, gain: float = 25.0) -> dict[str, dict]:
    """Verdicts by claim where only EMA-merging, full fine-tuning and training on all data at once (by `gain` points
    better) ran, with five seeds."""
    settings = load(file, scale="laptop")
    generator = np.random.default_rng(4)
    point = settings.preset.continual.defaults.model_dump() | {"status": "done"}
    oracle = {**point, "method": "oracle", "mixture": "oracle"}
    rows = [
        {**point, "method": method, "seed": seed, "metric": metric, "task": 0,
         "value": generator.normal(30 + (method == "ema-merge"), 0.1), "delta": generator.normal(0, 1)}
        for method, seed, metric in product(("full-ft", "ema-merge"), range(5), ("gm", "a_ka", "a_zs"))
    ]  # fmt: skip
    learned = [
        {**oracle, "seed": seed, "metric": "a_ka", "value": 30 + gain, "delta": gain + seed / 9} for seed in range(5)
    ]
    chunks = [
        {**point, "seed": seed, "task": task, "chunk": 1, "value": 9 + gain * task + seed}
        for task in (0, 1)
        for seed in range(5)
    ]
    sets = {"adaptation": gain, "evaluation": 50.0}
    start = [
        {"model": point["model"], "dataset": role, "role": role, "normalised": 5 + (role == "evaluation") * 50}
        for role in sets
    ]
    tables = {
        "final": rows + learned, "trajectory": rows, "chunks": chunks, "zero_shot": start,
        "final_sets": [{**oracle, "seed": 0, "dataset": role, "role": role, "normalised": value} for role, value in sets.items()],
        "regime": [{"quantity": "passes over the update data, each in its task", "log2_factor": -0.1}],
    }  # fmt: skip
    for name, content in tables.items():
        pandas.DataFrame(content).to_csv(folder / f"{name}.csv", index=False)
    found = judge_all(CLAIMS, claim_context(settings, folder))
    return {result["id"]: result for result in json.loads(json.dumps(found, allow_nan=False))["claims"]}


@pytest.mark.parametrize("split", ["test", "validation"])
def test_verdicts_of_the_study_carry_a_corrected_p_value_and_none_is_of_validation_scores(tmp_path, split):
    file = tmp_path / "config.yaml"
    file.write_text(f"overrides: {{continual: {{evaluation: {{split: {split}}}}}}}")
    found = judged(tmp_path, file)
    if split == "validation":
        assert {(r["verdict"], r["reason"]) for r in found.values()} == {
            ("not testable at this scale", "validation mode")
        }
        return
    tested = {name: result for name, result in found.items() if result["p_value"] is not None}
    claims = {"continual-1", "continual-2a", "continual-2b", "continual-3", "continual-18g"}
    assert claims < set(tested)
    assert all(tested[name]["p_holm"] >= tested[name]["p_value"] for name in claims)
    assert (tested["continual-1"]["verdict"], tested["continual-1"]["n_seeds"]) == ("reproduced", 5)
    assert found["continual-19"]["reason"] == "no rule"
    assert {result["verdict"] for result in found.values() if result["stands_for"] == "check"} == {"reproduced"}


def test_no_claim_is_judged_where_nothing_is_learned(tmp_path):
    found = judged(tmp_path, gain=1.0)
    lost = [
        name for name, result in found.items() if result["stands_for"] == "check" and result["verdict"] != "reproduced"
    ]
    assert lost == ["continual-check-oracle", "continual-check-sets", "continual-check-task", "continual-check-spread"]
    assert found["continual-1"]["verdict"] == "not testable at this scale"
    assert found["continual-1"]["reason"].startswith(
        "the instrument does not respond: There is something to learn: not rep"
    )


def test_only_claims_with_a_source_stand_for_the_papers():
    for one in CLAIMS:
        assert (one.stands_for == "hypothesis") == one.source.startswith("not sourced"), one.id


def test_rules_are_those_whose_hashes_are_committed():
    assert {one.id: one.rule_sha256 for one in CLAIMS} == json.loads(lock_file("continual").read_text())


def test_every_rule_runs_at_some_scale_and_the_headline_at_all(tmp_path):
    """Where, follows from the presets: two seeds at each point, evaluated after each task for a path."""
    for name in READ:
        pandas.DataFrame({"seed": []}).to_csv(tmp_path / f"{name}.csv", index=False)
    planned = claim_context(load(scale="smoke"), tmp_path).planned
    where = {one.id: scales_of(one.rule, planned) for one in CLAIMS if one.rule}
    assert all(where.values()), [name for name, found in where.items() if not found]
    assert where["continual-1"] == list(scales())
    assert where["continual-15f"] == ["paper"]
    assert (where["continual-12a"], where["continual-14b"]) == (list(scales())[2:], ["evening"])
