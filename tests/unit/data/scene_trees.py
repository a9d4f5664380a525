"""A small copy of ADE20K's scene-parsing set: noisy blocks whose colour tells their class."""

import numpy as np
from PIL import Image

COLOURS = np.array([(200, 60, 50), (60, 170, 80), (50, 80, 200)])


def ade20k(root, train: int = 8, test: int = 4, seed: int = 0):
    """Write <root>/ADEChallengeData2016 with pictures of several sizes; returns its folder."""
    folder, rng = root / "ADEChallengeData2016", np.random.default_rng(seed)
    for split, count in (("training", train), ("validation", test)):
        for number in range(count):
            labels = np.kron(rng.integers(0, 3, (2, 3)), np.ones((20 + number % 3, 24), int))
            pixels = np.clip(COLOURS[labels] + rng.normal(0, 12, (*labels.shape, 3)), 0, 255).astype(np.uint8)
            stored = (labels + 1).astype(np.uint8)
            stored[0] = 0  # no class
            for kind, ending, content in (("images", "jpg", pixels), ("annotations", "png", stored)):
                path = folder / kind / split / f"ADE_{split}_{number:04d}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(path, quality=95)
    return folder
