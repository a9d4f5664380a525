"""The figures and tables of the continual study on made-up tables: what they show, and that nothing missing stops them."""

import fixtures
import numpy as np
import pandas as pd
import pytest

from flopwise.report import theme
from flopwise.report.continual import advice, inside, merging, methods, plots, recipes, scaling, streams, styles
from flopwise.report.continual import study as studies

FIGURES = [
    methods.trajectories, methods.over_time, methods.final, methods.ewc, methods.effects, methods.by_set,
    methods.sets_over_time, merging.paths, merging.time_grid, merging.operators, merging.weightings, merging.shares,
    recipes.schedule_shapes, recipes.schedules, recipes.schedule_paths, recipes.rates, recipes.temperature, recipes.tuning,
    recipes.defects, scaling.response, scaling.models, scaling.compute, scaling.horizons, scaling.horizon_paths,
    scaling.schedules_by_horizon, streams.paths, streams.final, streams.mixtures, streams.mixture_paths,
    streams.pools, streams.pool_paths, streams.per_set, inside.stability, inside.forgetting, inside.losses,
]  # fmt: skip
TABLES = [methods.final_values, recipes.chosen, advice.best, advice.budgets, advice.audit, advice.every_point]
LOST = ("lora-r4-s1", "full-ft-no-replay-s0", "full-ft-no-replay-s2")


def load(folder, **options) -> studies.Study:
    return studies.load(fixtures.write(folder / "t", **options))


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> studies.Study:
    return load(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> studies.Study:
    return load(tmp_path_factory.mktemp("tables"), diverged=LOST)


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> dict[str, studies.Study]:
    every = tuple(point["cell"] for point in fixtures.points())
    return {
        "one experiment": load(tmp_path_factory.mktemp("tables"), experiments=("ewc-accounting",)),
        "all diverged": load(tmp_path_factory.mktemp("tables"), diverged=every),
    }


@pytest.mark.slow
@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: f"{draw.__module__.split('.')[-1]}.{draw.__name__}")
def test_a_figure_draws_its_experiment_and_does_not_stop_at_what_is_missing(broken, bare, draw):
    """Where some runs diverged it is drawn; where a scale does not run the experiment, or all runs diverged, a figure or a
    sentence is left."""
    drawn = draw(broken)
    assert drawn.figure.axes
    assert len(drawn.data)
    assert drawn.note
    for case in bare.values():
        left = draw(case)
        assert left.figure is not None or left.note.endswith(".")


@pytest.mark.parametrize(
    "case", [{}, {"smoke": True}, {"experiments": ("ewc-accounting",)}], ids=["all", "smoke", "one"]
)
def test_every_table_is_made(case, tmp_path):
    tables = load(tmp_path, **case)
    for table in TABLES:
        theme.save_table(table(tables), tmp_path, "table", "caption")


def test_a_figure_without_runs_names_the_experiment(tmp_path):
    study = load(tmp_path, smoke=True)
    assert streams.pools(study).note == "This scale does not run the experiment `pools`."
    assert "evaluated after the stream only" in scaling.horizon_paths(_final_only(study)).note


def _final_only(study: studies.Study) -> studies.Study:
    """The study as if `horizons` had been run and evaluated at its end only."""
    cells = study.cells.assign(experiments="horizons")
    return study._replace(cells=cells, trajectory=study.trajectory[:0])


def test_one_seed_has_no_interval_and_says_so(tmp_path):
    drawn = methods.final(load(tmp_path, smoke=True))
    assert "One seed per point: no interval can be given." in drawn.note
    assert drawn.data[["lower", "upper"]].isna().all(axis=None)


def test_diverged_runs_enter_no_mean_and_are_named(broken):
    drawn = methods.final(broken)
    rows = drawn.data.set_index(["method", "mixture", "metric"])
    assert rows.loc[("lora-r4", "uniform", "gm"), ["seeds", "diverged"]].tolist() == [2, 1]
    assert rows.loc[("full-ft", "no-replay", "gm"), ["seeds", "diverged"]].tolist() == [1, 2]
    assert "LoRA, rank 4 (1)" in drawn.note
    kept = broken.at(broken.final).query("method == 'lora-r4' and metric == 'gm' and cell != 'lora-r4-s1'")["value"]
    assert rows.loc[("lora-r4", "uniform", "gm"), "mean"] == pytest.approx(kept.mean())
    table = methods.final_values(broken)
    assert table.query("Method == 'LoRA, rank 4'")["Runs"].item() == "2, and 1 diverged"


