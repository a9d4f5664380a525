"""The efficiency study's tables as its figures need them."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from flopwise.config.files import ROOT
from flopwise.core.io import read_table
from flopwise.report.frames import summarise

NAMES = ("cells", "final", "front", "fits", "costs")
PUBLISHED = ROOT / "config" / "published" / "efficiency.csv"


class Study(NamedTuple):
    """The study's tables; what is of encoders that others pre-trained stands in `released` alone. size: the trunk that most
    figures are about."""

    cells: pd.DataFrame
    final: pd.DataFrame
    front: pd.DataFrame
    fits: pd.DataFrame
    costs: pd.DataFrame
    size: str
    released: pd.DataFrame

    def means(self, metric: str, *by: str) -> pd.DataFrame:
        """Mean, interval and seeds of a metric by pool, method and budget at the study's size, with the mean budget in GFLOPs;
        `by`: further columns."""
        rows = self.final if "size" in by else self.final[self.final["size"] == self.size]
        return means_of(rows, metric, *by)

    @property
    def scratch(self) -> float:
        """mIoU of the random encoder, mean over seeds."""
        own = self.final[
            (self.final["method"] == "scratch") & (self.final["metric"] == "miou") & (self.final["size"] == self.size)
        ]
        return float(own["value"].mean())

    def pools(self, least: int = 1) -> list[str]:
        """Pools with trainings at `least` so many budgets, in the order of the grid."""
        trained = self.cells[(self.cells["method"] != "scratch") & (self.cells["size"] == self.size)]
        counts = trained.groupby("pool", sort=False)["budget"].nunique()
        return list(counts[counts >= least].index)


def means_of(rows: pd.DataFrame, metric: str, *by: str) -> pd.DataFrame:
    """Mean, interval, seeds and mean cost of the rows of a metric."""
    rows, keys = rows[rows["metric"] == metric], ["pool", "method", "budget", *by]
    cost = rows.groupby(keys, sort=False)["gflops"].mean().reset_index()
    return summarise(rows, keys).merge(cost, on=keys)


def load(tables: Path | str) -> Study:
    """Read the study's tables."""
    found = {name: read_table(Path(tables) / f"{name}.csv") for name in NAMES}
    cells, final = found["cells"], found["final"]
    others = cells.loc[cells["released"].astype(bool), "cell"]
    released = final[final["cell"].isin(others)].merge(cells[["cell", "images_planned"]], on="cell")
    found |= {"cells": cells[~cells["cell"].isin(others)], "final": final[~final["cell"].isin(others)]}
    return Study(**found, size=found["cells"]["size"].iloc[0], released=released)


def published() -> pd.DataFrame:
    """Values of the paper: pool, axis (hours, kg_co2e, equal steps), method, cost, miou, source."""
    return read_table(PUBLISHED)
