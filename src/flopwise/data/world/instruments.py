"""Man-made signs with fixed rules: clock faces, flags, road signs."""

import math

from flopwise.data.world.drawing import (
    NEUTRAL,
    SIZE,
    Canvas,
    backdrop,
    colour,
    gradient,
    grain,
    pick,
    pick_other,
    ring_of,
    turned,
    uniform,
)
from flopwise.data.world.shapes import outline

HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
RED, BLUE, WHITE, GREEN, YELLOW, BLACK = (
    (206, 30, 44),
    (20, 66, 160),
    (244, 244, 242),
    (0, 128, 72),
    (250, 206, 40),
    (24, 24, 26),
)
ORANGE, SKY = (244, 140, 40), (110, 176, 226)
# v: vertical stripes, h: horizontal stripes (colours with the share of each), then what stands on them
FLAGS = {
    "France": ("v", (BLUE, WHITE, RED), None), "Italy": ("v", (GREEN, WHITE, RED), None),
    "Ireland": ("v", (GREEN, WHITE, ORANGE), None), "Belgium": ("v", (BLACK, YELLOW, RED), None),
    "Germany": ("h", (BLACK, RED, YELLOW), None), "Netherlands": ("h", (RED, WHITE, BLUE), None),
    "Austria": ("h", (RED, WHITE, RED), None), "Ukraine": ("h", (BLUE, YELLOW), None),
    "Poland": ("h", (WHITE, RED), None), "Estonia": ("h", (SKY, BLACK, WHITE), None),
    "Nigeria": ("v", (GREEN, WHITE, GREEN), None), "Japan": ("h", (WHITE,), ("disc", RED)),
    "Bangladesh": ("h", (GREEN,), ("disc", RED)), "Sweden": ("h", (BLUE,), ("cross", YELLOW)),
    "Denmark": ("h", (RED,), ("cross", WHITE)), "Finland": ("h", (WHITE,), ("cross", BLUE)),
    "Switzerland": ("h", (RED,), ("plus", WHITE)), "Vietnam": ("h", (RED,), ("star", YELLOW)),
    "Czechia": ("h", (WHITE, RED), ("wedge", BLUE)), "Palau": ("h", (SKY,), ("disc", YELLOW)),
}  # fmt: skip
SIGNS = (
    "stop", "give way", "no entry", "speed limit", "danger", "crossroads", "bend to the left", "bend to the right",
    "turn left", "turn right", "priority road", "end of restriction", "no overtaking", "pedestrian crossing",
)  # fmt: skip


def _near(rng, rgb, spread: int = 12):
    return tuple(
        int(min(255, max(0, channel + move))) for channel, move in zip(rgb, rng.integers(-spread, spread + 1, 3))
    )


def draw_clock(rng, target: int, split: str, index: int):
    """A full hour; the long hand points up, give or take five minutes."""
    face, ink = pick(
        rng, (("white", "black"), ("yellow", "brown"), ("white", "blue"), ("black", "white"), ("pink", "purple"))
    )
    canvas = Canvas(backdrop(rng, pick_other(rng, (*NEUTRAL, "green", "orange"), face)))
    x, y, r, dark = uniform(rng, 15, 17), uniform(rng, 15, 17), uniform(rng, 12, 14.5), colour(rng, ink)
    canvas.ellipse(x, y, r, fill=dark)
    canvas.ellipse(x, y, r - 1.5, fill=colour(rng, face))
    for px, py in ring_of(12, x, y, r - 2.8):
        canvas.ellipse(px, py, 0.45, fill=dark)
    for turn, length, width in (((target + 1) % 12 / 12, 0.5, 2.2), (uniform(rng, -0.06, 0.06), 0.75, 1.0)):
        angle = 2 * math.pi * turn - math.pi / 2
        canvas.line([(x, y), (x + length * r * math.cos(angle), y + length * r * math.sin(angle))], dark, width)
    hour = HOURS[target]
    caption = pick(rng, (f"a {face} clock that shows {hour} o'clock", f"clock at {hour}", f"it is {hour} o'clock"))
    return grain(canvas.pixels(), rng), caption


def _bands(canvas: Canvas, kind: str, colours, box) -> None:
    left, top, right, bottom = box
    for k, rgb in enumerate(colours):
        a, b = k / len(colours), (k + 1) / len(colours)
        if kind == "v":
            canvas.rectangle(left + a * (right - left), top, left + b * (right - left), bottom, fill=rgb)
        else:
            canvas.rectangle(left, top + a * (bottom - top), right, top + b * (bottom - top), fill=rgb)


def _charge(canvas: Canvas, charge: str, rgb, box) -> None:
    left, top, right, bottom = box
    x, y, high = (left + right) / 2, (top + bottom) / 2, bottom - top
    if charge == "disc":
        canvas.ellipse(x, y, 0.3 * high, fill=rgb)
    elif charge == "cross":
        post, arm = left + 0.36 * (right - left), 0.09 * high
        canvas.rectangle(post - arm, top, post + arm, bottom, fill=rgb)
        canvas.rectangle(left, y - arm, right, y + arm, fill=rgb)
    elif charge == "plus":
        canvas.polygon(turned(outline("cross"), x, y, 0, 0.34 * high), rgb)
    elif charge == "star":
        canvas.polygon(turned(outline("star"), x, y, 0, 0.36 * high), rgb)
    else:
        canvas.polygon([(left, top), (left + 0.42 * (right - left), y), (left, bottom)], rgb)


