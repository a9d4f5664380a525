"""Means, intervals, slices and labels that figures rest on."""

import fixtures
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from flopwise.report import frames, labels, theme
from flopwise.report.continual import slices, styles
from flopwise.report.continual import study as studies
from flopwise.studies.continual.plan import AXES


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> studies.Study:
    return studies.load(fixtures.write(tmp_path_factory.mktemp("tables") / "t"))


def test_interval_is_that_of_a_t_test():
    values = [1.2, 0.4, 2.2, 1.9]
    mean, lower, upper, n = frames.mean_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, n) == (pytest.approx(1.425), 4)
    assert (lower, upper) == pytest.approx(tuple(expected))


def test_one_seed_has_no_interval():
    mean, lower, upper, n = frames.mean_interval([3.0])
    assert (mean, n) == (3.0, 1)
    assert np.isnan([lower, upper]).all()
    assert frames.seeds_note([1, 1]) == "One seed per point: no interval can be given."
    assert frames.seeds_note([3, 5, 1]).startswith("Mean and 95 % t-interval over 3 to 5 seeds; points without")


def test_axes_are_those_of_the_grid():
    assert slices.AXES == AXES


def test_setting_is_the_one_that_all_methods_share(study):
    assert study.setting == {axis: value for axis, value in fixtures.DEFAULT.items() if axis != "method"}


def test_an_experiment_is_its_points_with_all_their_seeds(study):
    rows = study.of(study.cells, "mixtures")
    assert set(rows["method"]) == {"full-ft", "ema-merge"}
    assert set(rows["mixture"]) == {"uniform", "no-replay", "no-buffer", "buffer-heavy"}
    seeds = rows.groupby("mixture")["seed"].nunique()
    assert (seeds["uniform"], seeds["no-replay"]) == (5, 3)  # `headline` has five at the point that both share
    assert not len(study.of(study.cells, "no-such-experiment"))


def test_paths_start_at_the_zero_shot_point(study):
    paths = slices.plane(study.at(study.trajectory), ["method"])
    start = paths[paths["task"] == 0]
    assert {"full-ft", "lnfit", "lora-r4", "ema-merge"} <= set(start["method"])
    assert np.allclose(start[["x", "y"]], 0)


def test_models_stand_in_the_order_of_their_cost(study):
    assert study.models() == ["vit-xs-8", "vit-s-8", "vit-m-8"]


@pytest.mark.parametrize(
    ("axis", "value", "words"),
    [
        ("budget", "f0.5", "½ F"), ("budget", "f1-steps", "F, steps"), ("horizon", "t12", "T = 12"),
        ("horizon", "per-set", "a task per data set (T = 8)"), ("rate", "lr0.3", "0.3 × base rate"),
        ("temperature", "learned", "learned"), ("temperature", "tau0.07", "τ = 0.07"),
        ("stream", "random-reverse", "random, reversed"), ("mixture", "never-heard-of", "never-heard-of"),
    ],
)  # fmt: skip
def test_values_of_axes_have_words(study, axis, value, words):
    assert study.word(axis, value) == words


def test_labels_are_moved_apart_and_keep_their_order():
    placed = labels.spread([10.0, 10.5, 30.0, 9.0], gap=5)
    assert np.diff(np.sort(placed)).min() >= 5 - 1e-9
    assert placed.argsort().tolist() == [3, 0, 1, 2]
    assert labels.spread([0.0, 100.0], gap=5).tolist() == [0.0, 100.0]


def test_a_method_keeps_its_colour_and_unknown_ones_get_one():
    assert styles.style("ema-merge") == styles.METHODS["ema-merge"]
    assert styles.style("brand-new") == styles.style("brand-new")
    assert styles.group("lora-r64") == styles.group("dora-r4") == "adapters and low-rank updates"
    assert styles.group("brand-new") == styles.OTHERS
    assert styles.order(["oracle", "brand-new", "lnfit", "full-ft"]) == ["full-ft", "lnfit", "brand-new", "oracle"]


def test_both_files_of_a_figure_have_its_size_and_its_layout(tmp_path):
    """The layout is made once: what lies outside the axes has its room in both, and images on one pair of axes stay apart."""
    figure, axes = theme.figure(2.0)
    for place in ((0, 1, 0, 1), (2, 3, 0, 1)):
        axes.imshow(np.eye(4), extent=place, aspect="auto")
    axes.set(xlim=(0, 3), ylim=(0, 1), ylabel="a label\nof three\nlines")
    svg, png, _ = theme.save(figure, tmp_path, "f", pd.DataFrame({"x": [1]}))
    with Image.open(png) as picture:
        assert picture.size == (round(150 * theme.WIDTH), 300)
    text = svg.read_text()
    assert f'width="{72 * theme.WIDTH:g}pt" height="144pt"' in text
    assert text.count("<image ") == 2
    assert figure.axes[0].yaxis.label.get_window_extent().x0 >= 0


def test_tables_are_escaped_for_latex_and_markdown(tmp_path):
    frame = pd.DataFrame({"a_b": ["50 % | x", "y"], "n": [1.5, float("nan")]})
    csv, markdown, latex = theme.save_table(frame, tmp_path, "t", "A & B")
    assert pd.read_csv(csv).equals(frame)
    assert r"50 % \| x" in markdown.read_text()
    assert r"A \& B" in latex.read_text()
    assert r"a\_b & n" in latex.read_text()
    assert "lr" in latex.read_text()
