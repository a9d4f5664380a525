"""Labelled pictures of any size as crops to train on and as wholes to score, as public code prepares ADE20K.

Training: resized so that it fits 2048 r x 512 r with r uniform in [0.5, 2] (the shorter side at 512 r, unless the longer one
would pass 2048 r), a crop in which no class covers three quarters if ten draws find one, a flip in half the cases, brightness,
contrast, saturation and hue changed in half the cases each, what the crop lacks filled up. Scoring: resized with r = 1."""

from pathlib import Path

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.data.readers.segmentation import IGNORE, read_scene

LONGER = 4  # longest side over `side`
RATIO = (0.5, 2.0)
MOST, DRAWS = 0.75, 10
BRIGHTNESS, FACTOR, HUE = 32, (0.5, 1.5), 25  # of 255; of contrast and saturation; of 255, the published 18 of 180


def resized(image, side: int, ratio: float = 1.0):
    """A `PIL.Image` with its shorter side at `side` x `ratio`, or less where the longer would pass four times that."""
    from PIL import Image

    width, height = image.size
    scale = ratio * side * min(LONGER / max(width, height), 1 / min(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image.resize(size, Image.Resampling.BILINEAR)


def crop(scene: tuple[Path, Path], classes: int, side: int, seed: int, *names: str | int, fill=(124, 116, 104)):
    """(uint8 (side, side, 3), uint8 (side, side)): a view of a scene under a seed. fill: colour of what it lacks; its class is
    `IGNORE`."""
    from PIL import Image

    generator = numpy_generator(seed, *names)
    image, labels = read_scene(*scene, classes, reduce_zero_label=True)
    image = resized(image, side, generator.uniform(*RATIO))
    labels = np.asarray(Image.fromarray(labels).resize(image.size, Image.Resampling.NEAREST))
    top, left = _place(labels, side, generator)
    labels = labels[top : top + side, left : left + side]
    image = image.crop((left, top, left + labels.shape[1], top + labels.shape[0]))
    pixels = _recoloured(image, generator)
    if generator.random() < 0.5:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    full, known = np.empty((side, side, 3), np.uint8), np.full((side, side), IGNORE, np.uint8)
    full[:] = fill
    full[: len(pixels), : pixels.shape[1]], known[: len(labels), : labels.shape[1]] = pixels, labels
    return full, known


def whole(scene: tuple[Path, Path], classes: int, side: int):
    """(uint8 (h, w, 3) resized, uint8 (H, W) classes of the picture as it is) of a scene."""
    image, labels = read_scene(*scene, classes, reduce_zero_label=True)
    return np.asarray(resized(image, side)), labels


def windows(length: int, side: int, stride: int) -> list[int]:
    """Where windows of `side` begin that cover `length`, `stride` apart, the last one at the end."""
    count = max(0, -(-(length - side) // stride)) + 1
    return [min(i * stride, max(0, length - side)) for i in range(count)]


def _place(labels: np.ndarray, side: int, generator) -> tuple[int, int]:
    """Upper left corner of a crop in which no class covers `MOST` of what is labelled, if `DRAWS` draws find one."""
    for _ in range(DRAWS):
        top, left = (int(generator.integers(0, max(0, length - side) + 1)) for length in labels.shape)
        part = labels[top : top + side, left : left + side]
        counts = np.bincount(part[part != IGNORE], minlength=1)
        if np.count_nonzero(counts) > 1 and counts.max() < MOST * counts.sum():
            break
    return top, left


def _recoloured(image, generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, each changed in half the cases; contrast before or after the last two."""
    from PIL import Image

    pixels = np.asarray(image, np.float32)
    early = generator.random() < 0.5
    if generator.random() < 0.5:
        pixels = pixels + np.float32(generator.uniform(-BRIGHTNESS, BRIGHTNESS))
    contrast = np.float32(generator.uniform(*FACTOR) if generator.random() < 0.5 else 1.0)
    if early:
        pixels = pixels * contrast
    saturation = generator.uniform(*FACTOR) if generator.random() < 0.5 else 1.0
    hue = int(generator.integers(-HUE, HUE + 1)) if generator.random() < 0.5 else 0
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    if saturation != 1.0 or hue:
        hsv = np.array(Image.fromarray(pixels).convert("HSV")).astype(np.int16)
        hsv[..., 0] = (hsv[..., 0] + hue) % 256
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
        pixels = np.asarray(Image.fromarray(hsv.astype(np.uint8), "HSV").convert("RGB"))
    if not early:
        pixels = np.clip(pixels * contrast, 0, 255).astype(np.uint8)
    return pixels
