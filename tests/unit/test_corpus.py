"""Batches of real images: a function of seed, task and step; whatever the threads, and however many captions."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from flopwise.core.device import Placement
from flopwise.core.loop import adamw, run_steps
from flopwise.data.files import ImageFiles
from flopwise.data.store import BuiltSet, Split, write_set
from flopwise.data.strings import Strings
from flopwise.models import clip
from flopwise.studies.continual.corpus import FileCorpus, TaskBatches, load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.loss import contrastive_loss

MODEL = "vit-xs-8"


def split(root, name: str, count: int, captions: int = 1) -> Split:
    """Pictures of one colour each, so that a crop of one tells which it is."""
    (root / name).mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (40 + i, 50), (10 * i, 255 - 10 * i, len(name))).save(root / name / f"{i}.png")
    images = ImageFiles(root, Strings.of([f"{name}/{i}.png" for i in range(count)]), np.arange(count, dtype=np.int32))
    said = [f"{name} {i} caption {k}" for i in range(count) for k in range(captions)]
    ends = np.arange(1, count + 1, dtype=np.int64) * captions if captions > 1 else None
    return Split(images, np.arange(count) % 3, said, ends)


@pytest.fixture
def settings(tmp_path):
    """A scale of two adaptation sets (two classes of the first share a name), a retrieval set and a pool."""
    data, results = tmp_path / "copies", tmp_path / "results"
    facts = {"template": "a {}", "role": "adaptation", "task": "classification"}
    for name, classes in (("one", ["cat", "dog", "cat"]), ("two", ["x", "y", "z"])):
        built = BuiltSet(split(data, name, 9, captions=3), split(data, f"{name}-test", 9), classes)
        write_set(results / "data" / name, built, {**facts, "name": name})
    facts |= {"role": "evaluation", "task": "retrieval", "name": "pairs"}
    write_set(results / "data" / "pairs", BuiltSet(None, split(data, "pairs", 7, captions=5), []), facts)
    write_set(results / "data" / "pool", split(data, "pool", 12), {"name": "pool", "role": "pre-training"})
    evaluation = SimpleNamespace(batch_size=4, fraction=0.1, minimum=5, split="test")
    study = SimpleNamespace(precision="fp32", evaluation=evaluation)
    preset = SimpleNamespace(
        continual=study, data=SimpleNamespace(adaptation=("one", "two"), evaluation=("pairs",), kind="catalogue")
    )
    config = SimpleNamespace(data_root=str(data), device="cpu")
    return SimpleNamespace(preset=preset, config=config, results=results)


def test_classes_of_one_name_are_one_entry(settings):
    corpus = load_corpus(settings, MODEL, "pool")
    assert isinstance(corpus, FileCorpus)
    assert corpus.entries == ["one+++cat", "one+++dog", "two+++x", "two+++y", "two+++z"]
    assert corpus.members(["one+++cat"]).tolist() == [0, 2, 3, 5, 6, 8]
    assert corpus.pool.tolist() == list(range(18, 30))


def test_batches_are_a_function_of_seed_task_and_step_whatever_the_threads(settings):
    corpus = load_corpus(settings, MODEL, "pool")
    arguments = (corpus.members(["one+++cat"]), corpus.members(["two+++x"]), (0.25, 0.5, 0.25), 8, 6)
    batches, later, other = (TaskBatches(corpus, *arguments, seed, 1) for seed in (0, 0, 1))
    seen = [batches[step] for step in range(6)]
    torch.set_num_threads(3)
    try:
        again = [later[step] for step in range(3, 6)]  # as after an interruption
    finally:
        torch.set_num_threads(1)
    for (images, tokens), (images2, tokens2) in zip(seen[3:], again):
        assert torch.equal(images, images2)
        assert torch.equal(tokens, tokens2)
    assert not torch.equal(seen[0][0], other[0][0])
    assert seen[0][0].shape == (8, 3, 32, 32)
    assert seen[0][0].dtype == torch.float32


def test_an_image_goes_with_one_of_its_own_captions_and_each_is_drawn(settings):
    corpus = load_corpus(settings, MODEL, "pool")
    drawn = set()
    for step in range(12):
        images, tokens = corpus.batch(np.arange(9), 0, 0, step)
        for i in range(9):
            assert abs(int(images[i, 0, 0, 0]) - 10 * i) <= 1, "the picture's own colour"
            own = clip.tokenize(MODEL, [f"one {i} caption {k}" for k in range(3)])
            found = (own == tokens[i]).all(dim=1).nonzero().flatten().tolist()
            assert len(found) == 1
            drawn.add(found[0])
    assert drawn == {0, 1, 2}


def test_streamed_scores_are_those_of_all_images_at_once(settings):
    model = clip.create(MODEL, seed=2)
    streamed = Evaluator(settings, MODEL).scores(model)
    settings.preset.continual.evaluation.batch_size = 1000
    whole = Evaluator(settings, MODEL).scores(model)
    assert streamed.correct == whole.correct
    assert [row["value"] for row in streamed.rows] == pytest.approx([row["value"] for row in whole.rows])
    assert whole.correct["one+++cat"][1] == 6
    pairs = whole.rows[-1]
    assert (pairs["n"], pairs["metric"], pairs["chance"]) == (7, "recall_at_5", pytest.approx(500 / 7))
    (subset,) = [test for test in Evaluator(settings, MODEL, seed=0).sets if test.name == "pairs"]
    assert len(subset.chosen) == 7, "without classes every image is its own, and all are kept"
    assert len(subset.tokens) == 35


def test_a_step_in_bfloat16_trains(settings):
    corpus, placement = load_corpus(settings, MODEL, "pool"), Placement("cpu", "bf16")
    batches = TaskBatches(corpus, corpus.members(corpus.entries), np.arange(0), (0, 1, 0), 16, 8, 0, 0, placement)
    model, losses = clip.create(MODEL), []

    def loss_of(step: int):
        with placement.autocast():
            return contrastive_loss(model, *batches[step])

    optimiser = adamw(model.parameters(), 1e-3, 0.0)
    run_steps(loss_of, optimiser, lambda step: 1e-3, 0, 8, clip_norm=1.0, after=lambda step, loss: losses.append(loss))
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_cards_hold_no_folder_of_the_machine(settings):
    card = json.loads((settings.results / "data" / "pool" / "card.json").read_text())
    assert card["storage"] == "files"
    assert settings.config.data_root not in json.dumps(card)
