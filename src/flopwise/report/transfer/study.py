"""The transfer study's tables as its figures need them."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from flopwise.core.io import read_table

AXES = ("student", "teacher", "method", "amount", "view", "reading")
NAMES = ("cells", "zoo", "flips", "class_flips", "tops", "final", "top_rates", "students", "groups", "tests", "costs")


class Study(NamedTuple):
    """The study's tables. home: amount, view and reading at which methods are compared."""

    cells: pd.DataFrame
    zoo: pd.DataFrame
    flips: pd.DataFrame
    class_flips: pd.DataFrame
    tops: pd.DataFrame
    final: pd.DataFrame
    top_rates: pd.DataFrame
    students: pd.DataFrame
    groups: pd.DataFrame
    tests: pd.DataFrame
    costs: pd.DataFrame
    home: dict

    def at_home(self, frame: pd.DataFrame, *free: str) -> pd.DataFrame:
        """Rows at the setting of the comparison, except for the axes in `free`."""
        for axis, value in self.home.items():
            if axis in frame and axis not in free:
                frame = frame[frame[axis] == value]
        return frame

    def transfers(self, *free: str, among: str | None = "trained") -> pd.DataFrame:
        """A row per transfer at home (mean over seeds) and a column per metric; diverged runs do not enter."""
        rows = self.at_home(self.final, *free)
        rows = rows[(rows["status"] == "done") & ((rows["among"] == among) if among else True)]
        keys = ["method", "student", "teacher", "pair", "amount", "view", "reading"]
        return rows.pivot_table(index=keys, columns="metric", values="value", aggfunc="mean").reset_index()

    def of(self, experiment: str) -> pd.DataFrame:
        """The rows of `final` that belong to an experiment."""
        mine = self.cells["experiments"].str.split(",").map(lambda names: experiment in names)
        return self.final[self.final["cell"].isin(self.cells.loc[mine, "cell"])]

    def family(self, model: str) -> str:
        return dict(zip(self.zoo["model"], self.zoo["family"])).get(model, "")


def load(tables: Path | str) -> Study:
    """Read the study's tables."""
    found = {name: read_table(Path(tables) / f"{name}.csv") for name in NAMES}
    first = found["cells"][
        found["cells"]["experiments"].str.split(",").str[0]
        == found["cells"]["experiments"].str.split(",").str[0].iloc[0]
    ]
    return Study(**found, home={axis: first[axis].iloc[0] for axis in ("amount", "view", "reading")})
