"""Drawing many images at once with the same bytes on every machine.

Only sums, products, quotients and square roots of single-precision numbers are used, which every processor rounds
alike; angles and hues come from tables. Coordinates are in pixels, x to the right, y downwards, origin in the middle.
"""

import math
from collections.abc import Callable

import numpy as np

from flopwise.core.seeds import numpy_generator

BLOCK = 64  # samples that share a seed
TURN = 256  # steps of a full turn
_COS = np.array([round(1024 * math.cos(2 * math.pi * k / TURN)) / 1024 for k in range(TURN)], np.float32)
_SIN = np.array([round(1024 * math.sin(2 * math.pi * k / TURN)) / 1024 for k in range(TURN)], np.float32)
HUES = np.array(
    [(224, 48, 44), (240, 148, 32), (232, 214, 52), (84, 180, 60), (44, 186, 188), (52, 104, 220), (134, 64, 196),
     (226, 88, 164)], np.float32,
)  # fmt: skip


def in_blocks(draw: Callable, count: int, seed: int, *names: str) -> dict[str, np.ndarray]:
    """`count` samples made by `draw(rng)`, which returns named arrays of BLOCK samples: the first n samples are the same
    whatever `count` is."""
    blocks = [draw(numpy_generator(seed, *names, index)) for index in range(-(-count // BLOCK))]
    return {name: np.concatenate([block[name] for block in blocks])[:count] for name in blocks[0]}


def uniform(rng, low: float, high: float, *shape: int) -> np.ndarray:
    """Independent values between `low` and `high`, float32."""
    return (np.float32(low) + np.float32(high - low) * rng.random(shape, np.float32)).astype(np.float32)


def bell(rng, deviation: float, *shape: int) -> np.ndarray:
    """Independent values around 0 with the standard deviation given: sums of four uniform ones, float32."""
    total = rng.random((4, *shape), np.float32)
    return ((total[0] + total[1]) + (total[2] + total[3]) - np.float32(2)) * np.float32(deviation * math.sqrt(3))


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the pixels' centres, float32 (1, 1, width) and (1, height, 1)."""
    x = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2)
    return x[None, None, :], y[None, :, None]


def per_image(values) -> np.ndarray:
    """(n,) as (n, 1, 1), to go with pixels."""
    return np.asarray(values)[:, None, None]


def turned(x, y, turn) -> tuple[np.ndarray, np.ndarray]:
    """The coordinates in axes turned by `turn` (n,), in steps of which TURN make a full turn."""
    c, s = per_image(_COS[turn]), per_image(_SIN[turn])
    return x * c + y * s, y * c - x * s


def disk(x, y, radius):
    """Distance to the edge of a disk, positive inside."""
    return radius - np.sqrt(x * x + y * y)


def square(x, y, radius):
    """The same for a square of half the side `radius`."""
    return radius - np.maximum(np.abs(x), np.abs(y))


def triangle(x, y, radius):
    """The same for an equilateral triangle with in-radius `radius` / 2 that points up."""
    half, slope = radius * np.float32(0.5), np.float32(0.8662109375)
    return np.minimum(half - y, half - np.abs(x) * slope + y * np.float32(0.5))


def cross(x, y, radius):
    """The same for two crossed bars."""
    x, y, thin = np.abs(x), np.abs(y), radius * np.float32(0.36)
    return np.maximum(np.minimum(radius - x, thin - y), np.minimum(thin - x, radius - y))


def lobed(x, y, radius, lobes: int, depth: float):
    """The same, roughly, for a star-shaped form with `lobes` lobes: radius (1 + depth cos(lobes * angle))."""
    reach = np.sqrt(x * x + y * y)
    c = x / np.maximum(reach, np.float32(1e-3))
    now, before = c, np.ones_like(c)  # cos(k angle) from the two before it
    for _ in range(lobes - 1):
        now, before = np.float32(2) * c * now - before, now
    return radius * (np.float32(1) + np.float32(depth) * now) - reach


def cover(distance) -> np.ndarray:
    """Share of a pixel that lies inside, from its middle's distance to the edge."""
    return np.clip(distance + np.float32(0.5), 0, 1)


def wave(phase) -> np.ndarray:
    """A triangle wave between 0 and 1 with period 1."""
    return np.abs(np.float32(2) * (phase - np.floor(phase)) - np.float32(1))


def smooth_noise(rng, count: int, height: int, width: int, step: int) -> np.ndarray:
    """Noise between 0 and 1 that changes over `step` pixels, float32 (count, height, width)."""
    corners = rng.random((count, height // step + 2, width // step + 2), np.float32)
    for axis, length in ((1, height), (2, width)):
        place = np.arange(length, dtype=np.float32) / np.float32(step)
        low = place.astype(np.int64)
        share = (place - low).reshape([-1 if a == axis else 1 for a in range(3)])
        below, above = np.take(corners, low, axis), np.take(corners, low + 1, axis)
        corners = below + share * (above - below)
    return corners


def lay(image: np.ndarray, over, share: np.ndarray) -> None:
    """Lay `over` (n, 1, 1, 3) or (n, h, w, 3) on `image` (n, h, w, 3), in place, where `share` (n, h, w) says."""
    image += share[..., None] * (over - image)


def tinted(colours: np.ndarray) -> np.ndarray:
    """(n, 3) as (n, 1, 1, 3), to go with pixels."""
    return colours[:, None, None, :]


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Brightness 0 to 255 as uint8, rounded."""
    return (np.clip(image, 0, 255) + np.float32(0.5)).astype(np.uint8)


def noisy(rng, image: np.ndarray, amount: int) -> np.ndarray:
    """`image` (uint8) with independent noise of at most `amount` per value, uint8."""
    noise = rng.integers(-amount, amount + 1, image.shape, dtype=np.int16)
    return np.clip(noise + image, 0, 255).astype(np.uint8)
