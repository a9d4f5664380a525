"""What all drawn images share: a canvas of 32 x 32 pixels drawn four times as large, colours, backgrounds, grain.

Coordinates are rounded to quarters of a pixel, and every pixel value comes from integer arithmetic on seeded draws, so
that a procedural image has the same bytes on every machine.
"""

import math
from functools import cache

import numpy as np

SIZE, ZOOM = 32, 4
PALETTE = {
    "red": (212, 34, 38), "orange": (242, 132, 24), "yellow": (246, 214, 40), "green": (40, 156, 62),
    "blue": (36, 84, 208), "purple": (122, 44, 164), "pink": (246, 140, 186), "brown": (124, 74, 34),
    "black": (18, 18, 20), "white": (244, 244, 240), "gray": (132, 134, 136),
}  # fmt: skip
COLOURS = tuple(PALETTE)
NEUTRAL = ("black", "white", "gray")


def colour(rng, name: str, spread: int = 16) -> tuple[int, int, int]:
    """A shade of the colour called `name`: each channel moved by at most `spread`."""
    moves = rng.integers(-spread, spread + 1, 3)
    return tuple(int(min(255, max(0, base + move))) for base, move in zip(PALETTE[name], moves))


def shade(rgb, percent: int) -> tuple[int, int, int]:
    """`rgb` with its brightness scaled to `percent`."""
    return tuple(min(255, channel * percent // 100) for channel in rgb)


def pick(rng, options):
    """One of `options`, all equally likely."""
    return options[int(rng.integers(len(options)))]


def pick_other(rng, options, *taken):
    """One of `options` that is not among `taken`."""
    return pick(rng, [option for option in options if option not in taken])


def an(phrase: str) -> str:
    """`phrase` with its indefinite article."""
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"


def uniform(rng, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def plain(rgb) -> np.ndarray:
    """A background of one colour, uint8 (32, 32, 3)."""
    return np.full((SIZE, SIZE, 3), rgb, np.uint8)


@cache
def _ramp() -> np.ndarray:
    return np.arange(SIZE)[:, None, None]


def gradient(top, bottom, horizontal: bool = False) -> np.ndarray:
    """A background that passes from colour `top` to colour `bottom`, uint8 (32, 32, 3)."""
    a, b = np.array(top), np.array(bottom)
    column = (a * (SIZE - 1 - _ramp()) + b * _ramp() + SIZE // 2) // (SIZE - 1)
    image = np.clip(column, 0, 255).astype(np.uint8).repeat(SIZE, axis=1)
    return image.transpose(1, 0, 2) if horizontal else image


def backdrop(rng, name: str) -> np.ndarray:
    """A background in shades of the colour called `name`: plain or fading."""
    if rng.integers(2):
        return plain(colour(rng, name))
    return gradient(
        colour(rng, name, 22), shade(colour(rng, name, 10), int(rng.integers(78, 104))), bool(rng.integers(2))
    )


def grain(image: np.ndarray, rng, amount: int = 7) -> np.ndarray:
    """`image` with a change of brightness and independent noise of at most `amount` per value, uint8."""
    noise = rng.integers(-amount, amount + 1, image.shape, dtype=np.int16)
    noise += np.int16(rng.integers(-10, 11))
    return np.clip(image.astype(np.int16) + noise, 0, 255).astype(np.uint8)


def blend(under: np.ndarray, over, mask: np.ndarray) -> np.ndarray:
    """`over` (a colour, or uint8 (32, 32, 3)) laid on `under` where `mask` (uint8 (32, 32)) is 255."""
    weight = mask[:, :, None].astype(np.int32)
    return ((under * (255 - weight) + np.asarray(over) * weight + 127) // 255).astype(np.uint8)


class Canvas:
    """Anti-aliased drawing. Coordinates and widths are in pixels of the finished image, origin at the upper left."""

    def __init__(self, background: np.ndarray):
        from PIL import Image, ImageDraw

        self.image = Image.fromarray(background).resize((SIZE * ZOOM, SIZE * ZOOM), Image.Resampling.NEAREST)
        self.pen = ImageDraw.Draw(self.image)

    def polygon(self, points, fill) -> None:
        self.pen.polygon([(round(x * ZOOM), round(y * ZOOM)) for x, y in points], fill=fill)

    def line(self, points, fill, width: float = 1.0) -> None:
        """A polyline with round joints and ends."""
        scaled = [(round(x * ZOOM), round(y * ZOOM)) for x, y in points]
        size = max(1, round(width * ZOOM))
        self.pen.line(scaled, fill=fill, width=size, joint="curve")
        if size > 3:
            for x, y in (scaled[0], scaled[-1]):
                self.pen.ellipse([x - size // 2, y - size // 2, x + size // 2, y + size // 2], fill=fill)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float | None = None, fill=None, outline=None, width=1.0
    ) -> None:
        self.pen.ellipse(
            _box(x, y, rx, rx if ry is None else ry), fill=fill, outline=outline, width=round(width * ZOOM)
        )

    def rectangle(
        self, left: float, top: float, right: float, bottom: float, fill=None, outline=None, width=1.0
    ) -> None:
        box = [round(left * ZOOM), round(top * ZOOM), round(right * ZOOM), round(bottom * ZOOM)]
        self.pen.rectangle(box, fill=fill, outline=outline, width=round(width * ZOOM))

    def sector(self, x: float, y: float, r: float, start: float, end: float, fill) -> None:
        """A slice of a disc between two angles in degrees, clockwise from three o'clock."""
        self.pen.pieslice(_box(x, y, r, r), round(start), round(end), fill=fill)

    def pixels(self) -> np.ndarray:
        """The drawing at its own size, uint8 (32, 32, 3)."""
        return np.asarray(self.image.reduce(ZOOM))


def _box(x: float, y: float, rx: float, ry: float) -> list[int]:
    return [round((x - rx) * ZOOM), round((y - ry) * ZOOM), round((x + rx) * ZOOM), round((y + ry) * ZOOM)]


def ring_of(
    count: int, x: float, y: float, r: float, start: float = 0.0, squeeze: float = 1.0
) -> list[tuple[float, float]]:
    """`count` points on an ellipse with radii r and r * squeeze, from angle `start` (radians) clockwise."""
    turns = [start + 2 * math.pi * k / count for k in range(count)]
    return [(x + r * math.cos(t), y + r * squeeze * math.sin(t)) for t in turns]


def turned(points, x: float, y: float, angle: float, scale: float = 1.0) -> list[tuple[float, float]]:
    """`points` scaled, turned by `angle` (radians, clockwise) about the origin and moved to (x, y)."""
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return [(x + c * px - s * py, y + s * px + c * py) for px, py in points]
