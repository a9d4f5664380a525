"""The training material of one model: all adaptation sets and a pre-training pool, ready to draw batches from."""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flopwise.config import Settings
from flopwise.core.device import Placement, place
from flopwise.core.errors import RunFailure
from flopwise.core.io import atomic_path, sha256_json
from flopwise.core.seeds import derive, numpy_generator, torch_generator
from flopwise.data.ahead import Prefetcher, decoding_threads
from flopwise.data.files import ImageFiles, in_order
from flopwise.data.mixtures import composition, sample_order
from flopwise.data.store import Split, StoredSet, open_set
from flopwise.data.streams import entry
from flopwise.data.transforms import random_resized_crop
from flopwise.data.validation import for_validation
from flopwise.models import clip
from flopwise.models.clip import Preprocessing
from flopwise.provenance.sources import code_digest
from flopwise.studies.continual.network import check_copies, name_of, resize_of

POOL = "pool"
MOST_REPLACED, ENOUGH = 0.1, 100  # share of the pool's images that may be replaced, once so many are drawn


class Batch(NamedTuple):
    """`images` and `tokens` (n, L) of n samples; `replaced`: for each image that another one replaces, why it was not read."""

    images: object
    tokens: object
    replaced: list[str]


class _Entries:
    """Which sample belongs to which entry of a stream."""

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.entries)}

    def members(self, stream_part: list[str]) -> np.ndarray:
        """Indices of all training samples of the classes in `stream_part`."""
        return np.flatnonzero(np.isin(self.entry_of, [self._numbers[item] for item in stream_part]))


@dataclass(frozen=True)
class Corpus(_Entries):
    """Samples in memory: images (N, H, W, 3) uint8, tokens (N, L) int64, and for each sample the index of its stream
    entry (-1: pool); `pool`: indices of the pool's samples."""

    images: np.ndarray
    tokens: object
    entry_of: np.ndarray
    entries: list[str]
    pool: np.ndarray
    on_disk = False

    def batch(self, indices: np.ndarray, seed: int, *names: str | int, threads: int = 1) -> Batch:
        """Float images (n, 3, H, W) cropped at random and their tokens; the crop depends on the seed and names only. Only
        embedded models see pictures in memory, which are normalised as OpenAI's are."""
        images = clip.preprocess(self.images[indices])
        return Batch(random_resized_crop(images, torch_generator(seed, "crop", *names)), self.tokens[indices], [])


@dataclass(frozen=True)
class FileCorpus(_Entries):
    """Samples on disk: `splits` one after the other; `model` names the tokenizer, `how` says how pictures are made."""

    splits: tuple[Split, ...]
    model: str
    how: Preprocessing
    entry_of: np.ndarray
    entries: list[str]
    pool: np.ndarray
    on_disk = True

    @cached_property
    def _first(self) -> np.ndarray:
        return np.cumsum([0, *(len(split.images) for split in self.splits)])

    def batch(self, indices: np.ndarray, seed: int, *names: str | int, threads: int = 1) -> Batch:
        """uint8 images (n, H, W, 3) cropped at random and their tokens, read by `threads` threads. Crops, the choice among
        several captions, and which image replaces one of the pool that cannot be read depend on the seed and names only."""
        import torch

        draws = numpy_generator(seed, "caption", *names).random(len(indices))
        size, resize = self.how.size, resize_of(self.how)
        part = np.searchsorted(self._first, indices, side="right") - 1

        def view(position: int) -> tuple[np.ndarray, str, str | None]:
            split = self.splits[part[position]]
            own = int(indices[position] - self._first[part[position]])
            # a seed for each place in the batch: threads read in any order, and an image drawn twice is cropped anew
            index, pixels, reason = split.images.usable(own, size, derive(seed, "view", *names, position), resize)
            captions = split.captions_of(index)
            return pixels, split.captions[captions[int(draws[position] * len(captions))]], reason

        pixels, captions, reasons = zip(*in_order(view, list(range(len(indices))), threads))
        tokens = clip.tokenize(self.model, list(captions))
        return Batch(torch.from_numpy(np.stack(pixels)), tokens, [reason for reason in reasons if reason])


def data_folder(settings: Settings, name: str) -> Path:
    return settings.results / "data" / name


def open_data(settings: Settings, name: str, how: Preprocessing | None = None) -> StoredSet:
    """A data set or pool of the scale, with the split that the study trains and is scored on. `how`: the pictures of the
    model that will see them; `UserError` where the copies cannot be made so."""
    stored = open_set(data_folder(settings, name), root=settings.config.data_root)
    if how:
        check_copies(stored.card, how)
    validation = settings.preset.continual.evaluation.split == "validation"
    return for_validation(stored) if validation else stored


