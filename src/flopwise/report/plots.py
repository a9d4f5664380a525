"""Drawing for the continual study: data frames in, axes filled. What is drawn comes from `frames`, how from `theme`."""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from flopwise.report import frames, labels, theme
from flopwise.report.labels import Label

METRICS = ("a_ka", "a_zs", "gm")


def trajectories(axes: Axes, paths: pd.DataFrame, oracle: dict | None, lost: pd.DataFrame) -> tuple[list, list]:
    """One polyline per method from the zero-shot point in the plane (Delta A_KA, Delta A_ZS), a marker per task, a
    cross with the 95 % interval at the last. Returns labels and obstacles for `finish_plane`.

    paths: rows of `frames.plane` of one mixture. oracle: x, y and their ends, or None. lost: rows of diverged runs with
    method, x, y of their last finite point."""
    ends, crowd = [], [(0.0, 0.0)]
    for method in theme.order(paths["method"]):
        path = paths[paths["method"] == method].sort_values("task")
        style = theme.style(method)
        axes.plot(path["x"], path["y"], style.line, color=style.colour, marker=style.marker, ms=3.5, mew=0, zorder=3)
        ends.append(_end(axes, path.iloc[-1], style, 7))
        crowd += _dense(path[["x", "y"]].to_numpy()) + _cross_points(path.iloc[-1])
    for method in theme.order(lost["method"]):
        runs, style = lost[lost["method"] == method], theme.style(method)
        axes.plot(runs["x"], runs["y"], "x", color=style.colour, ms=8, mew=2, zorder=5)
        crowd += list(zip(runs["x"], runs["y"]))
        text = f"{style.label}: {len(runs)} run{'s' if len(runs) > 1 else ''} diverged"
        ends.append(Label(runs["x"].iloc[0], runs["y"].iloc[0], text, style.colour))
    if oracle:
        ends.append(_end(axes, oracle, theme.style("oracle"), 10))
        crowd += _cross_points(oracle)
    axes.plot(0, 0, "o", color="white", mec=theme.INK, ms=7, mew=1.3, zorder=6)
    return [*ends, Label(0.0, 0.0, "zero-shot", theme.INK)], crowd


def _end(axes: Axes, point, style: theme.Style, size: float) -> Label:
    """The last point of a path with its intervals."""
    _cross(axes, point, style.colour)
    axes.plot(point["x"], point["y"], style.marker, color=style.colour, ms=size, mec="white", mew=0.8, zorder=5)
    return Label(point["x"], point["y"], style.label, style.colour)


