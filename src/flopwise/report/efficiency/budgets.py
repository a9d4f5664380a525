"""Figures and tables over budgets: what an objective buys, who leads, which trunk, and whether small budgets tell."""

import numpy as np
import pandas as pd

from flopwise.report import theme
from flopwise.report.efficiency.study import Study, published
from flopwise.report.efficiency.styles import order, pool_label, style
from flopwise.report.frames import mean_interval, seeds_note
from flopwise.report.labels import Label, at_line_ends
from flopwise.report.show import Drawn, absent

GFLOPS = "pre-training FLOPs (GFLOPs)"
TIMES = [base * 10**power for power in range(-3, 7) for base in (1, 2, 5)]  # where a time axis may have a tick


def _curve(axes, rows: pd.DataFrame, x: str, method: str) -> Label:
    """One method's line with intervals; returns the label of its end."""
    look, rows = style(method), rows.sort_values(x)
    axes.plot(rows[x], rows["mean"], color=look.colour, marker=look.marker, ls=look.line, ms=4)
    axes.vlines(rows[x], rows["lower"], rows["upper"], color=look.colour, lw=1, alpha=0.6)
    return Label(rows[x].iloc[-1], rows["mean"].iloc[-1], look.label, look.colour)


def _ticks(axes, values) -> None:
    axes.set_xscale("log")
    axes.set_xticks(sorted(set(values)), [f"{value:,.3g}" for value in sorted(set(values))])
    axes.minorticks_off()


def curves(study: Study) -> Drawn:
    """mIoU against FLOPs, a panel per pool that has several budgets."""
    means = study.means("miou")
    means = means[means["pool"].isin(study.pools(2)) & (means["method"] != "scratch")]
    if not len(means):
        return absent("more than one budget")
    pools = [pool for pool in study.pools(2) if pool in set(means["pool"])]
    figure, panels = theme.figure(1.0 + 2.6 * len(pools), nrows=len(pools), squeeze=False, sharex=True)
    ends = []
    nominal = study.cells[study.cells["planned_gflops"] > 0].groupby("budget")["planned_gflops"].median()
    for axes, pool in zip(panels[:, 0], pools):
        own = means[means["pool"] == pool]
        labels = [_curve(axes, own[own["method"] == method], "gflops", method) for method in order(own["method"])]
        axes.axhline(study.scratch, color=theme.QUIET, lw=1, ls=":")
        labels.append(Label(own["gflops"].max(), study.scratch, "random encoder", theme.QUIET))
        axes.set(title=pool_label(pool).replace("\n", " "), ylabel="mIoU (%)")
        _ticks(axes, nominal[nominal.index.isin(own["budget"])])
        ends.append((axes, labels))
    panels[-1, 0].set_xlabel(GFLOPS)
    figure.draw_without_rendering()
    for axes, labels in ends:
        at_line_ends(axes, labels)
    return Drawn(figure, means, seeds_note(means["seeds"]))


def costs(study: Study) -> Drawn:
    """The same against time and the CO2-equivalents that follow from it, on the pool with most budgets."""
    from flopwise.cost.carbon import PUE, REGION, estimate

    pools = study.pools(2)
    if not pools:
        return absent("more than one budget")
    pool = study.cells[study.cells["pool"].isin(pools)].groupby("pool")["budget"].nunique().idxmax()
    means = study.means("miou")
    means = means[(means["pool"] == pool) & (means["method"] != "scratch")]
    speed = study.costs[(study.costs["pool"] == pool) & (study.costs["size"] == study.size)].set_index("method")
    means = means[means["method"].isin(speed.index)]
    means = means.assign(seconds=means["gflops"] / means["method"].map(speed["gflops_per_second"]))
    watts, clock = speed["watts"].iloc[0], speed["clock"].iloc[0]
    grams = 1e3 * estimate(1 / 3600, watts).kg_co2e
    means = means.assign(g_co2e=means["seconds"] * grams)
    figure, axes = theme.figure(3.4)
    labels = [_curve(axes, means[means["method"] == method], "seconds", method) for method in order(means["method"])]
    axes.axhline(study.scratch, color=theme.QUIET, lw=1, ls=":")
    labels.append(Label(means["seconds"].max(), study.scratch, "random encoder", theme.QUIET))
    axes.set(xlabel=f"pre-training time ({clock} seconds)", ylabel="mIoU (%)")
    ticks = [tick for tick in TIMES if 0.9 * means["seconds"].min() <= tick <= 1.1 * means["seconds"].max()]
    _ticks(axes, ticks)
    top = axes.secondary_xaxis("top", functions=(lambda x: x * grams, lambda x: x / grams))
    top.set_xticks([tick * grams for tick in ticks], [f"{tick * grams:.2g}" for tick in ticks])
    top.minorticks_off()
    top.set_xlabel(f"g CO2e at {watts:g} W a {'core' if clock == 'CPU' else clock}, PUE {PUE:g}, {REGION}")
    figure.draw_without_rendering()
    at_line_ends(axes, labels)
    return Drawn(figure, means, f"Pool: {pool_label(pool).replace(chr(10), ' ')}. {seeds_note(means['seeds'])}")


