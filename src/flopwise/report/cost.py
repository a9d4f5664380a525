"""Figures and tables of the cost chapter, from the cost tables and the study's table of cells alone."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from flopwise.core.io import read_table
from flopwise.report import theme
from flopwise.report.continual import styles

HERE, THEM = "#0065a3", "#c14a00"
OBJECTIVES = {"clip": "CLIP", "simclr": "SimCLR", "byol": "BYOL", "dino": "DINO", "mae": "MAE"}


def load(folder: Path | str) -> dict[str, pd.DataFrame]:
    """The cost tables by name."""
    return {path.stem: read_table(path) for path in sorted(Path(folder).glob("*.csv"))}


def runs(cells: Mapping[str, str]) -> pd.DataFrame:
    """The runs of every study, one after the other; cells: study -> its table of runs."""
    return pd.concat([read_table(path) for path in cells.values()], ignore_index=True)


def methods(table: pd.DataFrame) -> Figure:
    """GFLOPs per step, memory multiplier and their differences in per cent, a row per method."""
    theme.use()
    figure, axes = theme.figure(4.2, ncols=3, sharey=True, gridspec_kw={"width_ratios": [3, 3, 2]})
    rows = range(len(table))[::-1]
    panels = (
        ("gflops_per_step", "GFLOPs per step (b = 512)", "log"),
        ("memory_multiplier", "peak memory, multiple of full-ft", "linear"),
    )  # fmt: skip
    for ax, (column, words, scale) in zip(axes, panels):
        ax.set_xscale(scale)
        ax.scatter(
            table[f"{column}_published"],
            rows,
            s=60,
            facecolors="none",
            edgecolors=THEM,
            linewidths=1.3,
            label="published",
        )
        ax.scatter(table[column], rows, s=14, color=HERE, label="re-derived here")
        ax.set_xlabel(words)
    axes[0].legend(loc="upper right", borderpad=0.2)
    for column, colour in (("gflops_per_step", theme.QUIET), ("memory_multiplier", HERE)):
        axes[2].scatter(table[f"{column}_difference"], rows, s=18, color=colour, marker="o" if colour == HERE else "|")
    axes[2].axvline(0, color=theme.QUIET, linewidth=0.8)
    axes[2].set_xlabel("difference, %\n(bar: GFLOPs,\ndot: memory)")
    axes[2].set_xlim(-2.2, 2.2)
    axes[0].set_yticks(list(rows), [styles.style(method).label for method in table["method"]])
    return figure


def objectives(table: pd.DataFrame) -> Figure:
    """Training GFLOPs of one image under each pre-training objective."""
    theme.use()
    figure, ax = theme.figure(2.5)
    order = table[table["model"] == table["model"].iloc[0]].sort_values("gflops")["objective"].tolist()[::-1]
    for (model, rows), colour, marker in zip(table.groupby("model", sort=False), (HERE, THEM), ("o", "s")):
        rows = rows.set_index("objective").loc[order]
        ax.scatter(rows["gflops"], range(len(order)), color=colour, marker=marker, s=26)
        ax.annotate(
            model, (rows["gflops"].iloc[0], 0), xytext=(0, 9), textcoords="offset points", color=colour, ha="center"
        )
        for y, (value, ratio) in enumerate(zip(rows["gflops"], rows["times_supervised"])):
            ax.annotate(
                f"{ratio:.2f}×", (value, y), xytext=(7, -3), textcoords="offset points", color=theme.QUIET, fontsize=7.5
            )
    ax.set_xscale("log")
    ax.set_ylim(-0.6, len(order) - 0.2)
    ax.set_yticks(range(len(order)), [OBJECTIVES.get(name, name) for name in order])
    ax.set_xlabel("GFLOPs of one training image (small print: multiple of supervised)")
    return figure


def rates(cells: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """FLOPs executed per CPU second of training, a row per model and method: each training, and the mean."""
    import seaborn

    theme.use()
    shown = cells[cells["gflops_per_second"].notna()].drop_duplicates("training")
    order = {method: place for place, method in enumerate(styles.order(shown["method"]))}
    shown = shown.sort_values(["model", "method"], key=lambda column: column.map(order) if column.name == "method" else column,
                              kind="stable")  # fmt: skip
    rows = shown["model"] + "  " + shown["method"].map(lambda method: styles.style(method).label)
    figure, ax = theme.figure(0.7 + 0.26 * rows.nunique())
    own = {"data": shown, "x": "gflops_per_second", "y": rows, "hue": "method", "legend": False, "ax": ax}
    own["palette"] = {method: styles.style(method).colour for method in order}
    seaborn.stripplot(**own, jitter=False, size=3.5, alpha=0.5)
    seaborn.pointplot(**own, errorbar=None, linestyle="none", marker="|", markersize=11)
    ax.set_xlim(left=0)
    ax.set(xlabel="GFLOPs executed per CPU second of training", ylabel="")
    return figure, shown[
        ["cell", "model", "method", "charged_gflops", "executed_gflops", "train_cpu_seconds", "gflops_per_second"]
    ]


def _number(value, digits: int) -> str:
    return "–" if pd.isna(value) else f"{value:,.{digits}f}"


def method_table(table: pd.DataFrame) -> pd.DataFrame:
    """FoMo-in-Flux's cost table, here and published."""
    rows = {"Method": [styles.style(method).label for method in table["method"]]}
    for column, words, digits in (
        ("gflops_per_step", "GFLOPs/step", 1), ("peak_memory_gb", "memory, GiB", 2), ("memory_multiplier", "multiplier", 4)
    ):  # fmt: skip
        rows[words] = [_number(value, digits) for value in table[column]]
        rows[f"{words}, published"] = [_number(value, digits) for value in table[f"{column}_published"]]
        rows[f"{words}, difference %"] = [_number(value, 2) for value in table[f"{column}_difference"]]
    return pd.DataFrame(rows)


