"""The efficiency study: budgets, schedules, segmentation, fits, grid."""

import numpy as np
import pandas as pd
import pytest
import torch

from flopwise.config import load
from flopwise.core.errors import UserError
from flopwise.data.materials.build import build_material
from flopwise.data.materials.scenes import IGNORE
from flopwise.methods.efficiency import Batch
from flopwise.studies.efficiency import fits, pools, segment
from flopwise.studies.efficiency.plan import Cell, Grid
from flopwise.studies.efficiency.pretrain import Pretraining, collapse, schedule, trunk
from flopwise.studies.efficiency.price import cells_table
from flopwise.studies.efficiency.tables import front


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A study with two small budgets and its data."""
    folder = tmp_path_factory.mktemp("efficiency")
    found = load(scale="smoke", results=str(folder / "results"), overrides={"efficiency": {"budget_gflops": 16}})
    for name in ("pool-in1k", "segmentation"):
        build_material(name, found.preset.data.materials[name], found.results / "data" / name)
    return found


def training(settings, method: str, *budgets: str) -> list[dict]:
    cells = [Cell(f"{method}-{budget}", method, "in1k", "small", budget, seed=0) for budget in budgets]
    folder = settings.results / "state" / "-".join([method, *budgets])
    return Pretraining(settings.preset.efficiency, cells, pools.load(settings, "in1k"), folder).run()


def test_a_run_stops_within_a_step_of_its_budget_and_its_rate_ends_at_nothing(settings):
    study = settings.preset.efficiency
    for cell in Grid(study).cells.values():
        if cell.method != "scratch":
            row = cells_table(settings).set_index("slug").loc[cell.slug]
            budget = study.budgets[cell.budget] * study.budget_gflops
            assert 0 <= budget - row["planned_gflops"] < row["step_gflops"]
    plan = schedule(study, 1e9 * study.budget_gflops / 100, "f1")
    assert (plan.steps, plan.constant) == (100, 70)
    assert [plan.rest(step) for step in (0, 69, 70, 85, 100)] == [1, 1, 1, 0.5, 0]


@pytest.mark.parametrize("method", ["supervised", "byol"])
def test_a_budget_that_branches_off_is_the_run_it_would_be_alone(settings, method):
    """Bit by bit: the constant part is shared, the cooldown a copy."""
    together = training(settings, method, "f0.5", "f1")
    for budget, one in zip(("f0.5", "f1"), together):
        alone = training(settings, method, budget)[0]
        assert alone["losses"] == one["losses"]
        assert all(torch.equal(alone["trunk"][name], value) for name, value in one["trunk"].items())
    assert together[0]["steps"] < together[1]["steps"]


@pytest.mark.parametrize("stop", [3, 7, 12])
def test_a_training_goes_on_bit_by_bit_wherever_it_was_stopped(settings, tmp_path, monkeypatch, stop):
    """In the constant part, in the cooldown of the smaller budget, after it; averaged weights and the optimiser with it."""
    study = settings.preset.efficiency
    study = study.model_copy(update={"pictures": study.pictures.model_copy(update={"checkpoint_every_steps": 2})})
    cells = [Cell(f"byol-{budget}", "byol", "in1k", "small", budget, seed=0) for budget in ("f0.5", "f1")]
    pool = pools.load(settings, "in1k")
    whole = Pretraining(study, cells, pool, tmp_path / "whole").run()
    parts, steps, counted = Pretraining(study, cells, pool, tmp_path / "parts"), Pretraining.samples, []

    def stopped(self, step):
        if len(counted) == stop:
            raise KeyboardInterrupt
        counted.append(step)
        return steps(self, step)

    assert whole[1]["steps"] > 8
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Pretraining, "samples", stopped)
        parts.run()
    again = Pretraining(study, cells, pool, tmp_path / "parts")
    resumed = again.run()
    assert sum(one["seconds"] for one in resumed) > 0.3 * sum(
        one["seconds"] for one in whole
    )  # what was done before counts
    for one, other in zip(whole, resumed):
        assert one["losses"] == other["losses"]
        assert all(torch.equal(one["trunk"][name], value) for name, value in other["trunk"].items())
    again.clear()
    assert not list(tmp_path.glob("parts/*"))


def test_a_cooldown_that_diverges_stays_known_and_later_budgets_go_on(settings, tmp_path, monkeypatch):
    """With its own losses and no others', also after an interruption before its first state."""
    study, pool = settings.preset.efficiency, pools.load(settings, "in1k")
    cells = [Cell(f"simclr-{budget}", "simclr", "in1k", "small", budget, seed=0) for budget in ("f0.5", "f1")]
    one, kept, asked = Pretraining(study, cells, pool, tmp_path), Pretraining._loss, []
    small = schedule(study, one.image_flops * study.batch_size, "f0.5")

    def loss(self, learner, step, batches):
        asked.append(step)
        if len(asked) == stop:
            raise KeyboardInterrupt
        found = kept(self, learner, step, batches)
        return (
            found * float("nan") if learner is not self.learner and step == small.constant + 1 < small.steps else found
        )

    assert small.steps - small.constant > 1
    monkeypatch.setattr(Pretraining, "_loss", loss)
    stop = small.steps + 2
    with pytest.raises(KeyboardInterrupt):
        one.run()
    asked, stop = [], 0
    first, second = Pretraining(study, cells, pool, tmp_path).run()
    assert (first["status"], first["diverged_at"], len(first["losses"])) == (
        "diverged",
        small.constant + 1,
        small.constant + 1,
    )
    assert (second["status"], len(second["losses"])) == ("done", second["steps"])
    assert first["seconds"] > 0


