"""The pools as trainings need them: pictures by number, labels as distributions, captions as numbers of words."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flopwise.config import Settings
from flopwise.config.efficiency import PAIRS, Pool
from flopwise.core.choices import check
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_json
from flopwise.core.seeds import derive, numpy_generator
from flopwise.data.files import in_order
from flopwise.data.store import Split, StoredArrays, open_arrays
from flopwise.methods.efficiency import Facts

TOKENS, VOCABULARY = 32, 49_408  # of a real caption, by OpenAI's tokenizer


class Samples(NamedTuple):
    """pictures: uint8 (B, S, S, 3); targets: float32 (B, C), or None; words: int64 (B, n), 0 for none; replaced: how many
    pictures stand in for others that cannot be read."""

    pictures: np.ndarray
    targets: np.ndarray | None
    words: np.ndarray
    replaced: int = 0


@dataclass(frozen=True)
class PoolData:
    """images: uint8 (N, S, S, 3), mapped; chosen: which of them are the pool's; targets: float32 (N, C), or None; words: int64
    (N, n), numbers from 1 in the order in which words first occur, 0 for none; digest: of the material's card."""

    images: np.ndarray
    chosen: np.ndarray
    targets: np.ndarray | None
    words: np.ndarray
    digest: str

    @property
    def facts(self) -> Facts:
        classes = 0 if self.targets is None else self.targets.shape[1]
        return Facts(classes, int(self.words.max()), self.words.shape[1])

    def __len__(self) -> int:
        return len(self.chosen)

    def samples(self, numbers: np.ndarray, *_) -> Samples:
        """Of the pool's pictures `numbers`."""
        rows = self.chosen[numbers]
        return Samples(self.images[rows], None if self.targets is None else self.targets[rows], self.words[rows])


@dataclass(frozen=True)
class RealPool:
    """A user's copy: places of pictures and their captions; present: classes of each picture, or None without labels;
    side: pixels of a stored square."""

    split: Split
    present: list[list[int]] | None
    classes: int
    side: int
    digest: str

    @property
    def facts(self) -> Facts:
        return Facts(self.classes, VOCABULARY, TOKENS)

    def __len__(self) -> int:
        return len(self.split.images)

    def samples(self, numbers: np.ndarray, seed: int, threads: int = 1) -> Samples:
        """Of the pictures `numbers`: the middle of each, one of its captions. What replaces a web picture that cannot be read,
        and which caption is taken, depend on `seed` and the place in the batch alone. Raises `RunFailure` for a picture of a
        labelled set that cannot be read."""

        def one(place: int):
            other = derive(seed, "efficiency", "other", place)
            index, pixels, reason = self.split.images.usable(int(numbers[place]), self.side, other, crop=False)
            captions = self.split.captions_of(index)
            drawn = numpy_generator(seed, "efficiency", "caption", place).integers(len(captions))
            return index, pixels, self.split.captions[captions[int(drawn)]], reason

        found, pixels, captions, reasons = zip(*in_order(one, list(range(len(numbers))), max(1, threads)))
        replaced = sum(reason is not None for reason in reasons)
        return Samples(np.stack(pixels), self._targets(found), self._words(list(captions)), replaced)

    def _targets(self, numbers) -> np.ndarray | None:
        if self.present is None:
            return None
        found = np.zeros((len(numbers), self.classes), np.float32)
        for row, number in zip(found, numbers):
            own = self.present[number]
            row[own] = 1 / max(1, len(own))
        return found

    def _words(self, captions: list[str]) -> np.ndarray:
        """Tokens from 1, those of a caption alone: OpenAI's fills up with 0, which also is its token of `!`."""
        tokens = self._tokenizer(captions).numpy()
        there = np.arange(TOKENS) <= tokens.argmax(1)[:, None]  # the last token has the largest number
        return np.where(there, tokens + 1, 0)

    @cached_property
    def _tokenizer(self):
        from flopwise.models.compat import import_open_clip

        return import_open_clip().SimpleTokenizer(context_length=TOKENS)


def folder(settings: Settings, material: str) -> Path:
    return settings.results / "data" / material


def load(settings: Settings, name: str) -> PoolData | RealPool:
    """The pool called `name` in the study's configuration."""
    pools = settings.preset.efficiency.pools
    pool = pools[check("pool", name, pools)]
    return _real(settings, pool) if pool.dataset else _embedded(settings, name, pool)


