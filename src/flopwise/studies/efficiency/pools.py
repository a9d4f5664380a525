"""The pools as trainings need them: pictures mapped from disk, labels as distributions, captions as numbers of words."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.choices import check
from flopwise.core.errors import RunFailure
from flopwise.data.store import StoredArrays, open_arrays
from flopwise.methods.efficiency import Facts


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


def folder(settings: Settings, material: str) -> Path:
    return settings.results / "data" / material


def load(settings: Settings, name: str) -> PoolData:
    """The pool called `name` in the study's configuration."""
    pools = settings.preset.efficiency.pools
    pool = pools[check("pool", name, pools)]
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
