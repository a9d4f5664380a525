"""Figures that compare transfer methods over pairs."""

import numpy as np
import pandas as pd

from flopwise.report import theme
from flopwise.report.show import Drawn, absent
from flopwise.report.ticks import plain_log
from flopwise.report.transfer import published
from flopwise.report.transfer.study import Study
from flopwise.report.transfer.styles import FAMILIES, order, style

HEADLINE = ("kl", "xekl", "xekl-mcl", "kl-dp", "kl-dp-u", "cd", "crd")


def _run(study: Study) -> tuple[pd.DataFrame, list[str]]:
    rows = study.transfers()
    methods = [name for name in order(rows["method"]) if name in HEADLINE]
    return rows[rows["method"].isin(methods)], methods


def success(study: Study) -> Drawn:
    """Figure 4a: share of a student's teachers that improve it, a box per method, beside the published quartiles."""
    rows, methods = _run(study)
    figure, axes = theme.figure(3.0)
    table = []
    for place, name in enumerate(methods):
        share = 100 * rows[rows["method"] == name].groupby("student")["delta"].apply(lambda delta: (delta > 0).mean())
        look = style(name)
        axes.boxplot(
            share, positions=[place - 0.17], widths=0.28, whis=(0, 100), medianprops={"color": look.colour, "lw": 2},
            boxprops={"color": look.colour}, whiskerprops={"color": look.colour}, capprops={"color": look.colour},
        )  # fmt: skip
        low, middle, high, _ = published.SUCCESS[name]
        axes.add_patch(plt_box(place + 0.06, low, 0.24, high - low))
        axes.plot([place + 0.06, place + 0.3], [middle, middle], color=theme.QUIET, lw=2)
        table.append({"method": name, "students": len(share), "q25": share.quantile(0.25), "median": share.median(),
                      "q75": share.quantile(0.75), "paper_q25": low, "paper_median": middle, "paper_q75": high})  # fmt: skip
    axes.set_xticks(range(len(methods)), [style(name).label.replace(", ", ",\n") for name in methods])
    axes.set(ylabel="teachers that improve a student (%)", ylim=(-3, 103))
    return Drawn(
        figure,
        pd.DataFrame(table),
        f"{rows['student'].nunique()} students with {rows['teacher'].nunique()} teachers here; 20 with 20 in the paper.",
    )


def plt_box(x: float, y: float, width: float, height: float):
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=theme.FAINT, edgecolor=theme.QUIET, lw=0.8)


def by_difference(study: Study) -> Drawn:
    """Figure 4b: Delta of every pair against the difference of accuracy, a panel per method, with means by bin and the
    published curve."""
    rows, methods = _run(study)
    methods = [name for name in methods if name not in ("cd", "crd")]
    figure, panels = theme.figure(4.6, nrows=2, ncols=3, sharex=True, sharey=True)
    groups = study.at_home(study.groups)
    for axes, name in zip(panels.flat, methods):
        own, look = rows[rows["method"] == name], style(name)
        axes.errorbar(
            own["difference"],
            own["delta"],
            yerr=1.96 * own["error"],
            fmt=look.marker,
            color=look.colour,
            ms=3.5,
            lw=0.5,
            alpha=0.8,
        )
        bins = groups[groups["method"] == name]
        axes.plot(bins["difference"], bins["mean"], color=look.colour, lw=1.6)
        if name in published.BY_DIFFERENCE:
            axes.plot(published.CENTRES, published.BY_DIFFERENCE[name], ":", color=theme.QUIET, lw=1.2)
        axes.axhline(0, color=theme.QUIET, lw=0.7)
        axes.set_title(look.label)
    for axes in panels.flat[len(methods) :]:
        axes.axis("off")
    figure.supxlabel("accuracy of the teacher minus the student's (points)", fontsize=8.5)
    figure.supylabel("change of the student's accuracy Δ (points)", fontsize=8.5)
    return Drawn(figure, rows[rows["method"].isin(methods)], "")


def gain_loss(study: Study) -> Drawn:
    """Appendix figure: knowledge gained against knowledge lost, KL and KL+DP, by family of the student."""
    rows, _ = _run(study)
    figure, panels = theme.figure(2.9, ncols=2, sharex=True, sharey=True)
    top = float(rows[rows["method"].isin(("kl", "kl-dp"))][["gain", "loss"]].to_numpy().max()) + 0.5
    for axes, name in zip(panels, ("kl", "kl-dp")):
        own = rows[rows["method"] == name]
        for family, look in FAMILIES.items():
            part = own[own["student"].map(study.family) == family]
            axes.plot(part["loss"], part["gain"], look.marker, color=look.colour, ms=4, label=look.label)
        axes.plot([0, top], [0, top], color=theme.QUIET, lw=0.8)
        axes.set(title=style(name).label, xlabel="knowledge lost (%)", xlim=(0, top), ylim=(0, top))
    panels[0].set_ylabel("knowledge gained (%)")
    panels[1].legend(loc="lower right")
    means = rows[rows["method"].isin(published.GAIN_LOSS)].groupby("method")[["gain", "loss"]].mean()
    words = [f"{style(name).label} {means.loc[name, 'gain']:.1f} / {means.loc[name, 'loss']:.1f} (paper {gain} / {loss})"
             for name, (gain, loss) in published.GAIN_LOSS.items() if name in means.index]  # fmt: skip
    return Drawn(figure, rows, f"Mean gain / loss: {', '.join(words)}.")


