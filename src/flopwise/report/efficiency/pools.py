"""Figures and tables over pools, and on what an encoder has become."""

import numpy as np
import pandas as pd

from flopwise.report import theme
from flopwise.report.efficiency.study import Study, published
from flopwise.report.efficiency.styles import POOLS, order, pool_label, style
from flopwise.report.frames import seeds_note
from flopwise.report.show import Drawn, absent


def matrix(study: Study) -> Drawn:
    """Gain over the random encoder by method and pool at the budget that most pools have."""
    import seaborn

    means = study.means("gain")
    means = means[means["method"] != "scratch"]
    if means["pool"].nunique() < 2:
        return absent("second pool")
    budget = _common(means)
    own = means[means["budget"] == budget]
    wide = own.pivot_table(index="method", columns="pool", values="mean")
    wide = wide.loc[order(wide.index), [pool for pool in POOLS if pool in wide.columns]]
    figure, axes = theme.figure(1.2 + 0.42 * len(wide))
    reach = np.nanmax(np.abs(wide.to_numpy()))
    seaborn.heatmap(
        wide, annot=True, fmt="+.1f", cmap="PuOr", center=0, vmin=-reach, vmax=reach, ax=axes, linewidths=1,
        cbar_kws={"label": "mIoU over a random encoder (points)"},
    )  # fmt: skip
    axes.set(xlabel="", ylabel="")
    small = 7.5 if len(wide.columns) < 7 else 6.5
    axes.set_xticklabels([pool_label(pool) for pool in wide.columns], rotation=0, fontsize=small)
    axes.set_yticklabels([style(method).label for method in wide.index], rotation=0)
    note = f"Budget {own['gflops'].median():,.3g} GFLOPs. An empty cell was not run, or has no labels to train on."
    return Drawn(figure, own, f"{note} {seeds_note(own['seeds'], False)}")


def _common(means: pd.DataFrame) -> str:
    """The budget that most pools have; none where nothing was pre-trained."""
    if not len(means):
        return ""
    return means.groupby("budget")["pool"].nunique().sort_values(kind="stable").index[-1]


def beside_table(study: Study) -> pd.DataFrame:
    """Differences between pools, here at equal FLOPs and in the paper at equal steps."""
    means, paper = study.means("miou"), published()
    budget = _common(means[means["method"] != "scratch"])
    ours = means[means["budget"] == budget].pivot_table(index="method", columns="pool", values="mean")
    theirs = paper[paper["axis"] == "equal steps"].pivot_table(index="method", columns="pool", values="miou")
    ours, rows = ours.reindex(index=theirs.index, columns=theirs.columns), []
    for method in order(theirs.index):
        for pool in [one for one in POOLS if one in theirs.columns and one != "in1k"]:
            here, paper_says = (table.loc[method, pool] - table.loc[method, "in1k"] for table in (ours, theirs))
            rows.append(
                {"objective": style(method).label, "pool": pool_label(pool).replace("\n", " "),
                 "minus ImageNet-1K, paper": paper_says, "minus its stand-in, here": here}
            )  # fmt: skip
    return pd.DataFrame(rows)


def collapse(study: Study) -> Drawn:
    """What an encoder has become beside what it is worth: effective rank and gain."""
    wide = study.final[(study.final["method"] != "scratch") & (study.final["size"] == study.size)].pivot_table(
        index=["cell", "method", "pool", "budget", "seed"], columns="metric", values="value"
    )
    if "rank" not in wide or "gain" not in wide:
        return absent("pre-training")
    wide = wide.reset_index()
    figure, axes = theme.figure(3.2)
    for method in order(wide["method"]):
        own, look = wide[wide["method"] == method], style(method)
        axes.plot(own["rank"], own["gain"], look.marker, color=look.colour, ms=4, alpha=0.7, label=look.label)
    axes.axhline(0, color=theme.QUIET, lw=0.7)
    axes.set(xlabel="effective rank of the embedding", ylabel="mIoU over a random encoder (points)", xscale="log")
    ranks = [
        tick for tick in (1, 2, 3, 5, 10, 20, 30, 50) if wide["rank"].min() * 0.9 <= tick <= wide["rank"].max() * 1.1
    ]
    axes.set_xticks(ranks, [str(tick) for tick in ranks])
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Drawn(
        figure,
        wide,
        "A point per encoder. An encoder has collapsed where its rank is near 1: all pictures look alike to it.",
    )


def speed(study: Study) -> pd.DataFrame:
    """What a step costs and how fast it is."""
    rows = study.costs.groupby(["method", "size"], sort=False).agg(
        image_mflops=("image_mflops", "mean"),
        images=("images_per_second", "median"),
        gflops=("gflops_per_second", "median"),
    )
    rows, clock = rows.reset_index(), study.costs["clock"].iloc[0] if len(study.costs) else "CPU"
    base = rows[rows["method"] == "supervised"].set_index("size")["image_mflops"]
    return pd.DataFrame(
        {"objective": [style(name).label for name in rows["method"]], "trunk": rows["size"],
         "MFLOPs per image": rows["image_mflops"],
         "over supervised": rows["image_mflops"] / rows["size"].map(base), f"images per {clock} second": rows["images"],
         f"GFLOPs per {clock} second": rows["gflops"]}
    )  # fmt: skip


def all_cells(study: Study) -> pd.DataFrame:
    """Every point: fine-tuned mIoU, things, stuff, frozen, gain."""
    parts = []
    for metric in ("miou", "things", "stuff", "frozen", "gain"):
        means = study.means(metric, "size").set_index(["method", "pool", "size", "budget"])
        parts.append(means["mean"].rename(metric))
    seeds = study.means("miou", "size").set_index(["method", "pool", "size", "budget"])[["gflops", "seeds"]]
    return pd.concat([*parts, seeds], axis=1).reset_index()