def _embedded(settings: Settings, name: str, pool: Pool) -> PoolData:
    stored = open_arrays(folder(settings, pool.material))
    count = len(stored.arrays["train_images"])
    chosen = np.arange(count // 4 if pool.part == "quarter" else count)
    if pool.part == "not-junk":
        chosen = np.flatnonzero(~np.asarray(stored.arrays["train_junk"]))
    if not len(chosen):
        raise RunFailure(f"pool {name!r} is empty: {folder(settings, pool.material)} holds no such images")
    digest = stored.card["files"]["train_images.npy"]["sha256"]
    words = _words(stored.documents["train_captions"])
    return PoolData(stored.arrays["train_images"], chosen, _targets(stored), words, digest)


def _real(settings: Settings, pool: Pool) -> RealPool:
    """Shards as the scale's data list them; else a copy of a labelled set below `data_root`. Raises `UserError` where it is
    not."""
    from flopwise.data.catalogue import dataset
    from flopwise.data.store import open_set

    row, root, side = dataset(pool.dataset), settings.config.data_root, settings.preset.efficiency.pictures.stored_side
    if root is None:
        raise UserError(f"data set {row.name} lies below `data_root`; set it in config/config.yaml")
    if row.task == PAIRS:
        name = next(name for name, one in settings.preset.data.pools.items() if one.source == row.name)
        stored = open_set(folder(settings, name), root=root)
        return RealPool(stored.train, None, 0, side, sha256_json(stored.card["files"]))
    split, present, classes, names = (_pictured if row.reader == "coco_json" else _listed)(row, root)
    return RealPool(split, present, classes, side, sha256_json([row.name, names]))


def _listed(row, root) -> tuple[Split, list[list[int]], int, str]:
    """A set of the catalogue whose pictures have a class each."""
    from flopwise.data.manifests import file_list_hash
    from flopwise.data.real import listing_of, split_of

    found = listing_of(row.name, root)
    samples = found.splits["train"]
    if not samples:
        raise UserError(f"data set {row.name} below {root} has no pictures to train on")
    split = split_of(found, samples)
    return split, [[int(target)] for target in split.targets], len(found.class_names), file_list_hash(samples)


def _pictured(row, root) -> tuple[Split, list[list[int]], int, str]:
    """COCO: several captions and several classes for each picture; those without captions are left out."""
    from flopwise.data.files import ImageFiles
    from flopwise.data.readers import coco
    from flopwise.data.strings import Strings

    base = Path(root) / row.folder
    captions = coco.read_captions(base / "annotations" / "captions_train2017.json")
    present, classes = coco.read_classes(base / "annotations" / "instances_train2017.json")
    names = list(captions)
    if lost := [name for name in names if not (base / "train2017" / name).is_file()]:
        first = base / "train2017" / lost[0]
        raise UserError(f"data set {row.name}: {len(lost):,} pictures are missing, the first is {first}")
    paths = Strings.of(f"{row.folder}/train2017/{name}" for name in names)
    files = ImageFiles(Path(root), paths, np.arange(len(names), dtype=np.int32))
    ends = np.cumsum([len(captions[name]) for name in names], dtype=np.int64)
    split = Split(files, np.zeros(len(names), np.int64), [text for name in names for text in captions[name]], ends)
    return split, [present.get(name, []) for name in names], len(classes), sha256_json(names)


def _targets(stored: StoredArrays) -> np.ndarray | None:
    """Labels one-hot, or the uniform distribution over the classes that are present."""
    if "train_labels" in stored.arrays:
        classes = len(stored.card["classes"])
        return np.eye(classes, dtype=np.float32)[np.asarray(stored.arrays["train_labels"])]
    if "train_present" in stored.arrays:
        present = np.asarray(stored.arrays["train_present"], np.float32)
        return present / present.sum(1, keepdims=True)
    return None


def _words(captions: list[str]) -> np.ndarray:
    split = [caption.lower().split() for caption in captions]
    known: dict[str, int] = {}
    found = np.zeros((len(split), max(map(len, split))), np.int64)
    for row, words in zip(found, split):
        row[: len(words)] = [known.setdefault(word, len(known) + 1) for word in words]
    return found
