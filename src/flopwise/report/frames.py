"""Tables of runs turned into what a figure draws: means over seeds with intervals, one slice of the grid."""

import numpy as np
import pandas as pd

from flopwise.core.statistics import critical


def mean_interval(values) -> tuple[float, float, float, int]:
    """Mean of `values` (one per seed), ends of its 95 % t-interval (NaN for one value), and their number."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return float(values.mean()) if n else float("nan"), float("nan"), float("nan"), n
    mean, half = float(values.mean()), float(critical(n) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half, n


def summarise(frame: pd.DataFrame, by: list[str], value: str = "value") -> pd.DataFrame:
    """One row per group of `by`: mean over seeds, lower, upper (95 % t-interval), seeds. Diverged runs do not enter."""
    if "status" in frame.columns:
        frame = frame[frame["status"] != "diverged"]
    frame = frame[frame[value].notna()]
    rows = [
        [*key, *mean_interval(group.groupby("seed", sort=True)[value].mean())]
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


def at(frame: pd.DataFrame, setting: dict, free: tuple[str, ...] = ()) -> pd.DataFrame:
    """Rows at `setting`, except that the axes in `free` may take any value."""
    keep = np.ones(len(frame), dtype=bool)
    for axis, value in setting.items():
        if axis not in free:
            keep &= (frame[axis] == value).to_numpy()
    return frame[keep]


def values(frame: pd.DataFrame, axis: str, first=None) -> list:
    """Values that occur on an axis in the order of the table, with `first` in front."""
    return sorted(dict.fromkeys(frame[axis]), key=lambda value: value != first)


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
