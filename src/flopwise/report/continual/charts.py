"""The kinds of figure that several topics use: dots in rows, lines along an axis, paths in the plane, over time."""

import pandas as pd

from flopwise.report import frames, theme
from flopwise.report.continual import plots, slices, styles
from flopwise.report.continual.study import METRICS, Study, absent, note, untraced
from flopwise.report.show import Drawn

POINTS = "percentage points"


def dots(study: Study, rows: pd.DataFrame, *but: str, keep: tuple[str, ...] = (), key: bool = True) -> Drawn:
    """Final aggregates in three panels, a row per label, a colour per method.

    rows: of the table `final`, with column `row` (label; in the order in which they stand) and, if some markers are
    hollow, `hollow`. but: axes that the figure varies. keep: columns that the drawn table keeps. key: name the methods
    above the panels, where the labels do not."""
    rows = rows if "hollow" in rows.columns else rows.assign(hollow=False)
    means = frames.summarise_all(rows, [*dict.fromkeys(["row", *keep, "method", "hollow", "metric"])])
    order = list(dict.fromkeys(rows["row"]))
    several = rows.groupby("row")["method"].nunique().max() > 1
    zero = rows.groupby("metric")["zero_shot"].mean()
    each = 0.4 if several else 0.3
    figure, line = theme.figure(0.9 + each * len(order) + 0.25 * key, ncols=3, sharey=True)
    for axes, metric in zip(line, METRICS):
        plots.dots(axes, means[means["metric"] == metric], order, zero[metric])
        axes.set_title(styles.TITLES[metric])
        axes.set_xlabel("percent")
    line[0].set_yticks([-index for index in range(len(order))], order)
    if key:
        plots.key(figure, means["method"])
    return Drawn(figure, means.drop(columns="hollow"), note(study, rows, means["seeds"], *but))


