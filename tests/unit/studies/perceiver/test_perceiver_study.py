"""The Perceiver study: schedule, cost against size, identities, tables."""

import numpy as np
import pandas as pd
import pytest
import torch

from flopwise.config import load
from flopwise.config.perceiver import Scaling
from flopwise.core.errors import UserError
from flopwise.core.io import read_json
from flopwise.studies.perceiver import scaling, tables
from flopwise.studies.perceiver.claims import IDENTITIES
from flopwise.studies.perceiver.plan import Grid
from flopwise.studies.perceiver.price import cells_table
from flopwise.studies.perceiver.train import rate

SMALL = Scaling(inputs=(32, 64, 128), outputs=(32, 64, 128), layers=(1, 2, 3), transformer=64)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    out = tmp_path_factory.mktemp("scaling") / "scaling.json"
    scaling.scaling_job(SMALL, out)
    return read_json(out)


def test_the_rate_rises_then_falls_to_nothing():
    rates = [rate(step, 100, 1.0, 0.05) for step in range(101)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[52] == pytest.approx(0.5, abs=0.02)
    assert rates[100] == pytest.approx(0, abs=1e-9)


def test_cost_is_affine_and_the_identities_hold(measured):
    found = {row["identity"]: row["deviation"] for row in measured["exact"]}
    assert set(found) == set(IDENTITIES[:-1])
    assert all(found[name] < (1e-9 if "affine" in name else 1e-5) for name in found)
    assert found["depth costs the same whatever is read and written"] == 0


def test_an_order_would_be_seen(monkeypatch):
    """The identities can fail: with position features on the units they do."""
    from flopwise.models.perceiver.inputs import Units

    plain = Units.forward

    def placed(self, units):
        x = plain(self, units)
        place, channel = torch.arange(x.shape[1])[:, None], torch.arange(x.shape[2])[None]
        return x + torch.sin(place * (channel + 1.0))

    monkeypatch.setattr(Units, "forward", placed)
    assert min(row["deviation"] for row in scaling._units()) > 1e-3


def test_a_transformer_costs_more_than_in_proportion_and_the_perceiver_less(measured):
    found = tables.exponents(pd.DataFrame(measured["rows"]))
    last = found[found["last"]].set_index("name")["gflops_exponent"]
    assert last["transformer/inputs"] > 1
    assert all(0 < last[f"perceiver/{along}"] < 1 for along in ("inputs", "outputs", "layers"))


def test_peak_memory_is_what_tensors_that_live_at_once_take(measured):
    def step():
        one = torch.zeros(250_000)
        two = one + 1
        del one
        return two + 1, torch.zeros(10)

    # the third is made when the first is gone; the last has ten numbers
    assert scaling.allocated_peak(step) == 2 * 1_000_000 + 40
    for row in measured["rows"]:
        assert row["peak_mb"] > 0.85 * row["activations_mb"]


def test_a_slope_of_time_has_the_spread_of_its_repetitions():
    low, high = tables._spread([1.0, 1.0, 1.1], [4.0, 4.0, 4.4], np.log(2))
    assert low < 2 < high
    assert tables._spread([1.0], [4.0], np.log(2)) == pytest.approx((2, 2))


def test_baselines_cost_what_is_said_of_them():
    """About the same FLOPs on bytes and in flow, 3.5 times over units."""
    cost = cells_table(load(scale="smoke")).groupby(["task", "arm"])["forward_gflops"].mean()
    for task, arm, other in (
        ("language", "bytes", "bytes-transformer"), ("language", "bytes", "pieces-transformer"),
        ("flow", "perceiver", "convolutions"),
    ):  # fmt: skip
        assert cost[task, arm] / cost[task, other] == pytest.approx(1, abs=0.2)
    assert cost["units", "transformer"] > 3.5 * cost["units", "perceiver"]


def test_what_is_above_trivial_is_paired_with_its_task():
    grid = Grid(load(scale="smoke").preset.perceiver)
    runs = {
        cell.slug: {
            "status": "done",
            "mflops": 1.0,
            "scores": {_score(cell.task): 5.0 if cell.arm == "trivial" else 7.5},
        }
        for cell in grid.cells.values()
    }
    final = tables._final(grid, runs)
    above = final[(final["metric"] == "above_trivial") & (final["kind"] != "trivial")]["value"]
    assert len(above) == len([cell for cell in grid.cells.values() if cell.arm != "trivial"])
    assert set(above) == {2.5}


def _score(task: str) -> str:
    from flopwise.methods.perceiver import find

    return find(task).score


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiments": {"images": {"arm": ["recurrent"]}}}, "'recurrent'"),
        ({"tasks": {"chess": {"steps": 1, "batch_size": 2, "learning_rate": 0.1}}}, "'chess'; allowed are clips"),
        ({"scaling": {"inputs": [8]}}, "scaling.inputs"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(changes, message):
    with pytest.raises(UserError, match=message) as failure:
        load(scale="smoke", overrides={"perceiver": changes})
    assert "\n" not in str(failure.value)
