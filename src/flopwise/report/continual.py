"""The figures and tables of the continual study, each from the study's tables alone."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from flopwise.core.io import read_table
from flopwise.report import frames, labels, plots, theme

METRICS = plots.METRICS
EFFECTS = {"stream": "order of the stream", "budget": "budget", "model": "model scale"}


class Drawn(NamedTuple):
    """A figure, the table it draws, and what its caption must say about these data."""

    figure: Figure
    data: pd.DataFrame
    note: str


class Study(NamedTuple):
    """The study's tables and the setting at which all methods are compared."""

    trajectory: pd.DataFrame
    final: pd.DataFrame
    per_set: pd.DataFrame
    cells: pd.DataFrame
    setting: dict
    titles: dict  # data set -> its title

    def zero_shot(self, model: str) -> dict:
        """Starting value of each metric, in percent."""
        rows = self.final[self.final["model"] == model]
        return rows.groupby("metric")["zero_shot"].mean().to_dict()


def load(tables: Path | str) -> Study:
    """Read the study's tables. A run counts as diverged as a whole when any of its rows does."""
    folder = Path(tables)
    names = ("trajectory", "final", "per_set", "cells", "zero_shot")
    trajectory, final, per_set, cells, sets = (read_table(folder / f"{name}.csv") for name in names)
    lost = {cell for frame in (trajectory, cells) for cell in frame.loc[frame["status"] == "diverged", "cell"]}
    status = {True: "diverged", False: "done"}
    marked = [frame.assign(status=frame["cell"].isin(lost).map(status)) for frame in (trajectory, final, per_set)]
    streamed = marked[0][marked[0]["method"] != "oracle"]
    titles = dict(zip(sets["dataset"], sets["title"]))
    return Study(streamed, marked[1], marked[2], cells, frames.reference(final), titles)


def setting_words(study: Study, *, but: tuple[str, ...] = ()) -> str:
    """The setting as words, without the axes that the figure varies."""
    setting = study.setting
    parts = {
        "model": setting["model"],
        "budget": f"budget {plots.budget(setting['budget'])}",
        "mixture": theme.label(setting["mixture"], theme.MIXTURES),
        "stream": f"{theme.label(setting['stream'], theme.STREAMS)} stream",
        "schedule": f"{setting['schedule']} schedule",
    }
    return "Setting: " + ", ".join(text for axis, text in parts.items() if axis not in but) + "."


def lost_words(rows: pd.DataFrame) -> str:
    """A sentence on diverged runs among `rows`, empty where there are none."""
    lost = rows[rows["status"] == "diverged"].drop_duplicates("cell")
    if not len(lost):
        return ""
    parts = [f"{theme.style(method).label} ({len(group)})" for method, group in lost.groupby("method", sort=False)]
    return f"Diverged runs, left out of all means: {', '.join(parts)}."


