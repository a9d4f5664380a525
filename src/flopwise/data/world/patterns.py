"""Repeating patterns that fill the image, computed in integer arithmetic on a grid of 64 x 64 points."""

import math
from functools import cache

import numpy as np

from flopwise.data.world.drawing import COLOURS, SIZE, blend, colour, grain, pick, pick_other, plain

PATTERNS = (
    "horizontal stripes", "vertical stripes", "diagonal stripes", "checkerboard", "dots", "grid", "zigzag", "waves",
    "rings", "bricks", "speckles", "rays",
)  # fmt: skip
FINE = 2  # points per pixel and axis


@cache
def _axes() -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(SIZE * FINE)
    return steps[None, :], steps[:, None]


@cache
def _sine() -> np.ndarray:
    """256 steps of a sine in 1/1024, integers."""
    return np.array([round(1024 * math.sin(2 * math.pi * k / 256)) for k in range(256)])


@cache
def _polar() -> tuple[np.ndarray, np.ndarray]:
    """Distance (1/16 points) and angle (0 to 1023 a turn) on a grid twice as large, centre in the middle; integers."""
    reach = SIZE * FINE
    offsets = range(-reach, reach)
    distance = [[round(16 * math.sqrt(x * x + y * y)) for x in offsets] for y in offsets]
    angle = [[round(1024 * math.atan2(y, x) / (2 * math.pi)) % 1024 for x in offsets] for y in offsets]
    return np.array(distance), np.array(angle)


def _around(grid: np.ndarray, rng) -> np.ndarray:
    """A window of a polar grid whose centre lies somewhere in the middle half of the image."""
    n = SIZE * FINE
    left, top = (int(value) for value in rng.integers(n // 2 + n // 8, n - n // 8, 2))
    return grid[top : top + n, left : left + n]


def figure(rng, pattern: str) -> np.ndarray:
    """Where the pattern's second colour lies, bool (64, 64)."""
    x, y = _axes()
    period = int(rng.integers(10, 17))
    shift, other = (int(value) for value in rng.integers(0, period, 2))
    x, y = x + shift, y + other
    if pattern == "horizontal stripes":
        return (y % period < period // 2) & (x >= 0)
    if pattern == "vertical stripes":
        return (x % period < period // 2) & (y >= 0)
    if pattern == "diagonal stripes":
        slope = pick(rng, (-1, 1))
        return (x + slope * y) % (period + 3) < (period + 3) // 2
    if pattern == "checkerboard":
        side = period // 2 + 3
        return (x // side + y // side) % 2 == 0
    if pattern == "dots":
        cell = period + 2
        return (2 * (x % cell) - cell) ** 2 + (2 * (y % cell) - cell) ** 2 < (cell * 62 // 100) ** 2
    if pattern == "grid":
        cell, bar = period + 2, int(rng.integers(2, 5))
        return (x % cell < bar) | (y % cell < bar)
    if pattern == "zigzag":
        tooth = int(rng.integers(14, 22))
        return (y + np.abs(x % tooth - tooth // 2)) % period < period // 2
    if pattern == "waves":
        wave = _sine()[(x * int(rng.integers(7, 11))) % 256] * int(rng.integers(4, 7)) // 1024
        return (y + wave) % period < period // 2
    if pattern == "rings":
        return _around(_polar()[0], rng) // 16 % period < period // 2
    if pattern == "rays":
        width = pick(rng, (64, 128))
        return (_around(_polar()[1], rng) + shift * 8) % width < width // 2
    if pattern == "bricks":
        high, wide, joint = int(rng.integers(9, 13)), int(rng.integers(18, 26)), int(rng.integers(2, 4))
        return (y % high < joint) | ((x + (y // high % 2) * wide // 2) % wide < joint)
    assert pattern == "speckles"
    coarse = rng.integers(0, 100, (SIZE, SIZE)) < int(rng.integers(25, 50))
    return coarse.repeat(FINE, 0).repeat(FINE, 1)


def paint(rng, pattern: str, first: str, second: str) -> np.ndarray:
    """The pattern in two named colours, uint8 (32, 32, 3)."""
    cells = figure(rng, pattern).reshape(SIZE, FINE, SIZE, FINE).sum((1, 3))
    mask = (cells * 255 // FINE**2).astype(np.uint8)
    return grain(blend(plain(colour(rng, first)), colour(rng, second), mask), rng, 9)


def draw_pattern(rng, target: int, split: str, index: int):
    first = pick(rng, COLOURS)
    second = pick_other(rng, COLOURS, first)
    return paint(rng, PATTERNS[target], first, second), f"{PATTERNS[target]} in {first} and {second}"


SETS = {"patterns": (PATTERNS, draw_pattern)}
