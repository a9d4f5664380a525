"""Published models trained from scratch: sources on small copies, gradients of parts, exact resume, the job."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from real_trees import make
from scipy.io import wavfile

from flopwise.config import load, perceiver_recipes
from flopwise.config.perceiver import Pretraining as How
from flopwise.config.perceiver_recipes import RECIPES, Recipe
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.core.io import read_json
from flopwise.core.seeds import torch_generator
from flopwise.data.readers import flow
from flopwise.models.perceiver import PUBLISHED, create
from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.specs import (
    Audio,
    Flow,
    Fourier,
    FramePair,
    InputQueries,
    Label,
    LearnedQueries,
    Linear,
    Modalities,
    Multimodal,
    MultimodalQueries,
    PositionQueries,
    Text,
    Tied,
    Video,
)
from flopwise.models.perceiver.specs import Image as Pictures
from flopwise.studies.perceiver import pretrain, released, sources

HOW = How(part_size=16, precision="fp32", checkpoint_every_steps=2)
SIZE, SOUND, SEEN = (16, 24), Fourier(2, (10,)), Fourier(2, (4, 2, 2))
_VIDEO = {"audio": Audio(160, 16, SOUND), "image": Video(4, (8, 8), (1, 4, 4), SEEN)}
_PAIR = FramePair(SIZE, Fourier(4, SIZE), features=8)
MODELS = {
    "images": Config(Pictures((32, 32), Fourier(4, (32, 32))), LearnedQueries(1, 16), Linear(3, single=True), 4, 16, 1),
    "flow": Config(_PAIR, InputQueries(SIZE[0] * SIZE[1], _PAIR.channels), Flow(SIZE), 8, 16, 1, heads=2),
    "clips": Config(
        Multimodal({**_VIDEO, "label": Label(2)}, mask_tokens=True, hidden=("label",)),
        MultimodalQueries({"audio": PositionQueries((10,), SOUND, 5), "image": PositionQueries((4, 8, 8), SEEN, 20),
                           "label": LearnedQueries(1, 8)}),
        Modalities(8, {"audio": 16, "image": 3, "label": 2}), 4, 16, 1,
    ),
    "tags": Config(Multimodal(_VIDEO), LearnedQueries(1, 16), Linear(3, single=True), 4, 16, 1),
    "text": Config(Text(262, 60, 16), LearnedQueries(60, 16), Tied(262), 4, 16, 1),
}  # fmt: skip
NAMES = {
    "images": "imagenet-fourier",
    "flow": "optical-flow",
    "clips": "multimodal",
    "tags": "audioset-raw",
    "text": "language-bytes",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Small copies of everything that recipes read."""
    root, rng = tmp_path_factory.mktemp("copies"), np.random.default_rng(0)

    def picture(path, size=(40, 30)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)

    def clip(folder, frames=5):
        for number in range(frames):
            picture(folder / f"{number:03d}.png")
        wavfile.write(folder / "sound.wav", 48_000, rng.integers(-9000, 9000, 400).astype(np.int16))

    make("imagenet_1k", root)
    for number in range(3):
        folder = root / "AUTOFLOW" / f"static_40k_png_{number + 1}_of_4" / "table_0_batch_0"
        for name in ("im0", "im1"):
            picture(folder / f"{name}.png")
        flow.write_flo(folder / "forward.flo", np.full((30, 40, 2), (8, -4), np.float32))
    rows = [f"{label},v{n},0,10,train" for n, label in enumerate(("run", "sit", "run"))]
    kinetics = root / "KINETICS700"
    clip(kinetics / "clips" / "v0_000000_000010"), clip(kinetics / "clips" / "v1_000000_000010")
    (kinetics / "train.csv").write_text("\n".join(["label,youtube_id,time_start,time_end,split", *rows]))
    audioset = root / "AUDIOSET"
    clip(audioset / "clips" / "a_0"), clip(audioset / "clips" / "b_5000"), clip(audioset / "clips" / "e_0")
    classes = "".join(f'{n},/m/{n},"name {n}"\n' for n in range(3))
    (audioset / "class_labels_indices.csv").write_text("index,mid,display_name\n" + classes)
    (audioset / "balanced_train_segments.csv").write_text('# x\n# y\n# z\na, 0, 10, "/m/0,/m/2"\nb, 5, 15, "/m/1"\n')
    (audioset / "eval_segments.csv").write_text('# x\n# y\n# z\ne, 0, 10, "/m/1"\ngone, 0, 10, "/m/0"\n')
    for name, word in (("C4", "tree"), ("WIKIPEDIA_EN", "house")):
        (root / name).mkdir()
        for number in range(2):
            lines = [json.dumps({"text": f"{word} number {number} and {k} more words"}) for k in range(5)]
            (root / name / f"{number}.json").write_text("\n".join(lines))
    return root


