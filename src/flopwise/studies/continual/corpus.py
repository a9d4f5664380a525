"""The training material of one model: all adaptation sets and the pre-training pool, ready to draw batches from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.seeds import torch_generator
from flopwise.data.mixtures import composition, sample_order
from flopwise.data.store import open_set
from flopwise.data.streams import entry
from flopwise.data.transforms import random_resized_crop
from flopwise.models import clip

POOL = "pool"


@dataclass(frozen=True)
class Corpus:
    """Images (N, H, W, 3) uint8, tokens (N, L) int64, and for each sample the index of its stream entry (-1: pool)."""

    images: np.ndarray
    tokens: object
    entry_of: np.ndarray
    entries: list[str]
    pool: np.ndarray

    def members(self, stream_part: list[str]) -> np.ndarray:
        """Indices of all training samples of the classes in `stream_part`."""
        wanted = [self.entries.index(item) for item in stream_part]
        return np.flatnonzero(np.isin(self.entry_of, wanted))

    def batch(self, indices: np.ndarray, seed: int, *names: str | int):
        """(float images (n, 3, H, W) cropped at random, tokens (n, L)); the crop depends on the seed and names only."""
        images = clip.preprocess(self.images[indices])
        return random_resized_crop(images, torch_generator(seed, "crop", *names)), self.tokens[indices]


def data_folder(settings: Settings, name: str) -> Path:
    return settings.results / "data" / name


def load_corpus(settings: Settings, model: str, pool: str) -> Corpus:
    """Read every adaptation set and a pool; captions are tokenised for `model`."""
    images, captions, entry_of, entries = [], [], [], []
    for name in settings.preset.data.adaptation:
        stored = open_set(data_folder(settings, name))
        images.append(stored.train.images)
        captions += stored.train.captions
        entry_of.append(np.asarray(stored.train.targets) + len(entries))
        entries += [entry(name, label) for label in stored.class_names]
    replayed = open_set(data_folder(settings, pool)).train
    first = sum(map(len, images))
    images.append(replayed.images)
    captions += replayed.captions
    entry_of.append(np.full(len(replayed.images), -1))
    return Corpus(
        np.concatenate(images), clip.tokenize(model, captions), np.concatenate(entry_of), entries,
        np.arange(first, first + len(replayed.images)),
    )  # fmt: skip


class TaskBatches:
    """The batches of one task: which samples, in which order; a pure function of (seed, task, step)."""

    def __init__(self, corpus: Corpus, update: np.ndarray, buffer: np.ndarray, shares, batch_size, steps, seed, task):
        parts = composition(batch_size, shares, first_task=len(buffer) == 0 and shares[2] > 0)
        pools = {"update": (update, parts.update), "buffer": (buffer, parts.buffer)}
        pools["pretraining"] = (corpus.pool, parts.pretraining)
        self.orders = [
            sample_order(pool, steps * size, seed, "order", name, task).reshape(steps, size)
            for name, (pool, size) in pools.items()
            if size
        ]
        self.corpus, self.seed, self.task = corpus, seed, task

    def __getitem__(self, step: int):
        """(images, tokens) of a step, in the order update, buffer, pre-training."""
        indices = np.concatenate([order[step] for order in self.orders])
        return self.corpus.batch(indices, self.seed, self.task, step)
