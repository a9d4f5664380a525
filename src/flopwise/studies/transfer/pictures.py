"""The pictures that models are trained and scored on: the embedded material, or a user's copy of a real set."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flopwise.config import Settings
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_json
from flopwise.core.seeds import numpy_generator
from flopwise.data.materials.validation import validation_samples
from flopwise.data.store import open_arrays


class Part(NamedTuple):
    """Pictures uint8 (n, H, W, 3) and their classes int64 (n,)."""

    images: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Pictures:
    """train, test: the parts. classes: names. attributes float32 (classes, d): what classes are like, for their similarity;
    None where nothing says it. digest: hash of all that is read."""

    train: Part
    test: Part
    classes: list[str]
    attributes: np.ndarray | None
    digest: str

    @cached_property
    def chance(self) -> float:
        """Top-1 by chance in percent."""
        return 100 / len(self.classes)

    def share(self, share: float) -> np.ndarray:
        """Sorted indices of a share of the training pictures, drawn per class, the same in every run; of nested shares the
        smaller one lies in the larger."""
        chosen = []
        for label in range(len(self.classes)):
            members = np.flatnonzero(self.train.targets == label)
            order = numpy_generator(0, "transfer set", label).permutation(len(members))
            chosen.append(members[order[: round(share * len(members))]])
        found = np.sort(np.concatenate(chosen))
        if not len(found):
            raise UserError(f"a share of {share:g} of {len(self.train)} training pictures is none; take a larger one")
        return found


def load(settings: Settings) -> Pictures:
    """The pictures of the scale; under `split: validation` the test pictures are not looked at."""
    study = settings.preset.transfer
    if study.material is None:
        raise UserError(
            f"transfer.dataset {study.dataset}: pictures of real sets are read one by one; see docs/transfer.md"
        )
    return material(settings.results / "data" / study.material, study.split)


def material(folder: Path, split: str = "test") -> Pictures:
    """The pictures of an embedded material."""
    stored = open_arrays(folder)
    train = Part(stored.arrays["train_images"], np.asarray(stored.arrays["train_targets"]))
    test = Part(stored.arrays["test_images"], np.asarray(stored.arrays["test_targets"]))
    if split == "validation":
        held = validation_samples(stored)
        left = np.setdiff1d(np.arange(len(train)), held)
        train, test = (Part(train.images[at], train.targets[at]) for at in (left, held))
    classes = list(stored.card["classes"])
    if test.targets.max() >= len(classes):
        raise RunFailure(f"{folder} has a class {test.targets.max()} beyond its {len(classes)}")
    attributes = np.asarray(stored.arrays["class_attributes"]) if "class_attributes" in stored.arrays else None
    return Pictures(train, test, classes, attributes, sha256_json([stored.card["files"], split]))


def pixels(part: Part, indices=None):
    """Pictures as float32 (n, 3, H, W) between 0 and 1."""
    import torch

    images = part.images if indices is None else part.images[indices]
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).float().div_(255)
