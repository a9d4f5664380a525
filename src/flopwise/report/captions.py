"""Sizes of the data sets and the words of their captions, held against those of the pre-training pool."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from flopwise.data.store import Split, StoredSet
from flopwise.data.streams import phrase
from flopwise.report import theme


def words(caption: str) -> list[str]:
    """Case-folded words of a caption; punctuation marks are left out."""
    return [word for word in phrase(caption) if word.isalnum()]


def statistics(sets: Sequence[StoredSet], pool: StoredSet) -> pd.DataFrame:
    """A row for the pool and one per data set: name, title, role, classes (groups of captions where the set is for
    retrieval), train, test (images), and of the captions of the training split, or of the test split where there is none:
    captions, mean_words, longest (words), vocabulary (distinct words), unknown (percent of all words that the pool never
    uses) and repeated (percent of captions that an earlier one is equal to)."""
    known = {word for caption in pool.train.captions for word in words(caption)}
    return pd.DataFrame([_statistics(one, known) for one in (pool, *sets)]).astype(
        {name: "Int64" for name in ("classes", "train", "test")}
    )


def _statistics(one: StoredSet, known: set[str]) -> dict:
    captions = (one.train or one.test).captions
    found = [words(caption) for caption in captions]
    every = [word for caption in found for word in caption]
    return {
        "name": one.card["name"], "title": one.card["title"], "role": one.card["role"], "classes": len(one.class_names) or None,
        "train": _size(one.train), "test": _size(one.test), "captions": len(captions),
        "mean_words": len(every) / len(captions), "longest": max(map(len, found)), "vocabulary": len(set(every)),
        "unknown": 100 * sum(word not in known for word in every) / len(every),
        "repeated": 100 * (1 - len(set(captions)) / len(captions)),
    }  # fmt: skip


def _size(split: Split | None) -> int | None:
    return None if split is None else len(split.targets)


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Caption statistics as the report prints them."""
    columns = {
        "Captions of": frame["title"], "Role": frame["role"], "Captions": frame["captions"],
        "Words each": [f"{value:.1f}" for value in frame["mean_words"]], "Longest": frame["longest"],
        "Distinct words": frame["vocabulary"], "Words not in the pool %": [f"{value:.1f}" for value in frame["unknown"]],
        "Repeated captions %": [f"{value:.1f}" for value in frame["repeated"]],
    }  # fmt: skip
    return pd.DataFrame(columns)


def sizes(frame: pd.DataFrame) -> Figure:
    """Bars per data set: number of classes, training images, and the share of caption words that the pool never uses."""
    frame = frame[frame["role"] != "pre-training"]
    roles = list(dict.fromkeys(frame["role"]))
    parts = {role: frame[frame["role"] == role].sort_values("classes", na_position="first") for role in roles}
    panels = {"classes": ("classes", "{:.0f}"), "train": ("training images", "{:,.0f}"),
              "unknown": ("caption words that\nthe pool never uses, %", "{:.0f}")}  # fmt: skip
    figure, grid = theme.figure(
        1.0 + 0.185 * len(frame), nrows=len(roles), ncols=len(panels), squeeze=False, sharey="row", sharex="col",
        height_ratios=[len(part) for part in parts.values()],
    )  # fmt: skip
    for row, (role, part) in zip(grid, parts.items()):
        for axes, (column, (_, form)) in zip(row, panels.items()):
            values = part[column].astype(float)
            axes.barh(range(len(part)), values.fillna(0), color=theme.MODEL_COLOURS[1], height=0.66)
            for y, value in enumerate(values):
                axes.annotate("none" if pd.isna(value) else form.format(value), (0 if pd.isna(value) else value, y),
                              (2, 0), textcoords="offset points", va="center", fontsize=7)  # fmt: skip
            axes.margins(x=0.16)
            axes.set_xlim(left=0)
            axes.grid(axis="y", visible=False)
        row[0].set_yticks(range(len(part)), part["title"])
        row[0].set_ylim(-0.7, len(part) - 0.3)
        row[0].set_title(f"{role} sets")
    for axes, (label, _) in zip(grid[-1], panels.values()):
        axes.set_xlabel(label)
    return figure
