"""For a practitioner: which method at which budget; and whether all methods really had the same budget."""

import pandas as pd

from flopwise.report import frames
from flopwise.report.continual import methods, plots, slices, styles
from flopwise.report.continual.study import Study

UNITS = (("P", 1e6), ("T", 1e3), ("G", 1.0))  # prefixes and what they are in GFLOPs


def best(study: Study) -> pd.DataFrame:
    """Per model and budget at which two or more methods ran: the best method by GM with its lead over the runner-up,
    the best accumulator and the best keeper. Methods are compared on the seeds that they share."""
    runs = study.at(study.streamed(study.final), "model", "budget")
    rows = []
    for (model, budget), group in runs.groupby(["model", "budget"], sort=False):
        ranked = {metric: _ranked(group, metric) for metric in ("gm", "a_ka", "a_zs")}
        if len(ranked["gm"]) > 1:
            rows.append((model, budget, _row(study, group, ranked, model, budget)))
    multiples = study.number("budget", "budget_multiple")
    rows.sort(key=lambda row: (study.models().index(row[0]), multiples[row[1]], row[1]))
    return pd.DataFrame([row for _, _, row in rows], columns=None if rows else ["Model", "Budget"])


def _ranked(group: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Methods by their mean final value, the best first; diverged runs left out."""
    means = frames.summarise(group[group["metric"] == metric], ["method"])
    return means.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)


def _row(study: Study, group: pd.DataFrame, ranked: dict, model: str, budget: str) -> dict:
    first, second = ranked["gm"].iloc[0], ranked["gm"].iloc[1]
    cells = study.cells[study.cells["cell"].isin(group.loc[group["method"] == first["method"], "cell"])]
    unit = cells["budget_unit"].iloc[0]
    allowed = cells["allowed_gflops"].mean()
    return {
        "Model": model, "Budget": study.word("budget", budget),
        "Allowed": f"{_amount(allowed)}MAFs" if unit == "mafs" else f"{_amount(allowed)}FLOPs",
        "Used": f"{_amount(cells['charged_gflops'].mean())}FLOPs",
        "CPU seconds": f"{cells['train_cpu_seconds'].mean():,.3g}",
        "Methods": len(ranked["gm"]),
        "Best by GM": _named(first), "Runner-up": _named(second),
        "Lead": _lead(group, first["method"], second["method"]),
        "Learns most (A_KA)": _named(ranked["a_ka"].iloc[0]), "Keeps most (A_ZS)": _named(ranked["a_zs"].iloc[0]),
    }  # fmt: skip


def _amount(gflops: float) -> str:
    """FLOPs in the largest unit of which there is one: '1.8e+03 P', '24 G'."""
    prefix, size = next(((prefix, size) for prefix, size in UNITS if gflops >= size), UNITS[-1])
    return f"{gflops / size:,.3g} {prefix}"


def _named(row) -> str:
    half = f" ± {row['upper'] - row['mean']:.1f}" if row["seeds"] > 1 else " (one seed)"
    return f"{styles.style(row['method']).label}, {row['mean']:.1f}{half}"


def _lead(group: pd.DataFrame, first: str, second: str) -> str:
    """Difference in GM, paired over seeds, and whether its 95 % interval leaves out zero."""
    done = group[(group["metric"] == "gm") & (group["status"] != "diverged")]
    values = done.pivot(index="seed", columns="method", values="value")
    mean, low, high, seeds = frames.mean_interval((values[first] - values[second]).dropna())
    if seeds < 2:
        return f"{plots.change(mean, 1)}, one seed: open" if seeds else "no seed in common"
    verdict = "resolved" if low > 0 else "not resolved"
    return f"{plots.change(mean, 1)} [{plots.change(low, 1)}, {plots.change(high, 1)}], {verdict}"


def budgets(study: Study) -> pd.DataFrame:
    """What the same budget buys each method at the setting: steps, memory, what a stream is charged and executes."""
    runs = pd.concat([study.at(study.streamed(study.cells)), slices.oracle(study.cells, study.setting)])
    columns = {
        "steps_per_task": ("Steps per task", 0), "end_passes": ("Extra passes per task", 0),
        "memory_multiplier": ("Memory multiplier", 4), "planned_mafs": ("MAFs planned, G", 1),
        "charged_mafs": ("MAFs charged, G", 1), "charged_gflops": ("FLOPs charged, G", 0),
        "executed_gflops": ("FLOPs executed, G", 0), "train_cpu_seconds": ("CPU seconds of training", 1),
    }  # fmt: skip
    runs = runs[runs["shared_training"] == runs["method"]]
    means = runs.groupby("method")[list(columns)].mean().reindex(styles.order(runs["method"]))
    table = pd.DataFrame({words: [f"{v:,.{digits}f}" if v == v else "–" for v in means[name]]
                          for name, (words, digits) in columns.items()})  # fmt: skip
    table.insert(0, "Method", [styles.style(method).label for method in means.index])
    return table


def audit(study: Study) -> pd.DataFrame:
    """The equal-budget audit, a row per model, budget, number of tasks and training method: allowance, planned cost
    and that of the steps that ran in the budget's own unit, share of the allowance, the steps that the rest would have
    paid for, and the FLOPs that were executed."""
    by = ["model", "budget", "horizon", "shared_training"]
    cells = study.cells.drop_duplicates("training")
    rows = []
    for point, group in cells.groupby(by, sort=False):
        one = group.iloc[0]
        mafs = one["budget_unit"] == "mafs"
        cost = "mafs" if mafs else "gflops"
        done = group[group["status"] != "diverged"]
        step = one["step_gflops"] * (one["memory_multiplier"] if mafs else 1.0)
        rows.append(
            {"Model": point[0], "Budget": study.word("budget", point[1]), "Tasks": int(one["tasks_planned"]),
             "Method": styles.style(point[3]).label, "Unit": "MAFs, G" if mafs else "FLOPs, G",
             "Allowed": f"{one['allowed_gflops']:,.1f}", "Planned": f"{group[f'planned_{cost}'].max():,.1f}",
             "Charged": f"{done[f'charged_{cost}'].max():,.1f}" if len(done) else "–",
             "Share %": f"{100 * done['charged_share'].min():.2f}" if len(done) else "–",
             "Executed, GFLOPs": f"{done['executed_gflops'].mean():,.1f}" if len(done) else "–",
             "Steps short": f"{(1 - group['planned_share'].min()) * one['allowed_gflops'] / step:.1f}",
             "Trainings": len(group), "Diverged": len(group) - len(done)}
        )  # fmt: skip
    table = pd.DataFrame(rows)
    order = {styles.style(name).label: index for index, name in enumerate(styles.order(cells["shared_training"]))}
    return table.sort_values(["Model", "Budget", "Tasks"], kind="stable").sort_values(
        "Method", key=lambda names: names.map(order), kind="stable"
    ).reset_index(drop=True)  # fmt: skip


def every_point(study: Study) -> pd.DataFrame:
    """Changes of the aggregates at every point of the grid."""
    return methods.value_table(study, study.final)
