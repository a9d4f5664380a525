"""Figures of complementary knowledge: how much, in which classes, what these have in common."""

import numpy as np
import pandas as pd

from flopwise.report import theme
from flopwise.report.show import Drawn
from flopwise.report.transfer import published
from flopwise.report.transfer.study import Study
from flopwise.report.transfer.styles import PAIRS


def by_difference(study: Study) -> Drawn:
    """Figure 1: rho_pos of every pair against the difference of accuracy, with the smallest one, the floor that twins set, and
    what two models whose errors do not depend on each other would have."""
    figure, axes = theme.figure(3.4)
    rows = study.flips.sort_values("difference")
    for kind, style in PAIRS.items():
        part = rows[rows["pair"] == kind]
        if len(part):
            axes.errorbar(
                part["difference"], part["rho_pos"], yerr=1.96 * part["error_pos"], fmt=style.marker, ms=3.5, lw=0.5,
                color=style.colour, alpha=0.8, label=f"{style.label} ({len(part)})",
            )  # fmt: skip
    trained = rows[rows["among"] == "trained"]
    axes.plot(
        trained["difference"],
        trained["independent"],
        ".",
        color=theme.FAINT,
        ms=3,
        zorder=0,
        label="if errors were independent",
    )
    axes.axvline(0, color=theme.QUIET, lw=0.7)
    smallest = trained.loc[trained["rho_pos"].idxmin()]
    axes.axhline(smallest["rho_pos"], color=theme.QUIET, lw=0.7, ls=":")
    axes.set(
        xlabel="accuracy of the teacher minus the student's (points)",
        ylabel=r"complementary knowledge $\rho_\mathrm{pos}$ (%)",
    )
    axes.set_ylim(0, None)
    figure.legend(loc="outside upper left", ncols=3)  # above: points lie everywhere
    note = (
        f"The smallest value among trained models is {smallest['rho_pos']:.1f} % ({smallest['name']}, "
        f"dotted line); in the paper it is {published.MINIMUM} %."
    )
    return Drawn(figure, rows, note)


def examples(study: Study) -> Drawn:
    """Figure 2a: share of each class's pictures that only the teacher has right, sorted, for the pairs whose difference is
    smallest, nearest to zero and largest."""
    rows = study.flips[study.flips["among"] == "trained"].sort_values("difference").reset_index(drop=True)
    chosen = [rows.iloc[0], rows.iloc[rows["difference"].abs().idxmin()], rows.iloc[-1]]
    figure, panels = theme.figure(2.3, ncols=3, sharey=True)
    parts = []
    for axes, pair in zip(panels, chosen):
        mine = (study.class_flips["teacher"] == pair["teacher"]) & (study.class_flips["student"] == pair["student"])
        own = study.class_flips[mine].assign(share=lambda frame: 100 * frame["flips"] / frame["samples"].clip(lower=1))
        own = own.sort_values("share", ascending=False)
        axes.bar(np.arange(len(own)), own["share"], color="#0065a3", width=0.9)
        axes.set(title=f"{round(pair['difference'], 1) + 0.0:+.1f} points".replace("-", "−"), xlabel="classes, sorted")
        axes.text(
            0.97,
            0.9,
            f"{pair['teacher']}\nfor {pair['student']}",
            transform=axes.transAxes,
            ha="right",
            va="top",
            color=theme.QUIET,
        )
        parts.append(own.assign(difference=pair["difference"]))
    panels[0].set_ylabel("positive flips (% of a class)")
    return Drawn(figure, pd.concat(parts), "")


def similarity(study: Study) -> Drawn:
    """Figure 2b: mean similarity of the classes with most flips, relative to all classes, with random sets of equal size."""
    rows = study.tops[study.tops["among"] == "trained"].dropna(subset=["similarity"])
    if not len(rows):
        return Drawn(
            None, study.tops, "At this scale no set of top classes has two members, or classes have no attributes."
        )
    rows = rows.assign(null=100 * (rows["random"] - rows["all_classes"]) / rows["all_classes"])
    means = rows.groupby("top", sort=False)[["excess_percent", "null", "classes"]].mean().reset_index()
    figure, axes = theme.figure(2.8)
    place = np.arange(len(means))
    axes.plot(place, means["excess_percent"], "o-", color="#0065a3", label="classes with most flips, this run")
    axes.plot(place, means["null"], "x--", color=theme.QUIET, label="random classes, as many")
    known = [published.SIMILARITY.get(top, np.nan) for top in means["top"]]
    axes.plot(place, known, "D:", color="#c14a00", label="paper, ImageNet (digitised)")
    axes.set_xticks(
        place, [f"{top.removeprefix('top')} %\n{n:.1f} classes" for top, n in zip(means["top"], means["classes"])]
    )
    axes.set(xlabel="classes that hold this share of the flips", ylabel="similarity above average (%)")
    axes.axhline(0, color=theme.QUIET, lw=0.7)
    axes.legend()
    return Drawn(figure, means.assign(published=known), "Sets of one class have no similarity and are left out.")


def entropy(study: Study) -> Drawn:
    """Figure 2c: entropy of the spread over classes against rho_pos."""
    rows = study.flips[study.flips["among"] == "trained"]
    figure, axes = theme.figure(2.6)
    axes.scatter(rows["rho_pos"], rows["entropy"], c=rows["difference"], cmap="viridis", s=14)
    axes.axhline(rows["uniform"].iloc[0], color=theme.QUIET, lw=0.8, ls="--")
    axes.text(rows["rho_pos"].max(), rows["uniform"].iloc[0], "uniform", ha="right", va="bottom", color=theme.QUIET)
    axes.set(xlabel=r"complementary knowledge $\rho_\mathrm{pos}$ (%)", ylabel="entropy over classes (nats)")
    figure.colorbar(axes.collections[0], ax=axes, label="teacher minus student (points)")
    return Drawn(figure, rows, "")


def zoo(study: Study) -> pd.DataFrame:
    """The models."""
    columns = {
        "model": "model", "network": "network", "family": "family", "norm": "norm", "augment": "views", "optimiser": "optimiser",
        "epochs": "epochs", "parameters": "parameters", "accuracy": "test %", "train_accuracy": "train %",
        "normalised": "from chance %", "role": "role", "train_cpu_seconds": "CPU s",
    }  # fmt: skip
    return study.zoo[list(columns)].rename(columns=columns).sort_values("test %", ascending=False)


def summary(study: Study) -> pd.DataFrame:
    """rho_pos by kind of pair."""
    groups = study.flips.groupby("pair")
    table = groups.agg(
        pairs=("rho_pos", "size"), smallest=("rho_pos", "min"), mean=("rho_pos", "mean"), largest=("rho_pos", "max"),
        independent=("independent", "mean"), classes_without=("classes_without", "mean"), entropy=("entropy", "mean"),
    ).reset_index()  # fmt: skip
    return table.rename(
        columns={
            "independent": "if independent",
            "classes_without": "classes without flips %",
            "entropy": "entropy (nats)",
        }
    )
