"""The study's tables as its figures need them: rows of an experiment, values of axes as words, notes for captions."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from flopwise.core.io import read_table
from flopwise.report import frames
from flopwise.report.continual import slices, styles
from flopwise.report.continual.slices import AXES
from flopwise.report.show import Drawn

METRICS = ("a_ka", "a_zs", "gm")
FRACTIONS = {0.25: "¼ F", 0.5: "½ F", 0.75: "¾ F", 1.0: "F"}
PAIR = ("full-ft", "ema-merge")  # the two methods that most experiments compare


class Study(NamedTuple):
    """The study's tables and the setting at which all methods are compared."""

    trajectory: pd.DataFrame
    final: pd.DataFrame
    per_set: pd.DataFrame
    final_sets: pd.DataFrame
    chunks: pd.DataFrame
    inside: pd.DataFrame
    losses: pd.DataFrame
    cells: pd.DataFrame
    tuning: pd.DataFrame
    setting: dict
    titles: dict  # data set -> its title

    def of(self, frame: pd.DataFrame, *experiments: str) -> pd.DataFrame:
        """Rows of `frame` at the points of the grid that belong to one of the experiments, with every seed there."""
        mine = self.cells["experiments"].str.split(",").map(set(experiments).intersection).map(bool)
        points = pd.MultiIndex.from_frame(self.cells[list(AXES)])
        cells = self.cells.loc[points.isin(points[mine]), "cell"]
        return frame[frame["cell"].isin(cells)]

    def streamed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of methods that meet the stream task by task: all but the oracle's."""
        return frame[frame["method"] != "oracle"]

    def at(self, frame: pd.DataFrame, *free: str) -> pd.DataFrame:
        """Rows at the setting, except that the axes in `free` may take any value."""
        return frames.at(frame, self.setting, free)

    def zero_shot(self, model: str) -> dict:
        """Starting value of each metric on the full test sets, in percent."""
        rows = self.final[self.final["model"] == model]
        return rows.groupby("metric")["zero_shot"].mean().to_dict()

    def number(self, axis: str, column: str) -> dict:
        """Value of an axis -> the number that `column` of the cells gives for it."""
        runs = self.streamed(self.cells)
        return (runs if len(runs) else self.cells).groupby(axis)[column].median().to_dict()

    def tasks(self, horizon: str) -> int:
        return int(self.number("horizon", "tasks_planned")[horizon])

    def models(self) -> list[str]:
        """Models by the cost of a step of full fine-tuning, small to large."""
        cost = self.cells.groupby("model")["step_gflops"].max()
        return list(cost.sort_values().index)

    def word(self, axis: str, value: str) -> str:
        """A value of an axis as a reader knows it."""
        if axis in styles.AXES:
            return styles.style(value, axis).label
        if axis == "budget":
            return budget(value, self.number("budget", "budget_multiple")[value])
        if axis == "horizon":
            tasks = f"T = {self.tasks(value)}"
            return f"a task per data set ({tasks})" if value == "per-set" else tasks
        if axis == "rate":
            return f"{self.number('rate', 'rate_multiple')[value]:g} × base rate"
        if axis == "temperature":
            tau = self.number("temperature", "temperature_value")[value]
            return "learned" if tau != tau else f"τ = {tau:g}"
        return value.replace("-lines", " with LiNeS").replace("-", " ") if axis == "merge" else value


def load(tables: Path | str) -> Study:
    """Read the study's tables."""
    folder = Path(tables)
    names = ("trajectory", "final", "per_set", "final_sets", "chunks", "inside", "losses", "cells", "tuning")
    found = {name: read_table(folder / f"{name}.csv") for name in names}
    found["cells"]["shared_training"] = found["cells"]["job"].str.split("/").str[3]
    sets = read_table(folder / "zero_shot.csv")
    titles = dict(zip(sets["dataset"], sets["title"]))
    return Study(**found, setting=slices.reference(found["cells"]), titles=titles)


def budget(name: str, multiple: float) -> str:
    """A budget as text: its multiple of F, and what its name says beyond that ('f1-steps' -> 'F, steps')."""
    own = name.partition("-")[2]
    return FRACTIONS.get(float(multiple), f"{multiple:g} F") + (f", {own}" if own else "")


def setting_words(study: Study, *but: str) -> str:
    """The setting as words, without the axes that a figure varies."""
    parts = {axis: study.word(axis, study.setting[axis]) for axis in ("model", "mixture", "horizon")}
    parts |= {axis: f"{study.word(axis, study.setting[axis])} {noun}" for axis, noun in
              (("stream", "stream"), ("schedule", "schedule"))}  # fmt: skip
    parts["budget"] = f"budget {study.word('budget', study.setting['budget'])}"
    return "Setting: " + ", ".join(text for axis, text in parts.items() if axis not in but) + "."


def lost_words(rows: pd.DataFrame) -> str:
    """A sentence on diverged runs among `rows`, empty where there are none."""
    lost = rows[rows["status"] == "diverged"].drop_duplicates("cell")
    if not len(lost):
        return ""
    parts = [f"{styles.style(method).label} ({len(group)})" for method, group in lost.groupby("method", sort=False)]
    return f"Diverged runs, left out of all means: {', '.join(parts)}."


def note(study: Study, rows: pd.DataFrame, seeds, *but: str, intervals: bool = True, more: str = "") -> str:
    """What a caption says about these data: setting, seeds and intervals, diverged runs."""
    words = (setting_words(study, *but), frames.seeds_note(seeds, intervals), lost_words(rows), more)
    return " ".join(filter(None, words))


def absent(*experiments: str) -> Drawn:
    """What stands in place of a figure whose experiments a scale does not run."""
    names = " and ".join(f"`{name}`" for name in experiments)
    plural = "s" * (len(experiments) > 1)
    return Drawn(None, pd.DataFrame(columns=["cell"]), f"This scale does not run the experiment{plural} {names}.")


def untraced(*experiments: str) -> Drawn:
    """What stands in place of a path where runs were evaluated only at their end."""
    names = " and ".join(f"`{name}`" for name in experiments)
    sentence = f"At this scale the runs of {names} were evaluated after the stream only: there is no path to draw."
    return Drawn(None, pd.DataFrame(columns=["cell"]), sentence)
