"""Leaves and cells."""

import math

from flopwise.data.world.drawing import Canvas, an, backdrop, gradient, grain, pick, ring_of, shade, turned, uniform

LEAVES = (
    "round",
    "oval",
    "narrow",
    "heart-shaped",
    "lobed",
    "palmate",
    "toothed",
    "needle",
    "feathered",
    "clover",
    "fan-shaped",
)
CELLS = (
    "red blood cells", "sickle cells", "a lymphocyte", "a neutrophil", "an eosinophil", "rod bacteria",
    "a chain of cocci", "a cluster of cocci", "a dividing cell", "a nerve cell", "plant cells", "budding yeast",
)  # fmt: skip


def _near(rng, rgb, spread: int = 16):
    return tuple(
        int(min(255, max(0, channel + move))) for channel, move in zip(rgb, rng.integers(-spread, spread + 1, 3))
    )


def _blade(name: str) -> list[tuple[float, float]]:
    """Outline of a leaf of unit half-length that points up, as radius over the angle from its tip."""
    points = []
    for k in range(60):
        t = 2 * math.pi * k / 60
        c, s = math.cos(t), math.sin(t)
        x, y = s, -c
        if name == "oval":
            x *= 0.58
        elif name == "narrow":
            x *= 0.22
        elif name == "round":
            x, y = 0.88 * x, 0.88 * y
        elif name == "heart-shaped":
            x, y = 0.95 * s * (1 - 0.45 * c), -c + 0.5 * (1 - abs(s)) * (c < 0) * c
        elif name == "lobed":
            r = 0.62 + 0.3 * math.cos(7 * t)
            x, y = r * s * 0.85, -r * c
        elif name == "palmate":
            r = 0.28 + 0.72 * abs(math.cos(2.5 * t)) ** 1.4
            x, y = r * s, -r * c
        elif name == "toothed":
            r = 1 - 0.24 * (k % 4) / 3
            x, y = 0.72 * r * s, -r * c
        elif name == "fan-shaped":
            x, y = 0.95 * s * max(0.08, (1 + c) / 1.6), -c * (0.62 if c > 0 else 1.0)
        points.append((x, y))
    return points


def _leaf(canvas: Canvas, rng, name: str, green, vein) -> None:
    x, y, angle, r = 16.0, 15.5, uniform(rng, -0.6, 0.6), uniform(rng, 9.5, 12.5)

    def spot(*points):
        return turned(points, x, y, angle, r)

    canvas.line(spot((0, 0.2), (0, 1.3)), vein, 1.1)
    if name == "needle":
        canvas.line(spot((0, -1.1), (0, 1.1)), vein, 1.2)
        for k in range(9):
            for side in (-1, 1):
                canvas.line(spot((0, 0.8 - 0.22 * k), (0.55 * side, 0.45 - 0.22 * k)), green, 0.8)
    elif name == "feathered":
        canvas.line(spot((0, -0.9), (0, 1.1)), vein, 0.9)
        for k in range(4):
            for side in (-1, 1):
                cx, cy = turned([(0.42 * side, 0.7 - 0.45 * k)], x, y, angle, r)[0]
                canvas.polygon(turned(ring_of(12, 0, 0, 0.36 * r, squeeze=0.45), cx, cy, angle - 0.5 * side), green)
    elif name == "clover":
        for px, py in ((-0.5, 0.1), (0.5, 0.1), (0, -0.62)):
            cx, cy = turned([(px, py)], x, y, angle, r)[0]
            canvas.ellipse(cx, cy, 0.47 * r, fill=green)
    else:
        canvas.polygon(turned(_blade(name), x, y, angle, r), green)
        canvas.line(spot((0, -0.7), (0, 1.0)), vein, 0.8)
        for py in (-0.1, 0.35):
            for side in (-1, 1):
                canvas.line(spot((0, py), (0.3 * side, py - 0.25)), vein, 0.5)


def draw_leaf(rng, target: int, split: str, index: int):
    season, green = pick(
        rng, (("green", (58, 136, 52)), ("green", (92, 150, 48)), ("autumn", (198, 92, 34)), ("yellow", (206, 172, 52)))
    )
    green = _near(rng, green)
    canvas = Canvas(backdrop(rng, pick(rng, ("white", "white", "gray", "pink", "blue"))))
    name = LEAVES[target]
    _leaf(canvas, rng, name, green, shade(green, 62))
    return grain(canvas.pixels(), rng), pick(
        rng, (an(f"{season} {name} leaf"), f"{name} leaf of a plant", f"leaf, {name}, {season}")
    )


def _blob(rng, x, y, r, wobble=0.12):
    return [
        (x + (px - x) * k, y + (py - y) * k)
        for px, py in ring_of(14, x, y, r)
        for k in (uniform(rng, 1 - wobble, 1 + wobble),)
    ]


def _scatter(rng, count: int, gap: float):
    """About `count` places that keep a distance of `gap` pixels."""
    places: list[tuple[float, float]] = []
    for _ in range(6 * count):
        x, y = uniform(rng, 2, 30), uniform(rng, 2, 30)
        if len(places) < count and all((x - a) ** 2 + (y - b) ** 2 > gap**2 for a, b in places):
            places.append((x, y))
    return places


def _blood(canvas: Canvas, rng, pink) -> None:
    for x, y in _scatter(rng, 3, 11):
        if (x - 16) ** 2 + (y - 16) ** 2 > 150:
            canvas.ellipse(x, y, 4, fill=pink)
            canvas.ellipse(x, y, 1.6, fill=shade(pink, 110))


