"""Figures and tables of the Perceiver study: what each arm reaches, and what size costs."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from flopwise.core.io import read_table
from flopwise.methods.perceiver import works
from flopwise.report import theme
from flopwise.report.frames import seeds_note, summarise
from flopwise.report.show import Drawn, absent
from flopwise.report.ticks import plain_log

KINDS = {  # colour, marker
    "perceiver": ("#0065a3", "o"), "baseline": ("#c14a00", "s"), "classical": ("#8f6a00", "D"), "trivial": ("#5f6368", "x"),
}  # fmt: skip
NAMES = {
    "perceiver": "Perceiver IO",
    "baseline": "trained alike",
    "classical": "without training",
    "trivial": "knows nothing",
}
METRICS = {
    "accuracy": "accuracy (%)", "closeness": "minus end-point error (pixels)", "win_rate": "games won (%)",
    "psnr": "PSNR of video (dB)", "map": "mean average precision (%)", "mean_accuracy": "mean accuracy (%)",
    "mean_score": "mean score (%)",
}  # fmt: skip
RELEASED = {
    "epe": "end-point error, pixels", "epe_even": "the same, tiles evenly spaced", "fl_all": "Fl-all, %",
    "top1": "top-1, %", "top5": "top-5, %", "video_psnr": "PSNR of video, dB", "audio_psnr": "PSNR of sound, dB",
    "audio_psnr_peak2": "PSNR of sound, peak 2, dB", "matthews": "Matthews correlation, %", "pearson": "Pearson correlation, %",
    "accuracy": "accuracy, %", "accuracy_matched": "accuracy, matched, %", "accuracy_mismatched": "accuracy, mismatched, %",
    "rate": "its learning rate", "batch_size": "its batch size",
}  # fmt: skip
ALONG = {"inputs": "inputs M", "outputs": "outputs O", "layers": "latent layers L"}
COSTS = {
    "gflops": "GFLOPs", "activations_mb": "activations (MB)", "peak_mb": "peak memory (MB)", "cpu_seconds": "CPU seconds",
}  # fmt: skip


class Study(NamedTuple):
    cells: pd.DataFrame
    final: pd.DataFrame
    scaling: pd.DataFrame
    exact: pd.DataFrame
    released: pd.DataFrame


def load(tables: Path | str) -> Study:
    """Read the study's tables."""
    return Study(*(read_table(Path(tables) / f"{name}.csv") for name in Study._fields))


def _scores(study: Study, metric: str = "score") -> pd.DataFrame:
    """Mean, interval and seeds by task and arm, with kind and label."""
    rows = study.final[study.final["metric"] == metric]
    means = summarise(rows, ["task", "arm", "kind"])
    label = [works()[task].arms[arm].label for task, arm in zip(means["task"], means["arm"])]
    return means.assign(label=label)


def arms(study: Study) -> Drawn:
    """A panel per task: the score of each arm, best on top; what knows nothing as a line."""
    means = _scores(study)
    tasks = [task for task in works() if task in set(means["task"])]
    if not tasks:
        return absent("training")
    heights = [len(means[means["task"] == task]) for task in tasks]
    rows = -(-len(tasks) // 2)
    figure, panels = theme.figure(
        0.8 + 0.36 * sum(sorted(heights)[-rows:]) + 0.5 * rows, nrows=rows, ncols=2, squeeze=False
    )
    for axes, task in zip(panels.flat, tasks):
        own = means[means["task"] == task].sort_values("mean").reset_index(drop=True)
        for place, row in enumerate(own.to_dict("records")):
            colour, marker = KINDS[row["kind"]]
            if row["kind"] == "trivial":
                axes.axvline(row["mean"], color=colour, lw=1, ls=":")
            axes.plot([row["lower"], row["upper"]], [place] * 2, color=colour, lw=1.2)
            axes.plot(row["mean"], place, marker, color=colour, ms=4.5)
        axes.set_yticks(range(len(own)), own["label"])
        axes.set_ylim(-0.6, len(own) - 0.4)
        spread = own["mean"].max() - own["mean"].min()
        axes.set_xlim(own["mean"].min() - 0.15 * spread - 1e-6, own["mean"].max() + 0.25 * spread + 1e-6)
        work = works()[task]
        axes.set(title=work.title, xlabel=METRICS[work.score])
    for axes in panels.flat[len(tasks) :]:
        axes.set_visible(False)
    kinds = [kind for kind in KINDS if kind in set(means["kind"])]
    handles = [axes.plot([], [], KINDS[kind][1], color=KINDS[kind][0], label=NAMES[kind])[0] for kind in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(kinds))
    trained = means[means["kind"].isin(["perceiver", "baseline"])]
    return Drawn(figure, means, f"Intervals are cut where they leave a panel. {seeds_note(trained['seeds'])}")


def scaling(study: Study) -> Drawn:
    """Costs against inputs, outputs and depth; a transformer where it reads the same inputs."""
    rows = study.scaling
    axes_of = list(dict.fromkeys(rows["along"]))
    figure, panels = theme.figure(6.6, nrows=len(COSTS), ncols=len(axes_of), squeeze=False, sharex="col", sharey="row")
    for column, along in enumerate(axes_of):
        for line, (cost, title) in enumerate(COSTS.items()):
            axes = panels[line, column]
            for model, (colour, marker) in (("perceiver", KINDS["perceiver"]), ("transformer", KINDS["baseline"])):
                own = rows[(rows["along"] == along) & (rows["model"] == model)].sort_values("size")
                if len(own):
                    name = "Perceiver IO" if model == "perceiver" else "transformer"
                    axes.plot(own["size"], own[cost], marker=marker, color=colour, ms=4, label=name)
            axes.set(xscale="log", yscale="log")
            plain_log(axes.yaxis)
            if column == 0:
                axes.set_ylabel(title)
        panels[-1, column].set_xlabel(
            {"inputs": "inputs M", "outputs": "outputs O", "layers": "latent layers L"}.get(along, along)
        )
        sizes = sorted(set(rows[rows["along"] == along]["size"]))
        panels[-1, column].set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7)
        panels[-1, column].minorticks_off()
    panels[0, 0].legend()
    return Drawn(
        figure,
        rows,
        "What does not grow in a column stays at its smallest. One step on two samples; memory is the most that the allocator "
        "had given beside the weights, time is this machine's.",
    )


