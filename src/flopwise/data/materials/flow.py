"""Image pairs with exact optical flow, from four families of motion."""

import numpy as np

from flopwise.data.materials.layers import Affine, Layer, cloudy, everywhere, render
from flopwise.data.materials.pixels import (
    BLOCK,
    bell,
    cross,
    grid,
    in_blocks,
    lobed,
    per_image,
    square,
    triangle,
    turned,
    uniform,
    wave,
)

FIELDS = {
    "frame1": "uint8 (n, h, w, 3)", "frame2": "uint8 (n, h, w, 3)",
    "flow": "float32 (n, h, w, 2): motion from frame 1 to frame 2 in pixels, right and down",
    "backward": "float32 (n, h, w, 2): motion from frame 2 to frame 1",
    "occluded": "bool (n, h, w): the place in frame 1 is hidden in frame 2, or lies outside it",
    "valid": "bool (n, h, w): where the flow may be used; sparse for the road",
    "layers1": "uint8 (n, h, w): which layer frame 1 shows", "layers2": "uint8 (n, h, w): the same for frame 2",
}  # fmt: skip
SIZES = {"flow-affine": (8, 8), "flow-layers": (16, 16), "flow-scenes": (24, 56), "flow-road": (24, 80)}


def make(name: str, sizes: dict[str, int], seed: int):
    arrays = {}
    for split, count in sizes.items():
        drawn = in_blocks(DRAW[name], count, seed, name, split)
        arrays |= {f"{split}_{key}": array for key, array in drawn.items()}
    last = tuple(sizes)[-1]
    length, valid = np.sqrt((arrays[f"{last}_flow"] ** 2).sum(-1)), arrays[f"{last}_valid"]
    facts = {
        "height": SIZES[name][0], "width": SIZES[name][1],
        "shares": {
            "occluded": round(float(arrays[f"{last}_occluded"].mean()), 4), "valid": round(float(valid.mean()), 4),
        },
        "baselines": {"end-point error of zero flow (pixels)": round(float(length[valid].mean()), 3)},
    }  # fmt: skip
    return arrays, {}, facts


