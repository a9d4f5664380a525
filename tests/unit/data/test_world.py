"""The embedded world: facts complete, images deterministic, splits and pool disjoint."""

import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from flopwise.core.errors import UserError
from flopwise.data.world import POOL_FAMILIES, WORLD, build_pool, build_set
from flopwise.data.world.drawing import grain

pytestmark = pytest.mark.slow

TRAIN, TEST, POOL = 3, 2, 900
ADAPTATION = [name for name, spec in WORLD.items() if spec.role == "adaptation"]
EVALUATION = [name for name, spec in WORLD.items() if spec.role == "evaluation"]


@cache
def built(name):
    return build_set(name, train_per_class=TRAIN, test_per_class=TEST)


@cache
def pool():
    return build_pool(POOL)


def hashes(images) -> set[bytes]:
    return {image.tobytes() for image in images}


def splits(name):
    return [part for part in (built(name).train, built(name).test) if part is not None]


def test_the_world_is_large_enough():
    assert len(ADAPTATION) >= 12
    assert len(EVALUATION) >= 6
    for names in (ADAPTATION, EVALUATION):
        assert sum(WORLD[name].task == "retrieval" for name in names) == 1
    assert sum(spec.material == "real" for spec in WORLD.values()) >= 6
    assert sum(len(built(name).class_names) for name in ADAPTATION) >= 150


@pytest.mark.parametrize("name", WORLD)
def test_facts_are_complete(name):
    spec = WORLD[name]
    assert spec.name == name
    assert re.fullmatch("[a-z0-9-]+", name)
    assert spec.role in ("adaptation", "evaluation")
    assert spec.task in ("classification", "retrieval")
    assert spec.material in ("real", "procedural")
    assert spec.template.count("{}") == 1
    assert spec.release_group >= 1
    assert all(value != "" for value in dataclasses.asdict(spec).values())


@pytest.mark.parametrize("name", WORLD)
def test_shapes_types_counts(name):
    names = built(name).class_names
    assert len(set(names)) == len(names)
    assert all(isinstance(label, str) and label for label in names)
    assert (built(name).train is None) == (WORLD[name].role == "evaluation")
    for part, per_class in zip(splits(name)[::-1], (TEST, TRAIN)):
        assert part.images.shape == (len(names) * per_class, 32, 32, 3)
        assert part.images.dtype == np.uint8
        assert part.targets.dtype == np.int64
        np.testing.assert_array_equal(np.bincount(part.targets), per_class)
        assert all(caption.strip() for caption in part.captions)
        assert part.images.std(axis=(1, 2, 3)).min() > 2  # no empty image


def digests() -> dict[str, str]:
    """A hash of all images, targets, captions and class names of every set, and of the pool."""
    sets = {name: (built(name).train, built(name).validation, built(name).test) for name in WORLD}
    found = {}
    for name, parts in (sets | {"pool": (pool(),)}).items():
        digest = hashlib.sha256("+".join(built(name).class_names if name in WORLD else ()).encode())
        for part in (part for part in parts if part is not None):
            digest.update(part.images.tobytes() + part.targets.tobytes() + "+".join(part.captions).encode())
        found[name] = digest.hexdigest()
    return found


def test_another_process_makes_the_same_bytes():
    """Nothing depends on the order of a set or on a hash of a string, which differ from process to process."""
    code = "import json, test_world; print(json.dumps(test_world.digests()))"
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == digests()


@pytest.mark.parametrize("name", ["flags", "capitals"])
def test_another_seed_gives_other_images(name):
    other = build_set(name, train_per_class=1, test_per_class=TEST, seed=1)
    assert not hashes(other.test.images) & hashes(built(name).test.images)


def test_fewer_images_per_class_are_the_first_ones():
    small = build_set("shapes", train_per_class=1, test_per_class=1)
    np.testing.assert_array_equal(small.test.images, built("shapes").test.images[::TEST])


def coarse(images) -> np.ndarray:
    """Means of blocks of 2 x 2 pixels, each picture's own brightness taken off: float32 (n, 768)."""
    means = images.reshape(-1, 16, 2, 16, 2, 3).mean((2, 4), dtype=np.float32)
    return (means - means.mean((1, 2, 3), keepdims=True)).reshape(len(images), -1)


def nearest(images, others) -> np.ndarray:
    """Root mean square difference of each picture and the most similar of the others, in levels of 255."""
    a, b = coarse(images), coarse(others)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(squares.min(1).clip(0) / a.shape[1])


def test_no_test_image_has_a_near_duplicate_among_the_images_to_learn_from():
    """Another print of the same picture, with grain and brightness of its own, is within 5 levels. Photographs are
    left out: their areas are disjoint (below), but one patch of sky is like another."""
    for name in WORLD:
        large = build_set(name, train_per_class=20, test_per_class=10)
        learned = large.validation if large.train is None else large.train
        again = np.stack([grain(image, np.random.default_rng(i)) for i, image in enumerate(large.test.images)])
        assert nearest(large.test.images, again).max() < 5, name
        limit = 0 if name == "photographs" else 5
        assert nearest(large.test.images, learned.images).min() > limit, name
        assert nearest(large.test.images, pool().images).min() > limit, name