def trajectories(study: Study) -> Drawn:
    """Paths of all methods in the plane of the paper, a panel per mixture."""
    rows = frames.at(study.trajectory, study.setting, free=("mixture",))
    paths = frames.plane(rows)
    mixtures = frames.values(rows, "mixture", first=study.setting["mixture"])
    zero = study.zero_shot(study.setting["model"])
    best = _oracle_point(study)
    columns = min(2, len(mixtures))
    lines = -(-len(mixtures) // columns)
    figure, grid = theme.figure(
        0.3 + 3.5 * lines, 5.2 if columns == 1 else theme.WIDTH, nrows=lines, ncols=columns, squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    lost = _last_points(rows)
    panels = list(zip(grid.flat, mixtures))
    drawn = [
        plots.trajectories(axes, paths[paths["mixture"] == m], best, lost[lost["mixture"] == m]) for axes, m in panels
    ]
    _plane_limits(grid[0, 0], paths, best, lost)
    for (axes, mixture), (ends, crowd) in zip(panels, drawn):
        axes.set_title(theme.label(mixture, theme.MIXTURES))
        axes.set_xlabel(f"Δ{theme.METRICS['a_ka']}, adaptation sets (percentage points)")
        plots.finish_plane(axes, (zero["a_ka"], zero["a_zs"]), ends, crowd)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"Δ{theme.METRICS['a_zs']}, evaluation sets (percentage points)")
    for axes in list(grid.flat)[len(mixtures) :]:
        axes.set_visible(False)
    data = paths if best is None else pd.concat([paths, pd.DataFrame([best])], ignore_index=True)
    note = [setting_words(study, but=("mixture",)), frames.seeds_note(paths["seeds"]), lost_words(rows)]
    note += ["A ✕ stands where such a run was last seen."] if len(lost) else []
    return Drawn(figure, data, " ".join(filter(None, note)))


def _plane_limits(axes, paths: pd.DataFrame, best: dict | None, lost: pd.DataFrame) -> None:
    """Limits that all panels share: all points, and intervals as far as there is room."""
    for name, set_limits in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        points = [0.0, *paths[name], *lost[name]]
        ends = [*paths[f"{name}_lower"], *paths[f"{name}_upper"]]
        if best:
            points.append(best[name])
            ends += [best[f"{name}_lower"], best[f"{name}_upper"]]
        set_limits(frames.limits(points, ends, pad=0.12))


def _oracle_point(study: Study) -> dict | None:
    """The oracle's final point in the plane with its intervals; None where it was not run or never finished."""
    rows = frames.summarise(frames.oracle(study.final, study.setting), ["metric"], "delta").set_index("metric")
    if not {"a_ka", "a_zs"} <= set(rows.index):
        return None
    point = {"mixture": "", "method": "oracle", "seeds": rows.loc["a_ka", "seeds"]}
    for axis, metric in (("x", "a_ka"), ("y", "a_zs")):
        row = rows.loc[metric]
        point |= {axis: row["mean"], f"{axis}_lower": row["lower"], f"{axis}_upper": row["upper"]}
    return point


def _last_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Where diverged runs were last seen: mixture, method, x, y."""
    moved = frames.with_delta(rows)
    lost = frames.diverged(rows).merge(moved[["cell", "task", "metric", "delta"]], on=["cell", "task"])
    wide = lost.pivot_table(index=["mixture", "method", "cell"], columns="metric", values="delta").reset_index()
    wide = wide.reindex(columns=["mixture", "method", "cell", "a_ka", "a_zs"])
    return wide.rename(columns={"a_ka": "x", "a_zs": "y"})


def over_time(study: Study) -> Drawn:
    """The three aggregates after each task, a row of panels per mixture."""
    rows = frames.at(study.trajectory, study.setting, free=("mixture",))
    means = frames.summarise(rows, ["mixture", "method", "metric", "task"])
    mixtures = frames.values(rows, "mixture", first=study.setting["mixture"])
    zero = rows[rows["task"] == 0].groupby("metric")["value"].mean()
    figure, grid = theme.figure(
        0.4 + 2.3 * len(mixtures), nrows=len(mixtures), ncols=3, squeeze=False, sharex=True, sharey="col"
    )
    figure.get_layout_engine().set(wspace=0.04)
    for line, mixture in zip(grid, mixtures):
        for axes, metric in zip(line, METRICS):
            every = means[means["metric"] == metric]
            axes.set_ylim(frames.limits([*every["mean"], zero[metric]], [*every["lower"], *every["upper"]]))
            chosen = every[every["mixture"] == mixture]
            plots.over_time(axes, chosen, zero[metric], named=metric == METRICS[-1])
            axes.set_title(f"{theme.TITLES[metric]}, {theme.label(mixture, theme.MIXTURES)}")
        line[0].set_ylabel("percent")
    for axes in grid[-1]:
        axes.set_xlabel("update step (task)")
    note = [setting_words(study, but=("mixture",)), frames.seeds_note(means["seeds"]), lost_words(rows)]
    return Drawn(figure, means, " ".join(filter(None, note)))


def final(study: Study) -> Drawn:
    """Final aggregates per method and mixture with their intervals, and the oracle."""
    streamed = frames.at(study.final[study.final["method"] != "oracle"], study.setting, free=("mixture",))
    rows = pd.concat([streamed, frames.oracle(study.final, study.setting)])
    means = _with_lost(rows, ["method", "mixture", "metric"])
    first = study.setting["mixture"]
    groups = sorted(
        {(row.method, row.mixture) for row in rows.itertuples()},
        key=lambda pair: (theme.order(rows["method"]).index(pair[0]), pair[1] != first, pair[1]),
    )
    zero = study.zero_shot(study.setting["model"])
    figure, line = theme.figure(0.8 + 0.3 * len(groups), ncols=3, sharey=True)
    for axes, metric in zip(line, METRICS):
        plots.final_points(axes, means[means["metric"] == metric], groups, zero[metric])
        axes.set_title(theme.TITLES[metric])
        axes.set_xlabel("percent")
    line[0].set_yticks([-index for index in range(len(groups))], [_group_words(means, group) for group in groups])
    note = [setting_words(study, but=("mixture",)), frames.seeds_note(means["seeds"]), lost_words(rows)]
    return Drawn(figure, means, " ".join(filter(None, note)))


def _group_words(means: pd.DataFrame, group: tuple[str, str]) -> str:
    """Name of a row: method, mixture, and how many of its runs diverged."""
    method, mixture = group
    name = theme.style(method).label + ("" if method == "oracle" else f", {theme.label(mixture, theme.MIXTURES)}")
    row = means[(means["method"] == method) & (means["mixture"] == mixture)].iloc[0]
    if not row["diverged"]:
        return name
    return f"{name}\n(✕ {row['diverged']} of {row['diverged'] + row['seeds']} diverged)"


def _with_lost(rows: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """Means per group, groups without a finished run included, with the number of diverged runs."""
    keys = rows[by].drop_duplicates()
    lost = rows[rows["status"] == "diverged"].groupby(by, sort=False)["cell"].nunique().rename("diverged").reset_index()
    means = keys.merge(frames.summarise(rows, by, value), how="left", on=by).merge(lost, how="left", on=by)
    return means.assign(**{name: pd.to_numeric(means[name]).fillna(0).astype(int) for name in ("diverged", "seeds")})


def effects(study: Study) -> Drawn:
    """Final aggregates against stream order, budget and model scale, all else at the setting; a column per axis that
    this scale varies."""
    varied = {axis: rows for axis in EFFECTS if len(rows := _varied(study, axis))}
    columns = ["varied", "at", "method", "metric", "mean", "lower", "upper", "seeds"]
    missing = [words for axis, words in EFFECTS.items() if axis not in varied]
    note = [f"Not varied at this scale: {', '.join(missing)}."] if missing else []
    if not varied:
        figure, axes = theme.figure(1.2)
        labels.empty(axes, "This scale varies neither stream order nor budget nor model scale.")
        return Drawn(figure, pd.DataFrame(columns=columns), " ".join(note))
    width = min(theme.WIDTH, 1.0 + 2.6 * len(varied))
    figure, grid = theme.figure(6.0, width, nrows=3, ncols=len(varied), squeeze=False, sharex="col", sharey="row")
    parts = []
    for column, (axis, rows) in zip(grid.T, varied.items()):
        means = frames.summarise(rows, ["method", axis, "metric"])
        _effect_column(study, column, means, axis)
        parts.append(means.rename(columns={axis: "at"}).assign(varied=axis))
    for axes, metric in zip(grid[:, 0], METRICS):
        axes.set_ylabel(f"{theme.METRICS[metric]} (percent)")
    data = pd.concat(parts)[columns]
    for axes, metric in zip(grid[:, 0], METRICS):
        rows = data[data["metric"] == metric]
        starts = study.final.loc[study.final["metric"] == metric, "zero_shot"]
        axes.set_ylim(frames.limits([*rows["mean"], *starts], [*rows["lower"], *rows["upper"]]))
    plots.method_key(figure, data["method"])
    words = [setting_words(study), frames.seeds_note(data["seeds"]), lost_words(pd.concat(varied.values())), *note]
    return Drawn(figure, data, " ".join(filter(None, words)))


def _varied(study: Study, axis: str) -> pd.DataFrame:
    """Final values of the methods that were run at two or more values of the axis."""
    runs = study.final[study.final["method"] != "oracle"]
    rows = frames.at(runs, study.setting, free=(axis,))
    counts = rows.groupby("method")[axis].nunique()
    return rows[rows["method"].isin(counts[counts > 1].index)]


def _effect_column(study: Study, column, means: pd.DataFrame, axis: str) -> None:
    values = frames.values(means, axis, study.setting[axis], study.cells)
    column[0].set_title(EFFECTS[axis])
    for axes, metric in zip(column, METRICS):
        zero = {v: study.zero_shot(v if axis == "model" else study.setting["model"])[metric] for v in values}
        plots.effect(axes, means[means["metric"] == metric], axis, values, theme.STREAMS, zero)


def by_set(study: Study) -> Drawn:
    """Change of each data set from zero-shot to the end of the stream, per method, at the setting."""
    axes_known = {axis: value for axis, value in study.setting.items() if axis in study.per_set.columns}
    rows = frames.at(study.per_set[study.per_set["method"] != "oracle"], axes_known)
    rows = rows[rows["cell"].isin(frames.at(study.final, study.setting)["cell"])]
    key = ["cell", "seed", "method", "role", "dataset"]
    first = rows[rows["task"] == 0].set_index(key)
    last = rows[rows["task"] == rows["task"].max()].set_index(key)
    moved = last.assign(delta=last["value"] - first["value"].reindex(last.index)).reset_index()
    means = frames.summarise(moved, ["role", "dataset", "method"], "delta")
    roles = frames.values(means, "role", first="adaptation")
    tables = means.pivot(index=["role", "dataset"], columns="method", values="mean")
    wide = {role: tables.loc[role] for role in roles}
    height = 0.8 + sum(0.21 * len(change) + 0.35 for change in wide.values())
    ratios = [len(change) for change in wide.values()] or [1]
    figure, column = theme.figure(height, nrows=len(ratios), height_ratios=ratios, squeeze=False)
    limit = means["mean"].abs().max()
    if not roles:
        labels.empty(column[0, 0], "every run diverged")
    for axes, (role, change) in zip(column[:, 0], wide.items()):
        change = change.reindex(change.mean(axis=1).sort_values(ascending=False, kind="stable").index)
        change = change.rename(index=study.titles)
        plots.change_by_set(axes, change.reindex(columns=theme.order(change.columns)), limit)
        axes.set_title(f"{role} sets: change from zero-shot (percentage points)")
    note = [setting_words(study), frames.seeds_note(means["seeds"]).replace("Mean and 95 % t-interval", "Mean")]
    return Drawn(figure, means, " ".join(filter(None, [*note, lost_words(rows)])))
