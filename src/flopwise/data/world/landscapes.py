"""Landscapes in a few brush strokes."""

import numpy as np

from flopwise.data.world.drawing import SIZE, Canvas, gradient, grain, pick, shade, uniform

LANDSCAPES = (
    "beach",
    "desert",
    "forest",
    "mountain",
    "sea",
    "city",
    "meadow",
    "night sky",
    "sunset",
    "river",
    "road",
    "snow",
)
DAY = ((96, 160, 232), (120, 184, 240), (150, 190, 220), (84, 140, 214))


def _vary(rng, rgb, spread: int = 14):
    return tuple(
        int(min(255, max(0, channel + move))) for channel, move in zip(rgb, rng.integers(-spread, spread + 1, 3))
    )


def _sky(rng) -> Canvas:
    top = _vary(rng, pick(rng, DAY))
    return Canvas(gradient(top, shade(top, 122)))


def _ground(rng, canvas: Canvas, horizon: float, rgb, waviness: float = 0.0):
    heights = [horizon + uniform(rng, -waviness, waviness) for _ in range(6)]
    ridge = [(k * SIZE / 5, height) for k, height in enumerate(heights)]
    canvas.polygon([*ridge, (SIZE, SIZE), (0, SIZE)], rgb)


def _sun(rng, canvas: Canvas, y: float, r: float, rgb) -> None:
    canvas.ellipse(uniform(rng, 5, 27), y, r, fill=rgb)


def _strewn(rng, canvas: Canvas, count: int, top: float, bottom: float, rgb, length: float, width: float = 0.6) -> None:
    for _ in range(count):
        x, y = uniform(rng, 0, SIZE), uniform(rng, top, bottom)
        canvas.line([(x, y), (x + length, y)], rgb, width)


def _beach(rng, canvas: Canvas) -> None:
    shore, horizon = uniform(rng, 19, 24), uniform(rng, 11, 14)
    _ground(rng, canvas, horizon, _vary(rng, (28, 110, 180)))
    _ground(rng, canvas, shore - 0.8, (236, 240, 240), 1)
    _ground(rng, canvas, shore, _vary(rng, (230, 204, 146)), 1)
    if rng.integers(2):
        _sun(rng, canvas, 5, 2.5, (252, 234, 120))


def _desert(rng, canvas: Canvas) -> None:
    horizon = uniform(rng, 14, 19)
    sand = _vary(rng, (222, 170, 92))
    _ground(rng, canvas, horizon, sand, 2.5)
    _ground(rng, canvas, horizon + 7, shade(sand, 86), 2.5)
    if rng.integers(2):
        x, y = uniform(rng, 6, 26), uniform(rng, 22, 27)
        green = _vary(rng, (50, 110, 60))
        canvas.line([(x, y), (x, y - 9)], green, 1.8)
        canvas.line([(x, y - 4), (x + 3, y - 4), (x + 3, y - 7)], green, 1.2)


def _forest(rng, canvas: Canvas) -> None:
    _ground(rng, canvas, 24, _vary(rng, (46, 84, 40)))
    for _ in range(11):
        x, y, tall = uniform(rng, 0, SIZE), uniform(rng, 23, 31), uniform(rng, 13, 21)
        green = _vary(rng, (28, 96, 48), 22)
        canvas.line([(x, y), (x, y - 4)], (84, 58, 36), 1.2)
        canvas.polygon([(x - 4, y - 2), (x, y - tall), (x + 4, y - 2)], green)


def _peaks(rng, canvas: Canvas, rock, snow) -> None:
    for x in (uniform(rng, 1, 9), uniform(rng, 23, 31), uniform(rng, 11, 21)):
        top, wide = uniform(rng, 4, 10), uniform(rng, 10, 14)
        slope = (27 - top) / wide
        canvas.polygon([(x - wide, 27), (x, top), (x + wide, 27)], _vary(rng, rock))
        canvas.polygon([(x - 5 / slope, top + 5), (x, top), (x + 5 / slope, top + 5), (x + 1, top + 4)], snow)


def _mountain(rng, canvas: Canvas) -> None:
    _peaks(rng, canvas, (104, 100, 104), (244, 246, 250))
    _ground(rng, canvas, 25.5, _vary(rng, (70, 110, 60)), 1)


def _sea(rng, canvas: Canvas) -> None:
    water = _vary(rng, (24, 90, 160))
    horizon = uniform(rng, 10, 16)
    _ground(rng, canvas, horizon, water)
    _strewn(rng, canvas, 12, horizon + 2, 31, shade(water, 135), 4)
    if rng.integers(2):
        x = uniform(rng, 8, 24)
        canvas.polygon(
            [(x - 4, horizon), (x + 4, horizon), (x + 2.5, horizon + 2.5), (x - 2.5, horizon + 2.5)], (120, 50, 40)
        )
        canvas.polygon([(x, horizon - 7), (x, horizon - 1), (x + 4, horizon - 1)], (250, 250, 250))