def rates(study: Study) -> Drawn:
    """Figure 5a: transfer rate by class rank: strict, as the released script plots it, and what a transfer blind to classes
    would plot."""
    rows = study.at_home(study.top_rates)
    rows = rows[(rows["method"] == "kl-dp") & (rows["among"] == "trained")]
    if not len(rows):
        return absent("transfer by KL+DP")
    means = rows.groupby("top", sort=False)[["strict", "plotted", "blind"]].mean().reset_index()
    figure, axes = theme.figure(2.8)
    place = np.arange(len(means))
    axes.plot(place, means["plotted"], "s-", color="#0065a3", label="as the released script plots it, this run")
    axes.plot(place, means["blind"], "x--", color=theme.QUIET, label="the same, for a transfer blind to classes")
    known = [published.RATES[top] for top in means["top"]]
    axes.plot(place, known, "D:", color="#c14a00", label="paper, transformer students (digitised)")
    axes.plot(place, means["strict"], "o-", color="#00785a", label="strict: complementary pictures that became right")
    axes.set_xticks(place, [f"top {top.removeprefix('top')} %" for top in means["top"]])
    axes.set(xlabel="classes that hold this share of the teacher's flips", ylabel="transfer rate (%)", ylim=(0, 104))
    axes.legend(loc="center left")
    return Drawn(figure, means.assign(published=known), "")


def sizes(study: Study) -> Drawn:
    """Figure 5b: strict transfer rate against the student's parameters."""
    rows, _ = _run(study)
    own = rows[rows["method"] == "kl-dp"]
    if not len(own):
        return absent("transfer by KL+DP")
    table = own.groupby("student")[["rate", "delta", "student_parameters"]].mean().reset_index()
    table["family"] = table["student"].map(study.family)
    figure, axes = theme.figure(2.5)
    for family, look in FAMILIES.items():
        part = table[table["family"] == family].sort_values("student_parameters")
        if len(part):
            axes.plot(part["student_parameters"], part["rate"], f"{look.marker}-", color=look.colour, label=look.label)
    for _, same in table.sort_values("rate").groupby("student_parameters"):  # of one size: names above and below
        for place, row in enumerate(same.itertuples()):
            below = place == 0 and len(same) > 1
            axes.annotate(
                row.student, (row.student_parameters, row.rate), xytext=(4, -9 if below else 4), textcoords="offset points",
                color=theme.QUIET, fontsize=7,
            )  # fmt: skip
    axes.set(xscale="log", xlabel="parameters of the student", ylabel="strict transfer rate (%)")
    plain_log(axes.xaxis)
    axes.legend()
    return Drawn(figure, table, "")


def students(study: Study) -> pd.DataFrame:
    """Mean Delta / success in % per student and method, at home."""
    rows = study.at_home(study.students)
    rows = rows[(rows["among"] == "trained") & rows["method"].isin(HEADLINE)]
    wide = rows.pivot_table(index="student", columns=["method", "metric"], values="value")
    zoo = study.zoo.set_index("model")
    table = pd.DataFrame({"student": wide.index, "family": [study.family(name) for name in wide.index],
                          "norm": zoo.loc[wide.index, "norm"].to_numpy(),
                          "acc %": zoo.loc[wide.index, "accuracy"].to_numpy()})  # fmt: skip
    for name in (one for one in HEADLINE if one in wide.columns.get_level_values(0)):
        pairs = zip(wide[name, "mean_delta"], wide[name, "success"])
        table[style(name).label] = [f"{delta:+.2f} / {share:.0f}".replace("-", "−") for delta, share in pairs]
    if "kl-dp" in wide.columns.get_level_values(0):
        table["gain / loss, KL+DP"] = [
            f"{gain:.1f} / {loss:.1f}" for gain, loss in zip(wide["kl-dp", "gain"], wide["kl-dp", "loss"])
        ]
    return table


def overall(study: Study) -> pd.DataFrame:
    """Per method over all pairs: success with and without a test, mean Delta, spread; the paper's share beside it."""
    rows, methods = _run(study)
    table = []
    for name in methods:
        own = rows[rows["method"] == name]
        table.append(
            {"method": style(name).label, "pairs": len(own), "Δ > 0 %": 100 * (own["delta"] > 0).mean(),
             "paper: Δ > 0 %": float(published.SUCCESS[name][3]), "Δ > 0.05 %": 100 * (own["delta"] > 0.05).mean(),
             "significant gain %": 100 * own["improved"].mean(), "significant loss %": 100 * own["harmed"].mean(),
             "mean Δ": own["delta"].mean(), "sd of Δ": own["delta"].std(ddof=1), "paired error": own["error"].mean(),
             "gain": own["gain"].mean(), "loss": own["loss"].mean(), "strict rate %": own["rate"].mean(),
             "released rate %": own["released_rate"].mean()}
        )  # fmt: skip
    return pd.DataFrame(table)


