"""The pieces of the protocol loop: cells, batches, budgets, resume keys."""

import numpy as np
import pytest

from flopwise.config import load
from flopwise.core.errors import UserError
from flopwise.data.mixtures import composition
from flopwise.studies.continual.budget import step_gflops, steps_per_task
from flopwise.studies.continual.corpus import Corpus, TaskBatches
from flopwise.studies.continual.plan import Cell, grid


@pytest.fixture(scope="module")
def study():
    return load(scale="smoke").preset.continual


def test_cells_are_shared_unique_and_named_by_what_differs():
    plan = grid(load(scale="laptop"))
    assert len(plan.cells) == len(
        {(c.model, c.budget, c.mixture, c.method, c.stream, c.schedule, c.seed) for c in plan.cells.values()}
    )
    shared = plan.cells["full-ft-s0"]
    assert set(shared.experiments) == {"methods", "replay", "streams", "compute", "model-scale"}
    assert "ema-merge-f0.5-s1" in plan.cells
    assert sum(len(cells) for cells in plan.jobs.values()) == len(plan.cells)
    assert len(plan.jobs) * 2 + 2 * len(plan.models) <= 60, "at most sixty processes with torch at laptop scale"


def test_jobs_split_into_parts_of_the_size_asked_for():
    plan = grid(load(scale="paper"))
    assert {len(cells) for cells in plan.jobs.values()} == {1}


def test_a_jobs_digest_sees_its_own_settings_and_no_others():
    settings = load(scale="smoke")
    plan, job = grid(settings), "vit-xs-8/f1/uniform/lora-r4/all"

    def changed(**values):
        return type(plan)(settings.preset.continual.model_copy(update=values)).digest(job)

    assert changed(learning_rate=0.5) != plan.digest(job)
    assert changed(mixtures={**plan.study.mixtures, "uniform": (0.5, 0.25, 0.25)}) != plan.digest(job)
    assert changed(mixtures={**plan.study.mixtures, "other": (0.5, 0.25, 0.25)}) == plan.digest(job)
    assert changed(checkpoint_every_steps=1) == plan.digest(job)


@pytest.mark.parametrize("method", ["full-ft", "lnfit", "lora-r4", "ema-merge", "oracle"])
def test_every_method_spends_its_budget_to_within_half_a_step(study, method):
    cell = Cell("x", "vit-xs-8", "f1", "uniform", method, "random", "cosine", 0, "all", ())
    tasks = 1 if method == "oracle" else study.tasks
    spent = steps_per_task(study, cell) * tasks * step_gflops("vit-xs-8", method, study.batch_size)
    assert abs(spent - study.budget_gflops) <= tasks * step_gflops("vit-xs-8", method, study.batch_size) / 2


def test_cheaper_updates_cost_less_and_merging_costs_nothing():
    cost = {method: step_gflops("vit-xs-8", method, 8) for method in ("full-ft", "lnfit", "lora-r4", "ema-merge")}
    assert cost["lnfit"] < cost["lora-r4"] < cost["full-ft"] == cost["ema-merge"]


def test_a_step_costs_what_the_closed_form_says():
    """Counted by hand for vit-xs-8: 17 image tokens, 24 text tokens, width 48, two layers in each tower, 2 FLOPs per
    multiply-add; backward twice the forward, except that the image needs no gradient."""
    width, layers, batch = 48, 2, 8
    patches = 16 * (8 * 8 * 3) * width

    def tower(tokens: int) -> int:
        return layers * (tokens * 12 * width * width + 2 * tokens * tokens * width)

    forward = patches + tower(17) + tower(24) + 2 * width * width + batch * width
    expected = 2 * batch * (3 * forward - patches)
    assert step_gflops("vit-xs-8", "full-ft", batch) * 1e9 == pytest.approx(expected, rel=1e-3)


def test_a_budget_below_one_step_is_refused(study):
    cell = Cell("x", "vit-m-8", "f1", "uniform", "full-ft", "random", "cosine", 0, "all", ())
    small = study.model_copy(update={"budget_gflops": 0.01})
    with pytest.raises(UserError, match=r"buys no step of full-ft on vit-m-8; one step costs"):
        steps_per_task(small, cell)


def test_batches_hold_each_pools_share_and_are_a_function_of_seed_task_and_step():
    n = 90
    images = np.random.default_rng(0).integers(0, 255, (n, 32, 32, 3), dtype=np.uint8)
    corpus = Corpus(images, np.arange(n)[:, None], np.full(n, -1), [], np.arange(60, n))
    arguments = (np.arange(0, 30), np.arange(30, 60), (0.25, 0.5, 0.25), 16, 5)
    batches, again, other = (TaskBatches(corpus, *arguments, seed, 1) for seed in (0, 0, 1))
    parts = composition(16, (0.25, 0.5, 0.25))
    for step in (4, 0):  # any order
        crops, tokens = batches[step]
        members = tokens[:, 0]
        assert [np.sum((members // 30) == pool) for pool in (2, 0, 1)] == list(parts)
        assert np.array_equal(crops, again[step][0])
        assert not np.array_equal(crops, other[step][0])
    drawn = np.concatenate([batches[step][1][:, 0] for step in range(5)])
    counts = np.bincount(drawn[drawn < 30], minlength=30)
    assert counts.max() - counts.min() <= 1