@pytest.mark.parametrize("name", [name for name, spec in WORLD.items() if spec.task == "retrieval"])
def test_captions_of_a_retrieval_test_are_distinct(name):
    captions = built(name).test.captions
    assert len(set(captions)) == len(captions)


def test_a_group_with_few_captions_gets_as_many_as_it_has():
    counts = np.bincount(build_set("icon-search", train_per_class=1, test_per_class=21).test.targets)
    assert counts.max() == 21
    assert counts.min() >= 18


def test_typefaces_of_test_images_are_used_nowhere_else(monkeypatch):
    """Every set that shows print, and the pool: which typefaces were drawn for which images."""
    from flopwise.data.world import glyphs

    drawn, draw = set(), glyphs.print_text

    def noted(rng, typeface, *rest, **options):
        drawn.add(typeface)
        return draw(rng, typeface, *rest, **options)

    monkeypatch.setattr(glyphs, "print_text", noted)
    faces = {}
    for name, split in product(glyphs.SETS, ("train", "test")):
        classes, draw_one = glyphs.SETS[name]
        drawn.clear()
        for target, index in product(range(len(classes)), range(10)):
            draw_one(np.random.default_rng([target, index]), target, split, index)
        faces[name, split] = set(drawn)
    drawn.clear()
    build_pool(POOL)
    elsewhere = drawn.union(*(faces[name, split] for name, split in faces if split == "train"))
    assert len(elsewhere) == len(glyphs.TYPEFACES)
    for name in ("capitals", "numerals", "lowercase", "greek", "symbols"):
        assert not faces[name, "test"] & elsewhere
        count = {3: "three", 5: "five"}[len(faces[name, "test"])]
        assert f"{count} typefaces" in WORLD[name].split


def test_handwritten_scans_are_disjoint():
    from flopwise.data.world import scans

    for digit in range(10):
        train, test = scans._scans(digit, "train"), scans._scans(digit, "test")
        assert not hashes(train) & hashes(test)
        assert len(train) + len(test) > 170


def test_photograph_areas_do_not_overlap():
    from flopwise.data.world.photos import REGIONS

    parts = [(photo, *box, use) for photo, *uses in REGIONS.values() for use, boxes in enumerate(uses) for box in boxes]
    for one in parts:
        for other in parts:
            apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
            assert one[0] != other[0] or one[5] == other[5] or apart


def test_elevation_tiles_of_train_and_test_do_not_overlap_and_those_of_one_split_hardly():
    from flopwise.data.world import terrain

    columns = {}
    for split in ("train", "test"):
        places = terrain._drawn(split)
        assert [len(np.unique(place, axis=0)) for place in places] == [len(place) for place in places]
        assert min(map(len, places)) >= 200
        for count, apart in ((20, 12), (40, 8)):
            drawn = np.concatenate([place[:count] for place in places])
            distance = np.abs(drawn[:, None] - drawn[None]).max(2)
            assert distance[~np.eye(len(drawn), dtype=bool)].min() >= apart
        columns[split] = {c for place in places for start in place[:, 1] for c in range(start, start + terrain.TILE)}
    assert not columns["train"] & columns["test"]


def test_the_pool():
    assert pool().images.shape == (POOL, 32, 32, 3)
    assert all(caption.strip() for caption in pool().captions)
    assert set(pool().targets) == set(range(len(POOL_FAMILIES)))


def test_caption_noise_is_the_share_of_spoilt_captions():
    clean, noisy = build_pool(POOL, caption_noise=0), build_pool(POOL, caption_noise=0.2)
    np.testing.assert_array_equal(clean.images, noisy.images)
    share = np.mean([a != b for a, b in zip(clean.captions, noisy.captions)])
    assert 0.13 < share < 0.25
    assert build_pool(60, caption_noise=1).captions != clean.captions[:60]


@pytest.mark.parametrize("name", [name for name in EVALUATION if WORLD[name].task == "classification"])
def test_words_of_evaluation_classes_occur_in_the_pool(name):
    words = set(re.findall(r"[a-z0-9]+", " ".join(pool().captions).lower()))
    wanted = {word for label in built(name).class_names for word in label.lower().split()}
    assert wanted <= words


def test_mistakes_are_one_line():
    with pytest.raises(UserError, match="'nothing' is not part"):
        build_set("nothing", train_per_class=1, test_per_class=1)
    with pytest.raises(UserError, match="at least 1"):
        build_set("shapes", train_per_class=0, test_per_class=1)
    with pytest.raises(UserError, match="caption_noise"):
        build_pool(10, caption_noise=1.5)


def test_import_is_light():
    heavy = ("numpy", "PIL", "sklearn", "matplotlib", "torch", "yaml")
    code = f"import sys, flopwise.data.world; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