def _city(rng, canvas: Canvas) -> None:
    x = 0.0
    while x < SIZE:
        wide, top = uniform(rng, 4, 7), uniform(rng, 5, 18)
        wall = _vary(rng, pick(rng, ((110, 112, 122), (150, 120, 104), (84, 96, 120))))
        canvas.rectangle(x, top, x + wide, 29, fill=wall)
        for k in range(int((27 - top) / 3)):
            for offset in (1.2, wide - 2.2):
                canvas.rectangle(x + offset, top + 1.5 + 3 * k, x + offset + 1, top + 2.8 + 3 * k, fill=(248, 226, 140))
        x += wide
    _ground(rng, canvas, 29, (70, 70, 74))


def _meadow(rng, canvas: Canvas) -> None:
    horizon = uniform(rng, 13, 18)
    _ground(rng, canvas, horizon, _vary(rng, (104, 178, 66)), 1.5)
    bloom = pick(rng, ((246, 214, 50), (236, 70, 70), (250, 250, 250), (216, 90, 200)))
    for _ in range(16):
        canvas.ellipse(uniform(rng, 0, SIZE), uniform(rng, horizon + 3, 31), 0.9, fill=bloom)


def _night(rng, canvas: Canvas) -> None:
    for _ in range(26):
        canvas.ellipse(uniform(rng, 0, SIZE), uniform(rng, 0, 26), pick(rng, (0.4, 0.6, 0.8)), fill=(250, 248, 226))
    if rng.integers(2):
        _sun(rng, canvas, uniform(rng, 5, 11), 3.2, (240, 236, 206))
    _ground(rng, canvas, 28, (10, 12, 20), 1.5)


def _sunset(rng, canvas: Canvas) -> None:
    horizon = uniform(rng, 20, 24)
    _sun(rng, canvas, horizon - uniform(rng, 0, 4), uniform(rng, 4, 6), (255, 226, 110))
    _ground(rng, canvas, horizon, _vary(rng, (70, 34, 54)), 0.6)


def _river(rng, canvas: Canvas) -> None:
    _ground(rng, canvas, 12, _vary(rng, (72, 140, 62)), 1.5)
    bend, end = uniform(rng, 6, 26), uniform(rng, 8, 24)
    water = _vary(rng, (44, 120, 200))
    start = uniform(rng, 11, 21)
    right = [(start + 1, 13), (bend + 2.5, 20), (end + 7, SIZE)]
    canvas.polygon([(start - 1, 13), (bend - 2.5, 20), (end - 7, SIZE), *reversed(right)], water)


def _road(rng, canvas: Canvas) -> None:
    _ground(rng, canvas, 13, _vary(rng, (120, 140, 84)), 0.8)
    x = uniform(rng, 12, 20)
    canvas.polygon([(x - 0.8, 13), (x + 0.8, 13), (27, SIZE), (5, SIZE)], _vary(rng, (82, 82, 88)))
    for top, bottom in ((15, 17), (20, 23), (27, 31)):
        share = [(y - 13) / 19 for y in (top, bottom)]
        canvas.line(
            [(x + (16 - x) * part, y) for part, y in zip(share, (top, bottom))], (246, 240, 200), 0.5 + share[1]
        )


def _snow(rng, canvas: Canvas) -> None:
    _ground(rng, canvas, uniform(rng, 15, 19), (236, 240, 248), 2)
    x = uniform(rng, 5, 27)
    for level in range(3):
        canvas.polygon(
            [(x - 4, 24 - 4 * level), (x, 16 - 4 * level), (x + 4, 24 - 4 * level)], _vary(rng, (40, 96, 70))
        )
    for _ in range(22):
        canvas.ellipse(uniform(rng, 0, SIZE), uniform(rng, 0, SIZE), 0.6, fill=(255, 255, 255))


PAINTERS = {
    "beach": _beach, "desert": _desert, "forest": _forest, "mountain": _mountain, "sea": _sea, "city": _city,
    "meadow": _meadow, "night sky": _night, "sunset": _sunset, "river": _river, "road": _road, "snow": _snow,
}  # fmt: skip


def paint(rng, landscape: str):
    """A landscape, uint8 (32, 32, 3)."""
    if landscape == "night sky":
        canvas = Canvas(gradient(_vary(rng, (12, 14, 40), 8), _vary(rng, (36, 40, 92), 10)))
    elif landscape == "sunset":
        canvas = Canvas(gradient(_vary(rng, (90, 50, 120)), _vary(rng, (250, 140, 60))))
    elif landscape == "snow":
        canvas = Canvas(gradient(_vary(rng, (150, 164, 186)), _vary(rng, (196, 206, 220))))
    else:
        canvas = _sky(rng)
    PAINTERS[landscape](rng, canvas)
    return grain(_fade(rng, canvas.pixels()), rng, 9)


def _fade(rng, image):
    """A print whose colours have faded by a random share and turned towards another hue."""
    kept, cast = int(rng.integers(0, 101)), rng.integers(-30, 31, 3)
    whole = image.astype(np.int32)
    gray = whole.sum(2, keepdims=True) // 3
    return np.clip((whole * kept + gray * (100 - kept)) // 100 + cast, 0, 255).astype(np.uint8)


def draw_landscape(rng, target: int, split: str, index: int):
    return paint(rng, LANDSCAPES[target]), f"a picture of a {LANDSCAPES[target]}"


SETS = {"landscapes": (LANDSCAPES, draw_landscape)}
