"""The byte model on GLUE: symbols, what is taken over, metrics, a task that is learnt, exact resume."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import matthews_corrcoef

from flopwise.config.perceiver import Glue
from flopwise.config.perceiver_evaluations import GLUE, find
from flopwise.core import resumable
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.models.perceiver import create
from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.specs import LearnedQueries, Text, Tied
from flopwise.studies.perceiver import glue

HOW = SimpleNamespace(
    glue=Glue(rates=(0.005,), batch_sizes=(8,), epochs=8, warm_up=4, precision="fp32", checkpoint_every_steps=7), limit=None,
    batch_size=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def byte_model():
    """As the released one is made, much smaller."""
    config = Config(
        Text(262, 64, 16), LearnedQueries(64, 16), Tied(262), 8, 32, 2, cross_heads=4, decoder_heads=4, qk=16, value=32,
        decoder_qk=16, decoder_value=16,
    )  # fmt: skip
    return create(config, seed=3).eval()


@pytest.fixture
def sst2(tmp_path):
    """Sentences whose letters tell their class."""
    rng, folder = np.random.default_rng(0), tmp_path / "GLUE" / "SST-2"
    folder.mkdir(parents=True)
    for split, count in (("train", 120), ("dev", 40)):
        labels = rng.integers(0, 2, count)
        rows = [f"{'ab'[label] * 12} {rng.integers(100)}\t{label}" for label in labels]
        (folder / f"{split}.tsv").write_text("\n".join(["sentence\tlabel", *rows]))
    return folder.parent


def test_texts_are_bytes_between_marks_and_the_longer_is_cut():
    assert glue.symbols(("é",), 64) == [4, 0xC3 + 6, 0xA9 + 6, 5]
    assert glue.symbols(("ab", "c"), 64) == [4, 103, 104, 5, 105, 5]
    assert glue.symbols(("a" * 50, "bc"), 12) == [4, *[103] * 7, 5, 104, 105, 5]
    both = glue.symbols(("a" * 50, "b" * 50), 13)
    assert (len(both), both.count(103), both.count(104)) == (13, 5, 5)
    numbers, mask = glue.padded([[4, 9, 5], [4, 5]])
    assert numbers.tolist() == [[4, 9, 5], [4, 5, 0]]
    assert mask.tolist() == [[True, True, True], [True, True, False]]


def test_what_is_read_and_processed_is_taken_over_and_what_answers_is_new(byte_model):
    model = glue.model_for("mnli", byte_model, 0)
    own, released = model.state_dict(), byte_model.state_dict()
    kept = [name for name in released if name.startswith(glue.KEPT)]
    assert len(kept) > 20
    assert all(torch.equal(own[name], released[name]) for name in kept)
    assert own["queries.table"].shape == (1, 32)
    said = model(*glue.padded([[4, 9, 5], [4, 5]])[:1], mask=glue.padded([[4, 9, 5], [4, 5]])[1])
    assert said["mnli"].shape == (2, 3)
    alone = model(torch.tensor([[4, 5]]))["mnli"]
    assert torch.allclose(said["mnli"][1], alone[0], atol=1e-5)  # padding is not read


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    said, labels = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    assert glue.metric("cola", said, labels) == pytest.approx(100 * matthews_corrcoef(labels, said.argmax(1)))
    assert glue.metric("rte", said, labels) == pytest.approx(100 * (said.argmax(1) == labels).mean())
    assert glue.metric("cola", np.array([[1.0, 0.0]] * 4), np.array([0, 1, 0, 1])) == 0.0
    assert glue.metric("stsb", np.array([[0.1], [0.2], [0.4]]), np.array([1, 2, 4.0])) == pytest.approx(100)


def test_a_task_is_learnt_and_goes_on_bit_for_bit_after_a_stop(byte_model, sst2, tmp_path, monkeypatch):
    scores, count, listed = glue.score_glue(
        byte_model, find("glue-sst2"), sst2, HOW, Placement(), tmp_path / "whole", "key"
    )
    assert scores["accuracy"] > 90
    assert (scores["rate"], scores["batch_size"], count, listed) == (0.005, 8.0, 40, 40)
    real, calls = resumable.update, []

    def dying(*arguments, **options):
        calls.append(1)
        if len(calls) == 40:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(resumable, "update", dying)
    arguments = (byte_model, find("glue-sst2"), sst2, HOW, Placement(), tmp_path / "cut", "key")
    with pytest.raises(KeyboardInterrupt):
        glue.score_glue(*arguments)
    monkeypatch.setattr(resumable, "update", real)
    assert glue.score_glue(*arguments)[0] == scores
    monkeypatch.setattr(resumable, "update", dying)  # what ended is not run again
    assert glue.score_glue(*arguments)[0] == scores


def test_too_few_examples_are_one_line(byte_model, sst2, tmp_path):
    how = SimpleNamespace(**vars(HOW) | {"limit": 5})
    with pytest.raises(UserError, match="GLUE task sst2 has 5 examples, fewer than a batch of 8"):
        glue.score_glue(byte_model, find("glue-sst2"), sst2, how, Placement(), tmp_path, "key")


def test_published_scores_average_to_the_published_average():
    """MNLI's two development sets are averaged first and counted once."""
    assert np.mean([np.mean(list(values.values())) for values in GLUE.values()]) == pytest.approx(80.95, abs=0.01)
