"""Layers that move between two frames, and what follows from them exactly: both frames, the flow, what gets hidden.

A layer has a texture and an extent in coordinates of its own, those of the first frame, and a motion: a map of the
plane and its inverse. Nothing is resampled: the second frame looks the texture up at the inverse map of its pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flopwise.data.materials.pixels import per_image, uniform

Map = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Layer:
    """`paint(x, y)` float (n, h, w, 3) and `covers(x, y)` bool (n, h, w) in the layer's own coordinates; `forward` takes
    places of frame 1 to frame 2, `inverse` back."""

    paint: Callable
    covers: Callable
    forward: Map
    inverse: Map


@dataclass(frozen=True)
class Affine:
    """p -> centre + shift + matrix (p - centre), for n layers at once: matrix (n, 4) row by row, centre and shift (n, 2)."""

    matrix: np.ndarray
    centre: np.ndarray
    shift: np.ndarray

    def forward(self, x, y):
        a, b, c, d = (per_image(column) for column in self.matrix.T)
        (cx, cy), (tx, ty) = (map(per_image, pair.T) for pair in (self.centre, self.shift))
        return cx + tx + a * (x - cx) + b * (y - cy), cy + ty + c * (x - cx) + d * (y - cy)

    def inverse(self, x, y):
        a, b, c, d = (per_image(column) for column in self.matrix.T)
        (cx, cy), (tx, ty) = (map(per_image, pair.T) for pair in (self.centre, self.shift))
        x, y, area = x - cx - tx, y - cy - ty, a * d - b * c
        return cx + (d * x - b * y) / area, cy + (a * y - c * x) / area


def cloudy(rng, count: int, steps: tuple[float, ...], contrast: float, period: int = 16) -> Callable:
    """A texture of smooth noise: for each of `steps` (pixels) noise that changes over it, about the mean of a colour."""
    base = uniform(rng, 60, 195, count, 3).astype(np.float64)
    lattices = [rng.random((count, period, period, 3)) - 0.5 for _ in steps]

    def paint(x, y):
        value = sum(_between(lattice, x / step, y / step) for lattice, step in zip(lattices, steps))
        return base[:, None, None, :] + contrast * value

    return paint


def _between(lattice: np.ndarray, x, y) -> np.ndarray:
    """Values of a periodic lattice (n, p, p, 3) at places in lattice steps, with smooth passages."""
    period = lattice.shape[1]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = x - left, y - top
    u, v = (u * u * (3 - 2 * u))[..., None], (v * v * (3 - 2 * v))[..., None]
    one = np.arange(len(lattice))[:, None, None]
    columns, rows = (left % period, (left + 1) % period), (top % period, (top + 1) % period)
    upper = lattice[one, rows[0], columns[0]] * (1 - u) + lattice[one, rows[0], columns[1]] * u
    lower = lattice[one, rows[1], columns[0]] * (1 - u) + lattice[one, rows[1], columns[1]] * u
    return upper * (1 - v) + lower * v


def everywhere(x, y) -> np.ndarray:
    return np.ones(x.shape, bool)


def render(layers: list[Layer], x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Both frames and the truth, from `layers` back to front at the pixels' coordinates x (n, 1, w), y (n, h, 1).

    `frame1`, `frame2` uint8 (n, h, w, 3); `flow` (from 1 to 2) and `backward` (from 2 to 1) float32 (n, h, w, 2) in
    pixels, x first; `occluded` bool: hidden in frame 2 behind another layer, or outside it; `layers1`, `layers2` uint8:
    index of the layer seen."""
    x, y = np.broadcast_arrays(x, y)
    first, second = _view(layers, x, y, lambda layer: (x, y)), _view(layers, x, y, lambda layer: layer.inverse(x, y))
    flow, hidden = np.zeros((*first[1].shape, 2)), np.zeros(first[1].shape, bool)
    for index, layer in enumerate(layers):
        here = first[1] == index
        u, v = layer.forward(x, y)
        gone = (np.abs(u) > x.max()) | (np.abs(v) > y.max())
        for nearer in layers[index + 1 :]:
            gone = gone | nearer.covers(*nearer.inverse(u, v))
        flow[here] = np.stack([u - x, v - y], -1)[here]
        hidden[here] = gone[here]
    backward = np.zeros_like(flow)
    for index, layer in enumerate(layers):
        here = second[1] == index
        u, v = layer.inverse(x, y)
        backward[here] = np.stack([u - x, v - y], -1)[here]
    return {
        "frame1": first[0], "frame2": second[0], "flow": flow.astype(np.float32), "backward": backward.astype(np.float32),
        "occluded": hidden, "layers1": first[1], "layers2": second[1],
    }  # fmt: skip


def _view(layers: list[Layer], x, y, place: Callable) -> tuple[np.ndarray, np.ndarray]:
    """One frame, uint8, and the index of the layer seen; `place(layer)` are the pixels in the layer's coordinates."""
    image, seen = None, None
    for index, layer in enumerate(layers):
        u, v = place(layer)
        colour, inside = layer.paint(u, v), layer.covers(u, v)
        if image is None:
            image, seen = colour, np.zeros(colour.shape[:3], np.uint8)
        image, seen = np.where(inside[..., None], colour, image), np.where(inside, np.uint8(index), seen)
    return (np.clip(image, 0, 255) + 0.5).astype(np.uint8), seen
