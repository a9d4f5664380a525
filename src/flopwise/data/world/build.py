"""Making a data set of the embedded world from the family that draws it."""

from importlib import import_module

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.data.store import BuiltSet, Split
from flopwise.data.world.catalogue import SetSpec, module_of

ATTEMPTS = 20  # draws until a test caption is one that no other test image of a retrieval set has


def family(name: str):
    """(class names, draw) of a set; draw(rng, target, split, index) -> (uint8 (32, 32, 3), caption)."""
    classes, draw = import_module(module_of(name)).SETS[name]
    return list(classes() if callable(classes) else classes), draw


def make_set(spec: SetSpec, train_per_class: int, test_per_class: int, seed: int) -> BuiltSet:
    """The data set of `spec`, classes one after another in each split."""
    classes, _ = family(spec.name)
    test = _split(spec, "test", test_per_class, seed)
    if spec.role == "evaluation":
        return BuiltSet(None, test, classes, validation=_split(spec, "train", test_per_class, seed))
    return BuiltSet(_split(spec, "train", train_per_class, seed), test, classes)


def _split(spec: SetSpec, split: str, per_class: int, seed: int) -> Split:
    classes, draw = family(spec.name)
    scored = split == "test" or spec.role == "evaluation"
    used: set[str] | None = set() if spec.task == "retrieval" and scored else None
    images, captions, targets = [], [], []
    for target in range(len(classes)):
        for index in range(per_class):
            sample = _sample(spec.name, draw, split, target, index, seed, used)
            if sample is None:
                break
            images.append(sample[0])
            captions.append(sample[1])
            targets.append(target)
    return Split(np.stack(images), np.array(targets, np.int64), captions)


def _sample(name: str, draw, split: str, target: int, index: int, seed: int, used: set[str] | None):
    """One image and its caption; with `used`, one whose caption is not yet in it, or None if there is none."""
    for attempt in range(ATTEMPTS):
        image, caption = draw(numpy_generator(seed, "set", name, split, target, index, attempt), target, split, index)
        if used is None or caption not in used:
            if used is not None:
                used.add(caption)
            return image, caption
    return None