def _pixels(name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = (axis.astype(np.float64) for axis in grid(*SIZES[name]))
    return np.broadcast_to(x, (BLOCK, *x.shape[1:])), np.broadcast_to(y, (BLOCK, *y.shape[1:]))


def _affine(rng, deform: float, reach: float, centre: np.ndarray) -> Affine:
    """A motion close to a shift of at most `reach` pixels per axis, with a little of turn, stretch and shear."""
    matrix = bell(rng, deform, BLOCK, 4).astype(np.float64) + np.array([1.0, 0, 0, 1])
    return Affine(matrix, centre, uniform(rng, -reach, reach, BLOCK, 2).astype(np.float64))


def _done(drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**drawn, "valid": np.ones(drawn["occluded"].shape, bool)}


def draw_affine(rng) -> dict[str, np.ndarray]:
    """One textured plane under one affine motion."""
    motion = _affine(rng, 0.08, 1, np.zeros((BLOCK, 2)))
    ground = Layer(cloudy(rng, BLOCK, (3, 1.8), 130), everywhere, motion.forward, motion.inverse)
    return _done(render([ground], *_pixels("flow-affine")))


def draw_layers(rng) -> dict[str, np.ndarray]:
    """A plane and one or two lobed pieces before it, each with a texture and an affine motion of its own."""
    motion = _affine(rng, 0.05, 1, np.zeros((BLOCK, 2)))
    layers = [Layer(cloudy(rng, BLOCK, (5, 2.5), 130), everywhere, motion.forward, motion.inverse)]
    for piece in range(2):
        centre = uniform(rng, -6, 6, BLOCK, 2).astype(np.float64)
        motion, radius = _affine(rng, 0.06, 2, centre), uniform(rng, 3, 5.5, BLOCK)
        radius = np.where((piece == 0) | (rng.integers(0, 2, BLOCK) == 0), radius, -1)  # every other pair has one piece
        covers = _lobed(centre, radius, 2 + int(rng.integers(0, 4)))
        layers.append(Layer(cloudy(rng, BLOCK, (4, 2.2), 130), covers, motion.forward, motion.inverse))
    return _done(render(layers, *_pixels("flow-layers")))


def _lobed(centre: np.ndarray, radius: np.ndarray, lobes: int):
    cx, cy = per_image(centre[:, 0]), per_image(centre[:, 1])
    return lambda x, y: lobed(x - cx, y - cy, per_image(radius), lobes, 0.25) > 0


def draw_scenes(rng) -> dict[str, np.ndarray]:
    """Five boxes, triangles and crosses with wave textures before a far plane; the camera pans and zooms, what is near moves
    more, and everything moves by itself besides."""
    pan = bell(rng, 1.6, BLOCK, 2).astype(np.float64)
    zoom = 1 + bell(rng, 0.02, BLOCK).astype(np.float64)
    layers = []
    for depth in range(6):
        near = 0.4 + 0.25 * depth
        own = np.zeros((BLOCK, 2)) if depth == 0 else bell(rng, 1, BLOCK, 2).astype(np.float64)
        centre = np.stack([uniform(rng, -26, 26, BLOCK), uniform(rng, -9, 9, BLOCK)], 1).astype(np.float64)
        spin = bell(rng, 0.0 if depth == 0 else 0.06, BLOCK).astype(np.float64)
        scale = 1 + near * (zoom - 1)
        centre = centre * (depth > 0)
        shift = near * pan + own + (scale - 1)[:, None] * centre  # zooms about the middle of the picture
        motion = Affine(np.stack([scale, -spin, spin, scale], 1), centre, shift)
        covers = everywhere if depth == 0 else _form(rng, centre)
        layers.append(Layer(_waves(rng), covers, motion.forward, motion.inverse))
    return _done(render(layers, *_pixels("flow-scenes")))


def _form(rng, centre: np.ndarray):
    """A turned box, triangle or cross."""
    kind = per_image(rng.integers(0, 3, BLOCK))
    radius, turn = uniform(rng, 4, 8, BLOCK), rng.integers(0, 256, BLOCK)

    def covers(x, y):
        u, v = turned(x - per_image(centre[:, 0]), y - per_image(centre[:, 1]), turn)
        return np.choose(kind, [form(u, v, per_image(radius)) > 0 for form in (square, triangle, cross)])

    return covers


def _waves(rng):
    """A texture of two crossing waves under smooth noise."""
    first, second = rng.integers(0, 256, BLOCK), rng.integers(0, 256, BLOCK)
    periods = uniform(rng, 4, 9, 2, BLOCK).astype(np.float64)
    clouds, tint = cloudy(rng, BLOCK, (6,), 60), uniform(rng, -70, 70, 2, BLOCK, 1, 1, 3).astype(np.float64)

    def paint(x, y):
        u, v = turned(x, y, first)[0] / per_image(periods[0]), turned(x, y, second)[0] / per_image(periods[1])
        return clouds(x, y) + tint[0] * (wave(u) - 0.5)[..., None] + tint[1] * (wave(v) - 0.5)[..., None]

    return paint


HORIZON, CAMERA = -4.0, 60.0  # row of the horizon in pixels from the middle, distance of the image plane times height


def draw_road(rng) -> dict[str, np.ndarray]:
    """A drive along a plane road under a far sky, with three upright boxes that drive too. Truth is sparse, as a range
    finder gives it: a part of the pixels of every other row, none in the sky."""
    drive = per_image(uniform(rng, 0.1, 0.4, BLOCK).astype(np.float64))
    sky = Layer(cloudy(rng, BLOCK, (14, 6), 70), everywhere, lambda x, y: (x, y), lambda x, y: (x, y))
    layers = [sky, _road(rng, drive)]
    for distance in (24.0, 15.0, 10.0):  # of the boxes, far to near, in the units of `drive`
        away = distance * (1 + bell(rng, 0.08, BLOCK).astype(np.float64))
        closing = drive[:, 0, 0] - uniform(rng, -0.3, 0.4, BLOCK)
        growth = away / (away - closing)
        foot = CAMERA / away  # rows below the horizon
        centre = np.stack([uniform(rng, -30, 30, BLOCK), HORIZON + foot * 0.55], 1).astype(np.float64)
        shift = (growth - 1)[:, None] * (centre - np.array([0, HORIZON]))  # grows about the point of escape
        nothing = np.zeros(BLOCK)
        motion = Affine(np.stack([growth, nothing, nothing, growth], 1), centre, shift)
        wide, high = per_image(foot * 1.1), per_image(foot * 0.5)
        layers.append(Layer(_waves(rng), _box(centre, wide, high), motion.forward, motion.inverse))
    x, y = _pixels("flow-road")
    drawn = render(layers, x, y)
    scanned = (np.arange(y.shape[1]) % 2 == 0)[None, :, None] & (rng.random(drawn["occluded"].shape) < 0.6)
    return {**drawn, "valid": scanned & (drawn["layers1"] > 0)}


def _road(rng, drive) -> Layer:
    """The plane below the horizon, under a camera that moves forward by `drive`."""

    def moved(x, y, by):
        below = np.maximum(y - HORIZON, 0)  # distance on the road is CAMERA / below
        growth = 1 / (1 - by * below / CAMERA)
        return x * growth, HORIZON + np.where(y > HORIZON, below * growth, y - HORIZON)

    clouds = cloudy(rng, BLOCK, (7, 3), 110)
    return Layer(clouds, lambda x, y: y > HORIZON, lambda x, y: moved(x, y, drive), lambda x, y: moved(x, y, -drive))


def _box(centre: np.ndarray, wide, high):
    cx, cy = per_image(centre[:, 0]), per_image(centre[:, 1])
    return lambda x, y: (np.abs(x - cx) < wide) & (np.abs(y - cy) < high)


DRAW = {
    "flow-affine": draw_affine, "flow-layers": draw_layers, "flow-scenes": draw_scenes, "flow-road": draw_road,
}  # fmt: skip
