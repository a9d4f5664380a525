"""What changes with scale: of the model, of the budget, of the stream."""

import numpy as np
import pandas as pd

from flopwise.report import theme
from flopwise.report.continual import charts, plots
from flopwise.report.continual.study import METRICS, Study, absent, untraced
from flopwise.report.show import Drawn

EQUAL = {"model-scale": "equal MAFs", "model-scale-steps": "equal steps"}


def models(study: Study) -> Drawn:
    """Final change against the model's size, a row of panels for equal memory-adjusted FLOPs and one for equal steps.
    The model of the setting stands in both: equal steps are its own."""
    found = {title: study.of(study.final, name) for name, title in EQUAL.items()}
    if not any(map(len, found.values())):
        return absent(*EQUAL)
    home = study.at(study.final)
    steps = found["equal steps"]
    if len(steps):
        found["equal steps"] = pd.concat([steps, home[home["method"].isin(steps["method"].unique())]])
    shown = {title: rows for title, rows in found.items() if len(rows)}
    every = pd.concat([rows.assign(equal=title) for title, rows in shown.items()], ignore_index=True)
    place = {model: float(index) for index, model in enumerate(m for m in study.models() if m in set(every["model"]))}
    parts = {title: charts.lines(study, rows, "model", place, "budget", label="model scale") for title, rows in shown.items()}
    return _stacked(study, every, parts)


def _stacked(study: Study, every: pd.DataFrame, parts: dict[str, Drawn]) -> Drawn:
    """Several rows of `charts.lines` as one figure: the same values drawn again in panels that share their heights."""
    from flopwise.report import frames

    if len(parts) == 1:
        (title, drawn), = parts.items()
        return Drawn(drawn.figure, drawn.data.assign(equal=title), f"{drawn.note} Held equal: {title.removeprefix('equal ')}.")
    data = pd.concat([drawn.data.assign(equal=title) for title, drawn in parts.items()], ignore_index=True)
    order = [model for model in study.models() if model in set(data["model"])]
    data = data.assign(at=data["model"].map({model: float(index) for index, model in enumerate(order)}))
    figure, grid = theme.figure(4.6, nrows=len(parts), ncols=3, sharex=True, sharey="col")
    for line, title in zip(grid, parts):
        for axes, metric in zip(line, METRICS):
            shown = data[data["metric"] == metric]
            axes.axhline(0, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
            plots.lines(axes, shown[shown["equal"] == title], "method", dict(enumerate(order)))
            axes.set_ylim(frames.limits([*shown["mean"], 0], [*shown["lower"], *shown["upper"]]))
            axes.set_title(f"Δ{theme.TITLES[metric]}, {title}")
        line[0].set_ylabel(charts.POINTS)
    plots.key(figure, data["method"])
    return Drawn(figure, data.drop(columns="at"), next(iter(parts.values())).note)


def compute(study: Study) -> Drawn:
    """Final change against the budget."""
    rows = study.of(study.final, "compute")
    if not len(rows):
        return absent("compute")
    multiple = study.number("budget", "budget_multiple")
    place = {name: float(np.log2(multiple[name])) for name in rows["budget"].unique()}
    return charts.lines(study, rows, "budget", place, label="budget in MAFs (log axis)")


def _horizons(study: Study, rows: pd.DataFrame, series: str) -> Drawn:
    place = {name: float(np.log2(study.tasks(name))) for name in rows["horizon"].unique()}
    return charts.lines(study, rows, "horizon", place, series, label="number of tasks T (log axis)", series=series)


def horizons(study: Study) -> Drawn:
    """Final change against the number of tasks that the same data and budget are cut into."""
    rows = study.of(study.final, "horizons")
    return _horizons(study, rows, "method") if len(rows) else absent("horizons")


def horizon_paths(study: Study) -> Drawn:
    """Paths in the plane, a panel per number of tasks."""
    rows = study.of(study.trajectory, "horizons")
    if not len(rows):
        return untraced("horizons") if len(study.of(study.final, "horizons")) else absent("horizons")
    names = sorted(rows["horizon"].unique(), key=study.tasks)
    return charts.planes(study, rows, [(study.word("horizon", n), rows[rows["horizon"] == n]) for n in names], "method", "horizon")


def schedules_by_horizon(study: Study) -> Drawn:
    """Final change against the number of tasks, a line per schedule."""
    rows = study.of(study.final, "schedules-horizons")
    return _horizons(study, rows, "schedule") if len(rows) else absent("schedules-horizons")