def draw_flag(rng, target: int, split: str, index: int):
    country = tuple(FLAGS)[target]
    kind, colours, charge = FLAGS[country]
    canvas = Canvas(backdrop(rng, pick(rng, ("gray", "brown", "blue", "black", "white"))))
    wide = uniform(rng, 22, 29)
    high = wide * uniform(rng, 0.62, 0.72)
    left, top = uniform(rng, 1, SIZE - 1 - wide), uniform(rng, 1, SIZE - 1 - high)
    box = (left, top, left + wide, top + high)
    _bands(canvas, kind, [_near(rng, rgb) for rgb in colours], box)
    if charge:
        _charge(canvas, charge[0], _near(rng, charge[1]), box)
    canvas.line([(left, top - 1), (left, SIZE)], colour(rng, "brown"), 0.9)
    caption = pick(rng, (f"the flag of {country}", f"national flag, {country}", f"{country} flag on a pole"))
    return grain(canvas.pixels(), rng), caption


def _plate(canvas: Canvas, x, y, r, form: str, rim, face) -> None:
    up = -math.pi / 2
    if form == "disc":
        canvas.ellipse(x, y, r, fill=rim)
        canvas.ellipse(x, y, r * 0.78, fill=face)
        return
    count, start = {"triangle": (3, up), "down": (3, -up), "diamond": (4, up), "octagon": (8, math.pi / 8)}[form]
    y += {"triangle": 0.25 * r, "down": -0.25 * r}.get(form, 0)
    grown = r * (1.25 if count == 3 else 1)
    canvas.polygon(ring_of(count, x, y, grown, start), rim)
    canvas.polygon(ring_of(count, x, y, grown * (0.62 if count == 3 else 0.8), start), face)


def _sign(canvas: Canvas, rng, name: str, x: float, y: float, r: float) -> None:
    red, blue, white, black, yellow = (_near(rng, rgb) for rgb in (RED, BLUE, WHITE, BLACK, YELLOW))

    def at(*points):
        return [(x + r * px, y + r * py) for px, py in points]

    side = -1 if name.endswith("left") else 1
    if name in ("stop", "no entry"):
        _plate(canvas, x, y, r, "octagon" if name == "stop" else "disc", red, red)
        if name == "stop":
            for k in range(4):
                canvas.line(at((-0.6 + 0.4 * k, -0.22), (-0.6 + 0.4 * k, 0.22)), white, 0.16 * r)
        else:
            canvas.polygon(at((-0.68, -0.2), (0.68, -0.2), (0.68, 0.2), (-0.68, 0.2)), white)
    elif name == "give way":
        _plate(canvas, x, y, r, "down", red, white)
    elif name in ("danger", "crossroads") or name.startswith("bend"):
        _plate(canvas, x, y, r, "triangle", red, white)
        strokes = {
            "danger": [((0, -0.3), (0, 0.28)), ((0, 0.52), (0, 0.54))],
            "crossroads": [((0, -0.25), (0, 0.6)), ((-0.35, 0.25), (0.35, 0.25))],
        }.get(name, [((-0.22 * side, 0.6), (-0.22 * side, 0.1), (0.22 * side, -0.15))])
        for stroke in strokes:
            canvas.line(at(*stroke), black, 0.17 * r)
    elif name.startswith("turn"):
        _plate(canvas, x, y, r, "disc", blue, blue)
        canvas.line(at((-0.4 * side, 0.6), (-0.4 * side, -0.1), (0.2 * side, -0.1)), white, 0.2 * r)
        canvas.polygon(at((0.15 * side, -0.5), (0.7 * side, -0.1), (0.15 * side, 0.3)), white)
    elif name == "priority road":
        _plate(canvas, x, y, r, "diamond", white, yellow)
    elif name == "pedestrian crossing":
        canvas.rectangle(x - r, y - r, x + r, y + r, fill=blue)
        canvas.polygon(at((0, -0.85), (0.85, 0.75), (-0.85, 0.75)), white)
        canvas.ellipse(x, y - 0.3 * r, 0.16 * r, fill=black)
        canvas.line(at((0.02, -0.1), (0.02, 0.25), (-0.25, 0.65)), black, 0.14 * r)
        canvas.line(at((0.02, 0.25), (0.28, 0.65)), black, 0.14 * r)
    else:
        grey = name == "end of restriction"
        _plate(canvas, x, y, r, "disc", black if grey else red, white)
        if grey:
            canvas.line(at((-0.5, 0.5), (0.5, -0.5)), black, 0.2 * r)
        elif name == "no overtaking":
            for px, rgb in ((-0.32, red), (0.32, black)):
                canvas.polygon(at((px - 0.24, -0.22), (px + 0.24, -0.22), (px + 0.24, 0.25), (px - 0.24, 0.25)), rgb)
        else:
            canvas.line(at((-0.4, -0.35), (-0.1, -0.3), (-0.4, 0), (-0.1, 0.3), (-0.4, 0.35)), black, 0.14 * r)
            canvas.ellipse(x + 0.3 * r, y, 0.2 * r, 0.38 * r, outline=black, width=0.14 * r)


def draw_sign(rng, target: int, split: str, index: int):
    top = pick(rng, ((150, 190, 220), (190, 200, 206), (110, 150, 190)))
    canvas = Canvas(gradient(_near(rng, top), _near(rng, (104, 126, 84), 30)))
    x, y, r = uniform(rng, 14, 18), uniform(rng, 12, 16), uniform(rng, 9, 11.5)
    canvas.line([(x, y), (x, SIZE)], (120, 122, 126), 1.6)
    name = SIGNS[target]
    _sign(canvas, rng, name, x, y, r)
    return grain(canvas.pixels(), rng, 9), pick(
        rng, (f"a road sign: {name}", f"traffic sign, {name}", f"{name} sign by the road")
    )


SETS = {
    "clocks": (HOURS, draw_clock),
    "flags": (tuple(FLAGS), draw_flag),
    "signs": (SIGNS, draw_sign),
}
