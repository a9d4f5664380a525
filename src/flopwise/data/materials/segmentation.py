"""Scenes with the class of every pixel: two or three things on one or two grounds."""

import numpy as np

from flopwise.data.materials import scenes
from flopwise.data.materials.pixels import in_blocks, noisy, to_bytes

FIELDS = {
    "images": "uint8 (n, 32, 32, 3)",
    "masks": "uint8 (n, 32, 32): index of the class; 255 on edges, to be ignored",
}


def make(name: str, sizes: dict[str, int], seed: int):
    arrays = {}
    for split, count in sizes.items():
        drawn = in_blocks(_draw, count, seed, name, split)
        arrays |= {f"{split}_{key}": values for key, values in drawn.items()}
    last = arrays[f"{tuple(sizes)[-1]}_masks"]
    share = np.bincount(last[last != scenes.IGNORE], minlength=len(scenes.CLASSES)) / (last != scenes.IGNORE).sum()
    facts = {
        "classes": scenes.CLASSES, "ignore_index": scenes.IGNORE,
        "shares": {"ignored pixels": round(float((last == scenes.IGNORE).mean()), 4)},
        "baselines": {"mIoU of the commonest class everywhere (%)": round(float(100 * share.max() / len(share)), 2)},
    }  # fmt: skip
    return arrays, {}, facts


def _draw(rng):
    things, grounds = scenes.several(rng)
    image, classes = scenes.draw(rng, things, grounds, (3.5, 7.5), 12)
    return {"images": noisy(rng, to_bytes(image), 12), "masks": classes}