def finish_plane(axes: Axes, start: tuple, ends: list[Label], crowd: list) -> None:
    """Zero lines, the line of equal GM through the zero-shot point and the labels, once all panels share their limits.
    start: zero-shot (A_KA, A_ZS) in percent."""
    curve = _equal_gm(axes, start)
    if len(curve):
        ends = [*ends, Label(*curve[-len(curve) // 6], "GM as zero-shot", theme.QUIET)]
    labels.beside_points(axes, ends, [*crowd, *curve])


def _cross(axes: Axes, point, colour: str) -> None:
    """The two intervals of a point, none where there is one seed."""
    for flat, keys in ((True, ("x_lower", "x_upper")), (False, ("y_lower", "y_upper"))):
        low, high = (point[key] for key in keys)
        if np.isfinite([low, high]).all():
            xs, ys = ([low, high], [point["y"]] * 2) if flat else ([point["x"]] * 2, [low, high])
            axes.plot(xs, ys, color=colour, lw=1.1, alpha=0.75, zorder=4, solid_capstyle="butt")


def _cross_points(point) -> list:
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


def over_time(axes: Axes, rows: pd.DataFrame, zero_shot: float, *, named: bool = False) -> None:
    """Mean and interval of one metric after each task, a line per method. rows: task, method, mean, lower, upper.
    named: write the methods' names at the line ends."""
    axes.axhline(zero_shot, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
    ends = []
    for method in theme.order(rows["method"]):
        line = rows[rows["method"] == method].sort_values("task")
        style = theme.style(method)
        axes.fill_between(line["task"], line["lower"], line["upper"], color=style.colour, alpha=0.09, lw=0)
        for end in ("lower", "upper"):
            axes.plot(line["task"], line[end], color=style.colour, lw=0.7, alpha=0.45)
        axes.plot(line["task"], line["mean"], style.line, color=style.colour, marker=style.marker, ms=3.5, mew=0)
        ends.append(Label(line["task"].iloc[-1], line["mean"].iloc[-1], style.label, style.colour))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.margins(x=0.03)
    if named:
        labels.at_line_ends(axes, ends)


def final_points(axes: Axes, rows: pd.DataFrame, groups: list[tuple], zero_shot: float) -> None:
    """Mean and interval per (method, mixture), one row each, from the top down. rows: method, mixture, mean, lower,
    upper. groups: the (method, mixture) pairs in order."""
    axes.axvline(zero_shot, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
    place = {group: -index for index, group in enumerate(groups)}
    for row in rows.itertuples():
        style = theme.style(row.method)
        y = place[row.method, row.mixture]
        if np.isfinite(row.mean):
            axes.plot([row.lower, row.upper], [y, y], color=style.colour, lw=1.6, solid_capstyle="butt")
            hollow = {"mfc": "white", "mew": 1.4} if row.mixture == "no-replay" else {"mew": 0}
            axes.plot(row.mean, y, style.marker, color=style.colour, ms=9 if row.method == "oracle" else 6, **hollow)
    axes.set_ylim(-len(groups) + 0.4, 0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlim(frames.limits([*rows["mean"], zero_shot], [*rows["lower"], *rows["upper"]]))


def effect(axes: Axes, rows: pd.DataFrame, axis: str, values: list, names: dict, zero_shot: dict) -> None:
    """Final mean and interval of one metric against the values of one axis of the grid, a line per method.
    rows: method, <axis>, mean, lower, upper. zero_shot: starting value per value of the axis, drawn as a tick."""
    numeric = axis == "budget"
    place = {value: float(np.log2(value)) if numeric else float(index) for index, value in enumerate(values)}
    methods = theme.order(rows["method"])
    for value in values:
        axes.plot([place[value] - 0.22, place[value] + 0.22], [zero_shot[value]] * 2, ":", color=theme.QUIET, lw=1.2)
    for index, method in enumerate(methods):
        line = rows[rows["method"] == method].set_index(axis).reindex(values).dropna(subset=["mean"]).reset_index()
        shift = 0.07 * (index - (len(methods) - 1) / 2)
        x = np.array([place[value] for value in line[axis]]) + shift
        style = theme.style(method)
        joined = style.line if axis != "stream" else "none"
        axes.plot(x, line["mean"], ls=joined, color=style.colour, marker=style.marker, ms=5, mew=0, zorder=3)
        axes.vlines(x, line["lower"], line["upper"], color=style.colour, lw=1.4, zorder=2)
    axes.set_xticks(list(place.values()), [budget(v) if numeric else theme.label(v, names) for v in values])
    axes.set_xlim(min(place.values()) - 0.4, max(place.values()) + 0.4)
    axes.grid(axis="x", visible=False)


def budget(multiple: float) -> str:
    """A multiple of the budget F as text: 0.25 -> '¼ F', 2 -> '2 F'."""
    fractions = {0.25: "¼ F", 0.5: "½ F", 0.75: "¾ F", 1.0: "F"}
    return fractions.get(float(multiple), f"{multiple:g} F")


def method_key(figure, methods) -> None:
    """Names of the methods above all panels, each in its own colour beside its marker."""
    from matplotlib.lines import Line2D

    styles = [theme.style(method) for method in theme.order(methods)]
    handles = [Line2D([], [], color=s.colour, marker=s.marker, ls=s.line, ms=5, mew=0, label=s.label) for s in styles]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(5, len(handles)), labelcolor="linecolor",
                  handlelength=2.2, columnspacing=1.6, borderaxespad=0.2)  # fmt: skip


def change_by_set(axes: Axes, change: pd.DataFrame, limit: float) -> None:
    """Heat map of changes from zero-shot in percentage points: a row per data set, a column per method, the number in
    each field. Purple is a gain, orange a loss; `limit` is the change of the deepest colour."""
    picture = axes.imshow(change.to_numpy(dtype=float), cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    for (row, column), value in np.ndenumerate(change.to_numpy(dtype=float)):
        text = f"{value:+.0f}".replace("-", "−") if abs(value) >= 0.5 else "0" if np.isfinite(value) else "–"
        dark = np.isfinite(value) and np.dot(picture.to_rgba(value)[:3], (0.299, 0.587, 0.114)) < 0.55
        axes.text(column, row, text, ha="center", va="center", fontsize=7.5, color="white" if dark else theme.INK)
    axes.set_xticks(range(change.shape[1]), [theme.style(m).label for m in change.columns])
    axes.set_yticks(range(change.shape[0]), change.index)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