def front(study: Study) -> Drawn:
    """All methods and pools in one plot, with the best of each cost."""
    means = study.means("miou", "size")
    means = means[means["method"] != "scratch"].sort_values(["gflops", "mean"], ascending=[True, False])
    if not len(means):
        return absent("pre-training")
    figure, axes = theme.figure(3.4)
    for method in order(means["method"]):
        own, look = means[means["method"] == method], style(method)
        axes.plot(own["gflops"], own["mean"], look.marker, color=look.colour, ms=4, alpha=0.75, label=look.label)
    best = means[means["mean"] == means["mean"].cummax()]
    axes.step(
        [*best["gflops"], means["gflops"].max()],
        [*best["mean"], best["mean"].iloc[-1]],
        where="post",
        color=theme.INK,
        lw=1,
    )
    axes.axhline(study.scratch, color=theme.QUIET, lw=1, ls=":")
    _ticks(axes, means.groupby("budget")["gflops"].median())
    axes.set(xlabel=GFLOPS, ylabel="mIoU (%)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    held = best["method"].map(lambda name: style(name).label)
    note = f"Black: the best so far, held by {', '.join(dict.fromkeys(held))}. Dotted: the random encoder."
    note = f"{note} {seeds_note(means['seeds'], False)}"
    return Drawn(figure, means.assign(on_front=means["mean"].eq(means["mean"].cummax())), note)


def best(study: Study) -> pd.DataFrame:
    """The question of the abstract: which objective, pool and trunk at each budget."""
    means = study.means("miou", "size")
    means = means[means["method"] != "scratch"]
    rows = []
    for part in sorted((part for _, part in means.groupby("budget")), key=lambda part: part["gflops"].median()):
        one = part.loc[part["mean"].idxmax()]
        own = part[part["method"].map(lambda name: style(name).label) != style(one["method"]).label]
        second = own.loc[own["mean"].idxmax()] if len(own) else None
        rows.append(
            {"budget, GFLOPs": f"{part['gflops'].median():,.3g}", "objective": style(one["method"]).label,
             "pool": pool_label(one["pool"]).replace("\n", " "), "trunk": one["size"], "mIoU, %": one["mean"],
             "95 % interval": f"[{one['lower']:.1f}, {one['upper']:.1f}]" if one["seeds"] > 1 else "one seed",
             "over a random encoder": one["mean"] - study.scratch,
             "next objective": "" if second is None else f"{style(second['method']).label}, {second['mean']:.1f} %"}
        )  # fmt: skip
    return pd.DataFrame(rows)


def sizes(study: Study) -> Drawn:
    """Small against large trunk, a panel per objective."""
    means = study.means("miou", "size")
    means = means[(means["method"] != "scratch") & means["pool"].isin(means["pool"].iloc[:1])]
    both = means.groupby("method")["size"].nunique()
    methods = [name for name in order(means["method"]) if both[name] > 1]
    if not methods:
        return absent("second size of the trunk")
    figure, panels = theme.figure(
        1 + 2.1 * -(-len(methods) // 3), nrows=-(-len(methods) // 3), ncols=3, squeeze=False, sharey=True
    )
    for axes, method in zip(panels.flat, methods):
        for size, line in zip(dict.fromkeys(means["size"]), ("-", "--")):
            own = means[(means["method"] == method) & (means["size"] == size)].sort_values("gflops")
            axes.errorbar(own["gflops"], own["mean"], yerr=(own["mean"] - own["lower"], own["upper"] - own["mean"]),
                          color=style(method).colour, ls=line, marker=style(method).marker, capsize=2, label=size)  # fmt: skip
        axes.set(title=style(method).label)
        _ticks(axes, means.groupby("budget")["gflops"].median().round(1))
    panels[0, 0].legend()
    for axes in panels.flat[len(methods) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("mIoU (%)")
    figure.supxlabel(GFLOPS, fontsize=8.5)
    return Drawn(figure, means[means["method"].isin(methods)], seeds_note(means["seeds"]))


def fits(study: Study) -> Drawn:
    """What smaller budgets predict for the largest one, beside what it gave and beside 'it stays'."""
    rows = study.fits
    if not len(rows):
        return absent("three budgets of one training")
    figure, axes = theme.figure(0.9 + 0.28 * len(rows))
    places = np.arange(len(rows))
    for place, row in zip(places, rows.to_dict("records")):
        colour = style(row["method"]).colour
        axes.plot([row["low"], row["high"]], [place] * 2, color=colour, lw=5, alpha=0.3, solid_capstyle="butt")
        axes.plot(row["predicted"], place, "|", color=colour, ms=11, mew=2)
        axes.plot(row["measured"], place, "o", color=theme.INK, ms=4)
        axes.plot(row["naive"], place, "x", color=theme.QUIET, ms=4)
    labels = [f"{style(m).label}, {pool_label(p).split(chr(10))[0]}" for m, p in zip(rows["method"], rows["pool"])]
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set_xlabel("mIoU at the largest budget (%)")
    covered = rows["covered"].dropna()
    inside = f" {int(covered.sum())} of {len(covered)} intervals hold what was measured." if len(covered) else ""
    note = f"Mean error {rows['error'].mean():.2f} points, of 'it stays' {rows['naive_error'].mean():.2f}.{inside}"
    return Drawn(figure, rows, note)


def decisions(study: Study) -> pd.DataFrame:
    """How often the ranking that smaller budgets tell holds at the largest."""
    from flopwise.studies.efficiency.fits import decisions as counted

    found = counted(study.fits)
    return pd.DataFrame(
        {"pool": [pool_label(pool).replace("\n", " ") for pool in found["pool"]], "pairs of objectives": found["pairs"],
         "ranked right by the law, %": found["law"], "by the ranking before, %": found["naive"]}
    )  # fmt: skip


def beside_published(study: Study) -> Drawn:
    """Differences to CLIP on the web pool at equal cost, here and in the paper's figure."""
    ours = study.final[
        (study.final["metric"] == "miou") & (study.final["pool"] == "align") & (study.final["size"] == study.size)
    ]
    if "clip" not in set(ours["method"]):
        return absent("CLIP on web pictures")
    largest = ours.loc[ours["gflops"].idxmax(), "budget"]
    wide = ours[ours["budget"] == largest].pivot_table(index="seed", columns="method", values="value")
    paper = published()
    paper = paper[(paper["pool"] == "align") & (paper["axis"] == "kg_co2e")]
    at = paper[paper["method"] == "clip"]["cost"].max()
    rows, others = [], [name for name in order(wide.columns) if name not in ("clip", "scratch")]
    if not others:
        return absent("second objective on web pictures")
    for method in others:
        mean, low, high, seeds = mean_interval((wide[method] - wide["clip"]).dropna())
        own = paper[paper["method"] == method].sort_values("cost")
        inside = len(own) and own["cost"].min() <= at <= own["cost"].max() * 1.01
        level = np.interp(at, own["cost"], own["miou"]) if inside else np.nan
        clip = np.interp(at, *paper[paper["method"] == "clip"].sort_values("cost")[["cost", "miou"]].to_numpy().T)
        rows.append(
            {"method": method, "mean": mean, "lower": low, "upper": high, "seeds": seeds, "published": level - clip}
        )
    rows = pd.DataFrame(rows)
    figure, axes = theme.figure(0.9 + 0.34 * len(rows))
    for place, row in enumerate(rows.to_dict("records")):
        look = style(row["method"])
        axes.errorbar(row["mean"], place, xerr=[[row["mean"] - row["lower"]], [row["upper"] - row["mean"]]], color=look.colour,
                      fmt=look.marker, capsize=2)  # fmt: skip
        axes.plot(row["published"], place + 0.25, "d", color=theme.QUIET, ms=5)
    axes.axvline(0, color=theme.QUIET, lw=0.7)
    axes.set_yticks(range(len(rows)), [style(name).label for name in rows["method"]])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("mIoU minus CLIP's, web pictures with alt-text, equal cost (points)")
    note = f"Grey diamonds: the paper's at {at:g} kg CO2e, read off its figure; none where a curve ends before."
    return Drawn(figure, rows, f"{note} {seeds_note(rows['seeds'])}")