def step_table(steps: pd.DataFrame) -> pd.DataFrame:
    """Training steps per task: here / published, by method and number of tasks; EWC also charged once per task."""
    rows = []
    for method, group in steps.groupby("method", sort=False):
        row = {"Method": styles.style(method).label}
        row |= {f"T = {r.tasks}": f"{r.here:,} / {r.published:,}" for r in group.itertuples()}
        if method == "ewc":
            row["charged once per task"] = ", ".join(f"{r.per_task_once:,}" for r in group.itertuples())
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def profile_table(table: pd.DataFrame) -> pd.DataFrame:
    """Published forward costs of a library's models beside ours."""
    return pd.DataFrame(
        {"Model": table["model"], "parameters, M": [_number(v, 2) for v in table["params_m"]],
         "published ": [_number(v, 2) for v in table["params_m_published"]], "GFLOPs": [_number(v, 2) for v in table["gflops"]],
         "published": [_number(v, 2) for v in table["gflops_published"]],
         "difference %": [_number(v, 2) for v in table["gflops_difference"]]}
    )  # fmt: skip


def perceiver_table(table: pd.DataFrame) -> pd.DataFrame:
    """Perceiver IO's published columns and how far they are from ours; a row that does not hold says so."""

    def verdict(held, residual) -> str:
        if pd.isna(held):
            return "not published"
        return f"{'holds' if str(held) == 'True' else 'does not hold'} ({100 * float(residual):+.1f} %)"

    def figures(values) -> list[str]:
        return ["–" if pd.isna(value) else f"{value:,.4g}" for value in values]

    return pd.DataFrame(
        {"Model": table["model"], "parameters, M": figures(table["params_m_here"]), "published ": figures(table["params_m"]),
         " ": list(map(verdict, table["params_hold"], table["params_residual"])),
         "GFLOPs": figures(table["gflops_here"]), "published": figures(table["gflops"]),
         "": list(map(verdict, table["gflops_hold"], table["gflops_residual"]))}
    )  # fmt: skip


def scale_table(table: pd.DataFrame) -> pd.DataFrame:
    """What each scale costs, before it runs."""
    return pd.DataFrame(
        {"Scale": table["scale"], "cells": table["cells"], "jobs": table["jobs"],
         "PFLOPs": [f"{v:,.3g}" for v in table["pflops"]], "of updates, in MAFs": [f"{v:,.3g}" for v in table["update_pmafs"]],
         "device": table["device"], "device hours": [f"{v:,.3g}" for v in table["device_hours"]],
         "kWh": [f"{v:,.3g}" for v in table["kwh"]], "kg CO2e": [f"{v:,.3g}" for v in table["kg_co2e"]],
         "checkpoints, GB": [f"{v:,.3g}" for v in table["checkpoints_gb"]]}
    )  # fmt: skip
