"""Means, intervals, slices and labels that figures rest on."""

import fixtures
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from flopwise.report import continual, continual_tables, frames, labels, theme

LOST = ("lora-r4-s1", "full-ft-no-replay-s0", "full-ft-no-replay-s3")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> continual.Study:
    return continual.load(fixtures.write(tmp_path_factory.mktemp("tables") / "t", diverged=LOST))


def test_interval_is_that_of_a_t_test():
    values = [1.2, 0.4, 2.2, 1.9]
    mean, lower, upper, n = frames.t_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, n) == (pytest.approx(1.425), 4)
    assert (lower, upper) == pytest.approx(tuple(expected))


def test_one_seed_has_no_interval():
    mean, lower, upper, n = frames.t_interval([3.0])
    assert (mean, n) == (3.0, 1)
    assert np.isnan([lower, upper]).all()
    assert frames.seeds_note([1, 1]) == "One seed per point: no interval can be given."
    assert frames.seeds_note([3, 5, 1]).startswith("Mean and 95 % t-interval over 3 to 5 seeds; points without")


def test_setting_is_the_one_that_all_methods_share(study):
    assert study.setting == {
        "model": "vit-s-8", "budget": 1.0, "mixture": "uniform", "stream": "random", "schedule": "cosine"
    }  # fmt: skip


def test_diverged_runs_enter_no_mean_and_are_named(study):
    drawn = continual.final(study)
    rows = drawn.data.set_index(["method", "mixture", "metric"])
    assert rows.loc[("lora-r4", "uniform", "gm"), ["seeds", "diverged"]].tolist() == [4, 1]
    assert rows.loc[("full-ft", "no-replay", "gm"), ["seeds", "diverged"]].tolist() == [3, 2]
    assert "LoRA, rank 4 (1)" in drawn.note
    kept = study.final.query("method == 'lora-r4' and metric == 'gm' and cell != 'lora-r4-s1'")["value"]
    assert rows.loc[("lora-r4", "uniform", "gm"), "mean"] == pytest.approx(kept.mean())
    table = continual_tables.final_values(study)
    assert table.query("Method == 'LoRA, rank 4'")["Runs"].item() == "4, and 1 diverged"


def test_paths_start_at_the_zero_shot_point(study):
    paths = frames.plane(frames.at(study.trajectory, study.setting))
    start = paths[paths["task"] == 0]
    assert set(start["method"]) == {"full-ft", "lnfit", "lora-r4", "ema-merge"}
    assert np.allclose(start[["x", "y"]], 0)


def test_models_stand_in_the_order_of_their_cost(study):
    assert frames.values(study.final, "model", cells=study.cells) == ["vit-xs-8", "vit-s-8", "vit-m-8"]
    assert frames.values(study.final, "budget") == [0.25, 1.0, 4.0]


def test_figures_cope_when_every_run_diverged(tmp_path):
    lost = tuple(point["cell"] for point in fixtures.points(smoke=True))
    study = continual.load(fixtures.write(tmp_path / "t", smoke=True, diverged=lost))
    for draw in (continual.trajectories, continual.over_time, continual.final, continual.effects, continual.by_set):
        drawn = draw(study)
        theme.save(drawn.figure, tmp_path, draw.__name__, drawn.data)
    assert continual_tables.final_values(study)["ΔGM"].unique().tolist() == ["–"]


def test_labels_are_moved_apart_and_keep_their_order():
    placed = labels.spread([10.0, 10.5, 30.0, 9.0], gap=5)
    assert np.diff(np.sort(placed)).min() >= 5 - 1e-9
    assert placed.argsort().tolist() == [3, 0, 1, 2]
    assert labels.spread([0.0, 100.0], gap=5).tolist() == [0.0, 100.0]


def test_a_method_keeps_its_colour_and_unknown_ones_get_one():
    assert theme.style("ema-merge") == theme.METHODS["ema-merge"]
    assert theme.style("brand-new") == theme.style("brand-new")
    assert theme.order(["oracle", "brand-new", "lnfit", "full-ft"]) == ["full-ft", "lnfit", "brand-new", "oracle"]


def test_tables_are_escaped_for_latex_and_markdown(tmp_path):
    frame = pd.DataFrame({"a_b": ["50 % | x", "y"], "n": [1.5, float("nan")]})
    csv, markdown, latex = theme.save_table(frame, tmp_path, "t", "A & B")
    assert pd.read_csv(csv).equals(frame)
    assert r"50 % \| x" in markdown.read_text()
    assert r"A \& B" in latex.read_text()
    assert r"a\_b & n" in latex.read_text()
    assert "lr" in latex.read_text()
