"""Figures and tables of the data sets: contact sheets, cards, and what the models know before the first update."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from flopwise.config import load
from flopwise.data.store import Split, StoredSet, open_set
from flopwise.report import theme

COLUMNS, ROWS = 10, 2  # classes beside each other on a contact sheet, images of each below each other
BLOCK, STEP, SIDE = 2.05, 0.686, 0.631  # inches: height of a data set's block, from image to image, of an image


def open_sets(folder: Path | str, names) -> list[StoredSet]:
    """The data sets called `names` that are stored below `folder`, adaptation sets first, then by title."""
    root = load().config.data_root
    sets = [open_set(Path(folder) / name, root=root) for name in sorted(set(names))]
    return sorted(sets, key=lambda one: (one.card["role"] != "adaptation", one.card["title"].lower()))


def open_pools(folder: Path | str, names: Sequence[str]) -> list[StoredSet]:
    """The pools called `names` that are stored below `folder`, in that order."""
    root = load().config.data_root
    return [open_set(Path(folder) / name, root=root) for name in names]


def contact_sheet(sets: Sequence[StoredSet]) -> tuple[Figure, pd.DataFrame]:
    """A block per data set: up to ten of its classes in columns, two test images of each (more where there are fewer
    classes); images of retrieval sets and of pools stand above their captions. Which are shown is fixed: classes evenly
    spread, the first images of each; of a pool the first images of each kind."""
    figure, axes = theme.figure(BLOCK * max(1, len(sets)))
    figure.set_layout_engine("none")
    axes.set_position([0, 0, 1, 1])
    axes.axis("off")
    axes.set(xlim=(0, theme.WIDTH), ylim=(figure.get_figheight(), 0))  # one pair of axes for all images, in inches
    records = []
    for number, one in enumerate(sets):
        top = BLOCK * number
        pool = f": {one.card['name']}" if one.card["role"] == "pre-training" else ""
        axes.text(0.07, top + 0.12, one.card["title"] + pool, fontsize=9, fontweight="bold", va="center")
        axes.text(6.93, top + 0.12, _facts(one), fontsize=7.5, color=theme.QUIET, va="center", ha="right")
        for column, chosen in enumerate(_choose(one)[:COLUMNS]):
            records += _column(axes, 0.07 + STEP * column, top + 0.36, one, *chosen)
    return figure, pd.DataFrame(records, columns=["dataset", "class", "image"])


def _facts(one: StoredSet) -> str:
    if one.card["role"] == "pre-training":
        made = "caption_noise" in one.card  # real pools come without a recipe
        noise = [f"{len(one.card['families'])} kinds", f"{_spoilt(one):.0f} % of captions spoilt"] if made else []
        return " · ".join([f"{_size(one.train):,} images", *noise])
    sizes = {"classes": _classes(one), "training images": _size(one.train), "test images": _size(one.test)}
    known = [f"{count:,} {what}" for what, count in sizes.items() if count is not None]
    return " · ".join([one.card["task"], *known, f"chance {one.card['chance']:.1f} %"])


def _classes(one: StoredSet) -> int | None:
    return None if one.card["task"] == "retrieval" else len(one.class_names)


def _size(split: Split | None) -> int | None:
    return None if split is None else len(split.targets)


def _spoilt(one: StoredSet) -> float | None:
    noise = one.card.get("caption_noise")
    return None if noise is None else 100 * noise


def _choose(one: StoredSet) -> list[tuple[str, np.ndarray, bool]]:
    """Columns to show: class, its images, whether the name is written below. Classes are evenly spread over those that
    occur; few classes take several columns each. In retrieval sets and pools a column is an image with its caption."""
    split = _pictured(one)
    targets = np.asarray(split.targets)
    if one.card["role"] == "pre-training" or one.card["task"] == "retrieval":
        shown = _evenly(np.arange(len(targets))) if one.card["task"] == "retrieval" else _first_of_each(targets)
        return [(split.captions[split.captions_of(image)[0]], np.array([image]), True) for image in shown]
    picked = _evenly(np.unique(targets))
    wide = COLUMNS // len(picked)
    columns = []
    for target in picked:
        members = np.flatnonzero(targets == target)[: ROWS * wide]
        parts = [members[start : start + ROWS] for start in range(0, len(members), ROWS)]
        columns += [(one.class_names[target], part, first) for part, first in zip(parts, [True] + [False] * wide)]
    return columns


def _pictured(one: StoredSet) -> Split:
    """The split whose images are shown: a pool has no test split."""
    return one.train if one.test is None else one.test


def _first_of_each(kinds: np.ndarray) -> np.ndarray:
    """Indices of the first images of each kind, as many as there are columns, kind by kind."""
    rank = pd.Series(kinds).groupby(kinds).cumcount().to_numpy()
    first = np.lexsort((kinds, rank))[:COLUMNS]
    return first[np.argsort(kinds[first], kind="stable")]


def _evenly(values: np.ndarray) -> np.ndarray:
    """At most as many of the values as there are columns, evenly spread."""
    return values[np.unique(np.linspace(0, len(values) - 1, COLUMNS).round().astype(int))]


def _column(axes, x: float, y: float, one: StoredSet, name: str, members: np.ndarray, named: bool) -> list[dict]:
    """The images `members` below each other, from the place (x, y) on, and their name."""
    for row, member in enumerate(members):
        place = (x, x + SIDE, y + STEP * row + SIDE, y + STEP * row)
        axes.imshow(_pictured(one).images[member], extent=place, interpolation="none", aspect="auto")
    lines = 3 if len(members) == ROWS else 7  # a caption may fill the place of a second image
    words = textwrap.wrap(name.replace("_", " "), 11, max_lines=lines, placeholder=" …") if named else []
    axes.text(x, place[2] + 0.04, "\n".join(words), fontsize=6.5, va="top", linespacing=1.05)
    return [{"dataset": one.card["name"], "class": name, "image": int(member)} for member in members]


def cards(sets: Sequence[StoredSet]) -> pd.DataFrame:
    """The data cards as a table."""
    rows = []
    for one in sets:
        counts = {"Classes": _classes(one), "Train": _size(one.train), "Test": _size(one.test)}
        counts["Chance %"] = f"{one.card['chance']:.1f}"
        about = {"Data set": one.card["title"], "Role": one.card["role"], "Material": one.card["material"]}
        names = {"How test and training differ": "split", "Source": "source", "Licence": "licence"}
        rows.append({**about, **counts, **{name: one.card[key] for name, key in names.items()}})
    whole = {name: "Int64" for name in ("Classes", "Train", "Test")}
    return pd.DataFrame(rows).astype(whole)


def pool_cards(pools: Sequence[StoredSet]) -> pd.DataFrame:
    """The cards of the pre-training pools as a table; what a real pool does not say is missing."""
    return pd.DataFrame(
        {"Pool": one.card["name"], "Images": _size(one.train), "Distinct captions": len(set(one.train.captions)),
         "Spoilt captions %": _spoilt(one), "Kinds of images": ", ".join(one.card.get("families", ())) or None,
         "Test images": one.card["split"], "Source": one.card["source"], "Licence": one.card["licence"]}
        for one in pools
    )  # fmt: skip


def zero_shot(frame: pd.DataFrame) -> Figure:
    """Zero-shot accuracy per data set with its 95 % interval beside chance level, a colour per model."""
    models = list(dict.fromkeys(frame["model"]))
    roles = sorted(set(frame["role"]), key=lambda role: role != "adaptation")
    rows = {role: list(dict.fromkeys(frame.loc[frame["role"] == role].sort_values("value")["title"])) for role in roles}
    figure, column = theme.figure(
        1.0 + 0.26 * sum(map(len, rows.values())), nrows=len(roles), squeeze=False, sharex=True,
        height_ratios=[len(names) for names in rows.values()],
    )  # fmt: skip
    for axes, (role, names) in zip(column[:, 0], rows.items()):
        place = {name: index for index, name in enumerate(names)}
        for number, model in enumerate(models):
            part = frame[(frame["role"] == role) & (frame["model"] == model)]
            y = part["title"].map(place) + 0.2 * (number - (len(models) - 1) / 2)
            colour = theme.MODEL_COLOURS[number % len(theme.MODEL_COLOURS)]
            axes.hlines(y, part["lower"], part["upper"], color=colour, lw=1.3)
            axes.plot(part["value"], y, "os^Dv"[number % 5], color=colour, ms=4.5, mew=0, label=model)
        chance = frame[frame["role"] == role].drop_duplicates("title")
        axes.plot(chance["chance"], chance["title"].map(place), "|", color=theme.INK, ms=9, mew=1.5, label="chance")
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_title(f"{role} sets")
    column[-1, 0].set_xlabel("zero-shot top-1 accuracy, or recall at 5 for retrieval (percent)")
    handles, names = column[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names), borderaxespad=0.2)
    return figure


def zero_shot_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Zero-shot values as the report prints them: a row per data set and model."""
    interval = [f"{low:.1f} to {high:.1f}" for low, high in zip(frame["lower"], frame["upper"])]
    names = {"top1": "top-1", "recall_at_5": "recall at 5"}
    columns = {
        "Data set": frame["title"], "Role": frame["role"], "Model": frame["model"],
        "Metric": frame["metric"].map(lambda metric: names.get(metric, metric)),
        "Value %": [f"{value:.1f}" for value in frame["value"]], "95 % interval": interval,
        "Chance %": [f"{chance:.1f}" for chance in frame["chance"]], "Test samples": frame["n"],
    }  # fmt: skip
    return pd.DataFrame(columns)
