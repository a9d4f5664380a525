"""Images that stay where a user has them: a list of places, and the pictures one by one when they are asked for."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.seeds import numpy_generator
from flopwise.data import loader
from flopwise.data.arrays import damaged, image_array
from flopwise.data.images import open_image
from flopwise.data.loader import SHORTEST, Resize
from flopwise.data.strings import Strings
from flopwise.data.tree import Tree

THUMBNAIL = 96  # pixels
OTHERS = 10  # pictures that are tried in place of one that cannot be read


@dataclass(frozen=True)
class ImageFiles:
    """N images below `root`.

    paths: names of F files, with `/`. file_of int32 (N,): the file that each image is in. lenient: a picture that cannot
    be read is replaced by another one drawn at random (of millions of web images some are always broken); else it ends
    the job."""

    root: Path | None
    paths: Strings
    file_of: np.ndarray
    spans: np.ndarray | None = None  # (N, 2) offset and size in bytes inside an archive
    numbers: np.ndarray | None = None  # (N,) image number inside an array file
    boxes: np.ndarray | None = None  # (N, 4) left, upper, right, lower in pixels; all 0: the whole picture
    sizes: np.ndarray | None = None  # (F,) bytes of each archive when it was listed
    lenient: bool = False
    _trees: dict = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.file_of)

    def __getitem__(self, index: int) -> np.ndarray:
        """A thumbnail, uint8 (96, 96, 3)."""
        return self.view(int(index), THUMBNAIL)

    def part(self, indices: np.ndarray) -> "ImageFiles":
        """The images `indices`."""
        each = {name: getattr(self, name) for name in ("file_of", "spans", "numbers", "boxes")}
        return replace(self, **{name: None if array is None else array[indices] for name, array in each.items()})

    def where(self, index: int) -> str:
        """What messages call an image."""
        path = self.paths[int(self.file_of[index])]
        if self.spans is not None and self.spans[index, 1] >= 0:
            return f"{path}, image at byte {int(self.spans[index, 0]):,}"
        return path if self.numbers is None else f"{path}, image {int(self.numbers[index]):,}"

    def check(self) -> None:
        """Raise `RunFailure` where an archive is missing or no longer has the size it had when it was listed."""
        for path, size in zip(self.paths, [] if self.sizes is None else self.sizes):
            file = self.root / path
            found = file.stat().st_size if file.is_file() else None
            if found != size:
                what = "is missing" if found is None else f"holds {found} bytes"
                raise RunFailure(
                    f"{file} {what}, {size} when it was listed; delete the data set's folder and run again"
                )

    def image(self, index: int):
        """Image `index` as a PIL image in RGB. Raises `RunFailure` that names what is missing or broken."""
        self._folder()
        path = self.paths[int(self.file_of[index])]
        return self._number(path, index) if self.numbers is not None else self._file(path, index)

    def view(self, index: int, side: int, seed: int | None = None, how: Resize = SHORTEST) -> np.ndarray:
        """uint8 (side, side, 3): the image cropped at random under `seed`, or all of it resized."""
        if self.numbers is not None or self.boxes is not None:
            image = self.image(index)
            with damaged(self.root / self.where(index)):
                pixels = loader.view(image, side, seed, how)
        else:
            pixels = loader.load(self._source(index), side, seed, how)
        return np.frombuffer(pixels, np.uint8).reshape(side, side, 3)

    def usable(
        self, index: int, side: int, seed: int, how: Resize = SHORTEST, crop: bool = True
    ) -> tuple[int, np.ndarray, str | None]:
        """(index, view, None) of the image, cropped under `seed` or whole; where `lenient` and it cannot be read, of another, and
        why: the first that can be read of `OTHERS` drawn from the whole list under the same seed, so that no picture stands in
        more often than any other."""
        own = seed if crop else None
        try:
            return index, self.view(index, side, own, how), None
        except RunFailure as error:
            if not self.lenient:
                raise
            reason = str(error)
        for other in map(int, numpy_generator(seed, "other").integers(len(self), size=OTHERS)):
            try:
                return other, self.view(other, side, own, how), reason
            except RunFailure:
                continue
        raise RunFailure(f"{reason}; nor can any of {OTHERS} pictures drawn in its place be read")

    def load(self, indices: Iterable[int], side: int, threads: int = 1, how: Resize = SHORTEST) -> np.ndarray:
        """uint8 (n, side, side, 3), each image resized as a whole; in the order of `indices`, however many threads there
        are."""
        return np.stack(in_order(lambda index: self.view(int(index), side, None, how), list(indices), threads))

    def _source(self, index: int):
        path = self._folder() / self.paths[int(self.file_of[index])]
        if self.spans is None or self.spans[index, 1] < 0:
            return path
        return loader.Member(path, int(self.spans[index, 0]), int(self.spans[index, 1]))

    def _folder(self) -> Path:
        if self.root is None:
            raise UserError("the images of real data sets lie below `data_root`; set it in config/config.yaml")
        return self.root

    def _file(self, path: str, index: int):
        name, box = f"{self.root / self.where(index)}", self._box(index)
        try:
            with (self.root / path).open("rb") as stream:
                if self.spans is None or self.spans[index, 1] < 0:
                    return open_image(stream, name, box)
                stream.seek(int(self.spans[index, 0]))
                return open_image(stream.read(int(self.spans[index, 1])), name, box)
        except OSError as error:
            raise RunFailure(f"{self.root / path} cannot be read: {error.strerror or error}") from error

    def _box(self, index: int) -> tuple[int, int, int, int] | None:
        return None if self.boxes is None or not self.boxes[index].any() else tuple(map(int, self.boxes[index]))

    def _number(self, path: str, index: int):
        """An image of an array file; the file is read once and kept."""
        from PIL import Image

        folder, _, inner = path.partition("/")
        with self._lock:
            if folder not in self._trees:
                self._trees[folder] = Tree(self.root, folder)
            array = image_array(self._trees[folder], inner, int(self.numbers[index]))
        return Image.fromarray(array).convert("RGB")


def in_order(work: Callable, jobs: list, threads: int) -> list:
    """[work(job) for job in jobs], computed by `threads` threads (decoding and resizing release Python's lock)."""
    return list(map(work, jobs)) if threads == 1 else list(_workers(threads).map(work, jobs))


@cache
def _workers(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="images")
