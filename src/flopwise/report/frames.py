"""Tables of runs turned into what a figure draws: means over seeds with intervals, one slice of the grid."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit  # scipy.stats takes a second to import

AXES = (
    "model", "budget", "mixture", "method", "merge", "stream", "schedule", "rate", "temperature", "pool", "horizon",
    "recipe",
)  # fmt: skip
SETTING = tuple(axis for axis in AXES if axis != "method")


def t_interval(values, confidence: float = 0.95) -> tuple[float, float, float, int]:
    """Mean of `values` (one per seed), lower and upper end of its t-interval, and their number. With one value there
    is no interval: both ends are NaN."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n == 0:
        return float("nan"), float("nan"), float("nan"), 0
    mean = float(values.mean())
    if n == 1:
        return mean, float("nan"), float("nan"), 1
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half, n


def summarise(frame: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """One row per group of `by`: mean over seeds, lower, upper (95 % t-interval), seeds. Diverged runs do not enter."""
    if "status" in frame.columns:
        frame = frame[frame["status"] != "diverged"]
    frame = frame[frame[value].notna()]
    rows = [
        [*key, *t_interval(group.groupby("seed", sort=True)[value].mean())]
        for key, group in frame.groupby(by, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "lower", "upper", "seeds"])


def limits(points, ends=(), room: float = 0.6, pad: float = 0.08) -> tuple[float, float]:
    """Limits of an axis that show all `points`, and the `ends` of intervals as far as these leave the points readable:
    at most `room` times the points' own span beyond them on either side, then `pad` of the whole."""
    points, ends = (np.asarray(list(values), dtype=float) for values in (points, ends))
    points, ends = points[np.isfinite(points)], ends[np.isfinite(ends)]
    if not len(points):
        return 0.0, 1.0
    low, high = points.min(), points.max()
    span = max(high - low, 1.0)
    low = max(min([low, *ends]), low - room * span)
    high = min(max([high, *ends]), high + room * span)
    edge = pad * max(high - low, 1.0)
    return float(low - edge), float(high + edge)


def summarise_all(frame: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """The same with groups that have no finished run, and column `diverged`, the number of runs left out."""
    keys = frame[by].drop_duplicates()
    lost = frame[frame["status"] == "diverged"].groupby(by, sort=False)["cell"].nunique().rename("diverged")
    means = keys.merge(summarise(frame, by, value), how="left", on=by).merge(lost.reset_index(), how="left", on=by)
    return means.assign(**{name: pd.to_numeric(means[name]).fillna(0).astype(int) for name in ("diverged", "seeds")})


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


def at(frame: pd.DataFrame, setting: dict, free: tuple[str, ...] = ()) -> pd.DataFrame:
    """Rows at `setting`, except that the axes in `free` may take any value."""
    keep = np.ones(len(frame), dtype=bool)
    for axis, value in setting.items():
        if axis not in free:
            keep &= (frame[axis] == value).to_numpy()
    return frame[keep]


def oracle(final: pd.DataFrame, setting: dict) -> pd.DataFrame:
    """The oracle's rows at the setting's model and budget; it has no stream, so the other axes do not matter."""
    rows = final[final["method"] == "oracle"]
    return at(rows, {axis: setting[axis] for axis in ("model", "budget")})


def values(frame: pd.DataFrame, axis: str, first=None) -> list:
    """Values that occur on an axis in the order of the table, with `first` in front."""
    return sorted(dict.fromkeys(frame[axis]), key=lambda value: value != first)


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
        summarise(rows[rows["metric"] == metric], by, "delta").set_index(by)[["mean", "lower", "upper", "seeds"]]
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


def seeds_note(seeds, intervals: bool = True) -> str:
    """One sentence on what the numbers are, from the numbers of seeds that occur; `intervals`: whether the figure draws
    any."""
    counts = sorted({int(n) for n in seeds if n == n and n > 0})
    if not counts:
        return "No finished run."
    if counts == [1]:
        return "One seed per point: no interval can be given."
    if not intervals:
        return f"Mean over {counts[0]} seeds." if len(counts) == 1 else f"Mean over {counts[0]} to {counts[-1]} seeds."
    many = [n for n in counts if n > 1]
    span = f"{many[0]}" if len(many) == 1 else f"{many[0]} to {many[-1]}"
    note = f"Mean and 95 % t-interval over {span} seeds"
    return f"{note}; points without an interval rest on one seed." if counts[0] == 1 else f"{note}."