def source(kind: str, root) -> sources.Source:
    return sources.SOURCES[kind](root, MODELS[kind], RECIPES[NAMES[kind]].datasets)


def recipe(kind: str, **changes) -> Recipe:
    named = {"steps": 6, "batch_size": 4, "learning_rate": 0.01, "warm_up": 0, "weight_decay": 0.0, "evaluations": ()}
    return replace(RECIPES[NAMES[kind]], **named | changes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_learns_a_batch_by_heart(kind, root, tmp_path):
    given = source(kind, root)
    batch = given.batch
    given.batch = lambda step, size, threads: batch(0, size, threads)
    prepared = given.prepared
    given.prepared = lambda one, generator: prepared(one, torch_generator(0, "same"))
    how = recipe(kind, steps=25, learning_rate=0.2 if kind == "flow" else 0.01)  # its head starts at zero
    found, _ = pretrain.train(create(MODELS[kind]), how, given, HOW, Placement(), StateFolder(tmp_path, "x"))
    assert len(found) == 25
    assert min(found[-5:]) < 0.97 * found[0]


class Grads(pretrain.Lamb):
    """Changes nothing; keeps the gradients of every step."""

    def step(self):
        self.seen = [
            *getattr(self, "seen", []),
            *(p.grad.clone() for group in self.param_groups for p in group["params"] if p.grad is not None),
        ]
        Grads.last = self


@pytest.mark.parametrize("kind", MODELS)
def test_parts_have_the_gradient_of_the_whole(kind, root, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "Lamb", Grads)
    found = []
    for size in (1, 16):
        how, state = HOW.model_copy(update={"part_size": size}), StateFolder(tmp_path / str(size), "x")
        losses, _ = pretrain.train(
            create(MODELS[kind]), recipe(kind, steps=2), source(kind, root), how, Placement(), state
        )
        found.append((losses, Grads.last.seen))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert any(one.abs().max() > 1e-4 for one in found[0][1])
    for one, other in zip(found[0][1], found[1][1]):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", ["clips", "text"])
def test_a_training_goes_on_bit_by_bit(kind, root, tmp_path, monkeypatch):
    def run(folder):
        model = create(MODELS[kind])
        losses, _ = pretrain.train(
            model, recipe(kind), source(kind, root), HOW, Placement(), StateFolder(tmp_path / folder, "x")
        )
        return losses, model.state_dict()

    whole = run("whole")
    batch = sources.SOURCES[kind].batch

    def stopped(self, step, *rest):
        if step == 5:
            raise KeyboardInterrupt
        return batch(self, step, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sources.SOURCES[kind], "batch", stopped)
        run("parts")
    again = run("parts")
    assert again[0] == whole[0]
    assert all(torch.equal(value, whole[1][name]) for name, value in again[1].items())


def test_rates_rise_stay_and_fall():
    one = recipe("images", steps=100, learning_rate=1.0, warm_up=10, flat=0.5)
    assert [round(pretrain.rate(one, step, 100), 3) for step in (0, 9, 50, 75, 100)] == [0.1, 1, 1, 0.5, 0]
    assert pretrain.rate(replace(one, flat=0.0), 50, 100) == pytest.approx(0.5)
    assert pretrain.steps_of(RECIPES["imagenet-fourier"], How(share=0.1)) == 13_762


def test_whole_words_are_masked_in_both_texts_by_their_shares(root):
    given = source("text", root)
    batch = given.batch(0, 10, 1)
    shown, truth = batch["shown"].numpy(), batch["truth"].numpy()
    assert ((shown == sources.MASK) == (truth > 0)).all()
    lines = [bytes((np.where(t > 0, t, s)[s > 0] - sources.BYTES).astype(np.uint8)) for s, t in zip(shown, truth)]
    kinds = [b"tree" in line or b"tre" in line for line in lines]
    assert sum(kinds) == 7  # 70 % from C4
    for line, masked in zip(lines, truth > 0):
        place = 0
        for word in line.replace(b"\n", b" ").split(b" "):
            assert len(set(masked[place : place + len(word)].tolist())) <= 1
            place += len(word) + 1
    assert 0.02 < (truth > 0).mean() < 0.4
    assert torch.equal(given.batch(0, 10, 1)["shown"], batch["shown"])
    assert not torch.equal(given.batch(1, 10, 1)["shown"], batch["shown"])


def test_mixed_targets_are_shares_of_two_classes(root):
    given = source("images", root)
    batch = given.prepared(given.batch(3, 8, 1), torch_generator(0, "x"))
    assert torch.allclose(batch["targets"].sum(1), torch.ones(8))
    assert (batch["targets"] >= sources.SMOOTHING / 3 - 1e-6).all()
    assert batch["pictures"].shape == (8, 3, 32, 32)


def test_tags_are_scored_on_the_evaluation_list(root):
    model = create(MODELS["tags"]).eval()
    one = released.find("audioset-raw")
    with torch.no_grad():
        found, samples, listed = released.score_tags(
            model, one, root / "AUDIOSET", load(scale="paper").preset.perceiver.released, Placement()
        )
    assert (found, samples, listed) == ({"map": 100.0}, 1, 2)


def test_the_job_trains_scores_and_goes_into_the_table_of_checkpoints(root, tmp_path, monkeypatch):
    from flopwise.studies.perceiver.tables import _released

    monkeypatch.setitem(PUBLISHED, "imagenet-fourier", MODELS["images"])
    monkeypatch.setitem(
        perceiver_recipes.RECIPES, "imagenet-fourier", recipe("images", steps=3, evaluations=("imagenet-fourier",))
    )
    options = {"pretraining": {"precision": "fp32"}}
    settings = load(scale="paper", data_root=str(root), overrides={"perceiver": options})
    cost = pretrain.pretrain_job(settings, "imagenet-fourier", tmp_path / "out", tmp_path / "state", "code")
    assert cost["train_seconds"] > 0
    found = read_json(tmp_path / "out" / "scores.json")
    assert len(found["losses"]) == 3
    table = _released(list(found["scores"].items())).set_index("metric")
    assert table.loc["top1", "checkpoint"] == "imagenet-fourier, trained here (3 of 3 steps)"
    assert table.loc["top1", "published"] == 79.0
    assert 0 <= table.loc["top1", "value"] <= 100
    assert not (tmp_path / "state").exists()


def test_what_is_not_there_is_said(root, tmp_path):
    settings = load(scale="paper", data_root=str(tmp_path))
    lines = pretrain.missing(settings)
    assert f"data set autoflow of the perceiver recipe optical-flow: no AUTOFLOW/ below data_root ({tmp_path})" in lines
    with pytest.raises(UserError, match="expected are files"):
        sources.Text(tmp_path, MODELS["text"], {"c4": 1.0})
    with pytest.raises(UserError, match=r"pretraining\.recipes is 'imagenet-conv'"):
        load(scale="paper", overrides={"perceiver": {"pretraining": {"recipes": ["imagenet-conv"]}}})
