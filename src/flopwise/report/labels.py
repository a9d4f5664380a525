"""Direct labels that do not overlap: at the ends of lines (one dimension) and beside points (two). They need to know
where the panels are: call `figure.draw_without_rendering()` once before the first label of a figure."""

from itertools import product
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression

from flopwise.report.theme import FAINT


class Label(NamedTuple):
    """A text for the point (x, y), in data units."""

    x: float
    y: float
    text: str
    colour: str


def spread(wanted, gap: float) -> np.ndarray:
    """Positions at least `gap` apart, in the order of `wanted` and as near to it as can be (least squares)."""
    wanted = np.asarray(wanted, dtype=float)
    ranks = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    placed = np.empty_like(wanted)
    placed[ranks] = isotonic_regression(wanted[ranks] - steps).x + steps
    return placed


def at_line_ends(axes: Axes, labels: list[Label], size: float = 8.0) -> None:
    """Write each text to the right of the axes at the height of its line's end, moved apart where they would touch."""
    if not labels:
        return
    figure = axes.figure
    to_pixels = axes.transData.transform([(label.x, label.y) for label in labels])
    heights = spread(to_pixels[:, 1], 1.3 * size * figure.dpi / 72)
    left, points = axes.bbox.x1, 72 / figure.dpi
    for label, (x, y), height in zip(labels, to_pixels, heights):
        axes.annotate(
            label.text, (label.x, label.y), xytext=((left + 14 - x) * points, (height - y) * points),
            textcoords="offset points",
            color=label.colour, fontsize=size, va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": label.colour, "lw": 0.6, "alpha": 0.6, "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


def beside_points(axes: Axes, labels: list[Label], obstacles, size: float = 8.0) -> None:
    """Write each text near its point where it covers least: not other texts, not `obstacles` (points in data units,
    shape (n, 2)), not the edge of the axes. A thin line joins text and point where they are apart."""
    if not labels:
        return
    figure = axes.figure
    renderer, points = FigureCanvasAgg(figure).get_renderer(), 72 / figure.dpi
    crowd = axes.transData.transform(np.asarray(obstacles, dtype=float).reshape(-1, 2))
    taken: list[Bbox] = []
    for label in labels:
        x, y = axes.transData.transform((label.x, label.y))
        probe = axes.text(0, 0, label.text, fontsize=size)
        extent = probe.get_window_extent(renderer)
        probe.remove()
        box = min(
            _candidates(x, y, extent.width, extent.height), key=lambda box: _cost(box, x, y, crowd, taken, axes.bbox)
        )
        taken.append(box)
        far = np.hypot(np.clip(x, box.x0, box.x1) - x, np.clip(y, box.y0, box.y1) - y) > 14
        line = {"arrowstyle": "-", "color": label.colour, "lw": 0.6, "alpha": 0.7, "shrinkA": 0, "shrinkB": 4}
        axes.annotate(
            label.text, (label.x, label.y), xytext=((box.x0 - x) * points, (box.y0 - y) * points),
            textcoords="offset points", color=label.colour, fontsize=size, ha="left", va="bottom", zorder=6,
            annotation_clip=False, arrowprops=line if far else None,
            bbox={"boxstyle": "square,pad=0.05", "fc": "white", "ec": "none", "alpha": 0.75},
        )  # fmt: skip


def _candidates(x: float, y: float, width: float, height: float):
    """Boxes around (x, y): 16 directions at five distances, in pixels."""
    for distance, angle in product((8, 16, 28, 44, 64), np.linspace(0, 2 * np.pi, 16, endpoint=False)):
        u, v = np.cos(angle), np.sin(angle)
        centre_x = x + u * (distance + width / 2)
        centre_y = y + v * (distance + height / 2)
        yield Bbox.from_bounds(centre_x - width / 2, centre_y - height / 2, width, height)


def _cost(box: Bbox, x: float, y: float, crowd: np.ndarray, taken: list[Bbox], frame: Bbox) -> float:
    """What a place costs: covered points and texts, leaving the frame, then distance."""
    wide = box.padded(4)
    covered = np.sum((crowd > wide.min).all(axis=1) & (crowd < wide.max).all(axis=1))
    overlaps = sum(Bbox.intersection(wide, other) is not None for other in taken)
    sides = (frame.x0 - wide.x0, wide.x1 - frame.x1, frame.y0 - wide.y0, wide.y1 - frame.y1)
    outside = sum(max(0, side) for side in sides)
    distance = np.hypot((box.x0 + box.x1) / 2 - x, (box.y0 + box.y1) / 2 - y)
    return 10.0 * covered + 200.0 * overlaps + 4.0 * outside + 0.12 * distance


def empty(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#5f6368", wrap=True)
