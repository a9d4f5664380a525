"""The data-centred experiments: order of the stream, mixture of a batch, replayed pool, a task per data set."""

import numpy as np
import pandas as pd

from flopwise.report import frames, theme
from flopwise.report.continual import charts, plots, styles
from flopwise.report.continual.study import Study, absent, note
from flopwise.report.show import Drawn

CORNERS = {"pool": (0.0, 0.0), "update": (1.0, 0.0), "buffer": (0.5, 3**0.5 / 2)}  # share 1 of a batch
MANY = 6  # mixtures of a method that fit a small triangle
NAMES = {"pool": "pre-training pool P", "update": "update pool D", "buffer": "buffer B"}


def paths(study: Study) -> Drawn:
    """Paths per order of the stream."""
    return charts.paths(study, "streams", "stream")


def final(study: Study) -> Drawn:
    """Final aggregates per order of the stream, each reversed order below its forward one."""
    rows = study.of(study.final, "streams")
    if not len(rows):
        return absent("streams")
    order = {name: index for index, name in enumerate(styles.order(rows["stream"], "stream"))}
    rows = rows.sort_values("stream", key=lambda names: names.map(order), kind="stable")
    rows = rows.assign(row=[styles.style(name, "stream").label for name in rows["stream"]],
                       hollow=rows["stream"].str.endswith("-reverse"))  # fmt: skip
    return charts.dots(study, rows, "stream", keep=("stream",))


def mixture_paths(study: Study) -> Drawn:
    """Paths per mixture."""
    return charts.paths(study, "mixtures", "mixture")


def mixtures(study: Study) -> Drawn:
    """Change of GM in the triangle of mixtures: how far a point lies from a side is the share of the corner opposite."""
    rows = study.of(study.final, "mixtures")
    if not len(rows):
        return absent("mixtures")
    means = frames.summarise_all(rows, ["method", "mixture", "metric"], "delta")
    shares = study.cells.drop_duplicates("mixture").set_index("mixture")
    for part in CORNERS:
        means[part] = means["mixture"].map(shares[f"{part}_share"])
    methods = styles.order(rows["method"])
    gm = means[means["metric"] == "gm"]
    many = gm.groupby("method").size().max() > MANY
    if many:  # each in a row of its own
        figure, panels = theme.figure(0.6 + 4.6 * len(methods), nrows=len(methods), squeeze=False)
    else:
        wide, high = (theme.WIDTH, 3.6) if len(methods) > 1 else (4.6, 4.2)
        figure, panels = theme.figure(high, wide, ncols=len(methods), squeeze=False)
    limit = max(gm["mean"].abs().max(), 1e-9) if gm["mean"].notna().any() else 1.0
    for axes, method in zip(panels.flat, methods):
        picture = _triangle(study, axes, gm[gm["method"] == method], limit, 300 if many else 560)
        axes.set_title(styles.style(method).label)
    bar = {"location": "bottom", "shrink": 0.5, "aspect": 30, "label": f"ΔGM ({charts.POINTS})"}
    figure.colorbar(picture, ax=list(panels.flat), **bar)
    return Drawn(figure, means, note(study, rows, means["seeds"], "mixture", intervals=False))


def _triangle(study: Study, axes, rows: pd.DataFrame, limit: float, disc: float):
    small = disc < 400
    corners = np.array(list(CORNERS.values()))
    axes.fill(*corners.T, fc="none", ec=theme.QUIET, lw=0.9)
    for share in (0.25, 0.5, 0.75):
        for one in range(3):
            ends = corners[one] * share + corners[[i for i in range(3) if i != one]] * (1 - share)
            axes.plot(*ends.T, color=theme.FAINT, lw=0.7, zorder=1)
    at = rows[list(CORNERS)].to_numpy() @ corners
    picture = axes.scatter(
        *at.T, c=rows["mean"], cmap="PuOr", vmin=-limit, vmax=limit, s=disc, ec=theme.INK, lw=0.7, zorder=3
    )
    for place, row in zip(at, rows.itertuples()):
        colour = "white" if abs(row.mean) > 0.6 * limit else theme.INK
        axes.text(*place, plots.change(row.mean, 1) if row.seeds else "✕", ha="center", va="center",
                  fontsize=5.8 if small else 7.5, color=colour, zorder=4)  # fmt: skip
        _beside(axes, study.word("mixture", row.mixture), place, _side(row, place), 11 if small else 15, size=6.8)
    for name, place in CORNERS.items():
        _beside(axes, NAMES[name], place, "above" if name == "buffer" else "below", 16 if name == "buffer" else 30,
                color=theme.QUIET)  # fmt: skip
    axes.set_xlim(*((-0.2, 1.2) if small else (-0.3, 1.3)))
    axes.set_ylim(*((-0.2, 1.0) if small else (-0.36, 1.06)))
    axes.set_aspect("equal")
    axes.axis("off")
    return picture


def _side(row, place) -> str:
    """Where the name of a mixture finds room: outside the triangle for one on a side of it, else away from its neighbours."""
    for part, side in (("pool", "right"), ("update", "left"), ("buffer", "below")):
        if getattr(row, part) == 0 and not (part == "pool" and row.buffer == 0):
            return side
    if row.pool == 0:  # the corner of new data alone
        return "below"
    if place[1] > 0.25:
        return "above" if abs(row.pool - row.update) < 0.05 and row.buffer < 0.4 else "below"
    if place[1] < 0.15 and abs(place[0] - 0.5) > 0.2:
        return "above"
    return "right" if place[0] > 0.45 else "left"


OFFSETS = {"above": (0, 1, "center", "bottom"), "below": (0, -1, "center", "top"), "right": (1, 0, "left", "center"),
           "left": (-1, 0, "right", "center")}  # fmt: skip


def _beside(axes, text: str, place, side: str, points: float, size: float = 8, **look) -> None:
    """A text so many points to a side of a place."""
    x, y, horizontal, vertical = OFFSETS[side]
    axes.annotate(text, place, xytext=(x * points, y * points), textcoords="offset points", ha=horizontal, va=vertical,
                  fontsize=size, zorder=4, **look)  # fmt: skip


def pool_paths(study: Study) -> Drawn:
    """Paths per replayed pool."""
    return charts.paths(study, "pools", "pool")


def pools(study: Study) -> Drawn:
    """Final aggregates per replayed pool."""
    rows = study.of(study.final, "pools")
    return (
        charts.dots(study, rows.assign(row=[study.word("pool", name) for name in rows["pool"]]), "pool", keep=("pool",))
        if len(rows)
        else absent("pools")
    )


def per_set(study: Study) -> Drawn:
    """Final aggregates of a stream with a task per data set, beside the same order in tasks of equal size and beside
    the setting."""
    rows = study.of(study.final, "per-set")
    if not len(rows):
        return absent("per-set")
    others = study.at(study.final, "stream")
    compared = others["method"].isin(rows["method"]) & others["stream"].isin({*rows["stream"], study.setting["stream"]})
    others = others[compared]
    rows = pd.concat([rows, others])
    words = [f"{study.word('stream', s)},\n{study.word('horizon', h)}" for s, h in zip(rows["stream"], rows["horizon"])]
    return charts.dots(study, rows.assign(row=words), "stream", "horizon", keep=("stream", "horizon"))
