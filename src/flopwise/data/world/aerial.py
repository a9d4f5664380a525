"""Aerial tiles: land use as seen from above."""

import math

from flopwise.data.world.drawing import SIZE, Canvas, gradient, grain, pick, ring_of, shade, turned, uniform

TILES = (
    "airport", "harbour", "orchard", "irrigated field", "motorway", "roundabout", "housing estate", "stadium",
    "solar farm", "storage tanks", "golf course", "railway yard", "island", "quarry", "tennis courts", "car park",
)  # fmt: skip
GRASS, EARTH, ASPHALT, WATER, SAND = (88, 132, 66), (150, 124, 88), (96, 98, 104), (40, 96, 140), (214, 194, 146)


def _near(rng, rgb, spread: int = 14):
    return tuple(
        int(min(255, max(0, channel + move))) for channel, move in zip(rgb, rng.integers(-spread, spread + 1, 3))
    )


class _Ground:
    """A canvas whose drawing is turned about its centre by a random angle; coordinates run from -16 to 16."""

    def __init__(self, rng, rgb, reach: float = math.pi):
        base = _near(rng, rgb)
        self.canvas, self.angle, self.rng = (
            Canvas(gradient(base, shade(base, int(rng.integers(90, 111))))),
            uniform(rng, -reach, reach),
            rng,
        )

    def spots(self, points):
        return turned(points, SIZE / 2, SIZE / 2, self.angle)

    def block(self, left, top, right, bottom, rgb) -> None:
        self.canvas.polygon(self.spots([(left, top), (right, top), (right, bottom), (left, bottom)]), rgb)

    def line(self, points, rgb, width) -> None:
        self.canvas.line(self.spots(points), rgb, width)

    def disc(self, x, y, r, rgb) -> None:
        ((px, py),) = self.spots([(x, y)])
        self.canvas.ellipse(px, py, r, fill=rgb)


def _airport(rng):
    g = _Ground(rng, GRASS)
    g.line([(-22, -6), (22, -6)], _near(rng, ASPHALT), 5)
    for k in range(-3, 4):
        g.line([(5 * k, -6), (5 * k + 2.2, -6)], (240, 240, 240), 0.7)
    g.block(-10, 2, 10, 10, _near(rng, (160, 160, 164)))
    for x in (-6, 1, 7):
        g.line([(x, 3), (x, 8)], (245, 245, 245), 1.2)
        g.line([(x - 2, 5.6), (x + 2, 5.6)], (245, 245, 245), 0.9)
    return g


def _harbour(rng):
    g = _Ground(rng, WATER)
    g.block(-24, -24, 24, -8, _near(rng, (170, 166, 160)))
    for k in range(-3, 4):
        g.line([(5 * k, -8), (5 * k, 12)], (206, 200, 190), 0.9)
        for y in (-3, 3, 9):
            if rng.integers(3):
                g.line([(5 * k + 1.6, y - 1.4), (5 * k + 1.6, y + 1.4)], (246, 246, 246), 1.3)
    return g


def _orchard(rng):
    g = _Ground(rng, EARTH)
    step, green = uniform(rng, 4, 5.5), _near(rng, (50, 104, 44))
    for row in range(-5, 6):
        for column in range(-5, 6):
            g.disc(step * column, step * row, 1.6, green)
    return g


def _pivot(rng):
    g = _Ground(rng, SAND)
    for x, y in ((-8.5, -8.5), (8.5, -8.5), (-8.5, 8.5), (8.5, 8.5)):
        g.disc(x, y, 7.6, _near(rng, pick(rng, ((70, 130, 56), (110, 150, 70), (150, 150, 90))), 10))
    return g


def _motorway(rng):
    g = _Ground(rng, pick(rng, (GRASS, EARTH)))
    for y in (-3.4, 3.4):
        g.line([(-24, y), (24, y)], _near(rng, ASPHALT, 6), 5)
        for _ in range(5):
            x = uniform(rng, -18, 18)
            g.line([(x, y + 0.9), (x + 1.6, y + 0.9)], pick(rng, ((230, 60, 50), (240, 240, 240), (40, 60, 120))), 1)
    return g


def _roundabout(rng):
    g = _Ground(rng, pick(rng, (GRASS, EARTH)))
    road = _near(rng, ASPHALT)
    g.line([(-24, 0), (24, 0)], road, 4)
    g.line([(0, -24), (0, 24)], road, 4)
    g.disc(0, 0, 8.5, road)
    g.disc(0, 0, 4.2, _near(rng, GRASS))
    return g


def _houses(rng):
    g = _Ground(rng, GRASS)
    for y in (-11, 11):
        g.line([(-24, y), (24, y)], _near(rng, ASPHALT), 2.6)
    for y in (-16, -5.6, 5.6, 16):
        for k in range(-4, 5):
            roof = _near(rng, (176, 84, 60), 24)
            g.block(5.2 * k - 1.7, y - 1.9, 5.2 * k + 1.7, y + 1.9, roof)
    return g


