"""Scenes for the efficiency study: things on textured grounds, with the class of every pixel."""

import numpy as np

from flopwise.data.materials.pixels import (
    BLOCK,
    cover,
    cross,
    disk,
    grid,
    lay,
    per_image,
    smooth_noise,
    square,
    tinted,
    triangle,
    turned,
    uniform,
    wave,
)

SIZE = 32
GROUNDS = ("ripples", "slats", "checks", "grain")
THINGS = ("disk", "square", "triangle", "cross", "striped disk", "striped square")
CLASSES = (*GROUNDS, *THINGS)
IGNORE = 255  # pixels on an edge, which belong to two classes
_FORMS = (disk, square, triangle, cross, disk, square)
_STRIPED = np.array([False, False, False, False, True, True])
_COLOURS = np.array(
    [
        (84, 132, 188),
        (150, 112, 78),
        (188, 184, 170),
        (104, 146, 84),
        (206, 60, 52),
        (230, 176, 48),
        (66, 158, 92),
        (126, 72, 176),
        (214, 112, 168),
        (52, 92, 200),
    ],
    np.float32,
)


def draw(rng, things: np.ndarray, grounds: np.ndarray, radius: tuple[float, float], spread: float):
    """Scenes with the given things and grounds.

    `things` int (n, k): what lies there, back to front, -1 for nothing; `grounds` int (n, 2): the ground and, below a
    line, a second one (the same for none); `radius`: smallest and largest, in pixels; `spread`: how far from the middle
    things lie, in pixels. Returns brightness float32 (n, 32, 32, 3) and classes uint8 (n, 32, 32), IGNORE on edges."""
    count = len(things)
    x, y = grid(SIZE, SIZE)
    image, classes = _ground(rng, grounds[:, 0]), np.repeat(per_image(grounds[:, 0]).astype(np.uint8), SIZE, 1)
    classes = np.repeat(classes, SIZE, 2)
    other = _ground(rng, grounds[:, 1])
    turn = rng.integers(24, 105, count)  # the line runs from left to right, more or less
    edge = -turned(x, y, turn)[0] + per_image(uniform(rng, -6, 6, count))
    split = grounds[:, 0] != grounds[:, 1]
    _add(image, classes, other[split], cover(-edge[split]), grounds[split, 1], split)
    for place in range(things.shape[1]):
        kind = things[:, place]
        cx, cy = uniform(rng, -spread, spread, count), uniform(rng, -spread, spread, count)
        size, turn = uniform(rng, *radius, count), rng.integers(0, 256, count)
        colours = _colours(rng, kind + len(GROUNDS))
        for thing, form in enumerate(_FORMS):
            here = kind == thing
            if here.any():
                u, v = turned(x - per_image(cx[here]), y - per_image(cy[here]), turn[here])
                paint = tinted(colours[here])
                if _STRIPED[thing]:
                    paint = paint * (np.float32(0.35) + np.float32(0.65) * (wave(u / 5) > 0.5))[..., None]
                inside = cover(form(u, v, per_image(size[here])))
                _add(image, classes, paint, inside, kind[here] + len(GROUNDS), here)
    return image, classes


def _add(image, classes, paint, inside, kind, here) -> None:
    """Lay `paint` on the images that `here` picks and write its class where a pixel lies wholly inside."""
    part, labels = image[here], classes[here]
    lay(part, paint, inside)
    labels[(inside > 0) & (inside < 1)] = IGNORE
    full = inside == 1
    labels[full] = np.broadcast_to(per_image(kind), full.shape)[full]
    image[here], classes[here] = part, labels


def _colours(rng, kind: np.ndarray) -> np.ndarray:
    """A colour per sample: near that of its class, or any colour in a quarter of the cases; float32 (n, 3)."""
    near = _COLOURS[kind] + uniform(rng, -60, 60, len(kind), 3)
    free = uniform(rng, 20, 235, len(kind), 3)
    return np.clip(np.where(rng.integers(0, 4, (len(kind), 1)) == 0, free, near), 0, 255)


def _ground(rng, kind: np.ndarray) -> np.ndarray:
    """Textured grounds, float32 (n, 32, 32, 3)."""
    count = len(kind)
    x, y = grid(SIZE, SIZE)
    period, shift = uniform(rng, 3.5, 6.5, count), uniform(rng, 0, 1, count)
    turn = rng.integers(-10, 11, count) % 256
    u, v = turned(x, y, turn)
    u, v = u / per_image(period) + per_image(shift), v / per_image(period) + per_image(shift)
    grain = rng.random((count, SIZE, SIZE), np.float32) + smooth_noise(rng, count, SIZE, SIZE, 3)
    checks = (np.floor(u) + np.floor(v)) % 2
    which = per_image(kind)
    value = np.where(which == 0, wave(v), np.where(which == 1, wave(u), np.where(which == 2, checks, grain / 2)))
    contrast = per_image(uniform(rng, 50, 110, count))
    return tinted(_colours(rng, kind)) + ((value - np.float32(0.5)) * contrast)[..., None]


def several(rng, count: int = BLOCK) -> tuple[np.ndarray, np.ndarray]:
    """Two or three things for each of n scenes, int (n, 3), and one or two grounds, int (n, 2); as `draw` takes them."""
    things = rng.integers(0, len(THINGS), (count, 3))
    things[rng.integers(0, 2, count) == 0, 2] = -1
    grounds = rng.integers(0, len(GROUNDS), (count, 2))
    grounds[:, 1] = np.where(rng.integers(0, 2, count) == 0, grounds[:, 0], grounds[:, 1])
    return things, grounds