def _white_cell(canvas: Canvas, rng, name: str, violet, pink) -> None:
    _blood(canvas, rng, pink)
    x, y = uniform(rng, 14, 18), uniform(rng, 14, 18)
    canvas.polygon(_blob(rng, x, y, 10.5, 0.05), {"an eosinophil": (240, 150, 120)}.get(name, (206, 196, 226)))
    if name == "a lymphocyte":
        canvas.polygon(_blob(rng, x, y, 8.2, 0.05), violet)
    elif name == "a neutrophil":
        for px, py in ring_of(4, x, y, 4.4, uniform(rng, 0, 6))[:4]:
            canvas.ellipse(px, py, 2.9, fill=violet)
    else:
        for px, py in ring_of(2, x, y, 4.2, uniform(rng, 0, 6)):
            canvas.ellipse(px, py, 3.6, fill=violet)
        for _ in range(16):
            canvas.ellipse(x + uniform(rng, -8, 8), y + uniform(rng, -8, 8), 0.6, fill=(222, 84, 60))


def _bacteria(canvas: Canvas, rng, name: str, violet) -> None:
    if name == "rod bacteria":
        for x, y in _scatter(rng, 9, 6):
            angle = uniform(rng, 0, math.pi)
            dx, dy = 3 * math.cos(angle), 3 * math.sin(angle)
            canvas.line([(x - dx, y - dy), (x + dx, y + dy)], violet, 2.4)
    elif name == "a chain of cocci":
        x, y, angle = 4.0, uniform(rng, 9, 23), uniform(rng, -0.5, 0.5)
        for _ in range(10):
            canvas.ellipse(x, y, 1.9, fill=violet)
            angle = max(-0.8, min(0.8, angle + uniform(rng, -0.6, 0.6) - 0.04 * (y - 16)))
            x, y = x + 3.2 * math.cos(angle), y + 3.2 * math.sin(angle)
    else:
        x, y = uniform(rng, 13, 19), uniform(rng, 13, 19)
        for k in range(15):
            reach = 2.3 * math.sqrt(k)
            canvas.ellipse(
                x + reach * math.cos(2.4 * k), y + reach * math.sin(2.4 * k), 1.9, fill=shade(violet, 90 + k * 2)
            )


def _tissue(canvas: Canvas, rng, name: str, violet, pink) -> None:
    x, y, turn = uniform(rng, 14, 18), uniform(rng, 14, 18), uniform(rng, 0, 6.28)
    if name == "a dividing cell":
        for px, py in ring_of(2, x, y, 5.2, turn):
            canvas.polygon(_blob(rng, px, py, 7.2, 0.04), pink)
        for px, py in ring_of(2, x, y, 6, turn):
            canvas.line(turned([(0, -3.2), (0, 3.2)], px, py, turn), violet, 2)
    elif name == "a nerve cell":
        for px, py in ring_of(6, x, y, 15, turn):
            canvas.line([(x, y), ((x + px) / 2 + uniform(rng, -3, 3), (y + py) / 2), (px, py)], violet, 1.3)
        canvas.polygon(_blob(rng, x, y, 5, 0.1), violet)
        canvas.ellipse(x, y, 1.8, fill=pink)
    elif name == "plant cells":
        for row in range(4):
            for column in range(-1, 4):
                left, top = column * 10 + 5 * (row % 2) + turn / 2, row * 8.5 - turn / 2
                canvas.rectangle(left, top, left + 9.2, top + 7.8, fill=_near(rng, (150, 204, 110), 12))
                canvas.ellipse(left + uniform(rng, 2, 7), top + uniform(rng, 2, 6), 1.4, fill=(60, 130, 60))
    elif name == "budding yeast":
        for px, py in _scatter(rng, 4, 11):
            canvas.ellipse(px, py, 3.6, 3.2, fill=(226, 206, 150), outline=(140, 110, 60), width=0.7)
            bx, by = ring_of(1, px, py, 4.6, uniform(rng, 0, 6.28))[0]
            canvas.ellipse(bx, by, 1.9, fill=(226, 206, 150), outline=(140, 110, 60), width=0.7)
    else:
        for px, py in _scatter(rng, 9, 8):
            if name == "red blood cells":
                canvas.ellipse(px, py, 3.9, fill=pink)
                canvas.ellipse(px, py, 1.5, fill=shade(pink, 112))
            else:
                angle = uniform(rng, 0, 6.28)
                bow = [(4.4 * math.cos(t) - 2.5, 4.6 * math.sin(t)) for t in (-1.2 + 0.24 * k for k in range(11))]
                canvas.line(turned(bow, px, py, angle), pink, 1.7)


def draw_cell(rng, target: int, split: str, index: int):
    name = CELLS[target]
    violet, pink = _near(rng, (104, 50, 150)), _near(rng, (222, 112, 124))
    field = _near(rng, (236, 228, 226), 10)
    canvas = Canvas(gradient(field, shade(field, int(rng.integers(88, 101)))))
    if name in ("a lymphocyte", "a neutrophil", "an eosinophil"):
        _white_cell(canvas, rng, name, violet, pink)
    elif name in ("rod bacteria", "a chain of cocci", "a cluster of cocci"):
        _bacteria(canvas, rng, name, violet)
    else:
        _tissue(canvas, rng, name, violet, pink)
    return grain(canvas.pixels(), rng, 8), pick(
        rng, (f"a micrograph of {name}", f"{name} under the microscope", f"stained {name}")
    )


SETS = {"leaves": (LEAVES, draw_leaf), "cells": (CELLS, draw_cell)}
