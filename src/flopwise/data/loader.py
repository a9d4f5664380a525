"""Image files decoded and cropped in a pool of threads: ordered, resumable, in bounded memory.

A sample is a source and a seed, and its pixels are a pure function of the two, so neither the number of workers nor the
batch at which an interrupted run goes on changes a value. Pillow decodes and resizes outside Python's interpreter lock,
hence threads and no processes."""

import io
import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from flopwise.core.errors import RunFailure
from flopwise.core.seeds import numpy_generator

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "GIF", "WEBP", "TIFF")
DRAFT = 2  # a JPEG is decoded at 1/2, 1/4 or 1/8 of its size while the crop keeps this many pixels per output pixel


class Member(NamedTuple):
    """An image inside an uncompressed tar file: `size` bytes from `offset` on."""

    archive: Path | str
    offset: int
    size: int


class Sample(NamedTuple):
    """An image file and the seed of its random crop; None: resized, and cropped at the centre."""

    source: Path | str | Member
    seed: int | None = None


def image_batches(
    batches: Sequence[Sequence[Sample]], *, side: int = 224, workers: int = 0, first: int = 0, ahead: int = 2
) -> Iterator:
    """Yield the batches from number `first` on, in order, each as a uint8 tensor (n, side, side, 3).

    workers: threads that decode, at most as many as the rule may use; 0: the calling thread does it.
    ahead: so many batches are decoded before they are asked for, never more.
    Raises `RunFailure` naming the file that is missing or no image."""
    import torch

    def stack(pixels):
        return torch.stack([torch.frombuffer(image, dtype=torch.uint8) for image in pixels]).view(-1, side, side, 3)

    if not workers:
        for batch in batches[first:]:
            yield stack(load(sample, side) for sample in batch)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[list[Future]] = deque()
        try:
            for batch in batches[first:]:
                waiting.append([pool.submit(load, sample, side) for sample in batch])
                if len(waiting) > ahead:
                    yield stack(future.result() for future in waiting.popleft())
            while waiting:
                yield stack(future.result() for future in waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def load(sample: Sample, side: int) -> bytearray:
    """The pixels of one sample, `side` x `side` x 3 bytes: `RandomResizedCrop(side, (0.9, 1), (3/4, 4/3))` under the
    sample's seed, or `Resize(side)` and `CenterCrop(side)`, of torchvision with Pillow's bicubic filter."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(_read(sample.source)), formats=FORMATS) as image:
            box = (0, 0, *image.size) if sample.seed is None else random_box(*image.size, sample.seed)
            box = _reduce(image, box, side)
            image = image.convert("RGB").crop(box)
        image = _centre(image, side) if sample.seed is None else image.resize((side, side), Image.Resampling.BICUBIC)
        return bytearray(image.tobytes())
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RunFailure(f"{_name(sample.source)} cannot be read as an image: {error}") from error


def view(image, side: int, seed: int | None) -> bytearray:
    """The pixels of a decoded PIL image, cropped and resized as `load` does."""
    from PIL import Image

    if seed is None:
        return bytearray(_centre(image, side).tobytes())
    crop = image.crop(random_box(*image.size, seed))
    return bytearray(crop.resize((side, side), Image.Resampling.BICUBIC).tobytes())


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


def _centre(image, side: int):
    """The middle of `image` after its shorter side is resized to `side`."""
    from PIL import Image

    width, height = image.size
    shorter = min(width, height)
    image = image.resize((int(side * width / shorter), int(side * height / shorter)), Image.Resampling.BICUBIC)
    left, upper = round((image.width - side) / 2), round((image.height - side) / 2)
    return image.crop((left, upper, left + side, upper + side))


def _read(source) -> bytes:
    if not isinstance(source, Member):
        return Path(source).read_bytes()
    with open(source.archive, "rb") as stream:
        stream.seek(source.offset)
        return stream.read(source.size)


def _name(source) -> str:
    return f"{source.archive} (bytes from {source.offset})" if isinstance(source, Member) else str(source)