def placement_of(settings: Settings) -> Placement:
    """Where the models of a job run; it keeps its GPU until it ends."""
    return place(settings.config.device, settings.preset.continual.precision)


def load_corpus(settings: Settings, model: str, pool: str, adaptation: tuple[str, ...] | None = None):
    """The adaptation sets (all of the scale's if not given) and a pool, for `model`: a `Corpus`, captions tokenised, or a
    `FileCorpus` where images are files."""
    how = clip.preprocessing(name_of(settings.preset.continual, model))
    numbers: dict[str, int] = {}
    splits, entry_of = [], []
    for name in settings.preset.data.adaptation if adaptation is None else adaptation:
        stored = open_data(settings, name, how)
        # classes of one set that bear one name are one entry of the stream, and get one number
        own = [numbers.setdefault(entry(name, label), len(numbers)) for label in stored.class_names]
        splits.append(stored.train)
        entry_of.append(np.asarray(own)[stored.train.targets])
    first = sum(len(split.images) for split in splits)
    splits.append(open_data(settings, pool).train)
    count = len(splits[-1].images)
    entry_of.append(np.full(count, -1))
    samples = (np.concatenate(entry_of), list(numbers), np.arange(first, first + count))
    if isinstance(splits[-1].images, ImageFiles):
        return FileCorpus(tuple(splits), model, how, *samples)
    captions = [caption for split in splits for caption in split.captions]
    tokens = _tokens(model, captions, settings.results.parent / "state" / "tokens")
    return Corpus(np.concatenate([split.images for split in splits]), tokens, *samples)


def _tokens(model: str, captions: list[str], kept: Path):
    """What `clip.tokenize` gives; every job of a model asks for the same, which takes a second, so that the folder `kept`
    holds it, under a hash of all that decides it."""
    import torch

    libraries = [version(name) for name in ("open_clip_torch", "ftfy")]  # the latter mends letters
    tokenizer = [clip.configuration(model)["text_cfg"], libraries, code_digest("flopwise.models.clip")]
    path = kept / f"{sha256_json([tokenizer, captions])[:24]}.npy"
    if not path.exists():
        buffer = BytesIO()  # written by Python, which says why where the disk is full; NumPy does not
        np.save(buffer, clip.tokenize(model, captions).numpy())
        with atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getvalue())
    return torch.from_numpy(np.load(path))


class TaskBatches:
    """The batches of one task: which samples, in which order; a pure function of (seed, task, step).

    `replaced`: how many images of the pool could not be read and were replaced by others, up to the last step asked for;
    `before` of them in steps that an interrupted run had done. A line says so after the last step."""

    def __init__(
        self, corpus, update, buffer, shares, batch_size, steps, seed, task, placement=None, *, before: int = 0
    ):
        parts = composition(batch_size, shares, first_task=len(buffer) == 0 and shares[2] > 0)
        pools = {"update": (update, parts.update), "buffer": (buffer, parts.buffer)}
        pools["pretraining"] = (corpus.pool, parts.pretraining)
        self.orders = [
            sample_order(pool, steps * size, seed, name, task).reshape(steps, size)
            for name, (pool, size) in pools.items()
            if size
        ]
        self.corpus, self.seed, self.task, self.steps = corpus, seed, task, steps
        self.pool_size, self.replaced = parts.pretraining, before
        self.example = "before the interruption"
        self.placement = placement or Placement()
        self.threads = decoding_threads(self.placement) if corpus.on_disk else 0
        self.made = Prefetcher(self._make, steps, self.threads)

    def __getitem__(self, step: int):
        """(float images, tokens) of a step on the device, in the order update, buffer, pre-training. Raises `RunFailure`
        where more than a tenth of the pool's images so far cannot be read."""
        batch = self.made[step]
        self._count(step, batch.replaced)
        images, tokens = self.placement.put(batch.images), self.placement.put(batch.tokens)
        if not images.is_floating_point():
            images = clip.preprocess(images, self.corpus.how.mean, self.corpus.how.std)
        return images, tokens

    def _make(self, step: int) -> Batch:
        indices = np.concatenate([order[step] for order in self.orders])
        return self.corpus.batch(indices, self.seed, self.task, step, threads=max(1, self.threads))

    def _count(self, step: int, reasons: list[str]) -> None:
        self.replaced += len(reasons)
        if not self.replaced:
            return
        self.example = reasons[-1] if reasons else self.example
        drawn, last = (step + 1) * self.pool_size, step + 1 == self.steps
        said = f"task {self.task + 1}: {self.replaced:,} of {drawn:,} pictures of the pool cannot be read"
        if self.replaced > MOST_REPLACED * drawn and (drawn >= ENOUGH or last):
            raise RunFailure(f"{said}, more than {MOST_REPLACED:.0%}; the last: {self.example}")
        if last:
            print(f"{said}; replaced by other images; the last: {self.example}", flush=True)
