"""Pictures of 12 x 12 pixels: a disc or a ring in one of four quarters, in any colours."""

import numpy as np

from flopwise.data.materials.pixels import (
    BLOCK,
    bell,
    cover,
    disk,
    grid,
    in_blocks,
    lay,
    per_image,
    tinted,
    to_bytes,
    uniform,
)

FIELDS = {"images": "uint8 (n, 12, 12, 3)", "targets": "int64 (n,): quarter (4) x form (2)"}
SIZE = 12
CLASSES = tuple(
    f"{form}, {quarter}"
    for quarter in ("upper left", "upper right", "lower left", "lower right")
    for form in ("disc", "ring")
)


def make(name: str, sizes: dict[str, int], seed: int):
    arrays = {}
    for split, count in sizes.items():
        drawn = in_blocks(_draw, count, seed, name, split)
        arrays |= {f"{split}_{key}": array for key, array in drawn.items()}
    return arrays, {}, {"classes": CLASSES, "baselines": {"top-1 by chance (%)": 100 / len(CLASSES)}}


def _draw(rng) -> dict[str, np.ndarray]:
    targets = rng.integers(0, len(CLASSES), BLOCK)
    quarter, ring = targets // 2, targets % 2 == 1
    cx, cy = quarter % 2 * 6 - 3 + uniform(rng, -1, 1, BLOCK), quarter // 2 * 6 - 3 + uniform(rng, -1, 1, BLOCK)
    x, y = grid(SIZE, SIZE)
    x, y = x - per_image(cx), y - per_image(cy)
    radius = per_image(uniform(rng, 2, 2.9, BLOCK))
    hole = np.where(per_image(ring), radius * np.float32(0.55), np.float32(-1))
    image = np.repeat(np.repeat(tinted(uniform(rng, 0, 255, BLOCK, 3)), SIZE, 1), SIZE, 2)
    lay(image, tinted(uniform(rng, 0, 255, BLOCK, 3)), cover(np.minimum(disk(x, y, radius), -disk(x, y, hole))))
    return {"images": to_bytes(image + bell(rng, 25, *image.shape)), "targets": targets}
