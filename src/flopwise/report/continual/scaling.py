"""What changes with scale: of the model, of the budget, of the stream."""

import numpy as np
import pandas as pd

from flopwise.report.continual import charts
from flopwise.report.continual.study import Study, absent, untraced
from flopwise.report.show import Drawn

EQUAL = {"model-scale": "equal MAFs", "model-scale-steps": "equal steps"}


def models(study: Study) -> Drawn:
    """Final change against the model's size, a row of panels for equal memory-adjusted FLOPs and one for equal steps.
    The model of the setting stands in both: equal steps are its own."""
    parts = [study.of(study.final, name).assign(equal=words) for name, words in EQUAL.items()]
    if not any(map(len, parts)):
        return absent(*EQUAL)
    home = study.at(study.final)
    parts.append(home[home["method"].isin(parts[1]["method"])].assign(equal="equal steps"))
    rows = pd.concat(parts, ignore_index=True)
    place = {model: float(index) for index, model in enumerate(m for m in study.models() if m in set(rows["model"]))}
    return charts.lines(study, rows, "model", place, "budget", label="model scale", stack="equal")


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
    panels = [
        (study.word("horizon", name), rows[rows["horizon"] == name])
        for name in sorted(rows["horizon"].unique(), key=study.tasks)
    ]
    return charts.planes(study, rows, panels, "method", "horizon", oracle=True)


def schedules_by_horizon(study: Study) -> Drawn:
    """Final change against the number of tasks, a line per schedule."""
    rows = study.of(study.final, "schedules-horizons")
    return _horizons(study, rows, "schedule") if len(rows) else absent("schedules-horizons")
