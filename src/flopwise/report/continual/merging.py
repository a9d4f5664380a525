"""Merging over time: when weights are merged, how, and with which weights."""

import textwrap

import pandas as pd

from flopwise.methods.merging.names import MERGES
from flopwise.report import frames, theme
from flopwise.report.continual import charts, plots
from flopwise.report.continual.study import METRICS, Study, absent, note, untraced
from flopwise.report.show import Drawn

INITIAL, LATEST, ALL, UNROLLED, RUNNING, PULLED = (
    "initial model", "latest trained model", "all trained models, at once", "trained models, one after another",
    "one after another, initial model first", "latest with initial model",
)  # fmt: skip
GRID = {  # method -> (where the next task starts, what is deployed)
    "full-ft": (LATEST, LATEST), "latest-all": (LATEST, ALL), "latest-unrolled": (LATEST, UNROLLED),
    "zs-merge": (INITIAL, RUNNING), "initial-latest": (INITIAL, LATEST), "initial-unrolled": (INITIAL, UNROLLED),
    "offline-merge": (INITIAL, ALL), "all-all": (ALL, ALL), "all-latest": (ALL, LATEST), "all-unrolled": (ALL, UNROLLED),
    "unrolled-all": (UNROLLED, ALL), "unrolled-latest": (UNROLLED, LATEST), "ema-merge": (RUNNING, RUNNING),
    "ft-merge": (PULLED, PULLED),
}  # fmt: skip
STARTS = (INITIAL, LATEST, ALL, UNROLLED, RUNNING, PULLED)
DEPLOYED = (LATEST, ALL, UNROLLED, RUNNING, PULLED)


def paths(study: Study) -> Drawn:
    """Paths of the merging methods and full fine-tuning, a panel per mixture."""
    rows = study.of(study.trajectory, "merging")
    if not len(rows):
        return untraced("merging") if len(study.of(study.final, "merging")) else absent("merging")
    mixtures = frames.values(rows, "mixture", first=study.setting["mixture"])
    panels = [(study.word("mixture", mixture), rows[rows["mixture"] == mixture]) for mixture in mixtures]
    return charts.planes(study, rows, panels, "method", "mixture", oracle=True)


def time_grid(study: Study) -> Drawn:
    """Where the next task starts against what is deployed: change of GM, with those of its parts."""
    rows = study.of(study.final, "time-grid")
    rows = rows[rows["method"].isin(GRID)]
    if not len(rows):
        return absent("time-grid")
    means = frames.summarise_all(rows, ["method", "metric"], "delta")
    means = means.assign(
        start=means["method"].map(lambda m: GRID[m][0]), deployed=means["method"].map(lambda m: GRID[m][1])
    )
    starts = [name for name in STARTS if name in set(means["start"])]
    deployed = [name for name in DEPLOYED if name in set(means["deployed"])]
    cells = means.set_index(["start", "deployed", "metric"])
    table = means[means["metric"] == "gm"].pivot(index="start", columns="deployed", values="mean")
    table = table.reindex(index=starts, columns=deployed)
    texts = [[_cell(cells, start, end) for end in deployed] for start in starts]
    figure, axes = theme.figure(1.1 + 0.52 * len(starts))
    limit = means.loc[means["metric"] == "gm", "mean"].abs().max()
    plots.heat(axes, table, 1.0 if limit != limit else limit, texts, size=6.8)
    axes.set_xticklabels([_wrap(name, 16) for name in deployed])
    axes.set_yticklabels([_wrap(name, 20) for name in starts])
    axes.set_xlabel("deployed after a task")
    axes.set_ylabel("the next task starts from")
    return Drawn(figure, means, note(study, rows, means["seeds"]))


def _cell(cells: pd.DataFrame, start: str, deployed: str) -> str:
    if (start, deployed, "gm") not in cells.index:
        return ""
    ka, zs, gm = (cells.loc[(start, deployed, metric)] for metric in METRICS)
    if not gm["seeds"]:
        return f"{gm['method']}\n{gm['diverged']} diverged"
    half = f" ± {gm['upper'] - gm['mean']:.1f}" if gm["seeds"] > 1 else ""
    parts = f"KA {plots.change(ka['mean'], 1)}, ZS {plots.change(zs['mean'], 1)}"
    seeds = f"{gm['seeds']} seed{'s' * int(gm['seeds'] > 1)}" + f", {gm['diverged']} diverged" * bool(gm["diverged"])
    return f"GM {plots.change(gm['mean'], 1)}{half}\n{parts}\n{seeds}"


def _wrap(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))


def operators(study: Study) -> Drawn:
    """Final aggregates per merge operator, and below them the spread over the grid of start and deployment."""
    rows = study.of(study.final, "operators")
    if not len(rows):
        return absent("operators")
    return _by_operator(study, rows, study.of(study.final, "time-grid"))


def shares(study: Study) -> Drawn:
    """Final change against the share of the newest model in a merge of two."""
    rows = study.of(study.final, "merge-weights")
    if not len(rows):
        return absent("merge-weights")
    place = {name: MERGES[name].weight or 0.5 for name in rows["merge"].unique()}
    names = {name: f"{share:g}" for name, share in place.items()}
    return charts.lines(study, rows, "merge", place, label="share of the newest model", names=names)


def weightings(study: Study) -> Drawn:
    """Final aggregates when all trained models are averaged with weights by age."""
    rows = study.of(study.final, "weightings")
    return _by_operator(study, rows, rows[:0]) if len(rows) else absent("weightings")


def _by_operator(study: Study, rows: pd.DataFrame, grid: pd.DataFrame) -> Drawn:
    drawn = charts.dots(
        study, rows.assign(row=[study.word("merge", name) for name in rows["merge"]]), "merge", keep=("merge",)
    )
    grid = grid[grid["method"].isin(GRID)]
    if not len(grid):
        return drawn
    means = frames.summarise(grid, ["method", "metric"]).assign(row="start × deployment")
    y = -rows["merge"].nunique()
    for axes, metric in zip(drawn.figure.axes, METRICS):
        spread = means.loc[means["metric"] == metric, "mean"]
        axes.plot([spread.min(), spread.max()], [y, y], color=plots.GREY, lw=3, alpha=0.5, solid_capstyle="butt")
        axes.plot(spread, [y] * len(spread), "|", color=theme.INK, ms=7)
        axes.set_ylim(y - 0.6, 0.6)
        low, high = axes.get_xlim()
        axes.set_xlim(frames.limits([low, high, *spread], pad=0.02))
    ticks = drawn.figure.axes[0]
    ticks.set_yticks([*ticks.get_yticks(), y], [*(t.get_text() for t in ticks.get_yticklabels()), "start × deployment"])
    more = f"Last row: the {means['method'].nunique()} combinations of start and deployment, all by interpolation."
    return Drawn(drawn.figure, pd.concat([drawn.data, means], ignore_index=True), f"{drawn.note} {more}")
