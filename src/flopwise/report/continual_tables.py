"""The tables of the continual study that the report prints, from the study's tables alone."""

import pandas as pd

from flopwise.report import frames, plots, theme
from flopwise.report.continual import Study


def final_values(study: Study) -> pd.DataFrame:
    """One row per point of the grid: changes of the aggregates from zero-shot as mean ± half the 95 % interval."""
    axes = list(frames.AXES)
    status = study.final.drop_duplicates("cell")
    counts = status.groupby(axes, sort=False)["status"].value_counts().unstack(fill_value=0)
    parts = {}
    for column, metric in (("ΔA_KA", "a_ka"), ("ΔA_ZS", "a_zs"), ("ΔGM", "gm")):
        means = frames.summarise(study.final[study.final["metric"] == metric], axes, "delta").set_index(axes)
        parts[column] = pd.Series([_mean(row) for _, row in means.iterrows()], index=means.index, dtype=object)
    table = pd.DataFrame(parts).reindex(counts.index).fillna("–").reset_index()
    done, lost = (counts.get(name, pd.Series(0, counts.index)) for name in ("done", "diverged"))
    table["Runs"] = [f"{a}" if not b else f"{a}, and {b} diverged" for a, b in zip(done, lost)]
    return _words(table, axes).reset_index(drop=True)


def budgets(study: Study) -> pd.DataFrame:
    """What the same budget buys each method at the setting: steps, samples, planned and measured cost of a stream."""
    rows = pd.concat([frames.at(study.cells[study.cells["method"] != "oracle"], study.setting),
                      frames.oracle(study.cells, study.setting)])  # fmt: skip
    columns = {
        "steps_per_task": "Steps per task", "batch_size": "Batch", "planned_gflops": "Planned GFLOPs",
        "measured_gflops": "Measured GFLOPs", "cpu_seconds": "CPU seconds",
    }  # fmt: skip
    means = rows.groupby("method")[list(columns)].mean().reindex(theme.order(rows["method"]))
    digits = {"steps_per_task": 0, "batch_size": 0, "planned_gflops": 0, "measured_gflops": 0, "cpu_seconds": 1}
    table = pd.DataFrame({words: _numbers(means[name], digits[name]) for name, words in columns.items()})
    table.insert(0, "Method", [theme.style(method).label for method in means.index])
    return table.reset_index(drop=True)


def _numbers(values: pd.Series, digits: int) -> list[str]:
    return ["–" if value != value else f"{value:,.{digits}f}" for value in values]


def _mean(row: pd.Series) -> str:
    half = f" ± {row['upper'] - row['mean']:.1f}" if row["seeds"] > 1 else ""
    return f"{row['mean']:+.1f}{half}".replace("-0.0", "0.0").replace("+0.0", "0.0").replace("-", "−")


def _words(table: pd.DataFrame, axes: list[str]) -> pd.DataFrame:
    """Rows in the order of the methods, values of the axes as words, axes that never vary left out."""
    order = {name: index for index, name in enumerate(theme.order(table["method"]))}
    table = table.sort_values("method", key=lambda column: column.map(order), kind="stable")
    lookup = {
        "method": lambda value: theme.style(value).label,
        "mixture": lambda value: theme.label(value, theme.MIXTURES),
        "stream": lambda value: theme.label(value, theme.STREAMS),
        "budget": plots.budget,
    }
    for axis in axes:
        if axis != "method" and table[axis].nunique() == 1:
            table = table.drop(columns=axis)
        else:
            table[axis] = table[axis].map(lookup.get(axis, str))
    table.insert(0, "method", table.pop("method"))
    return table.rename(columns={axis: axis.capitalize() for axis in axes})
