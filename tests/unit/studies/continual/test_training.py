"""The whole protocol on a tiny world: one training from theta_0 to the end of its stream."""

import contextlib
import json
import math
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch

from flopwise.config import load
from flopwise.core.checkpoint import StateFolder
from flopwise.data.build import build_to
from flopwise.data.store import Split, StoredSet, write_set
from flopwise.models import clip, lean
from flopwise.studies.continual import evaluate
from flopwise.studies.continual.corpus import load_corpus
from flopwise.studies.continual.plan import Cell
from flopwise.studies.continual.train import TrainingRun, base_folder, stream_file

pytestmark = pytest.mark.slow

MODEL = "vit-xs-8"
SETS = {"adaptation": ["clocks", "flags"], "evaluation": ["shapes"]}
VALUES = {
    "budget_gflops": 3.5, "fisher_samples": 32, "batch_size": 16, "checkpoint_every_steps": 1, "horizons": {"t4": 3},
}  # fmt: skip


class Killed(Exception):
    pass


class World:
    """Data, stream and initial weights on disk, and trainings of cells on them."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        overrides = {"data": {**SETS, "train_per_class": 4, "test_per_class": 3}, "continual": VALUES}
        self.settings = load(scale="smoke", results=str(folder / "results"), overrides=overrides)
        data = self.settings.results / "data"
        for name in (*SETS["adaptation"], *SETS["evaluation"]):
            build_to(self.settings.preset.data, name, data / name)
        noise = np.random.default_rng(0).integers(0, 255, (60, 32, 32, 3), dtype=np.uint8)
        captions = [f"thing {index % 7}" for index in range(60)]
        write_set(data / "pool", Split(noise, np.zeros(60, np.int64), captions), {"name": "pool", "role": "pool"})
        self.initial = clip.create(MODEL, seed=0).state_dict()
        clip.save(base_folder(self.settings, MODEL), MODEL, self.initial)
        self.corpus = load_corpus(self.settings, MODEL, "pool")
        self.evaluator = evaluate.Evaluator(self.settings, MODEL, 0)
        stream = stream_file(self.settings, MODEL, "random", 0)
        stream.parent.mkdir(parents=True)
        stream.write_text(json.dumps(list(self.corpus.entries)[::-1]))

    def run(self, method: str, *merges: str, state: str = "", kill: int = 0, **axes) -> TrainingRun:
        """A training of `method`, with a cell for each of `merges`; `kill`: it ends right after so many saved states."""
        point = {**self.settings.preset.continual.defaults.model_dump(), "method": method, "seed": 0, **axes}
        cells = [Cell(f"{method}-{merge}", **{**point, "merge": merge}) for merge in merges or ("interpolation",)]
        self.runs += 1
        folder = StateFolder(self.folder / "state" / (state or str(self.runs)), "key")
        run = TrainingRun(self.settings, cells, self.corpus, self.evaluator, folder)
        saves = 0

        def save(*arguments):
            nonlocal saves
            StateFolder.save(folder, *arguments)
            saves += 1
            if saves == kill:
                raise Killed

        folder.save = save
        run.run()
        return run


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"))


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def scores(run: TrainingRun) -> list:
    rows = [row for kind in run.scoring.rows.values() for row in kind]
    return [{key: value for key, value in row.items() if key != "cell"} for row in rows]


def test_a_full_weight_of_the_newer_model_is_fine_tuning(world):
    plain, merged = world.run("full-ft"), world.run("ema-merge", "w1.0")
    assert plain.progress.status == "done"
    assert len(plain.progress.losses) == sum(plain.step_plan.steps) > 2 * len(plain.chunks)
    assert_same(plain.deployments[0].deployed, merged.deployments[0].deployed)
    assert scores(plain) == scores(merged)
    assert plain.progress.losses == merged.progress.losses


@pytest.mark.parametrize(
    ("method", "merge"),
    [
        ("ewc", "interpolation"), ("si", "interpolation"), ("galore", "interpolation"), ("dora-r4", "interpolation"),
        ("vera-r4", "interpolation"), ("ema-merge", "dare-ties"), ("all-all", "random"),
    ],
)  # fmt: skip
def test_a_killed_run_goes_on_bit_by_bit(world, method, merge):
    """Killed inside a task and at the end of one."""
    whole = world.run(method, merge)
    assert whole.progress.status == "done"
    steps = whole.step_plan.steps
    assert min(steps) > 1
    for kill in (steps[0], steps[0] + steps[1] - 1):  # a state is saved after every step but the last, and after a task
        state = f"{method}-{merge}-{kill}"
        with pytest.raises(Killed):
            world.run(method, merge, state=state, kill=kill)
        again = world.run(method, merge, state=state)
        assert_same(whole.deployments[0].deployed, again.deployments[0].deployed)
        assert whole.scoring.rows == again.scoring.rows
        assert whole.progress.losses == again.progress.losses


def test_a_task_with_nothing_to_classify_can_be_saved(tmp_path):
    """A retrieval set that is a task of its own, as where each data set is one."""
    row = evaluate.Scores([], {"flags/0": (1, 2)}).of_entries(["searched/0"])
    StateFolder(tmp_path, "key").save(1, {"weight": torch.zeros(1)}, {"rows": [row]})
    assert StateFolder(tmp_path, "key").load()[2] == {"rows": [{"value": None, "n": 0}]}


@pytest.mark.parametrize("method", ["ewc", "si"])
def test_regularised_methods_deploy_the_weights_that_they_trained(world, method):
    """The official code falls back to theta_0 here."""
    run = world.run(method)
    assert_same(run.deployments[0].deployed, clip.plain_state(run.model))
    moved = [name for name, value in run.deployments[0].deployed.items() if not torch.equal(value, world.initial[name])]
    assert len(moved) == len(run.trainable)


@pytest.mark.parametrize("method", ["full-ft", "zs-merge"])
def test_a_fixed_temperature_stays_and_does_not_train(world, method):
    run = world.run(method, temperature="tau0.5")
    assert run.model.logit_scale.item() == pytest.approx(math.log(2))
    assert "logit_scale" not in run.trainable
    assert world.run(method).model.logit_scale.item() != pytest.approx(math.log(2), abs=0.01)


def test_initial_weights_are_scored_once_for_all_trainings(world, monkeypatch):
    evaluator = evaluate.Evaluator(world.settings, MODEL, 0)
    scored = []
    real = evaluate.Evaluator.scores
    monkeypatch.setattr(evaluate.Evaluator, "scores", lambda self, model: scored.append(1) or real(self, model))
    network = clip.create(MODEL)
    first = evaluator.first_scores(network, world.initial)
    again = evaluator.first_scores(network, {name: value.clone() for name, value in world.initial.items()})
    assert (len(scored), again) == (1, first)
    network.load_state_dict(world.initial)
    assert first == real(evaluator, network)
    other = {name: value + 0.1 for name, value in world.initial.items()}
    assert evaluator.first_scores(network, other).rows != first.rows


def test_the_recipe_reaches_the_optimiser_and_the_temperature(world):
    """A logit scale above ln 100 is bounded after the first step, as released it is not."""
    start = clip.load(base_folder(world.settings, MODEL))
    high = {**start, "logit_scale": torch.tensor(5.0)}
    try:
        clip.save(base_folder(world.settings, MODEL), MODEL, high)
        mended, released = (world.run("full-ft", recipe=name) for name in ("mended", "as-released"))
    finally:
        clip.save(base_folder(world.settings, MODEL), MODEL, start)
    assert mended.model.logit_scale.item() <= math.log(100) + 1e-6
    assert released.model.logit_scale.item() > 4.9
    assert mended.progress.losses[0] == released.progress.losses[0]


def test_the_fisher_pass_sees_the_tasks_own_data_as_often_as_the_plan_says(world):
    """By hand: the mean of squared gradients over batches of the task alone."""
    run = world.run("ewc")
    update = world.corpus.members(run.chunks[0])
    drawn = []

    class Spy:
        pool, on_disk, members = world.corpus.pool, False, world.corpus.members

        def batch(self, indices, *names, **options):
            batch = world.corpus.batch(indices, *names, **options)
            drawn.append((indices, batch[:2]))
            return batch

    run.corpus = Spy()
    run.regulariser.fisher = {}
    run._end_regulariser(0)
    assert len(drawn) == run.step_plan.end_passes == 2
    assert all(len(indices) == 16 and set(indices) <= set(update) for indices, _ in drawn)
    squares = [torch.autograd.grad(run._loss(batch), list(run.trainable.values())) for _, batch in drawn]
    for name, one, two in zip(run.trainable, *squares):
        torch.testing.assert_close(run.regulariser.fisher[name], (one**2 + two**2) / 2, rtol=1e-4, atol=1e-12)


def test_micro_batches_reach_the_loss_and_the_fisher_pass(world, monkeypatch):
    whole = world.run("ewc")
    study = world.settings.preset.continual
    models = {MODEL: study.models[MODEL].model_copy(update={"micro_batch_size": 5})}
    preset = world.settings.preset.model_copy(update={"continual": study.model_copy(update={"models": models})})
    monkeypatch.setattr(world, "settings", replace(world.settings, preset=preset))
    sizes = []
    encode = lean.encode_text
    monkeypatch.setattr(lean, "encode_text", lambda model, tokens: sizes.append(len(tokens)) or encode(model, tokens))
    parts = world.run("ewc")
    passes = 1 + parts.step_plan.passes()  # the first batch is also counted
    assert parts.step_plan == whole.step_plan
    assert (sizes.count(5), sizes.count(16)) == (2 * 3 * passes, 0)  # forward, and once again
    assert parts.progress.losses == pytest.approx(whole.progress.losses, rel=1e-4)


def test_captions_follow_the_subset_of_a_retrieval_set(world):
    """A strict subset: captions are those of the images drawn, and a model that knows each pair scores 100."""
    captions = [f"{side} of number {index}" for index in range(40) for side in ("front", "back")]
    images = np.zeros((40, 32, 32, 3), np.uint8)
    images[:] = np.arange(40, dtype=np.uint8)[:, None, None, None]
    split = Split(images, np.arange(40) % 2, captions, np.arange(2, 82, 2))
    card = {"name": "pairs", "role": "adaptation", "task": "retrieval"}
    test = evaluate._test_set(world.settings, MODEL, StoredSet(card, None, split, ["even", "odd"]), seed=0)
    assert 10 <= len(test.images) < 40
    assert [image[0, 0, 0] for image in test.images] == list(test.chosen)
    own = [captions[2 * number + side] for number in test.chosen for side in (0, 1)]
    assert torch.equal(torch.as_tensor(test.tokens), clip.tokenize(MODEL, own))
    assert list(test.targets) == [place for place in range(len(test.chosen)) for _ in (0, 1)]
    features = torch.eye(len(test.chosen))
    row, _ = evaluate._score(test, features, features[test.targets])
    assert row["value"] == 100
    assert row["n"] == len(test.chosen)


def test_classes_keep_their_numbers_where_the_first_has_no_test_image(world):
    images = np.zeros((30, 32, 32, 3), np.uint8)
    split = Split(images, np.arange(30) % 2 + 1, ["a"] * 30)
    card = {"name": "three", "role": "adaptation", "task": "classification", "template": "a {}."}
    test = evaluate._test_set(world.settings, MODEL, StoredSet(card, None, split, ["a", "b", "c"]), seed=0)
    row, correct = evaluate._score(test, torch.eye(3)[test.targets], torch.eye(3))
    assert row["value"] == 100
    assert correct["three+++b"][1] > 0
    assert correct["three+++a"] == (0, 0)


def test_trials_see_no_test_image_and_repeat_to_the_byte(world, tmp_path, monkeypatch):
    from flopwise.studies.continual import corpus, tune

    opened = corpus.open_set
    monkeypatch.setattr(corpus, "open_set", lambda *args, **options: replace(opened(*args, **options), test=None))
    out = tmp_path / "full-ft.csv"
    tune.tune_job(world.settings, "full-ft", out, tmp_path / "state", "sources")
    table = pandas.read_csv(out)
    assert sorted(table["rate"].unique()) == ["lr1", "lr3"]
    assert set(table["metric"]) == {"a_ka", "a_zs", "gm"}
    assert table.groupby("metric")["zero_shot"].nunique().eq(1).all()
    by_metric = table[table["rate"] == "lr3"].set_index("metric")["value"]
    assert by_metric["gm"] == pytest.approx((by_metric["a_ka"] * by_metric["a_zs"]) ** 0.5)
    assert table.groupby("metric")["value"].nunique().sum() > 3, "rates differ in some score"
    before = out.read_bytes()
    runs, run = [], TrainingRun.run

    def killed_in_the_second(self):
        runs.append(self.cell.slug)
        if len(runs) == 2:
            raise Killed
        run(self)

    monkeypatch.setattr(TrainingRun, "run", killed_in_the_second)
    for _ in range(2):
        with contextlib.suppress(Killed):
            tune.tune_job(world.settings, "full-ft", out, tmp_path / "again", "sources")
    assert len(runs) == 3, "a trial that had ended is not run again"
    assert out.read_bytes() == before