def test_all_objectives_of_a_seed_begin_as_the_random_encoder(settings, tmp_path):
    study = settings.preset.efficiency
    start = trunk(study, "small", 3).state_dict()
    for method in study.methods:
        cells, pool = [Cell("x", method, "in1k", "small", "f1", seed=3)], pools.load(settings, "in1k")
        one = Pretraining(study, cells, pool, tmp_path)
        assert all(torch.equal(value, start[name]) for name, value in one.learner.trunk.state_dict().items())
    assert any(not torch.equal(value, start[name]) for name, value in trunk(study, "small", 4).state_dict().items())


def test_miou_is_of_one_confusion_matrix_and_leaves_out_what_is_ignored():
    truth = torch.tensor([[[0, 0, 1, IGNORE]], [[1, 1, 1, 1]]])
    predicted = torch.tensor([[[0, 1, 1, 0]], [[1, 1, 1, 0]]])
    values = segment.iou(segment.confusion(predicted, truth, 3))
    assert values[:2].tolist() == pytest.approx([100 / 3, 100 * 4 / 6])
    assert values[2].isnan()
    per_picture = [segment.iou(segment.confusion(p[None], t[None], 3)).nanmean() for p, t in zip(predicted, truth)]
    assert abs(float(np.mean(per_picture)) - float(values.nanmean())) > 1


