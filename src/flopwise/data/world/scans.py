"""Handwritten digits: scans of 8 x 8 points with 17 grey levels, shipped with scikit-learn (UCI machine learning
repository, E. Alpaydin and C. Kaynak)."""

from functools import cache

import numpy as np

from flopwise.data.world.drawing import SIZE, colour, grain, pick

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGITS = tuple("0123456789")


@cache
def _scans(target: int, split: str) -> np.ndarray:
    """Scans of a digit, uint8 (n, 8, 8) in 0 to 255: every third in file order for test, the others for training."""
    from sklearn.datasets import load_digits

    data = load_digits()
    mine = data.images[data.target == target]
    third = np.arange(len(mine)) % 3 == 2
    return (mine[third == (split == "test")] * 255 // 16).astype(np.uint8)


def draw_digit(rng, target: int, split: str, index: int):
    """A scan enlarged to 26 to 29 pixels, ink on paper. Scans of a class are used in file order, then again."""
    from PIL import Image

    scans = _scans(target, split)
    size = int(rng.integers(26, 30))
    enlarged = Image.fromarray(scans[index % len(scans)]).resize((size, size), Image.Resampling.BICUBIC)
    mask = np.zeros((SIZE, SIZE), np.int32)
    left, top = (int(value) for value in rng.integers(0, SIZE - size + 1, 2))
    mask[top : top + size, left : left + size] = np.asarray(enlarged)
    ink = pick(rng, ("black", "black", "blue", "brown"))
    under, over = np.array(colour(rng, "white", 10)), np.array(colour(rng, ink))
    image = (under * (255 - mask[:, :, None]) + over * mask[:, :, None] + 127) // 255
    name = NAMES[target]
    caption = pick(rng, (f"handwritten {name}", f"a digit {target}, written by hand", f"{name} in {ink} ink"))
    return grain(image.astype(np.uint8), rng), caption


SETS = {"digits": (DIGITS, draw_digit)}
