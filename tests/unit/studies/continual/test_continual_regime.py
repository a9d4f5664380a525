"""The regime of the continual study: the paper's side from its own numbers, this side by hand and from what is drawn."""

import csv

import pandas
import pytest

from flopwise.config import load
from flopwise.core.root import ROOT
from flopwise.data.counts import pool_samples, training_counts
from flopwise.data.world import build_set
from flopwise.studies.continual import budget, regime
from flopwise.studies.continual.tune import on_validation

PUBLISHED_STEP = 63394.7585, 1.0  # GFLOPs of a step of full fine-tuning, memory multiplier: table 4


def by_name(quantities) -> dict:
    return {one.quantity: one for one in quantities}


def priced(monkeypatch, scale: str, cost: tuple[float, float]) -> dict:
    """Regime of a scale whose steps cost what is given; that steps are counted right is tested with the budget."""
    monkeypatch.setattr(budget, "step_cost", lambda *_: cost)
    return by_name(regime.planned(load(scale=scale)))


def test_the_papers_numbers_are_those_of_its_tables():
    with (ROOT / "config" / "published" / "fomo_in_flux_cost.csv").open() as stream:
        (row,) = (row for row in csv.DictReader(stream) if row["method"] == "full-ft")
    assert regime.PAPER.steps == (int(row["steps_20"]),) * 20
    assert sum(regime.PAPER.steps) * regime.PAPER.batch_size == 14_540_800, "printed total of samples"
    # mixed batches of the official code: 175 of 512 are new, 259 in the first task; 168 come from the buffer
    assert regime.PAPER.draws == (1420 * (253 + 19 * 169), 1420 * (259 + 19 * 175), 1420 * 19 * 168)
    nominal = 20 * 1420 * 512 * 0.34 / 1_759_782
    assert regime.PAPER.draws.update / regime.PAPER.samples == pytest.approx(nominal, rel=0.04)


def test_the_paper_preset_is_in_the_papers_regime(monkeypatch):
    found = priced(monkeypatch, "paper", PUBLISHED_STEP)
    unknown = {name for name, one in found.items() if one.factor is None}
    assert unknown == {
        "trials of tuning per method", "passes over the pool in a task", "passes over the pool in the stream",
        "passes over all data, the pool included",
    }, "tuning is not sourced, shards of LAION-400M are counted when they are read"  # fmt: skip
    for name in set(found) - unknown:
        assert found[name].factor == pytest.approx(1, rel=0.02), name
        assert found[name].kept


def test_a_small_regime_by_hand():
    own = regime.Regime((10, 10), 8, (0.25, 0.5, 0.25), samples=160, classes=16, pool=80, trials=3)
    # task 1 has no buffer: 3 from the pool, 5 new; task 2: 2, 4 and 2
    assert own.draws == (50, 90, 20)
    values = [formula(own) for formula, _ in regime.PLANNED.values()]
    assert values == pytest.approx(
        [90 / 160, 20 / 160, 110 / 160, 20 / 80, 50 / 160, 50 / 80, 160 / 240, 10, 10, 1, 8, 16, 2, 8, 3]
    )


def test_one_task_has_no_buffer():
    own = regime.Regime((10,), 8, (0.5, 0.5, 0), samples=160, classes=16, pool=None, trials=0)
    assert (own.draws, own.last_buffer) == ((40, 40, 0), None)


LIKE_LAPTOP = """scale: laptop
overrides:
  data: {adaptation: [digits, lowercase], train_per_class: 40, pools: {pool: {samples: 20000}}}
  continual:
    batch_size: 64
    budget_gflops: 120.5
    defaults: {horizon: t6}
    tuning: {method: [full-ft], rate: [lr1, lr3], seeds: 3}
"""