def lines(
    study: Study, rows: pd.DataFrame, axis: str, place: dict, *but: str, label: str, series: str = "method",
    joined: bool = True, stack: str | None = None, names: dict | None = None,
) -> Drawn:  # fmt: skip
    """Change of the final aggregates from zero-shot in three panels against the values of an axis, a line per series.

    place: value of the axis -> its position. label: of the horizontal axis. stack: a column of `rows`, for each value of
    which there is a row of panels, titled with it. names: value -> what its tick says (default: the study's word)."""
    rows = rows if stack else rows.assign(stack="")
    by = [stack or "stack", *dict.fromkeys([axis, series, "metric"])]
    means = frames.summarise_all(rows, by, "delta")
    means = means.assign(at=means[axis].map(place))
    used = sorted(set(means[axis]), key=place.get)
    names = names or {v: study.word(axis, v).removesuffix(" × base rate").removeprefix("T = ") for v in used}
    words = {place[value]: names[value] for value in used}
    titles = list(dict.fromkeys(rows[by[0]]))
    figure, grid = theme.figure(
        0.7 + 2.0 * len(titles), nrows=len(titles), ncols=3, squeeze=False, sharex=True, sharey="col"
    )
    for line, title in zip(grid, titles):
        for axes, metric in zip(line, METRICS):
            shown = means[means["metric"] == metric]
            axes.axhline(0, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
            plots.lines(axes, shown[shown[by[0]] == title], series, words, joined)
            axes.set_ylim(frames.limits([*shown["mean"], 0], [*shown["lower"], *shown["upper"]]))
            axes.set_title(f"Δ{styles.TITLES[metric]}" + f", {title}" * bool(title))
        line[0].set_ylabel(POINTS)
    figure.supxlabel(label, fontsize=8.5)
    plots.key(figure, means[series], series)
    data = means.drop(columns=["at"] if stack else ["at", "stack"])
    return Drawn(figure, data, note(study, rows, means["seeds"], axis, *but))


def paths(study: Study, experiment: str, axis: str) -> Drawn:
    """Paths of an experiment in the plane, a panel per method and a colour per value of the axis."""
    rows = study.of(study.trajectory, experiment)
    if not len(rows):
        return untraced(experiment) if len(study.of(study.final, experiment)) else absent(experiment)
    panels = [(styles.style(name).label, rows[rows["method"] == name]) for name in styles.order(rows["method"])]
    return planes(study, rows, panels, axis, oracle=True)


def planes(study: Study, rows: pd.DataFrame, panels: list[tuple[str, pd.DataFrame]], axis: str, *but: str,
           grey=(), oracle: bool = False) -> Drawn:  # fmt: skip
    """Paths in the plane of the paper, a panel per (title, rows), a colour per value of `axis`. The panels share their
    limits; `oracle`: its final point stands in each."""
    drawn = [(title, slices.plane(part, [axis]), slices.last_points(part, [axis])) for title, part in panels]
    best = oracle_point(study) if oracle else None
    columns = min(2, len(panels))
    lines_ = -(-len(panels) // columns)
    figure, grid = theme.figure(
        0.3 + 3.3 * lines_, 5.2 if columns == 1 else theme.WIDTH, nrows=lines_, ncols=columns, squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    every = pd.concat([paths.assign(panel=title) for title, paths, _ in drawn], ignore_index=True)
    _plane_limits(grid[0, 0], every, best, pd.concat([lost for _, _, lost in drawn]))
    zero = study.zero_shot(rows["model"].iloc[0])
    named = {}
    for axes, (title, paths, lost) in zip(grid.flat, drawn):
        named[axes] = plots.paths(axes, paths, lost, axis, grey)
        if best:
            named[axes][0].append(plots.point(axes, best, styles.style("oracle"), 10))
            named[axes][1].extend(plots.cross_points(best))
        axes.set_title(title)
    plots.hide_rest(grid, len(panels))
    figure.supxlabel(f"Δ{styles.METRICS['a_ka']}, adaptation sets ({POINTS})", fontsize=8.5)
    figure.supylabel(f"Δ{styles.METRICS['a_zs']}, evaluation sets ({POINTS})", fontsize=8.5)
    figure.draw_without_rendering()
    for axes, (ends, crowd) in named.items():
        plots.finish_plane(axes, (zero["a_ka"], zero["a_zs"]), ends, crowd)
    data = every if best is None else pd.concat([every, pd.DataFrame([{axis: "oracle", **best}])], ignore_index=True)
    lost = "A ✕ stands where a diverged run was last seen." if any(len(lost) for _, _, lost in drawn) else ""
    return Drawn(figure, data, note(study, rows, every["seeds"], axis, *but, more=lost))


def _plane_limits(axes, paths: pd.DataFrame, best: dict | None, lost: pd.DataFrame) -> None:
    """Limits that all panels share: all points, and intervals as far as there is room."""
    for name, set_limits in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        points = [0.0, *paths[name], *lost[name]]
        ends = [*paths[f"{name}_lower"], *paths[f"{name}_upper"]]
        if best:
            points.append(best[name])
            ends += [best[f"{name}_lower"], best[f"{name}_upper"]]
        set_limits(frames.limits(points, ends, pad=0.12))


def oracle_point(study: Study) -> dict | None:
    """The oracle's final point in the plane with its intervals; None where it was not run or never finished."""
    rows = frames.summarise(slices.oracle(study.final, study.setting), ["metric"], "delta").set_index("metric")
    if not {"a_ka", "a_zs"} <= set(rows.index):
        return None
    point = {"seeds": rows.loc["a_ka", "seeds"]}
    for axis, metric in (("x", "a_ka"), ("y", "a_zs")):
        row = rows.loc[metric]
        point |= {axis: row["mean"], f"{axis}_lower": row["lower"], f"{axis}_upper": row["upper"]}
    return point


def over_time(study: Study, rows: pd.DataFrame, panels: list[tuple[str, pd.DataFrame]], axis: str, *but: str,
              grey=()) -> Drawn:  # fmt: skip
    """The three aggregates after each task, a row of panels per (title, rows)."""
    zero = rows[rows["task"] == 0].groupby("metric")["value"].mean()
    parts = [(title, frames.summarise(part, [axis, "metric", "task"])) for title, part in panels]
    every = pd.concat([means.assign(panel=title) for title, means in parts], ignore_index=True)
    figure, grid = theme.figure(
        0.4 + 1.75 * len(parts), nrows=len(parts), ncols=3, squeeze=False, sharex=True, sharey="col"
    )
    ends = {}
    for line, (title, means) in zip(grid, parts):
        for axes, metric in zip(line, METRICS):
            chosen = every[every["metric"] == metric]
            axes.set_ylim(frames.limits([*chosen["mean"], zero[metric]], [*chosen["lower"], *chosen["upper"]]))
            ends[axes] = plots.over_time(axes, means[means["metric"] == metric], axis, zero[metric], grey=grey)
            axes.xaxis.get_major_locator().set_params(integer=True)
        line[0].set_title(title)
        line[0].set_ylabel("percent")
    for axes, metric in zip(grid[-1], METRICS):
        axes.set_xlabel(f"{styles.METRICS[metric]} after update step (task)")
    plots.name_lines(figure, {axes: ends[axes] for axes in grid[:, -1]})
    return Drawn(figure, every, note(study, rows, every["seeds"], axis, *but))
