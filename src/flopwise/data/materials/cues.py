"""Objects that four cues give away, none of them reliably: silhouette, texture, hue and place.

Each class owns one value of every cue. A silhouette belongs to a family of classes; texture and hue cut across
families. Class by class a cue has its own reliability: with that probability a picture shows the class's value, otherwise
any value. So every picture is solvable by other cues, and models with other habits get other pictures right.
"""

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.data.materials.pixels import (
    BLOCK,
    HUES,
    TURN,
    bell,
    cover,
    disk,
    grid,
    in_blocks,
    lay,
    lobed,
    noisy,
    per_image,
    smooth_noise,
    tinted,
    to_bytes,
    turned,
    uniform,
    wave,
)

FIELDS = {
    "images": "uint8 (n, 32, 32, 3)",
    "targets": "int64 (n,): index of the class",
    "shown": "int8 (n, 4): values of silhouette, texture, hue and place that the picture shows",
    "class_values": "int8 (classes, 4): values that the class owns",
    "class_reliability": "float32 (classes, 4): how often a picture shows them",
    "class_families": "int64 (classes,): index of the family, which is that of the silhouette",
    "class_attributes": "float32 (classes, 29): the class's values one-hot, weighted with their reliability",
}
SIZE = 32
SILHOUETTES = ("disc", "two-lobed", "three-lobed", "four-lobed", "five-lobed", "six-lobed", "ring", "crescent")
TEXTURES, PLACES = 8, np.array([(0, 0), (-5, -5), (5, -5), (-5, 5), (5, 5)], np.float32)
CUES = (len(SILHOUETTES), TEXTURES, len(HUES), len(PLACES))  # values of each cue
FAMILIES = {"cues": (5, 4), "cues-wide": (8, 5)}  # families, classes in each


def make(name: str, sizes: dict[str, int], seed: int):
    families, members = FAMILIES[name]
    values, reliability = _classes(numpy_generator(seed, name, "classes"), families, members)
    arrays = {}
    for split, count in sizes.items():
        drawn = in_blocks(lambda rng: _draw(rng, values, reliability), count, seed, name, split)
        arrays |= {f"{split}_{key}": array for key, array in drawn.items()}
    attributes = [np.eye(n, dtype=np.float32)[values[:, cue]] * reliability[:, cue, None] for cue, n in enumerate(CUES)]
    arrays |= {
        "class_values": values, "class_reliability": reliability, "class_families": values[:, 0].astype(np.int64),
        "class_attributes": np.concatenate(attributes, 1),
    }  # fmt: skip
    names = [f"{SILHOUETTES[k // members]} {k % members + 1}" for k in range(len(values))]
    facts = {"classes": names, "baselines": {"top-1 by chance (%)": 100 / len(values)}}
    return arrays, {}, facts


def _classes(rng, families: int, members: int) -> tuple[np.ndarray, np.ndarray]:
    """Cue values int8 (classes, 4) and their reliability float32 (classes, 4) in steps of 0.01."""
    count = families * members
    values = np.stack([np.arange(count) // members, *(rng.permutation(count) % n for n in CUES[1:])], 1)
    reliability = np.clip(np.round(100 * rng.beta(4, 1.6, (count, len(CUES)))), 45, 97) / 100
    return values.astype(np.int8), reliability.astype(np.float32)


def _draw(rng, values: np.ndarray, reliability: np.ndarray) -> dict[str, np.ndarray]:
    targets = rng.integers(0, len(values), BLOCK)
    random = np.stack([rng.integers(0, n, BLOCK) for n in CUES], 1)
    shown = np.where(rng.random((BLOCK, len(CUES)), np.float32) < reliability[targets], values[targets], random)
    silhouette, texture, hue, place = shown.T
    image = tinted(uniform(rng, 40, 215, BLOCK, 3)) + _clutter(rng)
    x, y = grid(SIZE, SIZE)
    centre = PLACES[place] + bell(rng, 1, BLOCK, 2)
    x, y = turned(x - per_image(centre[:, 0]), y - per_image(centre[:, 1]), rng.integers(-14, 15, BLOCK) % TURN)
    inside = _inside(x, y, silhouette, per_image(uniform(rng, 7.5, 10, BLOCK)))
    colours = np.clip(HUES[hue] + bell(rng, 14, BLOCK, 3), 0, 255)
    lay(
        image, tinted(colours) * (np.float32(0.45) + np.float32(0.55) * _texture(rng, x, y, texture)[..., None]), inside
    )
    return {"images": noisy(rng, to_bytes(image), 24), "targets": targets, "shown": shown.astype(np.int8)}


def _clutter(rng) -> np.ndarray:
    """Changes of brightness and colour over 8 pixels, float32 (BLOCK, 32, 32, 3)."""
    channels = [smooth_noise(rng, BLOCK, SIZE, SIZE, 8) for _ in range(3)]
    return (np.stack(channels, -1) - np.float32(0.5)) * np.float32(110)


def _texture(rng, x, y, texture: np.ndarray) -> np.ndarray:
    """Waves of two periods in four directions, between 0 and 1."""
    u, _ = turned(x, y, texture % 4 * (TURN // 8) + rng.integers(-6, 7, BLOCK))
    period = np.where(texture < 4, 3.2, 6.4).astype(np.float32)
    return wave(u / per_image(period) + per_image(uniform(rng, 0, 1, BLOCK)))


def _inside(x, y, silhouette: np.ndarray, radius) -> np.ndarray:
    """Share of each pixel that the silhouette covers."""
    inside = np.empty(x.shape, np.float32)
    for kind in range(len(SILHOUETTES)):
        here = silhouette == kind
        u, v, r = x[here], y[here], radius[here]
        if kind == 0:
            form = disk(u, v, r)
        elif kind < 6:
            form = lobed(u, v, r, kind + 1, 0.4)
        elif kind == 6:
            form = np.minimum(disk(u, v, r), -disk(u, v, r * np.float32(0.5)))
        else:
            form = np.minimum(disk(u, v, r), -disk(u - r * np.float32(0.5), v, r * np.float32(0.8)))
        inside[here] = cover(form)
    return inside