def beside_tables(study: Study) -> pd.DataFrame:
    """The paper's tables 1 and 3, by family of the student: mean Delta over students and teachers, and how much it varies over a
    student's teachers; ours at home beside theirs on full ImageNet."""
    rows = study.at_home(study.students)
    rows = rows[rows["among"] == "trained"].assign(family=lambda frame: frame["student"].map(study.family))
    table = []
    for family, look in FAMILIES.items():
        theirs = [by_method for one, by_method in published.FULL.values() if one == family]
        for name in ("kl", "kl-dp", "kl-dp-u"):
            own = rows[(rows["family"] == family) & (rows["method"] == name)]
            own = own.groupby("metric")["value"].mean()
            paper = np.mean([by_method[name] for by_method in theirs], axis=0)
            table.append(
                {"students": look.label, "method": style(name).label, "mean Δ, paper": paper[0], "mean Δ": own.get("mean_delta"),
                 "sd over teachers, paper": paper[1], "sd over teachers": own.get("sd_delta")}
            )  # fmt: skip
    return pd.DataFrame(table)


def tests(study: Study) -> pd.DataFrame:
    """Method against method."""
    rows = study.at_home(study.tests)
    table = rows.assign(
        method=rows["method"].map(lambda name: style(name).label),
        against=rows["against"].map(lambda name: style(name).label),
    )
    names = {
        "mean": "mean difference",
        "low": "95 % from",
        "high": "to",
        "better_in": "better in % of pairs",
        "wilcoxon_p": "Wilcoxon p",
    }
    return table[["method", "against", "pairs", "mean", "low", "high", "better_in", "wilcoxon_p"]].rename(columns=names)


def bins(study: Study) -> pd.DataFrame:
    """Delta by bin of the difference: mean, median, and the mean of the top quartile that the released script plots."""
    rows = study.at_home(study.groups)
    rows = rows[rows["method"].isin(HEADLINE)]
    table = rows.assign(method=rows["method"].map(lambda name: style(name).label))
    names = {
        "bin": "teacher is",
        "difference": "mean difference",
        "mean": "mean Δ",
        "median": "median Δ",
        "top_quartile": "top quartile Δ",
        "success": "success %",
    }
    return table[["method", "bin", "pairs", "difference", "mean", "median", "top_quartile", "success"]].rename(
        columns=names
    )


def correlations(study: Study) -> pd.DataFrame:
    """Pearson's correlation of Delta, gain and loss with what student and teacher are, over pairs."""
    rows, _ = _run(study)
    zoo = study.zoo.set_index("model")
    columns, table = ("delta", "gain", "loss"), []
    for name in ("kl", "kl-dp"):
        own = rows[rows["method"] == name]
        if len(own) < 3:
            continue
        features = {
            "accuracy of the student": own["student"].map(zoo["accuracy"]),
            "parameters of the student (log)": np.log(own["student_parameters"]),
            "teacher minus student": own["difference"],
        } | {
            f"student is one of {look.label}": (own["student"].map(study.family) == family)
            for family, look in FAMILIES.items()
        }
        for what, values in features.items():
            values = values.astype(float)
            if values.std():
                found = {f"with {column}": float(values.corr(own[column])) for column in columns}
                table.append({"method": style(name).label, "": what, "pairs": len(own), **found})
    return pd.DataFrame(table, columns=["method", "", "pairs", *(f"with {column}" for column in columns)])


def seeds(study: Study) -> pd.DataFrame:
    """How far runs with another order of the samples lie apart: standard deviation over seeds of Delta, mean over pairs that
    have several, beside the paired sampling error of one run."""
    rows = study.at_home(study.final)
    rows = rows[(rows["status"] == "done") & rows["metric"].isin(("delta", "error"))]
    keys = ["method", "pair", "student", "teacher"]
    wide = rows.pivot_table(index=[*keys, "seed"], columns="metric", values="value").reset_index()
    spread = wide.groupby(keys)["delta"].agg(["std", "size"]).join(wide.groupby(keys)["error"].mean())
    spread = spread[spread["size"] > 1].reset_index()
    table = spread.groupby(["method", "pair"], sort=False).agg(
        pairs=("size", "size"), seeds=("size", "max"), spread=("std", "mean"), error=("error", "mean")
    ).reset_index()  # fmt: skip
    table["method"] = [style(name).label for name in table["method"]]
    return table.rename(columns={"spread": "sd over seeds", "error": "paired error"})
