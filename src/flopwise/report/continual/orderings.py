"""Streams as the report shows them: heat maps of data sets over tasks, and tables that compare the orderings."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.stats import kendalltau

from flopwise.core.io import read_table
from flopwise.data.store import StoredSet
from flopwise.data.streams import ORDERINGS, chunks, dataset_of, read_stream
from flopwise.report import theme
from flopwise.report.continual import styles

ACROSS = 3  # panels in a row
SHADES = LinearSegmentedColormap.from_list("shares", ["#f6f8fa", *theme.MODEL_COLOURS[:3]])  # brightness falls steadily


def read(folder: Path | str) -> pd.DataFrame:
    """The table of orderings with seed 0, in the order of `ORDERINGS`: kind, rule, runs ..., and `stream`, the entries."""
    table = read_table(Path(folder) / "orderings.csv")
    table = table[(table["seed"] == 0) & table["kind"].isin(ORDERINGS)].set_index("kind").loc[list(ORDERINGS)]
    return table.reset_index().assign(stream=[read_stream(Path(folder) / file) for file in table["file"]])


def membership(orderings: pd.DataFrame, sets: Sequence[StoredSet], tasks: int) -> pd.DataFrame:
    """What the heat maps draw: a row per ordering, data set and task with `classes` (classes of the set that arrive in the
    task) and `share` (of the set's classes, percent). Data sets by release group, oldest first, then as the
    dataset-incremental stream has them."""
    groups = {one.card["name"]: one.card["release_group"] for one in sets}
    blocks = orderings.set_index("kind").loc["dataset-incremental", "stream"]
    names = list(dict.fromkeys(map(dataset_of, blocks)))
    rows = []
    for kind, stream in zip(orderings["kind"], orderings["stream"]):
        parts = [Counter(map(dataset_of, part)) for part in chunks(stream, tasks)]
        for name in names:
            whole = sum(part[name] for part in parts)
            rows += [
                {"ordering": kind, "release_group": groups[name], "dataset": name, "task": task, "classes": part[name],
                 "share": 100 * part[name] / whole}
                for task, part in enumerate(parts, 1)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def heat_maps(frame: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """A panel per ordering, three in a row: a row per data set, a column per task, the darker the larger the share of the
    set's classes that arrives in the task; lines part release groups. `titles`: data set -> title."""
    kinds, names = (list(dict.fromkeys(frame[column])) for column in ("ordering", "dataset"))
    tasks = frame["task"].max()
    lines, step = -(-len(kinds) // ACROSS), next(step for step in (1, 5, 10, 50, 100) if tasks / step <= 8)
    figure, grid = theme.figure(
        lines * (0.125 * len(names) + 0.35) + 0.7, nrows=lines, ncols=ACROSS, squeeze=False, sharex=True, sharey=True
    )
    for axes, kind in zip(grid.flat, kinds):
        part = frame[frame["ordering"] == kind]
        shares = part.pivot(index="dataset", columns="task", values="share").loc[names]
        picture = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=100, aspect="auto", interpolation="none",
                              extent=(0.5, tasks + 0.5, len(names) - 0.5, -0.5))  # fmt: skip
        axes.set_title(styles.style(kind, "stream").label)
        axes.set_xticks([task for task in range(1, tasks + 1) if task == 1 or task % step == 0])
        axes.set_yticks(range(len(names)), [titles[name] for name in names], fontsize=6.8)
        axes.tick_params(length=0)
        axes.grid(False)
        groups = part.drop_duplicates("dataset")["release_group"].to_numpy()
        axes.hlines(np.flatnonzero(np.diff(groups)) + 0.5, 0.5, tasks + 0.5, color=theme.QUIET, lw=0.5)
        if step == 1:
            _count(axes, part.pivot(index="dataset", columns="task", values="classes").loc[names], shares)
    for axes in grid.flat[len(kinds) :]:
        axes.axis("off")
    for axes in grid[-1]:
        axes.set_xlabel("task")
    bar = figure.colorbar(picture, ax=grid, location="top", fraction=0.025, aspect=60, pad=0.01)
    bar.set_label("share of the data set's classes that arrives in the task, percent", fontsize=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    return figure


def _count(axes: Axes, classes: pd.DataFrame, shares: pd.DataFrame) -> None:
    """The number of classes in each cell that has any."""
    for row, column in zip(*np.nonzero(classes.to_numpy())):
        dark = shares.iloc[row, column] > 55
        axes.text(column + 1, row, str(classes.iloc[row, column]), ha="center", va="center", fontsize=5.5,
                  color="white" if dark else theme.INK)  # fmt: skip


def comparison(orderings: pd.DataFrame) -> pd.DataFrame:
    """A row per ordering: its rule, runs of equal data set, and how far the classes of a data set lie apart: the mean
    over data sets with two classes or more of the standard deviation of their positions, as a share of the stream."""
    return pd.DataFrame(
        {"Ordering": styles.style(row.kind, "stream").label, "What decides the order": row.rule,
         "Runs of equal set": row.runs, "Spread of a set, % of the stream": _spread(row.stream)}
        for row in orderings.itertuples()
    )  # fmt: skip


def _spread(stream: list[str]) -> float:
    places = pd.Series(np.arange(len(stream))).groupby(list(map(dataset_of, stream)))
    return float(100 * places.std(ddof=0)[places.size() > 1].mean() / len(stream))


def agreement(orderings: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau between the positions of all classes in two orderings: 1 equal, -1 reversed, about 0 unrelated."""
    names = [styles.style(kind, "stream").label for kind in orderings["kind"]]
    ranks = [{item: place for place, item in enumerate(stream)} for stream in orderings["stream"]]
    items = list(ranks[0])
    taus = np.eye(len(names))
    for i, j in combinations(range(len(names)), 2):
        taus[i, j] = taus[j, i] = kendalltau([ranks[i][x] for x in items], [ranks[j][x] for x in items]).statistic
    return pd.DataFrame(taus, columns=names).assign(Ordering=names)[["Ordering", *names]]


def tau_noise(entries: int) -> float:
    """Standard deviation of Kendall's tau between two unrelated orders of `entries` classes."""
    return float(np.sqrt(2 * (2 * entries + 5) / (9 * entries * (entries - 1))))
