"""Streams as the report shows them: ribbons of data-set membership, and tables that compare the orderings."""

import textwrap
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.stats import kendalltau

from flopwise.core.io import read_table
from flopwise.data.store import StoredSet
from flopwise.data.streams import ORDERINGS, chunks, class_of, dataset_of, read_stream
from flopwise.report import labels, theme

PITCH, HEIGHT = 1.0, 0.62  # distance of two ribbons and height of one, in units of the y axis
PALETTE = "cividis"  # made for colour-blind readers; its brightness rises steadily


def read(folder: Path | str) -> pd.DataFrame:
    """The table of orderings with seed 0, in the order of `ORDERINGS`: kind, rule, runs ..., and `stream`, the entries."""
    table = read_table(Path(folder) / "orderings.csv")
    table = table[(table["seed"] == 0) & table["kind"].isin(ORDERINGS)].set_index("kind").loc[list(ORDERINGS)]
    return table.reset_index().assign(stream=[read_stream(Path(folder) / file) for file in table["file"]])


def positions(orderings: pd.DataFrame, sets: Sequence[StoredSet], tasks: int) -> pd.DataFrame:
    """What the ribbons draw: a row per ordering and position with data set, class, release group and task."""
    groups = {one.card["name"]: one.card["release_group"] for one in sets}
    rows = [
        {"ordering": kind, "position": position, "dataset": dataset_of(item), "class": class_of(item),
         "release_group": groups[dataset_of(item)], "task": task}
        for kind, stream in zip(orderings["kind"], orderings["stream"])
        for task, position, item in _numbered(stream, tasks)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _numbered(stream: list[str], tasks: int):
    position = 0
    for task, part in enumerate(chunks(stream, tasks), 1):
        for item in part:
            position += 1
            yield task, position, item


def ribbons(frame: pd.DataFrame, titles: dict[str, str]) -> Figure:
    """A ribbon per ordering: each class a stripe in the colour of its data set's release group, tasks between ticks, the
    data sets named below the ribbon in which each is one block. `titles`: data set -> title."""
    kinds = list(dict.fromkeys(frame["ordering"]))
    figure, axes = theme.figure(
        0.56 * len(kinds) + 1.75, gridspec_kw={"left": 0.15, "right": 0.985, "bottom": 0.26, "top": 0.99}
    )
    figure.set_layout_engine("none")
    axes.axis("off")
    length, bottom = frame["position"].max(), -PITCH * (len(kinds) - 1)
    axes.set_xlim(0, length)
    axes.set_ylim(bottom, HEIGHT + 0.85)
    groups = sorted(frame["release_group"].unique())
    colours = dict(zip(groups, matplotlib.colormaps[PALETTE](np.linspace(0, 1, len(groups)))))
    for row, kind in enumerate(kinds):
        part = frame[frame["ordering"] == kind]
        y = -PITCH * row
        stripes = np.array([[colours[group] for group in part["release_group"]]])
        axes.imshow(stripes, extent=(0, length, y, y + HEIGHT), aspect="auto", interpolation="none", clip_on=False)
        name = textwrap.fill(theme.style(kind, "stream").label, 13)
        axes.text(-0.012 * length, y + HEIGHT / 2, name, ha="right", va="center", fontsize=8.5)
        _ticks(axes, part["task"].to_numpy(), y)
    _name_tasks(axes, frame[frame["ordering"] == kinds[0]])
    _name_blocks(axes, frame[frame["ordering"] == kinds[-1]], titles, bottom)
    _name_groups(axes, colours, length)
    return figure


def _ticks(axes: Axes, tasks: np.ndarray, y: float) -> None:
    """Ticks at the borders of tasks, below and above a ribbon that starts at height y."""
    borders = [0, *(np.flatnonzero(np.diff(tasks)) + 1), len(tasks)]
    for low, high in ((y - 0.12, y), (y + HEIGHT, y + HEIGHT + 0.12)):
        axes.vlines(borders, low, high, color=theme.INK, lw=0.9 if len(borders) < 60 else 0.4, clip_on=False)


def _name_tasks(axes: Axes, part: pd.DataFrame) -> None:
    """Numbers of the tasks above the first ribbon, thinned out where there are many."""
    numbers = part["task"].unique()
    step = next(step for step in (1, 5, 10, 50, 100) if len(numbers) / step <= 25)
    for number, places in part.groupby("task")["position"]:
        if number == 1 or number % step == 0:
            text = f"task {number}" if number == 1 else str(number)
            axes.text(places.mean() - 0.5, HEIGHT + 0.14, text, ha="center", va="bottom", fontsize=7.5)


def _name_blocks(axes: Axes, part: pd.DataFrame, titles: dict[str, str], y: float) -> None:
    """Names of the data sets below the ribbon at height y, each joined to its block; thin lines part the blocks."""
    length = len(part)
    blocks = part.groupby("dataset", sort=False)["position"].agg(["min", "max"])
    axes.vlines(blocks["min"].iloc[1:] - 1, y, y + HEIGHT, color="white", lw=0.8)
    centres = (blocks["min"] + blocks["max"] - 1) / 2
    gap = min(0.031 * length, 0.97 * length / len(blocks))
    slots = np.minimum(labels.spread(centres, gap), length - gap * np.arange(len(blocks))[::-1])
    for name, centre, slot in zip(blocks.index, centres, slots):
        axes.plot([centre, centre, slot], [y, y - 0.14, y - 0.32], color=theme.QUIET, lw=0.6, clip_on=False)
        axes.text(
            slot, y - 0.36, titles[name], rotation=40, rotation_mode="anchor", ha="right", va="top", fontsize=7,
        )  # fmt: skip


def _name_groups(axes: Axes, colours: dict, length: int) -> None:
    """The key: a patch per release group, oldest first, above everything."""
    y, width = HEIGHT + 0.62, 0.028 * length
    start = length - 1.25 * width * len(colours) - 0.08 * length
    axes.text(start - 0.01 * length, y + 0.1, "release group: oldest", ha="right", va="center", fontsize=7.5)
    for index, (group, colour) in enumerate(colours.items()):
        x = start + 1.25 * width * index
        axes.add_patch(Rectangle((x, y), width, 0.2, color=colour, lw=0, clip_on=False))
        bright = matplotlib.colors.rgb_to_hsv(colour[:3])[2] > 0.6
        axes.text(x + width / 2, y + 0.09, str(group), ha="center", va="center", fontsize=6.5,
                  color=theme.INK if bright else "white")  # fmt: skip
    axes.text(length - 0.075 * length, y + 0.1, "newest", ha="left", va="center", fontsize=7.5)


def comparison(orderings: pd.DataFrame) -> pd.DataFrame:
    """A row per ordering: its rule, runs of equal data set, and how far the classes of a data set lie apart: the mean
    over data sets with two classes or more of the standard deviation of their positions, as a share of the stream."""
    return pd.DataFrame(
        {"Ordering": theme.style(row.kind, "stream").label, "What decides the order": row.rule,
         "Runs of equal set": row.runs, "Spread of a set, % of the stream": _spread(row.stream)}
        for row in orderings.itertuples()
    )  # fmt: skip


def _spread(stream: list[str]) -> float:
    places = pd.Series(np.arange(len(stream))).groupby(list(map(dataset_of, stream)))
    return float(100 * places.std(ddof=0)[places.size() > 1].mean() / len(stream))


def agreement(orderings: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau between the positions of all classes in two orderings: 1 equal, -1 reversed, about 0 unrelated."""
    names = [theme.style(kind, "stream").label for kind in orderings["kind"]]
    ranks = [{item: place for place, item in enumerate(stream)} for stream in orderings["stream"]]
    items = list(ranks[0])
    taus = np.eye(len(names))
    for i, j in combinations(range(len(names)), 2):
        taus[i, j] = taus[j, i] = kendalltau([ranks[i][x] for x in items], [ranks[j][x] for x in items]).statistic
    return pd.DataFrame(taus, columns=names).assign(Ordering=names)[["Ordering", *names]]


def tau_noise(entries: int) -> float:
    """Standard deviation of Kendall's tau between two unrelated orders of `entries` classes."""
    return float(np.sqrt(2 * (2 * entries + 5) / (9 * entries * (entries - 1))))