def test_encoders_are_compared_on_the_same_scenes_and_a_frozen_one_does_not_move(settings):
    scenes, study = segment.load(settings), settings.preset.efficiency
    assert torch.equal(scenes.labelled(8, 1)[0], scenes.labelled(8, 1)[0])
    assert not torch.equal(scenes.labelled(8, 1)[0], scenes.labelled(8, 2)[0])
    encoder = trunk(study, "small", 0)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    found = segment.scores(encoder, scenes, study.transfer, 0)
    assert set(found) == {"miou", "things", "stuff", "frozen"}
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_an_encoder_to_which_all_looks_alike_has_rank_one(settings):
    study = settings.preset.efficiency
    encoder = trunk(study, "small", 0)
    pictures = torch.randn((64, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    batch = lambda: Batch(pictures, torch.Generator().manual_seed(1))  # noqa: E731
    assert collapse(encoder, batch())["rank"] > 3
    for name, value in encoder.norm.named_parameters():
        value.data.fill_(1.0 if name == "bias" else 1e-8)
    assert collapse(encoder, batch())["uniformity"] == pytest.approx(0, abs=1e-4)


def test_the_law_finds_the_curve_that_it_is_and_what_does_not_fall_stays():
    gflops = np.array([1.0, 2.0, 4.0])
    curve = lambda x: 100 - (40 + 30 * x**-0.5)  # noqa: E731
    predicted, exponent = fits.predict(gflops, curve(gflops), 8.0)
    assert predicted == pytest.approx(curve(8.0), abs=0.05)
    assert exponent == pytest.approx(0.5, abs=0.06)
    assert fits.predict(gflops, np.array([30.0, 29.0, 28.0]), 8.0)[0] == pytest.approx(29)


def test_fits_leave_the_largest_budget_out_and_decisions_count_pairs():
    rows = [
        {"method": m, "pool": "in1k", "size": "small", "budget": f"f{f}", "seed": s, "gflops": f, "metric": "miou",
         "value": level + gain * np.log2(f) + 0.1 * s}
        for m, level, gain in (("clip", 20, 3), ("mae", 21, 0.5)) for f in (1.0, 2.0, 4.0, 8.0) for s in (0, 1, 2)
    ]  # fmt: skip
    found = fits.table(pd.DataFrame(rows))
    assert found["budget"].tolist() == ["f8.0"] * 2
    assert found["points"].tolist() == [3, 3]
    assert found.set_index("method")["measured"]["clip"] == pytest.approx(29.1)
    changed = pd.DataFrame(rows)
    changed.loc[changed["gflops"] == 8, "value"] = 0.0
    assert fits.table(changed)["predicted"].tolist() == found["predicted"].tolist()
    held = fits.decisions(found)
    assert (held["pairs"].item(), held["law"].item(), held["naive"].item()) == (1, 100, 100)


def test_the_front_says_who_leads_and_by_how_much():
    rows = [
        {
            "pool": "jft",
            "size": "small",
            "budget": "f1",
            "seed": 0,
            "method": m,
            "group": g,
            "metric": "miou",
            "value": v,
        }
        for m, g, v in (
            ("clip", "supervised", 30.0),
            ("supervised", "supervised", 31.0),
            ("byol", "self-supervised", 28.5),
        )
    ]
    one = front(pd.DataFrame(rows)).iloc[0]
    assert (one["best"], one["lead"]) == ("supervised", 2.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiments": {"objectives": {"method": ["supervised"], "pool": ["align"]}}}, "allowed are in1k"),
        ({"experiments": {"pools": {"method": ["clip"], "pool": ["flickr"]}}}, "'flickr'"),
        ({"transfer": {"scenes": 10_000}}, "transfer.scenes is 10000; at most"),
        ({"sizes": {"small": {"width": 64, "heads": 5}}}, "a multiple of heads"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(changes, message):
    with pytest.raises(UserError, match=message) as failure:
        load(scale="smoke", overrides={"efficiency": changes})
    assert "\n" not in str(failure.value)


def test_labels_are_not_to_be_had_from_alt_text():
    from flopwise.config.efficiency import EfficiencyConfig

    study = load(scale="smoke").preset.efficiency.model_dump()
    for grid in study["experiments"]["web"]["grids"]:
        grid["method"] = ("supervised",)
    with pytest.raises(ValueError, match=r"method 'supervised' needs labels, and pool 'align' \(ALIGN\) has none"):
        EfficiencyConfig(**study)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (
            {"method": ["supervised"], "pool": ["align"]},
            r"needs labels, and pool 'align' \(ALIGN: LAION-400M in its stead\) has none",
        ),
        ({"method": ["clip"], "pool": ["wit-400m"]}, "'wit-400m' has neither material nor dataset"),
        ({"method": ["mae"], "pool": ["jft"]}, "size 'small' and pool 'jft' do not go together"),
    ],
)
def test_real_pools_go_with_networks_of_timm_and_what_they_have(experiment, message):
    from flopwise.config.efficiency import EfficiencyConfig

    study = load(scale="workstation").preset.efficiency.model_dump()
    study["experiments"]["web"]["grids"][0].update(experiment)
    with pytest.raises(ValueError, match=message):
        EfficiencyConfig(**study)
    with pytest.raises(UserError, match="dataset 'imagenet_1k' is read whole and in place of a material"):
        load(scale="workstation", overrides={"efficiency": {"pools": {"in1k": {"part": "quarter"}}}})
    with pytest.raises(UserError, match=r"source of a pool of data\.pools is 'laion_400m'"):
        load(scale="workstation", overrides={"data": {"pools": {"pool": {"source": "cc12m"}}}})
