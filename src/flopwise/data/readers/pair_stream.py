"""An endless, shuffled, exactly resumable stream of image-caption pairs out of many files (arXiv 2408.14471: the
pre-training pool is read so).

Files are visited in an order drawn anew in each epoch. Their samples are taken in runs of `buffer` consecutive ones
(across file borders), each run is put in a random order, and samples that cannot be used are left out and counted.
Both orders are functions of (seed, epoch, where the run starts), so that four numbers say where a stream is. A
reservoir, the usual shuffle buffer, would have to be stored whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_json
from flopwise.core.seeds import numpy_generator
from flopwise.data.readers.images import MAX_PIXELS, open_image
from flopwise.data.readers.skips import Skips


@dataclass(frozen=True)
class Raw:
    """One sample as stored: `key` names it, `image` is the encoded file; a part that is missing is None. `offset`: where
    the image begins in its shard, if it was read from one."""

    key: str
    image: bytes | None
    caption: str | None
    offset: int | None = None


Reader = Callable[[str, Skips], Iterator[Raw]]


class PairStream:
    """Iterator of dicts: `key`, `image` (RGB `PIL.Image`), `caption` (string, kept as it is: mark-up in it is plain
    text). Never ends; raises `RunFailure` when a whole epoch holds no usable pair.

    files:  paths, in any order; at least one
    read:   `shards.read_shard` or `parquet.read_pairs`: (path, skips) -> samples in the file's own order
    seed:   fixes both orders. FoMo-in-Flux takes 100,000 x task + seed + 1 (official code)
    buffer: samples held in memory, encoded; 1 keeps the order inside a file (official code: 5,000)
    """

    def __init__(self, files: list[str], read: Reader, seed: int, buffer: int = 5000, max_pixels: int = MAX_PIXELS):
        if not files:
            raise UserError("a stream of image-caption pairs needs at least one file, none was given")
        assert buffer >= 1
        self.files = sorted(map(str, files))
        self.read = read
        self.seed = seed
        self.buffer = buffer
        self.max_pixels = max_pixels
        self.skips = Skips()
        self._key = sha256_json([[Path(file).name for file in self.files], seed, buffer])
        self._epoch, self._visit, self._offset = 0, 0, 0  # where the current run starts
        self._done, self._delivered = 0, 0  # samples of the run that are dealt with; pairs given in this epoch
        self._source: Iterator | None = None
        self._run: list[tuple[int, int, Raw]] = []

    def __iter__(self):
        return self

    def __next__(self) -> dict:
        if self._source is None:
            self._load()
        while True:
            while self._done < len(self._run):
                visit, _, raw = self._run[self._done]
                self._done += 1
                pair = pair_of(f"{self._order[visit]}: {raw.key}", raw, self.skips, self.max_pixels)
                if pair is not None:
                    self._delivered += 1
                    return pair
            self._advance()

    def state(self) -> dict:
        """JSON that `restore` takes: epoch, place of the file in the epoch's order and samples of it before the current
        run, samples of the run that are done, and what was counted."""
        if self._source is None:
            self._load()
        position = {"epoch": self._epoch, "visit": self._visit, "offset": self._offset, "done": self._done}
        return {"key": self._key, **position, "delivered": self._delivered, "skips": self.skips.state()}

    def restore(self, state: dict) -> None:
        """Continue exactly where the stream that gave `state` (same files, seed and buffer) was."""
        if state["key"] != self._key:
            raise UserError("the saved position belongs to a stream of other files, another seed or another buffer")
        self._epoch, self._visit, self._offset = state["epoch"], state["visit"], state["offset"]
        self._load()
        self._done, self._delivered = state["done"], state["delivered"]
        self.skips.counts = dict(state["skips"]["counts"])  # what this run holds was counted when it was first read
        self.skips.first = dict(state["skips"]["first"])

    def _advance(self) -> None:
        """Go to the next run, or to the next epoch where the last run was not full."""
        if len(self._run) == self.buffer:
            self._visit, self._offset, _ = max(self._run, key=lambda sample: sample[:2])
            self._fill()
            return
        if not self._delivered:
            why = "; ".join(self.skips.lines()) or "they are empty"
            raise RunFailure(f"no image-caption pair in {len(self.files)} files such as {self.files[0]}: {why}")
        self._epoch, self._visit, self._offset, self._delivered = self._epoch + 1, 0, 0, 0
        self._load()

    def _load(self) -> None:
        """Open the files of the epoch at the start of the current run."""
        order = numpy_generator(self.seed, "files", self._epoch).permutation(len(self.files))
        self._order = [self.files[place] for place in order]
        self._source = self._samples(self._visit, self._offset)
        self._fill()

    def _fill(self) -> None:
        run = list(islice(self._source, self.buffer))
        order = numpy_generator(self.seed, "samples", self._epoch, self._visit, self._offset).permutation(len(run))
        self._done, self._run = 0, [run[place] for place in order]

    def _samples(self, first: int, offset: int) -> Iterator[tuple[int, int, Raw]]:
        """(place of the file, samples of it up to and with this one, sample), from the given position on."""
        for visit in range(first, len(self._order)):
            for count, raw in enumerate(self.read(self._order[visit], self.skips), start=1):
                if visit > first or count > offset:
                    yield visit, count, raw


def pair_of(where: str, raw: Raw, skips: Skips, max_pixels: int = MAX_PIXELS) -> dict | None:
    """`key`, `image` and `caption` of a sample; None, and counted, where it cannot be used."""
    if raw.image is None:
        return skips.add("no image", where)
    if raw.caption is None or not raw.caption.strip():
        return skips.add("no caption", where)
    try:
        image = open_image(raw.image, where, max_pixels)
    except RunFailure as error:
        return skips.add("the image cannot be read", str(error))
    return {"key": raw.key, "image": image, "caption": raw.caption}