def test_a_scale_from_its_configuration(monkeypatch, tmp_path):
    (tmp_path / "config.yaml").write_text(LIKE_LAPTOP)
    monkeypatch.setattr(budget, "step_cost", lambda *_: (1.0, 1.0))  # 120.5 GFLOPs buy 20 steps in each of six tasks
    found = {one.quantity: one.here for one in regime.planned(load(tmp_path / "config.yaml"))}
    # batches of 64: 22 from the pool, 21 new, 21 from the buffer; in the first task 32 and 32; 36 classes of 40 samples
    assert found["passes over the update data, each in its task"] == pytest.approx(20 * (32 + 5 * 21) / 1440)
    assert found["passes over the same data from the buffer"] == pytest.approx(20 * 5 * 21 / 1440)
    assert found["passes over the buffer in the last task"] == pytest.approx(20 * 21 / 1200)
    assert found["passes over the pool in the stream"] == pytest.approx(20 * (32 + 5 * 22) / 20_000)
    assert found["passes over all data, the pool included"] == pytest.approx(6 * 20 * 64 / 21_440)
    assert found["optimiser steps per task"] == 20
    assert found["training samples per class"] == 40
    assert found["classes per task over batch size"] == pytest.approx(6 / 64)
    assert found["trials of tuning per method"] == 6


def test_tuning_holds_out_a_fifth(monkeypatch):
    monkeypatch.setattr(budget, "step_cost", lambda *_: (1.0, 1.0))
    settings = load(scale="laptop")
    whole, tuned = (regime.regime_of(one).samples for one in (settings, on_validation(settings)))
    assert tuned == pytest.approx(0.8 * whole)


@pytest.mark.parametrize("name", ["digits", "icons", "icon-search", "terrain", "typefaces"])
def test_counts_are_those_of_the_drawn_set(name):
    data = load(scale="smoke").preset.data.model_copy(update={"train_per_class": 3})
    made = build_set(name, train_per_class=3, test_per_class=2)
    assert training_counts(data, name) == (len(made.train.targets), len(set(made.class_names)))


def test_counts_of_real_sets_and_pools_are_the_catalogues():
    data = load(scale="paper").preset.data
    samples, classes = zip(*(training_counts(data, name) for name in data.adaptation))
    assert sum(samples) == pytest.approx(1_759_782, abs=8), "the printed total is 8 less than the sum of its rows"
    assert sum(classes) == 18_381
    assert [pool_samples(data, name) for name in ("pool", "datacomp-small")] == [None, 1_251_473]


def test_what_a_run_shows_is_of_the_default_model_and_the_oracle():
    settings = load(scale="smoke")
    default = settings.preset.continual.defaults
    start = {"model": default.model, "chance": 10.0}
    zero_shot = pandas.DataFrame([
        {**start, "role": "adaptation", "value": 20.0}, {**start, "role": "adaptation", "value": 10.0},
        {**start, "role": "evaluation", "value": 55.0, "chance": 25.0},
        {**start, "role": "evaluation", "value": 99.0, "model": "another"},
    ])  # fmt: skip
    oracle = {**default.model_dump(), "method": "oracle", "mixture": "oracle", "metric": "a_ka", "status": "done"}
    final = pandas.DataFrame([
        {**oracle, "delta": 20.0}, {**oracle, "delta": 30.0}, {**oracle, "delta": 90.0, "status": "diverged"},
        {**oracle, "delta": 90.0, "method": "full-ft"}, {**oracle, "delta": 90.0, "budget": "f4"},
    ])  # fmt: skip
    found = {name: (one.paper, one.here) for name, one in by_name(regime.measured(settings, zero_shot, final)).items()}
    assert found["zero-shot A_KA, %"] == (pytest.approx(38.47, abs=0.005), 15.0)
    assert found["zero-shot A_ZS, %"] == (pytest.approx(67.93, abs=0.005), 55.0)
    assert found["zero-shot A_KA over chance"][1] == 1.5
    assert found["zero-shot A_ZS, share of what lies above chance, %"][1] == pytest.approx(40)
    assert found["A_KA that the oracle gains, points"] == (None, 25.0)
    assert found["A_ZS that the oracle gains, points"] == (None, None), "no run has this metric"
