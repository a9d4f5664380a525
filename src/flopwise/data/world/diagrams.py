"""Diagrams and single pen strokes."""

import math

from flopwise.data.world.drawing import Canvas, an, backdrop, colour, grain, pick, ring_of, uniform

DIAGRAMS = (
    "bar chart", "line chart", "pie chart", "scatter plot", "histogram", "tree", "network", "table", "timeline", "venn",
    "box plot", "heat map", "flow chart", "radar chart",
)  # fmt: skip
STROKES = (
    "spiral", "loop", "check mark", "infinity sign", "lightning bolt", "staircase", "spring", "hook", "bow", "saw",
    "figure eight", "question mark",
)  # fmt: skip
INKS = ("red", "blue", "green", "orange", "purple", "pink", "brown")


def _axes(canvas: Canvas, ink) -> None:
    canvas.line([(4, 3), (4, 28), (29, 28)], ink, 0.9)


def _bars(canvas: Canvas, rng, inks, ink) -> None:
    _axes(canvas, ink)
    count = int(rng.integers(3, 6))
    for k in range(count):
        left = 6 + 23 * k / count
        canvas.rectangle(left, uniform(rng, 6, 22), left + 17 / count, 27.5, fill=inks[0])


def _histogram(canvas: Canvas, rng, inks, ink) -> None:
    _axes(canvas, ink)
    centre, wide = uniform(rng, 3, 7), uniform(rng, 1.6, 2.6)
    for k in range(11):
        high = 21 * math.exp(-(((k - centre) / wide) ** 2)) * uniform(rng, 0.85, 1.05) + 1
        canvas.rectangle(5 + 2.1 * k, 27.5 - high, 5 + 2.1 * k + 2.1, 27.5, fill=inks[0], outline=ink, width=0.25)


def _lines(canvas: Canvas, rng, inks, ink) -> None:
    _axes(canvas, ink)
    for rgb in inks[:2]:
        canvas.line([(5 + 4.6 * k, uniform(rng, 6, 25)) for k in range(6)], rgb, 1.2)


def _pie(canvas: Canvas, rng, inks, ink) -> None:
    x, y, r, start = uniform(rng, 15, 17), uniform(rng, 15, 17), uniform(rng, 10, 13), uniform(rng, 0, 360)
    cuts = [0, uniform(rng, 60, 130), uniform(rng, 160, 220), uniform(rng, 250, 310), 360]
    for k in range(4):
        canvas.sector(x, y, r, start + cuts[k], start + cuts[k + 1], inks[k])


def _scatter(canvas: Canvas, rng, inks, ink) -> None:
    _axes(canvas, ink)
    slope = pick(rng, (-0.7, 0.7, 0.7))
    for _ in range(20):
        x = uniform(rng, 6, 28)
        y = 15.5 - slope * (x - 17) + uniform(rng, -4, 4)
        canvas.ellipse(x, max(4, min(26, y)), 0.9, fill=inks[0])


