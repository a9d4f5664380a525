"""One image file decoded, cropped and resized; its pixels are a pure function of the file and a seed."""

import math
from pathlib import Path
from typing import NamedTuple

from flopwise.core.errors import RunFailure
from flopwise.core.seeds import numpy_generator
from flopwise.data.images import MAX_PIXELS, decode

DRAFT = 2  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size while the crop keeps this many pixels per output pixel


class Member(NamedTuple):
    """An image inside an uncompressed tar file: `size` bytes from `offset` on."""

    archive: Path | str
    offset: int
    size: int


class Resize(NamedTuple):
    """How a whole picture becomes a square. mode: `shortest` resizes its shorter side and cuts out the middle, `squash`
    resizes both sides. filter: of Pillow's, `bicubic` or `bilinear`; crops are resized by it too."""

    mode: str = "shortest"
    filter: str = "bicubic"

    @property
    def resampling(self):
        from PIL import Image

        return Image.Resampling[self.filter.upper()]


SHORTEST = Resize()  # as most checkpoints were trained, and as the embedded pictures would be


def load(source: Path | str | Member, side: int, seed: int | None = None, how: Resize = SHORTEST) -> bytearray:
    """The pixels of an image, `side` x `side` x 3 bytes: `RandomResizedCrop(side, (0.9, 1), (3/4, 4/3))` under `seed`, or
    without one `Resize(side)` and `CenterCrop(side)` or `Resize((side, side))`, of torchvision with Pillow's filters.

    Raises `RunFailure` naming the file that is missing or no image."""

    def pixels(image) -> bytearray:
        box = (0, 0, *image.size) if seed is None else random_box(*image.size, seed)
        box = _reduce(image, box, side)
        image = image.convert("RGB").crop(box)
        image = _whole(image, side, how) if seed is None else image.resize((side, side), how.resampling)
        return bytearray(image.tobytes())

    if isinstance(source, Member):
        return decode(_read(source), f"{source.archive} (bytes from {source.offset})", pixels)
    return decode(source, None, pixels)


def view(image, side: int, seed: int | None, how: Resize = SHORTEST) -> bytearray:
    """The pixels of a decoded PIL image, cropped and resized as `load` does. Raises `ValueError` for one too narrow."""
    if seed is None:
        return bytearray(_whole(image, side, how).tobytes())
    crop = image.crop(random_box(*image.size, seed))
    return bytearray(crop.resize((side, side), how.resampling).tobytes())


def random_box(width: int, height: int, seed: int, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3)) -> tuple[int, int, int, int]:
    """(left, upper, right, lower) of a random crop: share of the area uniform in `scale`, aspect ratio log-uniform in
    `ratio`, ten attempts, then the largest central crop whose ratio is allowed (torchvision's `RandomResizedCrop`)."""
    generator = numpy_generator(seed, "crop")
    for _ in range(10):
        area = width * height * generator.uniform(*scale)
        aspect = math.exp(generator.uniform(math.log(ratio[0]), math.log(ratio[1])))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            left, upper = generator.integers(width - wide + 1), generator.integers(height - high + 1)
            return int(left), int(upper), int(left) + wide, int(upper) + high
    wide, high = min(width, round(height * ratio[1])), min(height, round(width / ratio[0]))
    left, upper = (width - wide) // 2, (height - high) // 2
    return left, upper, left + wide, upper + high


def _reduce(image, box, side: int):
    """Let a JPEG be decoded at a fraction of its size where that keeps `DRAFT` pixels per pixel of the result; the box
    in the smaller image."""
    width, height = image.size
    shorter = min(box[2] - box[0], box[3] - box[1])
    factor = shorter / (DRAFT * side)
    if image.format != "JPEG" or factor < 2:
        return box
    image.draft(None, (int(width / factor), int(height / factor)))
    horizontal, vertical = image.width / width, image.height / height
    return tuple(round(edge * share) for edge, share in zip(box, (horizontal, vertical) * 2))


def _whole(image, side: int, how: Resize):
    """All of `image`, squashed; or its middle, after its shorter side is resized to `side`."""
    if how.mode == "squash":
        return image.resize((side, side), how.resampling)
    width, height = image.size
    shorter = min(width, height)
    if side * side * max(width, height) > MAX_PIXELS * shorter:
        raise ValueError(f"{width} x {height} pixels: too narrow to be resized to {side}")
    image = image.resize((int(side * width / shorter), int(side * height / shorter)), how.resampling)
    left, upper = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, upper, left + side, upper + side))


def _read(source: Member) -> bytes:
    try:
        with open(source.archive, "rb") as stream:
            stream.seek(source.offset)
            return stream.read(source.size)
    except OSError as error:
        raise RunFailure(f"{source.archive} cannot be read: {error.strerror}") from error
