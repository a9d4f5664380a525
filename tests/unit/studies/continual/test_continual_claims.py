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
from flopwise.studies.continual.claims import claim_context

CLAIMS = read_claims(claims_file("continual"))


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
    assert set(tested) == {"continual-1", "continual-2a", "continual-2b", "continual-3", "continual-18g"}
    assert all(result["p_holm"] >= result["p_value"] for result in tested.values())
    assert (tested["continual-1"]["verdict"], tested["continual-1"]["n_seeds"]) == ("reproduced", 5)
    assert found["continual-19"]["reason"] == "no rule"


def test_only_claims_with_a_source_stand_for_the_papers():
    for one in CLAIMS:
        assert (one.stands_for == "hypothesis") == one.source.startswith("not sourced"), one.id


def test_rules_are_those_whose_hashes_are_committed():
    assert {one.id: one.rule_sha256 for one in CLAIMS} == json.loads(lock_file("continual").read_text())


def test_every_rule_runs_at_some_scale_and_the_headline_at_all(tmp_path):
    """Where, follows from the presets: two seeds at each point, evaluated after each task for a path."""
    for name in ("final", "trajectory"):
        pandas.DataFrame({"seed": []}).to_csv(tmp_path / f"{name}.csv", index=False)
    planned = claim_context(load(scale="smoke"), tmp_path).planned
    where = {one.id: scales_of(one.rule, planned) for one in CLAIMS if one.rule}
    assert all(where.values()), [name for name, found in where.items() if not found]
    assert where["continual-1"] == list(scales())
    assert where["continual-15f"] == ["paper"]
    assert (where["continual-12a"], where["continual-14b"]) == (list(scales())[1:], ["evening"])
