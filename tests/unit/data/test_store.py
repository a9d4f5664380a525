"""Data sets on disk: what is written is what is opened, and damage is named."""

import json

import numpy as np
import pytest

from flopwise.core.errors import RunFailure
from flopwise.core.io import sha256_file
from flopwise.data.store import BuiltSet, Split, open_arrays, open_set, write_arrays, write_set

FACTS = {"name": "toy", "task": "classification"}


def split(samples: int, classes: int = 3) -> Split:
    rng = np.random.default_rng(samples)
    images = rng.integers(0, 256, (samples, 32, 32, 3), dtype=np.uint8)
    return Split(images, np.arange(samples) % classes, [f"picture {i} – é" for i in range(samples)])


@pytest.fixture
def built():
    return BuiltSet(split(7), split(5), ["a", "b", "c"])


def test_a_written_set_opens_as_it_was(tmp_path, built):
    card = write_set(tmp_path / "toy", built, FACTS)
    stored = open_set(tmp_path / "toy", verify=True)
    assert stored.card == card
    assert stored.class_names == ["a", "b", "c"]
    for mine, theirs in ((built.train, stored.train), (built.test, stored.test)):
        np.testing.assert_array_equal(mine.images, theirs.images)
        np.testing.assert_array_equal(mine.targets, theirs.targets)
        assert mine.captions == theirs.captions


def test_arrays_are_mapped_and_read_only(tmp_path, built):
    write_set(tmp_path, built, FACTS)
    images = open_set(tmp_path).train.images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_card_counts_and_hashes(tmp_path, built):
    card = write_set(tmp_path, built, FACTS)
    assert card["counts"] == {"classes": 3, "train": 7, "test": 5}
    assert card["counts_per_class"] == {"train": [3, 2, 2], "test": [2, 2, 1]}
    assert card["chance"] == pytest.approx(100 / 3)
    on_disk = {path.name for path in tmp_path.iterdir()} - {"card.json"}
    assert set(card["files"]) == on_disk
    for name, facts in card["files"].items():
        assert facts == {"bytes": (tmp_path / name).stat().st_size, "sha256": sha256_file(tmp_path / name)}


def test_chance_of_retrieval_is_five_in_all(tmp_path):
    card = write_set(tmp_path, BuiltSet(None, split(50), ["a", "b", "c"]), {**FACTS, "task": "retrieval"})
    assert card["chance"] == pytest.approx(10)


def test_an_evaluation_set_has_no_training_split(tmp_path, built):
    write_set(tmp_path, BuiltSet(None, built.test, built.class_names), FACTS)
    assert open_set(tmp_path).train is None


def test_a_split_alone_is_stored_as_training_data(tmp_path):
    card = write_set(tmp_path, split(4), {"name": "pool"})
    stored = open_set(tmp_path)
    assert card["chance"] is None
    assert len(stored.train.images) == 4
    assert stored.test is None


@pytest.mark.parametrize("damage", ["missing", "cut", "longer"])
@pytest.mark.parametrize("name", ["train_images.npy", "test_targets.npy", "train_captions.json", "classes.json"])
def test_damage_is_one_line_that_names_the_file(tmp_path, built, name, damage):
    write_set(tmp_path, built, FACTS)
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-3] if damage == "cut" else content + b"x")
    with pytest.raises(RunFailure) as caught:
        open_set(tmp_path)
    message = str(caught.value)
    assert str(path) in message
    assert str(len(content)) in message
    assert "snakemake" in message
    assert "\n" not in message
    if damage != "missing":
        assert str(path.stat().st_size) in message


def test_changed_bytes_of_equal_number_are_found_on_request(tmp_path, built):
    write_set(tmp_path, built, FACTS)
    path = tmp_path / "test_images.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    open_set(tmp_path)
    with pytest.raises(RunFailure, match=r"test_images\.npy"):
        open_set(tmp_path, verify=True)


def test_without_a_card_the_set_is_not_complete(tmp_path, built):
    write_set(tmp_path, built, FACTS)
    (tmp_path / "card.json").unlink()
    with pytest.raises(RunFailure, match=r"card\.json is missing"):
        open_set(tmp_path)


def test_equal_sets_give_equal_bytes(tmp_path, built):
    cards = [write_set(tmp_path / name, built, FACTS) for name in ("one", "two")]
    assert json.dumps(cards[0]) == json.dumps(cards[1])


def test_named_arrays_and_documents_open_as_they_were(tmp_path):
    arrays = {"train_flow": np.ones((3, 2, 2), np.float32), "train_mask": np.array([True, False])}
    card = write_arrays(tmp_path, arrays, {"words": ["é", "b"]}, {"name": "toy"})
    stored = open_arrays(tmp_path, verify=True)
    assert stored.card == card
    assert card["arrays"]["train_flow"] == {"shape": [3, 2, 2], "dtype": "float32"}
    assert stored.documents == {"words": ["é", "b"]}
    assert set(stored.arrays) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(stored.arrays[name], array)
    with pytest.raises(ValueError, match="read-only"):
        stored.arrays["train_flow"][0] = 0


def test_damage_to_a_named_array_is_named(tmp_path):
    write_arrays(tmp_path, {"flow": np.zeros(100)}, {}, {})
    content = bytearray((tmp_path / "flow.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "flow.npy").write_bytes(content)
    open_arrays(tmp_path)
    with pytest.raises(RunFailure, match=r"flow\.npy has the right size, 928 bytes, but different content"):
        open_arrays(tmp_path, verify=True)
