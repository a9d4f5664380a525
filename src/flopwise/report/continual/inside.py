"""Inside the stream: scores within tasks, what is forgotten of each chunk, training losses."""

import numpy as np
import pandas as pd

from flopwise.report import frames, theme
from flopwise.report.continual import methods, plots, styles
from flopwise.report.continual.study import METRICS, PAIR, Study, absent, note, untraced
from flopwise.report.show import Drawn


def stability(study: Study) -> Drawn:
    """The aggregates against the optimiser step, borders of tasks marked: small markers are the weights in training,
    large ones what is deployed after a task."""
    rows = study.of(study.inside, "stability") if len(study.inside) else study.inside
    if not len(rows):
        return untraced("stability") if len(study.of(study.final, "stability")) else absent("stability")
    per_task = study.cells.set_index("cell")["steps_per_task"]
    borders = study.trajectory[study.trajectory["cell"].isin(rows["cell"])].assign(step=0, steps=1, deployed=True)
    data = pd.concat([rows.assign(deployed=False), borders], ignore_index=True)
    data["at"] = (data["task"] + data["step"] / data["steps"]) * data["cell"].map(per_task)
    means = frames.summarise(data, ["method", "metric", "deployed", "at"]).sort_values("at", kind="stable")
    figure, column = theme.figure(6.0, nrows=3, sharex=True)
    for axes, metric in zip(column, METRICS):
        shown = means[means["metric"] == metric]
        for method in styles.order(shown["method"]):
            line, style = shown[shown["method"] == method], styles.style(method)
            axes.plot(line["at"], line["mean"], "-", color=style.colour, lw=1.2, marker=style.marker, ms=2.5, mew=0)
            ends = line[line["deployed"]]
            axes.plot(
                ends["at"], ends["mean"], style.marker, color=style.colour, ms=6.5, mec="white", mew=0.7, zorder=4
            )
        for border in sorted(shown.loc[shown["deployed"], "at"].unique()):
            axes.axvline(border, color=theme.FAINT, lw=0.9, zorder=1)
        axes.grid(axis="x", visible=False)
        axes.set_title(styles.TITLES[metric])
        axes.set_ylabel("percent")
    column[-1].set_xlabel("optimiser step; upright lines are borders of tasks")
    plots.key(figure, means["method"])
    return Drawn(figure, means, note(study, rows, means["seeds"], intervals=False))


def forgetting(study: Study) -> Drawn:
    """Accuracy on the classes of each chunk after each task, for full fine-tuning and EMA merging, with and without
    replay: a panel each."""
    rows = study.at(study.chunks, "mixture")
    rows = rows[rows["method"].isin(PAIR) & rows["mixture"].isin((study.setting["mixture"], "no-replay"))]
    if not len(rows):
        return untraced("headline") if len(study.of(study.final, "headline")) else absent("headline")
    means = frames.summarise(rows, ["method", "mixture", "task", "chunk"])
    pairs = sorted(
        {(row.method, row.mixture) for row in means.itertuples()},
        key=lambda pair: (pair[1] != study.setting["mixture"], styles.order(PAIR).index(pair[0])),
    )
    if not pairs:
        return Drawn(None, means, "Every run of these experiments diverged.")
    columns = min(2, len(pairs))
    lines = -(-len(pairs) // columns)
    tasks = int(means["task"].max())
    figure, grid = theme.figure(0.5 + lines * (0.7 + min(0.28 * (tasks + 1), 2.6)), nrows=lines, ncols=columns, squeeze=False,
                                sharex=True, sharey=True)  # fmt: skip
    low, high = means["mean"].min(), means["mean"].max()
    for axes, (method, mixture) in zip(grid.flat, pairs):
        part = means[(means["method"] == method) & (means["mixture"] == mixture)]
        table = part.pivot(index="task", columns="chunk", values="mean")
        texts = np.array(
            [[f"{v:.0f}" if np.isfinite(v) and tasks <= 12 else "" for v in line] for line in table.to_numpy()]
        )
        picture = plots.heat(axes, table, high, texts, size=7, cmap="cividis", low=low)
        _hatch(axes, table)
        axes.set_title(f"{styles.style(method).label}, {study.word('mixture', mixture)}")
    plots.hide_rest(grid, len(pairs))
    figure.supxlabel("chunk of the stream", fontsize=8.5)
    figure.supylabel("after task", fontsize=8.5)
    figure.colorbar(picture, ax=list(grid.flat), label="top-1 accuracy (percent)", shrink=0.8, aspect=25)
    return Drawn(figure, means, note(study, rows, means["seeds"], "mixture", intervals=False))


def _hatch(axes, table: pd.DataFrame) -> None:
    """Stripes over fields whose chunk has not been seen yet."""
    from matplotlib.patches import Rectangle

    for row, task in enumerate(table.index):
        for column, chunk in enumerate(table.columns):
            if chunk > task:
                place = (column - 0.5, row - 0.5)
                axes.add_patch(Rectangle(place, 1, 1, fc="none", ec="white", hatch="////", lw=0, alpha=0.45))


def losses(study: Study) -> Drawn:
    """Training loss over the stream, a panel per group of methods."""
    rows = study.at(study.streamed(study.of(study.losses, *methods.EXPERIMENTS)))
    if not len(rows):
        return absent(*methods.EXPERIMENTS)
    tasks = study.tasks(study.setting["horizon"])
    total = study.cells.set_index("cell")["steps_planned"]
    rows = rows.assign(at=(rows["step"] / rows["cell"].map(total) * tasks).round(3))
    shown = methods.panels(rows)
    columns = min(2, len(shown))
    lines = -(-len(shown) // columns)
    figure, grid = theme.figure(0.4 + 2.0 * lines, nrows=lines, ncols=columns, squeeze=False, sharex=True, sharey=True)
    means = [(title, frames.summarise(part, ["method", "at"], "loss")) for title, part in shown]
    data = pd.concat([part.assign(panel=title) for title, part in means], ignore_index=True)
    grid[0, 0].set_ylim(frames.limits(data["mean"], [*data["lower"], *data["upper"]]))
    ends = {}
    for axes, (title, part) in zip(grid.flat, means):
        for border in range(1, tasks):
            axes.axvline(border, color=theme.FAINT, lw=0.8, zorder=1)
        ends[axes] = plots.over_time(axes, part, "method", None, grey=methods.grey(shown), x="at")
        axes.set_title(title)
        axes.grid(axis="x", visible=False)
    plots.hide_rest(grid, len(shown))
    figure.supxlabel("part of the stream that was trained on (tasks)", fontsize=8.5)
    figure.supylabel("training loss (nats)", fontsize=8.5)
    plots.name_lines(figure, ends)
    return Drawn(figure, data, note(study, rows, data["seeds"]))
