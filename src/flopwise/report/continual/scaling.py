"""What changes with scale: of the model, of the budget, of the stream."""

import numpy as np
import pandas as pd

from flopwise.report import frames, theme
from flopwise.report.continual import charts, plots, styles
from flopwise.report.continual.study import Study, absent, note, untraced
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


def response(study: Study) -> Drawn:
    """A_KA after the stream against the budget, of full fine-tuning and of training on all data at once, between what
    guessing and what the initial model would score."""
    rows = study.of(study.final, "response")
    rows = rows[rows["metric"] == "a_ka"]
    if not len(rows):
        return absent("response")
    means = frames.summarise_all(rows, ["budget", "method"])
    multiple = study.cells.groupby("budget")["budget_multiple"].median()
    means = means.assign(at=np.log2(means["budget"].map(multiple)))
    sets = study.final_sets[(study.final_sets["role"] == "adaptation") & study.final_sets["cell"].isin(rows["cell"])]
    levels = {"zero-shot": rows["zero_shot"].mean(), "chance": sets.groupby("dataset")["chance"].first().mean()}
    figure, axes = theme.figure(3.2, 5.2)
    ticks = {place: study.word("budget", name) for name, place in zip(means["budget"], means["at"])}
    plots.lines(axes, means, "method", dict(sorted(ticks.items())))
    for words, level in levels.items():
        axes.axhline(level, color=theme.QUIET, lw=1.0, ls=":", zorder=1)
        axes.annotate(words, (1, level), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                      va="bottom" if words == "zero-shot" else "top", color=theme.QUIET, fontsize=8)  # fmt: skip
    axes.set_ylim(0, None)
    axes.set_xlabel("budget in MAFs (log axis)")
    axes.set_ylabel(f"{styles.METRICS['a_ka']} after the stream (percent)")
    plots.key(figure, means["method"])
    data = means.drop(columns="at").assign(**{name.replace("-", "_"): level for name, level in levels.items()})
    return Drawn(figure, data, note(study, rows, means["seeds"], "budget", "mixture"))


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
