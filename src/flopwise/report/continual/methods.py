"""Which way of updating learns most and forgets least: the methods at the setting that all share."""

import textwrap

import pandas as pd

from flopwise.methods.continual import GROUPS
from flopwise.report import frames, theme
from flopwise.report.continual import charts, plots, slices, styles
from flopwise.report.continual.study import METRICS, PAIR, Study, absent, note, untraced
from flopwise.report.show import Drawn

EXPERIMENTS = ("headline", "methods", "updates", "merging")
AXES = {  # axes of the grid as a reader knows them
    "method": "method", "mixture": "data mixture", "merge": "merge operator", "stream": "order of the stream",
    "schedule": "schedule", "rate": "learning rate", "temperature": "temperature", "pool": "replayed pool",
    "horizon": "number of tasks", "budget": "budget", "model": "model scale", "recipe": "recipe",
}  # fmt: skip


def _rows(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the methods at the setting."""
    return study.at(study.streamed(study.of(frame, *EXPERIMENTS)))


def panels(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """A panel per group of methods, each with the reference methods; one panel where there is nothing else."""
    groups = rows["method"].map(styles.group)
    plain = rows["method"].isin(styles.REFERENCES)
    titles = [title for title in dict.fromkeys((*GROUPS, *groups[~plain].dropna())) if (groups[~plain] == title).any()]
    found = [(title, rows[(groups == title) | plain]) for title in titles]
    return found or [("all methods", rows)]


def grey(shown: list[tuple[str, pd.DataFrame]]) -> tuple[str, ...]:
    """Methods that stand in every panel for reference; none where there is one panel."""
    return styles.REFERENCES if len(shown) > 1 else ()


def trajectories(study: Study) -> Drawn:
    """Paths of all methods in the plane of the paper, a panel per group of methods."""
    rows = _rows(study, study.trajectory)
    if not len(rows):
        return untraced(*EXPERIMENTS) if len(_rows(study, study.final)) else absent(*EXPERIMENTS)
    shown = panels(rows)
    return charts.planes(study, rows, shown, "method", grey=grey(shown), oracle=True)


def over_time(study: Study) -> Drawn:
    """The three aggregates after each task, a row of panels per group of methods."""
    rows = _rows(study, study.trajectory)
    if not len(rows):
        return untraced(*EXPERIMENTS) if len(_rows(study, study.final)) else absent(*EXPERIMENTS)
    shown = panels(rows)
    return charts.over_time(study, rows, shown, "method", grey=grey(shown))


def final(study: Study) -> Drawn:
    """Final aggregates per method and mixture with their intervals, and the oracle."""
    rows = study.at(study.streamed(study.of(study.final, *EXPERIMENTS)), "mixture")
    rows = pd.concat([rows, slices.oracle(study.final, study.setting)])
    if not len(rows):
        return absent(*EXPERIMENTS)
    first = study.setting["mixture"]
    order = {method: index for index, method in enumerate(styles.order(rows["method"]))}
    rows = rows.assign(rank=rows["method"].map(order), hollow=(rows["mixture"] != first) & (rows["method"] != "oracle"))
    rows = rows.sort_values(["hollow", "rank"], kind="stable").sort_values("rank", kind="stable")
    names = [styles.style(method).label for method in rows["method"]]
    parts = [
        f", {study.word('mixture', mixture)}" if hollow else ""
        for mixture, hollow in zip(rows["mixture"], rows["hollow"])
    ]
    rows = rows.assign(row=[name + part for name, part in zip(names, parts)])
    return charts.dots(study, rows, "mixture", keep=("mixture",), key=False)


def ewc(study: Study) -> Drawn:
    """EWC under both ways to charge its extra pass, beside full fine-tuning."""
    rows = study.of(study.final, "ewc-accounting")
    if not len(rows):
        return absent("ewc-accounting")
    plain = study.at(study.final[study.final["method"] == "full-ft"])
    rows = pd.concat([plain, rows])
    steps = study.cells.set_index("cell")["steps_per_task"]
    charged = {False: ", charged once per task", True: ", charged with every step"}

    def name(row) -> str:
        how = charged[row.budget.endswith("-published")] if row.method == "ewc" else ""
        return f"{styles.style(row.method).label}{how}\n({steps[row.cell]:,.3g} steps per task)"

    rows = rows.assign(row=[name(row) for row in rows.itertuples()])
    return charts.dots(study, rows, "budget", keep=("budget",), key=False)


def effects(study: Study) -> Drawn:
    """How far the change of GM moves along each axis of the grid while all else stays at the setting: a row per axis,
    for full fine-tuning and EMA merging."""
    runs = study.streamed(study.final)
    runs = runs[runs["metric"] == "gm"]
    parts = []
    for axis in AXES:
        rows = study.at(runs) if axis == "method" else study.at(runs, axis)
        for held in ("",) if axis == "method" else PAIR:
            means = frames.summarise(rows[rows["method"] == held] if held else rows, [axis], "delta")
            if len(means) > 1:
                parts.append(means.rename(columns={axis: "value"}).assign(axis=axis, held=held))
    if not parts:
        return Drawn(None, pd.DataFrame(columns=["axis"]), "At this scale no axis of the grid varies.")
    data = pd.concat(parts, ignore_index=True)
    spans = data.groupby(["axis", "held"])["mean"].agg(lambda means: means.max() - means.min())
    order = list(spans.groupby("axis").max().sort_values(ascending=False, kind="stable").index)
    figure, axes = theme.figure(1.1 + 0.48 * len(order))
    axes.axvline(0, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
    for (axis, held), row in data.groupby(["axis", "held"]):
        y = -order.index(axis) - {"": 0.0, PAIR[0]: -0.2, PAIR[1]: 0.2}[held]
        _span(study, axes, y, row.sort_values("mean"), axis, styles.style(held).colour if held else theme.INK)
    axes.set_yticks([-y for y in range(len(order))], [AXES[axis] for axis in order])
    axes.set_xlim(*_room(data["mean"]))
    axes.set_ylim(0.4 - len(order), 0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"ΔGM from zero-shot ({charts.POINTS})")
    plots.key(figure, PAIR)
    columns = ["axis", "held", "value", "mean", "lower", "upper", "seeds"]
    return Drawn(figure, data[columns], note(study, runs, data["seeds"], intervals=False))


def _span(study: Study, axes, y: float, row: pd.DataFrame, axis: str, colour: str) -> None:
    """A bar from the lowest to the highest value, a dot per value, the two ends named."""
    axes.plot(
        [row["mean"].iloc[0], row["mean"].iloc[-1]], [y, y], color=colour, lw=3, alpha=0.25, solid_capstyle="butt"
    )
    axes.plot(row["mean"], [y] * len(row), "o", color=colour, ms=4.5, mew=0)
    for end, side, shift in ((row.iloc[0], "right", -6), (row.iloc[-1], "left", 6)):
        text = study.word(axis, end["value"])
        axes.annotate(text, (end["mean"], y), xytext=(shift, 0), textcoords="offset points", ha=side, va="center",
                      fontsize=7, color=colour)  # fmt: skip


def _room(values) -> tuple[float, float]:
    """Limits with a third of the span on either side, for the names."""
    low, high = min(0.0, values.min()), max(0.0, values.max())
    room = 0.4 * max(high - low, 1.0)
    return low - room, high + room


def by_set(study: Study) -> Drawn:
    """Change of each data set from zero-shot to the end of the stream, per method, on whole test sets."""
    rows = _rows(study, study.final_sets)
    if not len(rows):
        return absent(*EXPERIMENTS)
    means = frames.summarise(rows, ["role", "dataset", "method"], "delta")
    if not len(means):
        return Drawn(None, means, "Every run of these experiments diverged.")
    tables = means.pivot(index=["role", "dataset"], columns="method", values="mean")
    tables = tables[styles.order(tables.columns)].rename(columns=lambda method: styles.style(method).label)
    wide = {role: tables.loc[role] for role in frames.values(means, "role", first="adaptation")}
    ratios = [len(change) for change in wide.values()]
    figure, column = theme.figure(
        1.6 + 0.21 * sum(ratios), nrows=len(wide), height_ratios=ratios, squeeze=False, sharex=True
    )
    for axes, (role, change) in zip(column[:, 0], wide.items()):
        change = change.reindex(change.mean(axis=1).sort_values(ascending=False, kind="stable").index)
        plots.heat(axes, change.rename(index=study.titles), means["mean"].abs().max(), size=7)
        axes.set_title(f"{role} sets")
    column[-1, 0].set_xticklabels(tables.columns, rotation=45, ha="right", rotation_mode="anchor")
    words = note(study, rows, means["seeds"], intervals=False)
    return Drawn(figure, means, words)


def sets_over_time(study: Study) -> Drawn:
    """Accuracy on each data set after each task, for full fine-tuning and EMA merging: a small panel per set."""
    rows = _rows(study, study.per_set)
    rows = rows[rows["method"].isin(PAIR)]
    if not len(rows):
        return untraced("headline") if len(_rows(study, study.final)) else absent(*EXPERIMENTS)
    means = frames.summarise(rows, ["role", "dataset", "method", "task"])
    starts = rows[rows["task"] == 0].groupby("dataset")["value"].mean()
    sets = rows.drop_duplicates("dataset").sort_values("role", kind="stable")
    height = -(-len(sets) // 5)
    figure, grid = theme.figure(0.5 + 1.1 * height, nrows=height, ncols=5, squeeze=False, sharex=True)
    for axes, one in zip(grid.flat, sets.itertuples()):
        lines = means[means["dataset"] == one.dataset]
        plots.over_time(axes, lines, "method", starts[one.dataset])
        axes.set_ylim(frames.limits([*lines["mean"], starts[one.dataset]], [*lines["lower"], *lines["upper"]]))
        slant = "normal" if one.role == "adaptation" else "italic"
        title = textwrap.fill(study.titles[one.dataset], 18)
        axes.set_title(title, fontsize=7, fontweight="normal", fontstyle=slant)
        axes.tick_params(labelsize=7)
        axes.xaxis.get_major_locator().set_params(integer=True)
    plots.hide_rest(grid, len(sets))
    figure.supxlabel("update step (task)", fontsize=8.5)
    figure.supylabel("top-1 accuracy, or recall at 5 (percent)", fontsize=8.5)
    plots.key(figure, means["method"])
    return Drawn(figure, means, note(study, rows, means["seeds"]))


def final_values(study: Study) -> pd.DataFrame:
    """Changes of the aggregates from zero-shot, a row per method and mixture."""
    rows = study.at(study.streamed(study.of(study.final, *EXPERIMENTS)), "mixture")
    return value_table(study, pd.concat([rows, slices.oracle(study.final, study.setting)]))


def value_table(study: Study, final: pd.DataFrame) -> pd.DataFrame:
    """One row per point of the grid: changes of the aggregates from zero-shot as mean ± half the 95 % interval; axes
    that do not vary are left out."""
    if not len(final):
        return pd.DataFrame(columns=["Method"])
    axes = [axis for axis in slices.AXES if axis == "method" or final[axis].nunique() > 1]
    means = frames.summarise_all(final, [*axes, "metric"], "delta")
    columns = dict(zip(METRICS, ("ΔA_KA", "ΔA_ZS", "ΔGM")))
    texts = means.assign(text=[_mean(row) for row in means.itertuples()])
    table = texts.pivot(index=axes, columns="metric", values="text").rename(columns=columns)[list(columns.values())]
    runs = means[means["metric"] == "gm"].set_index(axes)
    table["Runs"] = [f"{row.seeds}" + f", and {row.diverged} diverged" * bool(row.diverged)
                     for row in runs.reindex(table.index).itertuples()]  # fmt: skip
    table = table.reindex(pd.Index(runs.index)).reset_index()
    order = {name: index for index, name in enumerate(styles.order(table["method"]))}
    table = table.sort_values("method", key=lambda names: names.map(order), kind="stable")
    for axis in axes:
        table[axis] = [study.word(axis, value) for value in table[axis]]
    table.insert(0, "method", table.pop("method"))
    return table.rename(columns={axis: AXES[axis].capitalize() for axis in axes}).reset_index(drop=True)


def _mean(row) -> str:
    if row.mean != row.mean:
        return "–"
    half = f" ± {row.upper - row.mean:.1f}" if row.seeds > 1 else ""
    return plots.change(row.mean, 1) + half
