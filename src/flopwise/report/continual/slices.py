"""Slices of the continual study's tables that its figures draw: the reference setting, the oracle, paths in the plane."""

import numpy as np
import pandas as pd

from flopwise.config.continual import Axes
from flopwise.report import frames

AXES = tuple(Axes.model_fields)
SETTING = tuple(axis for axis in AXES if axis != "method")


def reference(cells: pd.DataFrame) -> dict:
    """The setting (every axis but the method) at which most methods were run; among equals the one from which most runs
    differ in at most one axis, then the first in the table. A figure of all methods shows it."""
    runs = cells[cells["method"] != "oracle"]
    runs = runs if len(runs) else cells
    methods = runs.groupby(list(SETTING), sort=False)["method"].nunique()
    settings = runs[list(SETTING)].to_numpy(dtype=object)

    def near(setting) -> int:
        return int(((settings == np.array(setting, dtype=object)).sum(axis=1) >= len(SETTING) - 1).sum())

    best = [setting for setting, count in methods.items() if count == methods.max()]
    return dict(zip(SETTING, max(best, key=near)))


def oracle(final: pd.DataFrame, setting: dict) -> pd.DataFrame:
    """The oracle's rows at the setting's model and budget; it has no stream, so the other axes do not matter."""
    rows = final[final["method"] == "oracle"]
    return frames.at(rows, {axis: setting[axis] for axis in ("model", "budget")})


def with_delta(trajectory: pd.DataFrame) -> pd.DataFrame:
    """The trajectory with column `delta`: value minus the same run's value at task 0, in percentage points."""
    start = trajectory[trajectory["task"] == 0].set_index(["cell", "seed", "metric"])["value"]
    key = pd.MultiIndex.from_frame(trajectory[["cell", "seed", "metric"]])
    return trajectory.assign(delta=trajectory["value"].to_numpy() - start.reindex(key).to_numpy())


def plane(trajectory: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean path per group of `by`: columns x, x_lower, x_upper (Delta A_KA), y... (Delta A_ZS), task, seeds."""
    by = [*by, "task"]
    rows = with_delta(trajectory)
    axes = [
        frames.summarise(rows[rows["metric"] == metric], by, "delta").set_index(by)[["mean", "lower", "upper", "seeds"]]
        for metric in ("a_ka", "a_zs")
    ]
    joined = axes[0].join(axes[1], lsuffix="_x", rsuffix="_y", how="inner").reset_index()
    names = {"mean_x": "x", "lower_x": "x_lower", "upper_x": "x_upper", "seeds_x": "seeds"}
    names |= {"mean_y": "y", "lower_y": "y_lower", "upper_y": "y_upper"}
    return joined.rename(columns=names)[[*by, *names.values()]]


def last_points(trajectory: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Where diverged runs were last seen in the plane: the columns `by`, cell, x, y."""
    lost = with_delta(trajectory[(trajectory["status"] == "diverged") & trajectory["value"].notna()])
    lost = lost[lost["task"] == lost.groupby("cell")["task"].transform("max")]
    wide = lost.pivot_table(index=[*by, "cell"], columns="metric", values="delta").reset_index()
    return wide.reindex(columns=[*by, "cell", "a_ka", "a_zs"]).rename(columns={"a_ka": "x", "a_zs": "y"})