def exponents(study: Study) -> pd.DataFrame:
    """Log-log slope of each cost over the last step of size."""
    last = study.scaling[study.scaling["last"]]
    return pd.DataFrame(
        {"model": last["model"], "grows with": last["along"], "up to": last["size"],
         **{f"{title}, exponent": last[f"{name}_exponent"] for name, title in COSTS.items()},
         "95 % of repetitions": [f"[{low:.2f}, {high:.2f}]" for low, high in
                                 zip(last["cpu_seconds_exponent_low"], last["cpu_seconds_exponent_high"])]}
    )  # fmt: skip


def identities(study: Study) -> pd.DataFrame:
    """What holds by construction, and how exactly here."""
    return pd.DataFrame(
        {"identity": study.exact["identity"], "deviation": [f"{value:.1e}" for value in study.exact["deviation"]]}
    )


def metrics(study: Study) -> pd.DataFrame:
    """Every metric of every arm, with its price."""
    cost = study.cells.groupby(["task", "arm"], sort=False)[["mflops", "parameters"]].mean()
    rows = study.final[~study.final["metric"].isin(["score", "above_trivial", "mflops"])]
    means = summarise(rows, ["task", "arm", "kind", "metric"])
    return pd.DataFrame(
        {"task": means["task"], "arm": [works()[t].arms[a].label for t, a in zip(means["task"], means["arm"])],
         "metric": means["metric"].str.replace("_", " "), "mean": means["mean"],
         "95 % interval": [f"[{a:.2f}, {b:.2f}]" if np.isfinite(a) else "–" for a, b in zip(means["lower"], means["upper"])],
         "seeds": means["seeds"],
         "MFLOPs": [cost.loc[(t, a), "mflops"] for t, a in zip(means["task"], means["arm"])],
         "parameters": [int(cost.loc[(t, a), "parameters"]) for t, a in zip(means["task"], means["arm"])]}
    )  # fmt: skip


def learning(study: Study) -> pd.DataFrame:
    """How far above an answer that knows nothing each arm stands."""
    means = _scores(study, "above_trivial")
    means = means[means["kind"] != "trivial"]
    return pd.DataFrame(
        {"task": means["task"], "arm": means["label"], "above": means["mean"],
         "unit": [works()[task].unit for task in means["task"]],
         "95 % interval": [f"[{a:.2f}, {b:.2f}]" if np.isfinite(a) else "–" for a, b in zip(means["lower"], means["upper"])],
         "seeds": means["seeds"]}
    )  # fmt: skip


def released(study: Study) -> pd.DataFrame:
    """The released checkpoints beside what was published of them."""
    rows = study.released
    return pd.DataFrame(
        {"evaluation": rows["evaluation"], "checkpoint": rows["checkpoint"], "metric": rows["metric"].map(RELEASED),
         "published": rows["published"], "here": rows["value"], "difference": rows["value"] - rows["published"],
         "samples": [f"{a:,} of {b:,}" for a, b in zip(rows["samples"], rows["listed"])]}
    )  # fmt: skip
