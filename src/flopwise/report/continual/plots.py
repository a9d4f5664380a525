"""Drawing for the continual study: data frames in, axes filled. What is drawn comes from `frames`, how from `theme`."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from flopwise.report import frames, labels, theme
from flopwise.report.continual import styles
from flopwise.report.labels import Label

GREY = "#7d8288"


def paths(axes: Axes, rows: pd.DataFrame, lost: pd.DataFrame, axis: str, grey=()) -> tuple[list[Label], list]:
    """One polyline per value of `axis` from the zero-shot point in the plane (Delta A_KA, Delta A_ZS), a marker per
    task, a cross with the 95 % interval at the last. Returns labels and obstacles for `finish_plane`.

    rows: as `slices.plane` gives them. lost: rows of diverged runs with x, y of their last finite point. grey: values
    that are there for reference only."""
    ends, crowd = [], [(0.0, 0.0)]
    for value in sorted(styles.order(rows[axis], axis), key=lambda value: value not in grey):
        path = rows[rows[axis] == value].sort_values("task")
        style = look(value, axis, grey)
        marker = {"marker": style.marker, "ms": 0 if value in grey else 3.5, "mew": 0}
        axes.plot(path["x"], path["y"], style.line, color=style.colour, zorder=2 if value in grey else 3, **marker)
        ends.append(point(axes, path.iloc[-1], style, 5 if value in grey else 7))
        crowd += _dense(path[["x", "y"]].to_numpy()) + cross_points(path.iloc[-1])
    for value in styles.order(lost[axis], axis):
        runs, style = lost[lost[axis] == value], look(value, axis, grey)
        axes.plot(runs["x"], runs["y"], "x", color=style.colour, ms=8, mew=2, zorder=5)
        crowd += list(zip(runs["x"], runs["y"]))
        text = f"{style.label}: {len(runs)} run{'s' if len(runs) > 1 else ''} diverged"
        ends.append(Label(runs["x"].iloc[0], runs["y"].iloc[0], text, style.colour))
    axes.plot(0, 0, "o", color="white", mec=theme.INK, ms=7, mew=1.3, zorder=6)
    return [*ends, Label(0.0, 0.0, "zero-shot", theme.INK)], crowd


def look(value: str, axis: str = "method", grey=()) -> theme.Style:
    """Style of a value, in grey where it is there for reference only."""
    style = styles.style(value, axis)
    return style._replace(colour=GREY) if value in grey else style


def point(axes: Axes, row, style: theme.Style, size: float) -> Label:
    """A point of the plane with its intervals."""
    for flat, keys in ((True, ("x_lower", "x_upper")), (False, ("y_lower", "y_upper"))):
        low, high = (row[key] for key in keys)
        if np.isfinite([low, high]).all():
            xs, ys = ([low, high], [row["y"]] * 2) if flat else ([row["x"]] * 2, [low, high])
            axes.plot(xs, ys, color=style.colour, lw=1.1, alpha=0.75, zorder=4, solid_capstyle="butt")
    axes.plot(row["x"], row["y"], style.marker, color=style.colour, ms=size, mec="white", mew=0.8, zorder=5)
    return Label(row["x"], row["y"], style.label, style.colour)


def finish_plane(axes: Axes, start: tuple, ends: list[Label], crowd: list) -> None:
    """Zero lines, the line of equal GM through the zero-shot point and the labels, once all panels share their limits.
    start: zero-shot (A_KA, A_ZS) in percent."""
    curve = _equal_gm(axes, start)
    if len(curve):
        ends = [*ends, Label(*curve[-len(curve) // 6], "GM as zero-shot", theme.QUIET)]
    labels.beside_points(axes, ends, [*crowd, *curve], size=7.5)


def cross_points(point) -> list:
    """Points along the two intervals, for labels to keep clear of."""
    xs = np.linspace(point["x_lower"], point["x_upper"], 12)
    ys = np.linspace(point["y_lower"], point["y_upper"], 12)
    points = [(x, point["y"]) for x in xs] + [(point["x"], y) for y in ys] + [(point["x"], point["y"])]
    return [(x, y) for x, y in points if np.isfinite(x) and np.isfinite(y)]


def _dense(points: np.ndarray, steps: int = 12) -> list:
    """Points along a polyline."""
    return [tuple(a + (b - a) * f) for a, b in pairwise(points) for f in np.linspace(0, 1, steps)]


def _equal_gm(axes: Axes, start: tuple) -> list:
    """The curve on which the geometric mean is that of the zero-shot model: above it, a run has gained. Returns its
    points."""
    axes.axhline(0, color=theme.FAINT, lw=0.8, zorder=1)
    axes.axvline(0, color=theme.FAINT, lw=0.8, zorder=1)
    x_low, x_high = axes.get_xlim()
    y_low, y_high = axes.get_ylim()
    x = np.linspace(max(x_low, 0.1 - start[0]), x_high, 200)
    y = start[0] * start[1] / (start[0] + x) - start[1]
    shown = (y > y_low) & (y < y_high)
    axes.plot(x[shown], y[shown], ":", color=theme.QUIET, lw=1.0, zorder=2)
    axes.set_xlim(x_low, x_high)
    axes.set_ylim(y_low, y_high)
    return list(zip(x[shown], y[shown]))


def over_time(axes: Axes, rows: pd.DataFrame, axis: str, zero_shot: float | None, *, grey=(), x="task") -> list[Label]:
    """Mean and interval of one metric after each task, a line per value of `axis`; returns labels for the line ends.
    rows: <x>, <axis>, mean, lower, upper."""
    if zero_shot is not None:
        axes.axhline(zero_shot, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
    ends = []
    for value in sorted(styles.order(rows[axis], axis), key=lambda value: value not in grey):
        line = rows[rows[axis] == value].sort_values(x)
        style, back = look(value, axis, grey), value in grey
        if not back:
            axes.fill_between(line[x], line["lower"], line["upper"], color=style.colour, alpha=0.1, lw=0)
        marker = {"marker": style.marker, "ms": 0 if back or len(line) > 30 else 3.2, "mew": 0}
        axes.plot(line[x], line["mean"], style.line, color=style.colour, **marker)
        ends.append(Label(line[x].iloc[-1], line["mean"].iloc[-1], style.label, style.colour))
    axes.margins(x=0.03)
    return ends


def name_lines(figure, ends: dict[Axes, list[Label]]) -> None:
    """Write the names at the line ends of each panel, once the figure is laid out."""
    figure.draw_without_rendering()
    for axes, names in ends.items():
        labels.at_line_ends(axes, names, size=7.5)


def dots(axes: Axes, rows: pd.DataFrame, order: list[str], zero_shot: float) -> None:
    """Mean and interval per row label and method, from the top down; an X at the left edge where every run diverged.
    rows: row, method, mean, lower, upper, diverged, hollow. order: the labels, top first."""
    axes.axvline(zero_shot, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
    axes.set_xlim(frames.limits([*rows["mean"], zero_shot], [*rows["lower"], *rows["upper"]]))
    for label, group in rows.groupby("row"):
        methods = styles.order(group["method"])
        for row in group.itertuples():
            below = 0.5 * ((methods.index(row.method) + 0.5) / len(methods) - 0.5)
            style, y = styles.style(row.method), -order.index(label) - below
            if np.isfinite(row.mean):
                axes.plot([row.lower, row.upper], [y, y], color=style.colour, lw=1.6, solid_capstyle="butt")
                fill = {"mfc": "white", "mew": 1.4} if row.hollow else {"mew": 0}
                axes.plot(row.mean, y, style.marker, color=style.colour, ms=9 if row.method == "oracle" else 6, **fill)
            elif row.diverged:
                axes.plot(0.02, y, "x", color=style.colour, ms=6, mew=1.8, transform=axes.get_yaxis_transform())
    axes.set_ylim(-len(order) + 0.4, 0.6)
    axes.grid(axis="y", visible=False)


def lines(axes: Axes, rows: pd.DataFrame, series: str, ticks: dict[float, str], joined: bool = True) -> None:
    """Mean and interval against a position, a line per series; an X at the lower edge where every run diverged.
    rows: at, <series>, mean, lower, upper, diverged. ticks: position -> text."""
    values = styles.order(rows[series], series)
    step = min(np.diff(sorted(ticks)), default=1.0)
    for index, value in enumerate(values):
        style, line = styles.style(value, series), rows[rows[series] == value].sort_values("at")
        x = line["at"] + 0.08 * step * (index - (len(values) - 1) / 2)
        seen = line["mean"].notna()
        form = {
            "ls": style.line if joined else "none",
            "color": style.colour,
            "marker": style.marker,
            "ms": 5,
            "mew": 0,
        }
        axes.plot(x[seen], line["mean"][seen], zorder=3, **form)
        axes.vlines(x, line["lower"], line["upper"], color=style.colour, lw=1.4, zorder=2)
        lost = x[~seen & (line["diverged"] > 0)]
        axes.plot(
            lost, [0.02] * len(lost), "x", color=style.colour, ms=6, mew=1.8, transform=axes.get_xaxis_transform()
        )
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlim(min(ticks) - 0.4 * step, max(ticks) + 0.4 * step)
    axes.grid(axis="x", visible=False)


def key(figure, values, axis: str = "method") -> None:
    """Names of the series above all panels, each in its own colour beside its marker."""
    shown = [styles.style(value, axis) for value in styles.order(values, axis)]
    handles = [Line2D([], [], color=s.colour, marker=s.marker, ls=s.line, ms=5, mew=0, label=s.label) for s in shown]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(4, len(handles)), labelcolor="linecolor",
                  handlelength=2.2, columnspacing=1.6, borderaxespad=0.2)  # fmt: skip


def hide_rest(grid, count: int) -> None:
    """Leave the first `count` panels of a grid; the lowest of each column shows its ticks' texts."""
    for index, axes in enumerate(grid.flat):
        axes.set_visible(index < count)
        if index < count <= index + grid.shape[1]:
            axes.tick_params(labelbottom=True)


def heat(axes: Axes, table: pd.DataFrame, limit: float, texts=None, *, size: float = 7.5, cmap: str = "PuOr", low=None):
    """Heat map of a table with a text in each field. With the default colours purple is a gain, orange a loss, and
    `limit` the change of the deepest colour; `low` given: the scale starts there. Returns the image."""
    numbers = table.to_numpy(dtype=float)
    texts = np.vectorize(change)(numbers) if texts is None else texts
    picture = axes.imshow(numbers, cmap=cmap, vmin=-limit if low is None else low, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(numbers):
        dark = np.isfinite(value) and np.dot(picture.to_rgba(value)[:3], (0.299, 0.587, 0.114)) < 0.55
        colour = "white" if dark else theme.INK
        axes.text(column, row, texts[row][column], ha="center", va="center", fontsize=size, color=colour)
    axes.set_yticks(range(table.shape[0]), table.index)
    axes.set_xticks(range(table.shape[1]), table.columns)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return picture


def change(value: float, digits: int = 0) -> str:
    """A change in points as text: '+3', '−2', '0', a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}"
    return text.strip("+-") if float(text) == 0 else text.replace("-", "−")
