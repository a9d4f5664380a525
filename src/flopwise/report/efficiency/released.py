"""Encoders that others pre-trained, by what their recipes cost and what a real set gains from them."""

import pandas as pd

from flopwise.report import theme
from flopwise.report.efficiency.study import Study, means_of
from flopwise.report.efficiency.styles import order, pool_label, style
from flopwise.report.frames import seeds_note
from flopwise.report.labels import Label, beside_points
from flopwise.report.show import Drawn, absent


def points(study: Study) -> Drawn:
    """mIoU against the FLOPs of the published recipe, a name beside each point."""
    means = means_of(study.released, "miou", "size").sort_values("gflops")
    if not len(means):
        return absent("released encoders")
    means = means.assign(eflops=means["gflops"] / 1e9)
    figure, axes = theme.figure(4.2)
    for method in order(means["method"]):
        own, look = means[means["method"] == method], style(method)
        axes.plot(own["eflops"], own["mean"], look.marker, color=look.colour, ms=5, label=look.label)
        axes.vlines(own["eflops"], own["lower"], own["upper"], color=look.colour, lw=1, alpha=0.6)
    axes.axhline(study.scratch, color=theme.QUIET, lw=1, ls=":")
    axes.set(xlabel="pre-training by its recipe (EFLOPs)", ylabel="mIoU (%)", xscale="log")
    axes.margins(x=0.15, y=0.15)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.draw_without_rendering()
    labels = [Label(row.eflops, row.mean, row.budget, style(row.method).colour) for row in means.itertuples()]
    beside_points(axes, labels, means[["eflops", "mean"]].to_numpy())
    return Drawn(figure, means, f"Dotted: the same network as it is drawn. {seeds_note(means['seeds'])}")


def table(study: Study) -> pd.DataFrame:
    """Every released encoder: recipe, cost, scores fine-tuned and frozen."""
    means, gain, frozen = (
        means_of(study.released, metric, "size").set_index("budget") for metric in ("miou", "gain", "frozen")
    )
    means = means.sort_values("mean", ascending=False)
    images = study.released.groupby("budget")["images_planned"].first()
    return pd.DataFrame(
        {"encoder": means.index, "objective": [style(name).label for name in means["method"]],
         "data": [pool_label(pool) for pool in means["pool"]], "trunk": means["size"],
         "pictures, millions": images.reindex(means.index) / 1e6, "EFLOPs": means["gflops"] / 1e9, "mIoU, %": means["mean"],
         "over a random encoder": gain["mean"].reindex(means.index), "frozen, %": frozen["mean"].reindex(means.index)}
    ).reset_index(drop=True)  # fmt: skip
