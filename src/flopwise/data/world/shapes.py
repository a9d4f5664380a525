"""Flat shapes: which shape, which colour, how many, and how two of them stand to each other."""

import math
from functools import cache

from flopwise.data.world.drawing import (
    COLOURS,
    NEUTRAL,
    SIZE,
    Canvas,
    an,
    backdrop,
    colour,
    grain,
    pick,
    pick_other,
    plain,
    ring_of,
    turned,
    uniform,
)

SHAPES = ("circle", "square", "triangle", "star", "heart", "crescent", "cross", "ring", "arrow", "hexagon")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
RELATIONS = ("left of", "right of", "above", "below")


@cache
def outline(shape: str) -> tuple[tuple[float, float], ...]:
    """Corners of a shape of unit radius about the origin (y downwards). A ring's are those of its outer circle."""
    up = -math.pi / 2
    if shape in ("circle", "ring"):
        return tuple(ring_of(28, 0, 0, 1))
    if shape == "square":
        return ((-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82))
    if shape == "triangle":
        return ((0, -1.0), (1.0, 0.8), (-1.0, 0.8))
    if shape == "hexagon":
        return tuple(ring_of(6, 0, 0, 1))
    if shape == "star":
        outer, inner = ring_of(5, 0, 0, 1.1, up), ring_of(5, 0, 0, 0.45, up + math.pi / 5)
        return tuple(point for pair in zip(outer, inner) for point in pair)
    if shape == "heart":
        turns = [2 * math.pi * k / 28 for k in range(28)]
        waves = ((13, 1), (-5, 2), (-2, 3), (-1, 4))
        return tuple((math.sin(t) ** 3, -sum(a * math.cos(k * t) for a, k in waves) / 16) for t in turns)
    if shape == "crescent":
        outer = [(math.cos(t), math.sin(t)) for t in (math.pi * (0.25 + 1.5 * k / 20) for k in range(21))]
        inner = [
            (0.42 + 0.76 * math.cos(t), 0.76 * math.sin(t)) for t in (math.pi * (1.6 - 1.2 * k / 16) for k in range(17))
        ]
        return tuple(outer + inner)
    if shape == "cross":
        a, b = 0.34, 1.0
        quarter = [(-a, -b), (a, -b), (a, -a)]
        return tuple(corner for k in range(4) for corner in turned(quarter, 0, 0, k * math.pi / 2))
    assert shape == "arrow"
    return ((-1.05, -0.28), (0.1, -0.28), (0.1, -0.8), (1.1, 0), (0.1, 0.8), (0.1, 0.28), (-1.05, 0.28))


def put(canvas: Canvas, shape: str, x: float, y: float, r: float, angle: float, rgb) -> None:
    """Draw a shape of radius r about (x, y)."""
    if shape == "circle":
        canvas.ellipse(x, y, r, fill=rgb)
    elif shape == "ring":
        canvas.ellipse(x, y, r, outline=rgb, width=max(0.5, 0.34 * r))
    else:
        canvas.polygon(turned(outline(shape), x, y, angle, r), rgb)


def _tilt(rng, shape: str) -> float:
    reach = 0.25
    return uniform(rng, -reach, reach)


def _grounds(rng, *taken: str) -> str:
    """Name of a background colour: mostly neutral, never one of `taken`."""
    return pick_other(rng, NEUTRAL if rng.integers(6) else COLOURS, *taken)


def one_shape(rng, shape: str, tint: str):
    """A single shape -> (image, name of the background colour)."""
    ground = _grounds(rng, tint)
    canvas = Canvas(backdrop(rng, ground))
    r = uniform(rng, 9.5, 13)
    x, y = uniform(rng, 14, SIZE - 14), uniform(rng, 14, SIZE - 14)
    put(canvas, shape, x, y, r, _tilt(rng, shape), colour(rng, tint))
    return grain(canvas.pixels(), rng), ground


def several(rng, number: int, shape: str, tint: str):
    """`number` (1 to 8) equal shapes in separate cells of a loose 3 x 3 grid -> (image, background colour)."""
    ground = _grounds(rng, tint)
    canvas = Canvas(plain(colour(rng, ground)))
    r, rgb = uniform(rng, 3.8, 4.4), colour(rng, tint)
    for cell in rng.permutation(9)[:number]:
        x, y = (5.8 + 10.2 * int(part) + uniform(rng, -0.9, 0.9) for part in (cell % 3, cell // 3))
        put(canvas, shape, x, y, r, _tilt(rng, shape), rgb)
    return grain(canvas.pixels(), rng), ground


def pair(rng, first: tuple[str, str], second: tuple[str, str], relation: str):
    """Two shapes, each (colour, shape), the first `relation` the second -> image."""
    canvas = Canvas(backdrop(rng, _grounds(rng, first[0], second[0])))
    near, far = uniform(rng, 7, 9), uniform(rng, 23, 25)
    slide = [uniform(rng, 10, 22) for _ in range(2)]
    places = (
        [(near, slide[0]), (far, slide[1])]
        if relation in ("left of", "right of")
        else [(slide[0], near), (slide[1], far)]
    )
    if relation in ("right of", "below"):
        places.reverse()
    for (tint, shape), (x, y) in zip((first, second), places):
        put(canvas, shape, x, y, uniform(rng, 5.2, 6.6), _tilt(rng, shape), colour(rng, tint))
    return grain(canvas.pixels(), rng)


def draw_shape(rng, target: int, split: str, index: int):
    tint = pick(rng, COLOURS)
    image, ground = one_shape(rng, SHAPES[target], tint)
    return image, an(f"{tint} {SHAPES[target]} on {an(ground)} background")


def draw_colour(rng, target: int, split: str, index: int):
    shape = pick(rng, SHAPES)
    image, ground = one_shape(rng, shape, COLOURS[target])
    return image, an(f"{COLOURS[target]} {shape} on {ground}")


def plural(shape: str, number: int) -> str:
    if number == 1:
        return shape
    return shape + ("es" if shape.endswith("s") else "s")


def draw_count(rng, target: int, split: str, index: int):
    shape, tint = pick(rng, SHAPES), pick(rng, COLOURS)
    image, _ = several(rng, target + 1, shape, tint)
    return image, f"{NUMBERS[target]} {tint} {plural(shape, target + 1)}"


def draw_relation(rng, target: int, split: str, index: int):
    """The groups are the shape that the caption names first."""
    first, relation = (pick(rng, COLOURS), SHAPES[target]), pick(rng, RELATIONS)
    second = (pick_other(rng, COLOURS, first[0]), pick_other(rng, SHAPES, first[1]))
    return pair(rng, first, second, relation), f"{an(' '.join(first))} {relation} {an(' '.join(second))}"


SETS = {
    "shapes": (SHAPES, draw_shape),
    "colours": (COLOURS, draw_colour),
    "counting": (NUMBERS, draw_count),
    "scenes": (SHAPES, draw_relation),
}