def _tree(canvas: Canvas, rng, inks, ink) -> None:
    rows = [[16], [9, 23], [5, 12, 20, 27]]
    shift = uniform(rng, -1, 1)
    for level, row in enumerate(rows):
        for k, x in enumerate(row):
            if level:
                canvas.line(
                    [(x + shift, 6 + 10 * level), (rows[level - 1][k // 2] + shift, 6 + 10 * (level - 1))], ink, 0.8
                )
    for level, row in enumerate(rows):
        for x in row:
            canvas.ellipse(x + shift, 6 + 10 * level, 2.3, fill=inks[level])


def _network(canvas: Canvas, rng, inks, ink) -> None:
    nodes = [
        (x + uniform(rng, -2, 2), y + uniform(rng, -2, 2)) for x, y in ring_of(6, 16, 16, 10.5, uniform(rng, 0, 6))
    ]
    for _ in range(9):
        canvas.line([pick(rng, nodes), pick(rng, nodes)], ink, 0.7)
    for x, y in nodes:
        canvas.ellipse(x, y, 2.2, fill=inks[0])


def _table(canvas: Canvas, rng, inks, ink) -> None:
    rows, columns = int(rng.integers(4, 7)), int(rng.integers(3, 5))
    canvas.rectangle(3, 4, 29, 4 + 24 / rows, fill=inks[0])
    for k in range(rows + 1):
        canvas.line([(3, 4 + 24 * k / rows), (29, 4 + 24 * k / rows)], ink, 0.6)
    for k in range(columns + 1):
        canvas.line([(3 + 26 * k / columns, 4), (3 + 26 * k / columns, 28)], ink, 0.6)


def _timeline(canvas: Canvas, rng, inks, ink) -> None:
    start = 3.0
    for k in range(5):
        long = uniform(rng, 6, 12)
        canvas.rectangle(start, 4.5 + 5 * k, min(29, start + long), 8 + 5 * k, fill=inks[k % 3])
        start = min(22, start + long * uniform(rng, 0.4, 0.8))
    canvas.line([(3, 3), (3, 29), (29, 29)], ink, 0.8)


def _venn(canvas: Canvas, rng, inks, ink) -> None:
    for k, (x, y) in enumerate(ring_of(pick(rng, (2, 3)), 16, 16, 4.8, uniform(rng, 0, 6))):
        canvas.ellipse(x, y, 8, outline=inks[k], width=1.4)


def _boxes(canvas: Canvas, rng, inks, ink) -> None:
    _axes(canvas, ink)
    for k in range(3):
        x, y, half = 9 + 8 * k, uniform(rng, 12, 19), uniform(rng, 2.5, 4.5)
        canvas.line([(x, y - half - 4), (x, y + half + 4)], ink, 0.7)
        canvas.rectangle(x - 2.4, y - half, x + 2.4, y + half, fill=inks[0])
        canvas.line([(x - 2.2, y), (x + 2.2, y)], ink, 0.8)


def _heat(canvas: Canvas, rng, inks, ink) -> None:
    rgb = inks[0]
    for row in range(5):
        for column in range(5):
            share = int(rng.integers(15, 101))
            cell = tuple((channel * share + 250 * (100 - share)) // 100 for channel in rgb)
            canvas.rectangle(3.5 + 5 * column, 3.5 + 5 * row, 8.5 + 5 * column, 8.5 + 5 * row, fill=cell)


def _flow(canvas: Canvas, rng, inks, ink) -> None:
    x = uniform(rng, 12, 20)
    canvas.line([(x, 5), (x, 27)], ink, 0.8)
    canvas.rectangle(x - 6, 2.5, x + 6, 8, fill=inks[0])
    canvas.polygon([(x, 11), (x + 6, 15.5), (x, 20), (x - 6, 15.5)], inks[1])
    canvas.rectangle(x - 6, 23.5, x + 6, 29, fill=inks[0])


def _radar(canvas: Canvas, rng, inks, ink) -> None:
    for r in (6, 12.5):
        around = ring_of(6, 16, 16, r, 0.5)
        canvas.line([*around, around[0]], ink, 0.5)
    spokes = ring_of(6, 16, 16, 12.5, 0.5)
    shares = [uniform(rng, 0.35, 0.95) for _ in spokes]
    canvas.polygon([(16 + s * (x - 16), 16 + s * (y - 16)) for (x, y), s in zip(spokes, shares)], inks[0])
    for spoke in spokes:
        canvas.line([(16, 16), spoke], ink, 0.4)


PAINTERS = (
    _bars, _lines, _pie, _scatter, _histogram, _tree, _network, _table, _timeline, _venn, _boxes, _heat, _flow, _radar,
)  # fmt: skip


def draw_diagram(rng, target: int, split: str, index: int):
    names = [INKS[i] for i in rng.permutation(len(INKS))[:4]]
    dark = bool(rng.integers(4) == 0)
    canvas = Canvas(backdrop(rng, "black" if dark else "white"))
    PAINTERS[target](canvas, rng, [colour(rng, name) for name in names], (214, 214, 214) if dark else (50, 52, 56))
    name = DIAGRAMS[target]
    return grain(canvas.pixels(), rng, 5), pick(
        rng, (f"a diagram: {name}", an(f"{names[0]} {name}"), f"{name} from a report")
    )


def _curve(name: str) -> list[tuple[float, float]]:
    """Points of a pen stroke within -1 to 1, y downwards."""
    fixed = {
        "check mark": [(-0.9, 0.1), (-0.3, 0.8), (0.9, -0.8)],
        "lightning bolt": [(0.3, -1), (-0.5, 0.15), (0.3, 0.0), (-0.3, 1)],
        "staircase": [(-1, 0.9), (-0.4, 0.9), (-0.4, 0.3), (0.2, 0.3), (0.2, -0.3), (0.8, -0.3), (0.8, -0.9)],
        "saw": [(-1 + 0.25 * k, 0.45 if k % 2 else -0.45) for k in range(9)],
    }
    curves = {
        "spiral": lambda t, w: (t * math.cos(2.6 * w), t * math.sin(2.6 * w)),
        "loop": lambda t, w: (1.1 * (2 * t - 1) + 0.75 * math.sin(w), 0.7 * math.cos(w)),
        "infinity sign": lambda t, w: (math.sin(w), 0.5 * math.sin(2 * w)),
        "figure eight": lambda t, w: (0.5 * math.sin(2 * w), math.sin(w)),
        "spring": lambda t, w: (1.7 * t - 0.85 + 0.28 * math.sin(5 * w), 0.55 * math.cos(5 * w)),
        "hook": lambda t, w: (0.5 * math.cos(w / 2), 0.3 + 0.6 * math.sin(w / 2)),
        "bow": lambda t, w: (math.cos(w / 2), 0.5 - 0.9 * math.sin(w / 2)),
        "question mark": lambda t, w: (0.5 * math.cos(3.3 + 4.3 * t), -0.45 + 0.5 * math.sin(3.3 + 4.3 * t)),
    }
    ends = {"hook": [(0.5, -1.0)], "question mark": [(0.02, 0.45), (0.02, 0.6)]}
    if name in fixed:
        return fixed[name]
    points = [curves[name](k / 40, 2 * math.pi * k / 40) for k in range(41)]
    return ends["hook"] + points if name == "hook" else points + ends.get(name, [])


def draw_stroke(rng, target: int, split: str, index: int):
    """One stroke of a pen, tilted, stretched and a little shaky."""
    ink = pick(rng, ("black", "black", "blue", "white", "white"))
    canvas = Canvas(
        backdrop(rng, pick(rng, ("black", "black", "brown") if ink == "white" else ("white", "white", "yellow")))
    )
    name, tilt, r = STROKES[target], uniform(rng, -0.3, 0.3), uniform(rng, 10, 12.5)
    wide, x, y = uniform(rng, 0.85, 1.1), uniform(rng, 15, 17), uniform(rng, 15, 17)
    c, s = r * math.cos(tilt), r * math.sin(tilt)
    bend = uniform(rng, -0.15, 0.15)
    points = []
    for px, py in _curve(name):
        px, py = wide * px + bend * py * py + uniform(rng, -0.03, 0.03), py + bend * px * px + uniform(rng, -0.03, 0.03)
        points.append((x + c * px - s * py, y + s * px + c * py))
    canvas.line(points, colour(rng, ink), uniform(rng, 1.2, 2.2))
    return grain(canvas.pixels(), rng), pick(
        rng, (an(f"{name} drawn with a pen"), f"{name} by hand", f"one stroke, a {name}")
    )


SETS = {"charts": (DIAGRAMS, draw_diagram), "strokes": (STROKES, draw_stroke)}