def test_the_chosen_rate_is_the_best_one_at_which_every_trial_ended(study):
    table = recipes.chosen(study).set_index("Method")
    gm = study.tuning.query("metric == 'gm'").groupby(["method", "rate_multiple"])["delta"].mean()
    assert gm["full-ft"].idxmax() == gm["ema-merge"].idxmax() == 0.3
    assert table.loc["full fine-tuning", "Best rate"] == "0.3 × base"
    assert table.loc["EMA merge", ["Trials", "Best rate"]].tolist() == [6, "1 × base"]
    assert table.loc["full fine-tuning", "Base rate gives up"] == f"{gm['full-ft', 0.3] - gm['full-ft', 1.0]:.1f}"


def test_methods_stand_in_panels_by_what_they_change(study):
    shown = dict(methods.panels(study.at(study.trajectory)))
    assert set(shown["regularisers"]["method"]) == {"ewc", "si", "full-ft", "ema-merge"}
    assert "brand-new" in set(shown[styles.OTHERS]["method"])


def test_discs_lie_where_the_shares_say(study):
    drawn = streams.mixtures(study)
    discs = drawn.figure.axes[0].collections[0].get_offsets()
    names = drawn.data.query("method == 'full-ft' and metric == 'gm'")["mixture"].tolist()
    height = 3**0.5 / 2
    wanted = {"no-replay": (1, 0), "no-buffer": (0.5, 0), "buffer-heavy": (0.5, 0.8 * height)}
    for name, place in wanted.items():
        assert tuple(discs[names.index(name)]) == pytest.approx(place)


def test_schedules_are_drawn_from_their_formula(study):
    data = recipes.schedule_shapes(study).data
    assert data["schedule"].nunique() == 8
    peaks = data[data["schedule"] == "cosine-autoregressive"].groupby("task")["share"].max()
    assert peaks.iloc[0] == pytest.approx(1)
    assert peaks.iloc[1] == pytest.approx(0.4918, abs=1e-4)


def test_equal_steps_and_equal_compute_share_the_model_of_the_setting(study):
    rows = scaling.models(study).data.query("model == 'vit-s-8' and method == 'full-ft' and metric == 'gm'")
    assert rows["equal"].tolist() == ["equal MAFs", "equal steps"]
    assert rows["mean"].nunique() == 1


def test_the_best_method_leads_by_the_paired_difference(study):
    row = advice.best(study).query("Model == 'vit-s-8' and Budget == '2 F'").iloc[0]
    done = study.at(study.final, "budget").query("budget == 'f2' and metric == 'gm'").pivot(
        index="seed", columns="method", values="value"
    )  # fmt: skip
    best, second = done.mean().sort_values(ascending=False).index[:2]
    difference = done[best] - done[second]
    assert row["Best by GM"].startswith(styles.style(best).label)
    assert row["Lead"].startswith(plots.change(difference.mean(), 1))
    assert row["Lead"].endswith("resolved" if difference.min() > 0 else "not resolved")


def test_the_audit_counts_the_steps_that_were_not_bought(study):
    row = advice.audit(study).query("Method == 'LNFit'").iloc[0]
    step = 0.7 * fixtures.STEP["vit-s-8"] * 0.66
    whole = int(500 / step)
    assert row["Charged"] == f"{whole * step:,.1f}"
    assert float(row["Steps short"]) == pytest.approx((500 - whole * step) / step, abs=0.06)
    assert float(row["Share %"]) == pytest.approx(100 * whole * step / 500, abs=0.006)


def test_unseen_chunks_are_striped(study):
    drawn = inside.forgetting(study)
    panel = drawn.figure.axes[0]
    assert len([patch for patch in panel.patches if patch.get_hatch()]) == 6 + 5 + 4 + 3 + 2 + 1


@pytest.mark.parametrize(("value", "text"), [(-0.04, "0.0"), (2.26, "+2.3"), (-1.0, "−1.0"), (np.nan, "–")])
def test_changes_as_text(value, text):
    assert plots.change(value, 1) == text


def test_numbers_of_an_axis_come_from_the_cells(study):
    assert study.number("rate", "rate_multiple") == {"lr0.3": 0.3, "lr1": 1.0, "lr3": 3.0}
    assert pd.isna(study.number("temperature", "temperature_value")["learned"])
