"""Batches of real images: a function of seed, task and step; whatever the threads, and however many captions."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure
from flopwise.core.loop import adamw, update
from flopwise.data.files import ImageFiles
from flopwise.data.store import BuiltSet, Split, write_set
from flopwise.data.strings import Strings
from flopwise.models import clip
from flopwise.models.loss import contrastive_loss
from flopwise.studies.continual.corpus import FileCorpus, TaskBatches, decoding_threads, load_corpus
from flopwise.studies.continual.evaluate import Evaluator

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
    batches, other = (TaskBatches(corpus, *arguments, seed, 1) for seed in (0, 1))
    torch.set_num_threads(3)
    try:
        later = TaskBatches(corpus, *arguments, 0, 1)
    finally:
        torch.set_num_threads(1)
    assert (batches.threads, later.threads) == (0, 2)
    seen = [batches[step] for step in range(6)]
    again = [later[step] for step in range(3, 6)]  # as after an interruption
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
        images, tokens, _ = corpus.batch(np.arange(9), 0, 0, step)
        for i in range(9):
            assert abs(int(images[i, 0, 0, 0]) - 10 * i) <= 1, "the picture's own colour"
            own = clip.tokenize(MODEL, [f"one {i} caption {k}" for k in range(3)])
            found = (own == tokens[i]).all(dim=1).nonzero().flatten().tolist()
            assert len(found) == 1
            drawn.add(found[0])
    assert drawn == {0, 1, 2}


@pytest.mark.parametrize(
    ("device", "threads", "decode"), [("cpu", 1, 0), ("cpu", 2, 1), ("cpu", 8, 7), ("cuda:0", 1, 1), ("cuda:1", 16, 16)]
)
def test_decoding_leaves_a_thread_to_a_model_that_computes_on_the_same_processor(monkeypatch, device, threads, decode):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert decoding_threads(Placement(device)) == decode


def test_one_thread_reads_between_the_steps_and_starts_no_other(settings):
    corpus, before = load_corpus(settings, MODEL, "pool"), threading.active_count()
    batches = TaskBatches(corpus, corpus.pool, np.arange(0), (0, 1, 0), 4, 3, 0, 0)
    for step in range(3):
        batches[step]
        assert threading.active_count() == before


def broken_pool(settings, count: int, broken: int):
    """A corpus whose pool has `count` pictures, the last `broken` of which are none; their sizes stay as listed."""
    data = Path(settings.config.data_root)
    facts = {"name": "web", "role": "pre-training"}
    write_set(settings.results / "data" / "web", split(data, "web", count), facts)
    for i in range(count - broken, count):
        (data / "web" / f"{i}.png").write_bytes(b"<html>gone</html>")
    return load_corpus(settings, MODEL, "web")


def test_replaced_pictures_are_counted_said_and_the_same_after_an_interruption(settings, capsys):
    corpus = broken_pool(settings, 25, 2)
    arguments = (corpus.members(["one+++cat"]), np.arange(0), (0.5, 0.5, 0), 50, 8, 0, 3)
    whole, counts = TaskBatches(corpus, *arguments), []
    for step in range(8):
        images, tokens = whole[step]
        counts.append(whole.replaced)
        said = {f"web {i} caption 0" for i in (23, 24)}
        assert not any((clip.tokenize(MODEL, [text]) == tokens).all(dim=1).any() for text in said), "captions follow"
    assert counts[-1] == 16, "25 draws a step: each picture eight times"
    line = capsys.readouterr().out
    assert line.startswith(
        "task 4: 16 of 200 pictures of the pool cannot be read; replaced by other images; the last: "
    )
    assert line.count("\n") == 1
    later = TaskBatches(corpus, *arguments, before=counts[4])
    assert torch.equal([later[step] for step in range(5, 8)][-1][0], images)
    assert later.replaced == 16


def test_a_pool_of_which_more_than_a_tenth_is_broken_ends_the_run(settings):
    corpus, nothing = broken_pool(settings, 25, 5), np.arange(0)
    batches = TaskBatches(corpus, nothing, nothing, (1, 0, 0), 25, 8, 0, 0)
    with pytest.raises(RunFailure, match=r"task 1: \d+ of 100 pictures of the pool cannot be read, more than 10%; the"):
        for step in range(8):
            batches[step]
    short = TaskBatches(corpus, nothing, nothing, (1, 0, 0), 25, 1, 0, 0)
    with pytest.raises(RunFailure, match="5 of 25 pictures"):
        short[0]


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
    optimiser = adamw(model.parameters(), 1e-3, 0.0)
    for step in range(8):
        with placement.autocast():
            loss = contrastive_loss(model, *batches[step])
        losses.append(update(loss, optimiser, 1e-3, clip_norm=1.0))
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_cards_hold_no_folder_of_the_machine(settings):
    card = json.loads((settings.results / "data" / "pool" / "card.json").read_text())
    assert card["storage"] == "files"
    assert settings.config.data_root not in json.dumps(card)
