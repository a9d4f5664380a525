"""Training recipes: learning-rate schedules, base learning rate, temperature of the loss."""

import numpy as np
import pandas as pd

from flopwise.core.schedules import SCHEDULES, learning_rate
from flopwise.report import theme
from flopwise.report.continual import charts, styles
from flopwise.report.continual.study import Study, absent
from flopwise.report.show import Drawn

STEPS = 100  # per task in the drawing of the schedules


def schedule_shapes(study: Study) -> Drawn:
    """Learning rate of every schedule over the first tasks, as a share of the peak; drawn from their formulas, with as
    many tasks as the setting has, six at most."""
    tasks = min(6, study.tasks(study.setting["horizon"]))
    parts = [
        pd.DataFrame({"schedule": name, "task": task + 1, "step": task * STEPS + np.arange(STEPS),
                      "share": [learning_rate(name, task, step, STEPS) for step in range(STEPS)]})
        for name in SCHEDULES for task in range(tasks)
    ]  # fmt: skip
    data = pd.concat(parts, ignore_index=True)
    figure, grid = theme.figure(3.6, nrows=2, ncols=4, sharex=True, sharey=True)
    for axes, name in zip(grid.flat, styles.order(SCHEDULES, "schedule")):
        curve, style = data[data["schedule"] == name], styles.style(name, "schedule")
        for border in range(1, tasks):
            axes.axvline(border, color=theme.FAINT, lw=0.8, zorder=1)
        axes.plot((curve["step"] + 0.5) / STEPS, curve["share"], color=style.colour, lw=1.3)
        axes.set_title(style.label, fontsize=8)
        axes.set_xticks(range(0, tasks + 1, max(1, tasks // 3)))
        axes.grid(axis="x", visible=False)
    figure.supxlabel("update step (task)", fontsize=8.5)
    figure.supylabel("learning rate (share of peak)", fontsize=8.5)
    return Drawn(figure, data, f"{STEPS} optimiser steps per task; warm-up and cool-down a tenth of a task each.")


def schedules(study: Study) -> Drawn:
    """Final aggregates per schedule."""
    rows = study.of(study.final, "schedules")
    if not len(rows):
        return absent("schedules")
    order = {name: index for index, name in enumerate(styles.order(rows["schedule"], "schedule"))}
    rows = rows.sort_values("schedule", key=lambda names: names.map(order), kind="stable")
    rows = rows.assign(row=[styles.style(name, "schedule").label for name in rows["schedule"]])
    return charts.dots(study, rows, "schedule", keep=("schedule",))


def schedule_paths(study: Study) -> Drawn:
    """Paths per schedule."""
    return charts.paths(study, "schedules", "schedule")


def defects(study: Study) -> Drawn:
    """Final aggregates with each known weak spot of the official code mended, and hollow as it was released."""
    rows = study.of(study.final, "defects")
    if not len(rows):
        return absent("defects")
    rows = rows.assign(family=rows["method"].str.replace(r"-(?:as-released|latest)$", "", regex=True))
    plain = [_mended(study, row) for row in rows.itertuples()]
    suffixes = [_suffix(row) for row in rows.itertuples()]
    rows = rows.assign(plain=plain, suffix=suffixes, hollow=[bool(suffix) for suffix in suffixes])
    rows = rows.sort_values(["plain", "hollow"], kind="stable")
    rows = rows.assign(row=rows["plain"] + rows["suffix"], method=rows["family"])
    return charts.dots(study, rows, "recipe", keep=("merge", "recipe"), key=False)


def _mended(study: Study, row) -> str:
    """The method; where it merges by something else than by default, the merge."""
    if row.merge != study.setting["merge"]:
        return study.word("merge", row.merge.removesuffix("-as-released"))
    return styles.style(row.family).label


def _suffix(row) -> str:
    if row.method.endswith("-latest"):
        return ", as its comment says"
    return ", as released" if "as-released" in f"{row.method} {row.merge} {row.recipe}" else ""


def rates(study: Study) -> Drawn:
    """Final change against the base learning rate, as a multiple of that of all other experiments."""
    rows = study.of(study.final, "rates")
    if not len(rows):
        return absent("rates")
    multiple = study.number("rate", "rate_multiple")
    place = {name: float(np.log2(multiple[name])) for name in rows["rate"].unique()}
    return charts.lines(study, rows, "rate", place, label="learning rate (multiple of base, log axis)")


def tuning(study: Study) -> Drawn:
    """Change on validation data against the learning rate, a line per method."""
    rows = study.tuning
    if not len(rows):
        return absent("tuning")
    multiple = rows.groupby("rate")["rate_multiple"].first()
    names = {name: f"{value:g}" for name, value in multiple.items()}
    place = {name: float(np.log2(value)) for name, value in multiple.items()}
    return charts.lines(study, rows, "rate", place, label="learning rate (multiple of base, log axis)", names=names)


def chosen(study: Study) -> pd.DataFrame:
    """Per method: number of trials, the rate with the highest GM on validation data among those at which every trial
    ended, and what the base rate gives up."""
    gm = study.tuning[study.tuning["metric"] == "gm"]
    rows = []
    for method in styles.order(gm["method"]):
        own = gm[gm["method"] == method].groupby("rate_multiple")
        ended = own["status"].agg(lambda status: (status == "done").all())
        means = own["delta"].mean()[ended]
        row = {"Method": styles.style(method).label, "Trials": int(own.size().sum()), "Best rate": "all diverged",
               "ΔGM there": "–", "ΔGM at the base rate": "diverged", "Base rate gives up": "–"}  # fmt: skip
        if len(means):
            row |= {"Best rate": f"{means.idxmax():g} × base", "ΔGM there": f"{means.max():+.1f}"}
        if 1.0 in means:
            row |= {
                "ΔGM at the base rate": f"{means[1.0]:+.1f}",
                "Base rate gives up": f"{means.max() - means[1.0]:.1f}",
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["Method"])


def temperature(study: Study) -> Drawn:
    """Final change with a fixed temperature of the loss and with a learned one."""
    rows = study.of(study.final, "temperature")
    if not len(rows):
        return absent("temperature")
    value = study.number("temperature", "temperature_value")
    names = sorted(rows["temperature"].unique(), key=lambda name: (value[name] == value[name], value[name]))
    place = {name: float(index) for index, name in enumerate(names)}
    return charts.lines(study, rows, "temperature", place, label="temperature", joined=False)
