"""Shaded solids on a table, light from the upper left."""

import math

from flopwise.data.world.drawing import (
    COLOURS,
    NEUTRAL,
    SIZE,
    Canvas,
    an,
    colour,
    gradient,
    grain,
    pick,
    ring_of,
    shade,
    uniform,
)

SOLIDS = ("ball", "cube", "cone", "cylinder", "pyramid", "torus", "snowman", "slab", "tower", "bowl")
TINTS = tuple(name for name in COLOURS if name not in NEUTRAL)


def _box(canvas: Canvas, x, base, wide, high, depth, slant, rgb) -> None:
    """A cuboid: its front, then its top and one side seen obliquely."""
    left, right, top = x - wide / 2, x + wide / 2, base - high
    dx, dy = depth * slant, -0.55 * depth
    canvas.polygon([(left, top), (left + dx, top + dy), (right + dx, top + dy), (right, top)], shade(rgb, 125))
    edge = right if slant > 0 else left
    canvas.polygon(
        [(edge, top), (edge + dx, top + dy), (edge + dx, base + dy), (edge, base)], shade(rgb, 55 if slant > 0 else 90)
    )
    canvas.rectangle(left, top, right, base, fill=shade(rgb, 82))


def _upright(canvas: Canvas, x, base, wide, high, rgb, taper: float) -> None:
    """A body of revolution from light on the left to dark on the right; `taper` 1 for a cylinder, 0 for a cone."""
    steps, half = 9, wide / 2
    canvas.ellipse(x, base, half, 0.3 * half, fill=shade(rgb, 60))
    for k in range(steps):
        a, b = -1 + 2 * k / steps, -1 + 2 * (k + 1) / steps
        drop = [0.3 * half * math.sqrt(max(0.0, 1 - edge * edge)) for edge in (a, b)]
        quad = [
            (x + a * half, base + drop[0]),
            (x + b * half, base + drop[1]),
            (x + b * half * taper, base - high),
            (x + a * half * taper, base - high),
        ]
        canvas.polygon(quad, shade(rgb, 112 - 7 * k))
    if taper:
        canvas.ellipse(x, base - high, half * taper, 0.3 * half * taper, fill=shade(rgb, 130))


def _ball(canvas: Canvas, x, y, r, rgb, squeeze: float = 1.0) -> None:
    for k in range(8):
        share = 1 - k / 8
        canvas.ellipse(
            x - 0.3 * r * (1 - share),
            y - 0.35 * r * (1 - share),
            r * share,
            squeeze * r * share,
            fill=shade(rgb, 58 + 10 * k),
        )


def _torus(canvas: Canvas, x, y, r, rgb) -> None:
    for k, (px, py) in enumerate(ring_of(28, x, y, r, -math.pi / 2, squeeze=0.55)):
        light = abs(k - 24 if k > 10 else k + 4)
        canvas.ellipse(px, py, 0.33 * r, fill=shade(rgb, 118 - 5 * light))


def _build(canvas: Canvas, rng, name: str, x, base, size, rgb) -> None:
    slant = pick(rng, (-0.7, 0.7))
    if name == "cube":
        _box(canvas, x, base, size, size, 0.6 * size, slant, rgb)
    elif name == "slab":
        _box(canvas, x, base, 1.35 * size, 0.3 * size, 0.75 * size, slant, rgb)
    elif name == "tower":
        _box(canvas, x, base, 0.5 * size, 1.45 * size, 0.4 * size, slant, rgb)
    elif name == "cone":
        _upright(canvas, x, base, 1.15 * size, 1.3 * size, rgb, 0.0)
    elif name == "cylinder":
        _upright(canvas, x, base, 0.9 * size, 1.1 * size, rgb, 1.0)
    elif name == "bowl":
        for k in range(8):
            share = 1 - k / 8
            canvas.sector(
                x - 0.2 * size * (1 - share), base - 0.55 * size, 0.8 * size * share, 0, 180, shade(rgb, 60 + 8 * k)
            )
        canvas.ellipse(x, base - 0.55 * size, 0.8 * size, 0.24 * size, fill=shade(rgb, 120))
        canvas.ellipse(x, base - 0.53 * size, 0.66 * size, 0.17 * size, fill=shade(rgb, 50))
    elif name == "pyramid":
        top, turn = (x, base - 1.2 * size), uniform(rng, -0.25, 0.25)
        corner = (x + turn * size, base + 0.15 * size)
        canvas.polygon([(x - 0.75 * size, base - 0.1 * size), corner, top], shade(rgb, 118))
        canvas.polygon([corner, (x + 0.75 * size, base - 0.1 * size), top], shade(rgb, 62))
    elif name == "ball":
        _ball(canvas, x, base - 0.6 * size, 0.68 * size, rgb)
    elif name == "snowman":
        _upright(canvas, x, base - 0.3 * size, 0.66 * size, 0.6 * size, rgb, 1.0)
        _ball(canvas, x, base - 0.9 * size, 0.34 * size, shade(rgb, 96))
        _ball(canvas, x, base - 0.3 * size, 0.34 * size, shade(rgb, 80))
    else:
        _torus(canvas, x, base - 0.4 * size, 0.68 * size, rgb)


def draw_solid(rng, target: int, split: str, index: int):
    name, tint = SOLIDS[target], pick(rng, TINTS)
    wall, table = colour(rng, pick(rng, NEUTRAL)), colour(rng, pick(rng, ("gray", "brown", "white")), 20)
    canvas = Canvas(gradient(wall, shade(wall, 85)))
    canvas.rectangle(0, uniform(rng, 15, 19), SIZE, SIZE, fill=table)
    x, base, size = uniform(rng, 14, 18), uniform(rng, 25, 28), uniform(rng, 13, 15.5)
    canvas.ellipse(x + 0.2 * size, base, 0.75 * size, 0.2 * size, fill=shade(table, 60))
    _build(canvas, rng, name, x, base, size, colour(rng, tint))
    caption = pick(rng, (f"a rendering of a {name}", f"a {name} on a table", an(f"{tint} {name}, shaded")))
    return grain(canvas.pixels(), rng), caption


SETS = {"solids": (SOLIDS, draw_solid)}
