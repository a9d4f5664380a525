"""Validation mode: what is held out, what is scored, and that no test image takes part."""

import numpy as np
import pytest
from real_trees import make

from flopwise.config import load
from flopwise.core.errors import UserError
from flopwise.data import real
from flopwise.data.build import build_to
from flopwise.data.store import BuiltSet, Split, open_set, write_set
from flopwise.data.validation import for_validation, held_out, part_of
from flopwise.models import clip
from flopwise.studies.continual.corpus import load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.workflow import Workflow

SETS = {"adaptation": ["clocks", "icon-search"], "evaluation": ["shapes", "scenes"]}
MODEL, TRAIN, TEST = "vit-xs-8", 10, 6


def settings_for(results, split="validation", sets=SETS):
    changes = {"data": sets, "continual": {"evaluation": {"split": split}}}
    return load(scale="smoke", results=str(results), overrides=changes)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    settings = settings_for(folder)
    for name in (*SETS["adaptation"], *SETS["evaluation"]):
        build_to(settings.preset.data, name, settings.results / "data" / name)
    pool = Split(np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, np.int64), ["a", "b", "c"])
    write_set(settings.results / "data" / "pool", pool, {"name": "pool", "role": "pre-training"})
    return folder


def hashes(images) -> set[bytes]:
    return {np.asarray(image).tobytes() for image in images}


@pytest.mark.parametrize("sizes", [(40, 40, 40), (1, 2, 3, 4, 5, 6, 7), (1,) * 50, (13, 0, 99)])
def test_a_fifth_of_every_class_is_held_out_at_random(sizes):
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    held = held_out(targets, "one")
    assert len(set(held)) == len(held)
    assert abs(len(held) - len(targets) / 5) < 1
    assert np.all(np.abs(np.bincount(targets[held], minlength=len(sizes)) - np.array(sizes) / 5) < 1)
    assert np.array_equal(held, held_out(targets, "one"))


def test_another_set_has_another_draw():
    targets = np.repeat(np.arange(3), 40)
    assert not np.array_equal(held_out(targets, "one"), held_out(targets, "two"))


def test_the_parts_are_disjoint_and_cover_all_training_samples_with_their_own_captions(results):
    for name in SETS["adaptation"]:
        stored = open_set(results / "smoke" / "data" / name)
        tuned = for_validation(stored)

        def samples(split):
            return [(image.tobytes(), int(t), c) for image, t, c in zip(split.images, split.targets, split.captions)]

        assert sorted(samples(tuned.train) + samples(tuned.test)) == sorted(samples(stored.train))
        np.testing.assert_array_equal(np.bincount(tuned.test.targets), TRAIN // 5)
        np.testing.assert_array_equal(np.bincount(tuned.train.targets), TRAIN - TRAIN // 5)


def test_several_captions_stay_with_their_image():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((2, 2, 3), np.uint8)
    whole = Split(images, np.arange(4), ["0", "1a", "1b", "2a", "2b", "2c", "3"], np.array([1, 3, 6, 7]))
    part = part_of(whole, np.array([1, 3]))
    assert part.images[:, 0, 0, 0].tolist() == part.targets.tolist() == [1, 3]
    assert [[part.captions[place] for place in part.captions_of(index)] for index in (0, 1)] == [["1a", "1b"], ["3"]]


def test_nothing_of_the_test_data_is_trained_on_or_scored(results):
    settings, whole = settings_for(results), settings_for(results, "test")
    tests = {test.name: hashes(test.images) for test in Evaluator(whole, MODEL).sets}
    held = {test.name: hashes(test.images) for test in Evaluator(settings, MODEL).sets}
    corpus = load_corpus(settings, MODEL, "pool")
    trained = hashes(corpus.images)
    assert list(held) == list(tests) == [*SETS["adaptation"], *SETS["evaluation"]]
    assert all(held.values())
    for name in held:
        assert not (held[name] | trained) & tests[name]
        assert not held[name] & trained
    assert len(corpus.pool) == 3
    stored = open_set(results / "smoke" / "data" / "clocks").train
    tokens = dict(zip((image.tobytes() for image in stored.images), clip.tokenize(MODEL, list(stored.captions))))
    for index in corpus.members([entry for entry in corpus.entries if entry.startswith("clocks")]):
        assert corpus.tokens[index].equal(tokens[corpus.images[index].tobytes()])


def test_an_evaluation_set_has_as_many_validation_as_test_images_and_the_subset_rule_holds(results):
    settings = settings_for(results)
    (shapes,) = [test for test in Evaluator(settings, MODEL).sets if test.name == "shapes"]
    np.testing.assert_array_equal(np.bincount(shapes.targets), TEST)
    (subset,) = [test for test in Evaluator(settings, MODEL, seed=0).sets if test.name == "shapes"]
    assert len(subset.chosen) == max(2 * len(subset.class_names), 30)
    assert hashes(subset.images) <= hashes(shapes.images)


def test_a_real_evaluation_set_is_scored_on_a_fifth_of_its_training_images(tmp_path):
    make("cifar10", tmp_path / "data")
    real.build_real("cifar10", tmp_path / "data", tmp_path / "out", allow_subset=True)
    stored, found = open_set(tmp_path / "out", root=tmp_path / "data"), real.listing_of("cifar10", tmp_path / "data")
    training = found.splits["train"]
    assert stored.train is None
    held = held_out(np.array([sample.target for sample in training]), "cifar10")
    scored = for_validation(stored).test
    assert scored.targets.tolist() == [training[index].target for index in held]
    for place, index in enumerate(held):
        assert np.array_equal(scored.images.image(place), found.image(training[index]))


def test_sets_without_validation_images_are_left_out_and_named(results, tmp_path, capsys):
    settings = settings_for(tmp_path)
    for name in (*SETS["adaptation"], *SETS["evaluation"]):
        stored = open_set(results / "smoke" / "data" / name)
        facts = {key: stored.card[key] for key in ("name", "role", "task", "template")}
        validation = None if name == "scenes" else stored.validation
        built = BuiltSet(stored.train, stored.test, stored.class_names, validation)
        write_set(settings.results / "data" / name, built, facts)
    assert [test.name for test in Evaluator(settings, MODEL).sets] == ["clocks", "icon-search", "shapes"]
    assert capsys.readouterr().out == "no validation images, left out of every score: scenes\n"
    with pytest.raises(UserError, match="no evaluation set of this scale has training images"):
        Evaluator(settings_for(tmp_path, sets={**SETS, "evaluation": ["scenes"]}), MODEL)


def test_the_setting_re_runs_what_depends_on_it(results):
    one, other = (Workflow(settings_for(results, split)) for split in ("test", "validation"))
    for rule in ("continual_train", "continual_start"):
        name = one.rules[rule][0]
        assert one.job(rule, name).settings_digest != other.job(rule, name).settings_digest
