"""What is held out of training data to stand for test data while settings are tuned.

Source of the rule, a random fifth of every class: FoMo-in-Flux's official code."""

import dataclasses

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.data.files import ImageFiles
from flopwise.data.store import Split, StoredSet

PARTS = 5  # one of them is held out


def held_out(targets: np.ndarray, name: str) -> np.ndarray:
    """Sorted indices of a random fifth of the samples of set `name`, the same in every run.

    Samples are shuffled, lined up class by class, and every fifth is taken: so is a fifth of each class, rounded up or
    down, and a fifth of all, also where classes are small."""
    generator = numpy_generator(0, "validation", name)
    shuffled = generator.permutation(len(targets))
    by_class = shuffled[np.argsort(np.asarray(targets)[shuffled], kind="stable")]
    return np.sort(by_class[generator.integers(PARTS) :: PARTS])


def for_validation(stored: StoredSet) -> StoredSet:
    """The set as it is while settings are tuned: its test images are gone. Of an adaptation set, `test` is a fifth of the
    training samples and `train` are the others; of an evaluation set, `test` are its validation samples or None."""
    if stored.card["role"] == "evaluation":
        return dataclasses.replace(stored, test=stored.validation)
    if stored.card["role"] != "adaptation":
        return stored
    held = held_out(stored.train.targets, stored.card["name"])
    kept = np.setdiff1d(np.arange(len(stored.train.targets)), held)
    return dataclasses.replace(stored, train=part_of(stored.train, kept), test=part_of(stored.train, held))


def part_of(split: Split, indices: np.ndarray) -> Split:
    """The samples `indices` of a split, each with its captions."""
    own = [split.captions_of(int(index)) for index in indices]
    ends = None if split.caption_ends is None else np.cumsum([len(places) for places in own], dtype=np.int64)
    captions = [split.captions[place] for places in own for place in places]
    images = split.images.part(indices) if isinstance(split.images, ImageFiles) else split.images[indices]
    return Split(images, np.asarray(split.targets)[indices], captions, ends)