def _stadium(rng):
    g = _Ground(rng, (130, 130, 132))
    for r, rgb in ((14, (212, 208, 204)), (10.5, (196, 90, 60)), (8, _near(rng, (62, 142, 60)))):
        g.canvas.polygon(turned(ring_of(26, 0, 0, r, squeeze=0.72), 16, 16, g.angle), rgb)
    g.line([(0, -5.6), (0, 5.6)], (240, 240, 240), 0.6)
    return g


def _solar(rng):
    g = _Ground(rng, pick(rng, (GRASS, SAND)))
    for k in range(-4, 5):
        g.block(-13, 4.2 * k - 1.3, 13, 4.2 * k + 1.3, _near(rng, (30, 44, 96), 10))
    return g


def _tanks(rng):
    g = _Ground(rng, (150, 140, 126))
    r = uniform(rng, 3.2, 4.4)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            g.disc(10 * column + 0.9, 10 * row + 0.9, r, (70, 66, 62))
            g.disc(10 * column, 10 * row, r, _near(rng, (236, 236, 232), 8))
    return g


def _golf(rng):
    g = _Ground(rng, (56, 100, 50))
    g.line([(-12, 10), (-2, 2), (8, 4), (12, -10)], _near(rng, (120, 180, 84)), 8)
    g.disc(12, -10, 4, (160, 214, 120))
    for _ in range(4):
        g.disc(uniform(rng, -12, 12), uniform(rng, -10, 10), 1.8, (236, 222, 176))
    return g


def _rails(rng):
    g = _Ground(rng, (120, 108, 100))
    for k in range(-4, 5):
        g.line([(-24, 4 * k), (24, 4 * k)], (70, 62, 60), 1)
        if rng.integers(2):
            x = uniform(rng, -14, 2)
            g.line(
                [(x, 4 * k), (x + 12, 4 * k)],
                _near(rng, pick(rng, ((150, 60, 50), (60, 80, 110), (180, 150, 60)))),
                2.2,
            )
    return g


def _island(rng):
    g = _Ground(rng, (30, 92, 150))
    shape = [(x * k, y * k) for x, y in ring_of(12, 0, 0, 1) for k in (uniform(rng, 8, 12),)]
    g.canvas.polygon(g.spots(shape), SAND)
    g.canvas.polygon(g.spots([(0.72 * x, 0.72 * y) for x, y in shape]), _near(rng, (60, 120, 56)))
    return g


def _quarry(rng):
    g = _Ground(rng, (110, 124, 84))
    for k, r in enumerate((14, 11, 8, 5)):
        ring = [(x * s, 0.8 * y * s) for x, y in ring_of(14, 0, 0, r) for s in (uniform(rng, 0.94, 1.06),)]
        g.canvas.polygon(g.spots(ring), shade((226, 204, 166), 100 - 14 * k))
    return g


def _courts(rng):
    g = _Ground(rng, GRASS)
    clay = _near(rng, pick(rng, ((190, 96, 62), (60, 120, 150))))
    for x in (-8, 8):
        g.block(x - 6.4, -12, x + 6.4, 12, clay)
        box = [(x - 4.2, -9), (x + 4.2, -9), (x + 4.2, 9), (x - 4.2, 9), (x - 4.2, -9)]
        g.line(box, (242, 242, 242), 0.6)
        g.line([(x - 5, 0), (x + 5, 0)], (242, 242, 242), 0.8)
    return g


def _cars(rng):
    g = _Ground(rng, ASPHALT)
    for y in (-12, -4.5, 4.5, 12):
        for k in range(-6, 7):
            g.line([(3 * k - 1.5, y - 2), (3 * k - 1.5, y + 2)], (220, 220, 220), 0.4)
            if rng.integers(4):
                g.line(
                    [(3 * k, y - 1.1), (3 * k, y + 1.1)],
                    pick(rng, ((220, 50, 50), (245, 245, 245), (40, 60, 130), (30, 30, 34))),
                    1.6,
                )
    return g


PAINTERS = (
    _airport, _harbour, _orchard, _pivot, _motorway, _roundabout, _houses, _stadium, _solar, _tanks, _golf, _rails,
    _island, _quarry, _courts, _cars,
)  # fmt: skip


def draw_tile(rng, target: int, split: str, index: int):
    ground = PAINTERS[target](rng)
    name = TILES[target]
    caption = pick(rng, (f"an aerial view, {name}", f"satellite image, {name}", f"{name} seen from above"))
    return grain(ground.canvas.pixels(), rng, 10), caption


SETS = {"tiles": (TILES, draw_tile)}
