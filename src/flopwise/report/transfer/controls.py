"""Figures of controls, ablations, several teachers, slips of the official code, views and costs."""

import numpy as np
import pandas as pd

from flopwise.core.statistics import critical
from flopwise.report import theme
from flopwise.report.show import Drawn, absent
from flopwise.report.transfer import published
from flopwise.report.transfer.study import Study
from flopwise.report.transfer.styles import order, style

TEACHERS = {"none": "no teacher", "twin": "twin", "permuted": "classes exchanged", "untrained": "untrained teacher",
            "elsewhere": "of another domain"}  # fmt: skip


def _dots(axes, rows: pd.DataFrame, names: list[str], labels: list[str]) -> None:
    """A line of dots per name (values of `row`), with mean and 95 % t-interval over students."""
    for place, name in enumerate(names):
        own = rows[rows["row"] == name]
        colour = style(own["method"].iloc[0]).colour
        means = own.groupby("student")["delta"].mean()
        axes.plot(own["delta"], np.full(len(own), place), ".", color=colour, alpha=0.5, ms=5)
        half = critical(len(means)) * means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0
        axes.errorbar(means.mean(), place + 0.22, xerr=half, fmt="D", color=colour, ms=4, capsize=2)
    axes.axvline(0, color=theme.QUIET, lw=0.7)
    axes.set_yticks(range(len(names)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("change of the student's accuracy Δ (points)")


def nulls(study: Study) -> Drawn:
    """Delta where there is nothing to learn: from oneself, from a twin, from teachers without knowledge, from labels alone."""
    rows = study.transfers(among="control")
    rows = rows[rows["pair"].isin(TEACHERS)]
    if not len(rows):
        return absent("controls")
    rows = rows.assign(row=rows["method"] + "/" + rows["pair"])
    names = sorted(
        rows["row"].unique(),
        key=lambda name: (list(TEACHERS).index(name.split("/")[1]), order(rows["method"]).index(name.split("/")[0])),
    )
    labels = [f"{style(name.split('/')[0]).label}, {TEACHERS[name.split('/')[1]]}" for name in names]
    figure, axes = theme.figure(0.7 + 0.32 * len(names))
    _dots(axes, rows, names, labels)
    return Drawn(figure, rows, "Diamonds: mean and 95 % t-interval over students, where there are several.")


def masks(study: Study) -> Drawn:
    """Delta under other rules for who teaches a sample, on the pairs that all rules have."""
    wanted = ("kl", "kl-dp", "kl-dp-u", "random-mask", "flip-st", "flip-t", "flip-avg")
    rows = study.transfers()
    rows = rows[rows["method"].isin(wanted)]
    names = [name for name in order(rows["method"]) if name in wanted]
    sets = [set(map(tuple, rows[rows["method"] == name][["student", "teacher"]].to_numpy())) for name in names]
    common = set.intersection(*sets) if sets else set()
    rows = rows[[pair in common for pair in zip(rows["student"], rows["teacher"])]]
    if len(names) < 3 or not len(rows):
        return absent("other masks")
    figure, axes = theme.figure(0.7 + 0.32 * len(names))
    _dots(axes, rows.assign(row=rows["method"]), names, [style(name).label for name in names])
    return Drawn(
        figure, rows, f"{len(common)} pairs that all of these have. Diamonds: mean and 95 % t-interval over students."
    )


def several(study: Study) -> Drawn:
    """Table 4 as a figure: several teachers for one student, beside the single ones."""
    rows = study.transfers(among=None)
    teams = rows[rows["pair"] == "team"]
    if not len(teams):
        return absent("transfer from several teachers")
    extra = []
    for student in teams["student"].unique():
        best = teams[teams["student"] == student]
        over, mean = best["delta"] - best["over_best_single"], best["delta"] - best["over_mean_single"]
        extra += [{"student": student, "method": "kl-dp", "row": "best single teacher", "delta": over.mean()},
                  {"student": student, "method": "kl-dp", "row": "mean of single teachers", "delta": mean.mean()}]  # fmt: skip
    table = pd.concat([pd.DataFrame(extra), teams.assign(row=teams["method"].map(lambda name: style(name).label))])
    names = list(dict.fromkeys(table["row"]))
    figure, axes = theme.figure(0.8 + 0.34 * len(names))
    for k, (student, part) in enumerate(table.groupby("student", sort=False)):
        place = [names.index(name) for name in part["row"]]
        axes.plot(part["delta"], place, ("o", "s", "^", "D")[k % 4], label=student, ms=5)
    for name, values in published.SEVERAL.items():
        matching = [k for k, own in enumerate(names) if own.split(",")[0] == name]
        for k in matching:
            axes.plot(
                values, [k + 0.25] * 3, "x", color=theme.QUIET, ms=4, label="paper, three students" if k == 0 else None
            )
    axes.axvline(0, color=theme.QUIET, lw=0.7)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("change of the student's accuracy Δ (points)")
    figure.legend(loc="outside upper left", ncols=4)
    return Drawn(
        figure,
        table,
        "Sequential and soup train as long as all teachers together, parallel as long as one; `equal steps` as long as all.",
    )


def ensemble(study: Study) -> Drawn:
    """Delta of KL+DP and of the more confident of both models, against the difference of accuracy."""
    rows = study.transfers()
    own = rows[rows["method"] == "kl-dp"]
    if not len(own):
        return absent("transfer by KL+DP")
    figure, axes = theme.figure(2.6)
    look = style("kl-dp")
    axes.plot(own["difference"], own["delta"], look.marker, color=look.colour, label=look.label)
    axes.plot(
        own["difference"],
        own["delta"] - own["over_ensemble"],
        "x",
        color=theme.QUIET,
        label="ensemble of both (two models at run time)",
    )
    axes.axhline(0, color=theme.QUIET, lw=0.7)
    axes.set(xlabel="accuracy of the teacher minus the student's (points)", ylabel="beyond the student (points)")
    axes.legend()
    return Drawn(figure, own, "")


def _seed_means(study: Study, experiment: str, axis: str) -> pd.DataFrame:
    rows = study.of(experiment)
    rows = rows[(rows["metric"].isin(("delta", "gain", "loss"))) & (rows["status"] == "done")]
    return rows.pivot_table(
        index=["method", "student", "teacher", axis], columns="metric", values="value"
    ).reset_index()


def defects(study: Study) -> pd.DataFrame:
    """Delta as described and as released, over the same pairs."""
    rows = _seed_means(study, "defects", "reading")
    if not len(rows):
        return pd.DataFrame(columns=["method", "pairs", "as described", "as released", "difference"])
    wide = (
        rows.pivot_table(index=["method", "student", "teacher"], columns="reading", values="delta")
        .dropna()
        .reset_index()
    )
    table = (
        wide.groupby("method", sort=False)
        .agg(pairs=("student", "size"), described=("as-described", "mean"), released=("as-released", "mean"))
        .reset_index()
    )
    table["difference"] = table["released"] - table["described"]
    table["method"] = [style(name).label for name in table["method"]]
    return table.rename(columns={"described": "as described", "released": "as released"})


def views(study: Study) -> pd.DataFrame:
    """Delta and cost by kind of view: kept plain, kept seeded, fresh at every step."""
    rows = _seed_means(study, "views", "view")
    columns = ["method", "views", "pairs", "mean Δ", "gain", "loss", "CPU s of a transfer"]
    if not len(rows):
        return pd.DataFrame(columns=columns)
    seconds = (
        study.cells.groupby(["method", "student", "teacher", "view"])["train_cpu_seconds"].mean().rename("seconds")
    )
    rows = rows.merge(seconds.reset_index(), on=["method", "student", "teacher", "view"])
    table = rows.groupby(["method", "view"], sort=False).agg(
        pairs=("student", "size"), delta=("delta", "mean"), gain=("gain", "mean"), loss=("loss", "mean"),
        seconds=("seconds", "mean"),
    ).reset_index()  # fmt: skip
    table["method"] = [style(name).label for name in table["method"]]
    table.columns = columns
    return table


def shares(study: Study) -> pd.DataFrame:
    """Share of samples that the teacher taught, by kind of flip of the current student."""
    rows = study.transfers()
    columns = [name for name in ("share_positive", "share_negative", "share_neutral", "share_all") if name in rows]
    rows = rows.dropna(subset=["share_all"]) if "share_all" in columns else rows[:0]
    table = rows.groupby("method", sort=False)[columns].mean().reset_index()
    table["method"] = [style(name).label for name in table["method"]]
    return table.rename(
        columns={name: name.removeprefix("share_") + " flips %" if name != "share_all" else "all %" for name in columns}
    )


def costs(study: Study) -> pd.DataFrame:
    """What a transfer costs and how methods rank by Delta per FLOP: without the teacher's share, with it asked at every step,
    with kept logits."""
    rows = study.costs[study.costs["amount"] == study.home["amount"]]
    rows = rows[rows["view"] == study.home["view"]]
    table = pd.DataFrame(
        {"method": rows["method"].map(lambda name: style(name).label), "runs": rows["runs"], "mean Δ": rows["delta"],
         "GFLOPs, student alone": rows["alone"], "with models asked": rows["asked"], "with kept logits": rows["kept"],
         "MAFs (GFLOPs)": rows["mafs"],
         **{f"rank, {words}": rows[f"rank_{name}"].astype("Int64").astype(str).replace("<NA>", "–")
            for name, words in (("alone", "student alone"), ("asked", "models asked"), ("kept", "kept logits"))}}
    )  # fmt: skip
    return table.reset_index(drop=True)
