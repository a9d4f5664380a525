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
from flopwise.data import loader
from flopwise.data.files import in_order
from flopwise.data.materials.validation import validation_samples
from flopwise.data.store import open_arrays


class Decoded:
    """Pictures of a real set, each decoded when it is asked for: what an array uint8 (n, side, side, 3) answers to numbers or a
    slice, so does this. The shorter side is resized to `side`, the middle cut out."""

    def __init__(self, listing, samples: list, side: int, threads: int):
        self.listing, self.samples, self.side, self.threads = listing, samples, side, threads

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index) -> np.ndarray:
        numbers = np.arange(len(self))[index]
        if numbers.ndim == 0:
            return self._one(int(numbers))
        return np.stack(in_order(self._one, numbers.tolist(), self.threads))

    def _one(self, number: int) -> np.ndarray:
        pixels = loader.view(self.listing.image(self.samples[number]), self.side, None)
        return np.frombuffer(pixels, np.uint8).reshape(self.side, self.side, 3)


class Part(NamedTuple):
    """Pictures uint8 (n, H, W, 3) and their classes int64 (n,)."""

    images: np.ndarray | Decoded
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
        return real(study.dataset, settings.config.data_root, study.side, study.job.threads)
    return material(settings.results / "data" / study.material, study.split)


def real(name: str, root: str | None, side: int, threads: int = 1) -> Pictures:
    """The pictures of a set of the catalogue as it lies below `root`, decoded as they are asked for."""
    from flopwise.data.manifests import file_list_hash, open_listing

    if root is None:
        raise UserError(f"data set {name} lies below `data_root`; set it in config/config.yaml")
    listing = open_listing(name, root)
    if empty := [split for split in ("train", "test") if not listing.splits.get(split)]:
        raise UserError(
            f"data set {name} below {root} has no pictures to {empty[0]} on; `flopwise data verify {name}` says what is missing"
        )
    parts = []
    for split in ("train", "test"):
        samples = listing.splits[split]
        targets = np.array([sample.target for sample in samples], np.int64)
        parts.append(Part(Decoded(listing, samples, side, threads), targets))
    hashes = [file_list_hash(listing.splits[split]) for split in ("train", "test")]
    return Pictures(*parts, list(listing.class_names), None, sha256_json([name, side, *hashes]))


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


def tensor(part: Part, indices=None):
    """Pictures as uint8 (n, 3, H, W)."""
    import torch

    images = part.images[:] if indices is None else part.images[indices]
    return torch.tensor(np.asarray(images)).permute(0, 3, 1, 2).contiguous()


class Chosen:
    """Pictures of a real set by their place in `indices`, decoded when they are asked for: 10 % of ImageNet would take 19 GB."""

    def __init__(self, part: Part, indices: np.ndarray):
        self.part, self.indices = part, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, places):
        """uint8 (n, 3, H, W)."""
        return tensor(self.part, self.indices[places])


def chosen(part: Part, indices: np.ndarray):
    """The pictures `indices` as something that answers to places: a tensor of embedded ones, `Chosen` of a real set's."""
    return Chosen(part, indices) if isinstance(part.images, Decoded) else tensor(part, indices)


def pixels(images):
    """uint8 pictures as float32 between 0 and 1."""
    return images.float().div_(255)


def bytes_of(pixels):
    """The same back, rounded: what a view is kept as."""
    return (pixels * 255).round_().clamp_(0, 255).byte()
