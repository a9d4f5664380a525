"""What many transfers say together: per student, by difference of accuracy, method against method, and what each method costs."""

import numpy as np
import pandas

from flopwise.core import statistics

KEYS = ["method", "amount", "view", "reading", "among"]
BINS = (-np.inf, -8, -3, 3, 8, np.inf)  # points of accuracy, teacher minus student
BIN_NAMES = ("far weaker", "weaker", "equal", "stronger", "far stronger")
COMPARED = (  # method, and what it is held against
    ("kl-dp", "kl"), ("kl-dp", "xekl"), ("kl-dp", "xekl-mcl"), ("xekl", "kl"), ("xekl-mcl", "kl"), ("kl-dp-u", "kl-dp"),
    ("kl-dp", "random-mask"), ("kl-dp", "flip-st"), ("kl-dp", "flip-t"), ("kl-dp", "flip-avg"),
)  # fmt: skip


def wide(final: pandas.DataFrame) -> pandas.DataFrame:
    """A row per transfer (mean over seeds) and a column per metric; diverged runs do not enter."""
    done = final[final["status"] == "done"]
    index = [*KEYS, "student", "teacher"]
    return done.pivot_table(index=index, columns="metric", values="value", aggfunc="mean").reset_index()


def beside_single(study, rows: list[dict]) -> list[dict]:
    """More rows of `final` for methods with several teachers: Delta minus the best, and minus the mean, of the default method's
    transfers from each of these teachers to the same student with the same seed, where there are all."""
    delta = {(row["student"], row["teacher"], row["method"], row["amount"], row["view"], row["reading"], row["seed"]): row
             for row in rows if row["metric"] == "delta"}  # fmt: skip
    more = []
    for (student, teacher, _, *rest), row in delta.items():
        single = [delta.get((student, one, study.defaults.method, *rest)) for one in study.teams.get(teacher, ())]
        if single and all(single):
            values = [one["value"] for one in single]
            for name, value in (("over_best_single", max(values)), ("over_mean_single", sum(values) / len(values))):
                more.append({**row, "metric": name, "value": row["value"] - value})
    return more


def students(final: pandas.DataFrame) -> pandas.DataFrame:
    """Per method and student over its teachers: number of pairs, success (Delta > 0), improved and harmed (McNemar, p < 0.05)
    as percentages, mean and standard deviation of Delta, mean gain and loss, mean strict transfer rate; a row per metric."""
    rows = []
    for key, group in wide(final).groupby([*KEYS, "student"], sort=False):
        values = {
            "pairs": float(len(group)), "success": 100 * (group["delta"] > 0).mean(), "improved": 100 * group["improved"].mean(),
            "harmed": 100 * group["harmed"].mean(), "mean_delta": group["delta"].mean(),
            "sd_delta": group["delta"].std(ddof=1) if len(group) > 1 else np.nan, "gain": group["gain"].mean(),
            "loss": group["loss"].mean(), "rate": group["rate"].mean(),
        }  # fmt: skip
        base = dict(zip([*KEYS, "student"], key)) | {"status": "done"}
        rows += [{**base, "metric": name, "value": value} for name, value in values.items()]
    return pandas.DataFrame(rows)


def groups(final: pandas.DataFrame) -> pandas.DataFrame:
    """Delta by method in bins of the difference of accuracy: pairs, mean with a bootstrap interval over students and
    teachers where there are enough, median, and the mean of the top quartile, which the released plot shows."""
    table = wide(final)
    table = table[table["among"] == "trained"]
    rows = []
    for key, group in table.groupby(KEYS[:-1], sort=False):
        place = pandas.cut(group["difference"], BINS, labels=BIN_NAMES, right=False)
        for name in BIN_NAMES:
            part = group[place == name]
            if len(part):
                delta = part["delta"]
                rows.append(
                    {**dict(zip(KEYS, key)), "bin": name, "pairs": len(part), "difference": part["difference"].mean(),
                     "mean": delta.mean(), "median": delta.median(), "top_quartile": delta[delta >= delta.quantile(0.75)].mean(),
                     "success": 100 * (delta > 0).mean()}
                )  # fmt: skip
    return pandas.DataFrame(rows)


def tests(final: pandas.DataFrame) -> pandas.DataFrame:
    """Method against method over the ordinary pairs that both have, at equal amount, view and reading: mean and median
    difference of Delta, cluster bootstrap over students and teachers, Wilcoxon's signed-rank test."""
    from scipy.stats import wilcoxon

    table, rows = wide(final), []
    table = table[table["among"] == "trained"]
    index = ["student", "teacher"]
    for key, group in table.groupby(KEYS[1:-1], sort=False):
        by_method = {name: part.set_index(index)["delta"] for name, part in group.groupby("method")}
        for first, second in COMPARED:
            if first not in by_method or second not in by_method:
                continue
            both = (by_method[first].groupby(index).mean() - by_method[second].groupby(index).mean()).dropna()
            if len(both) < 2:
                continue
            clusters = [both.index.get_level_values(name).to_numpy() for name in index]
            enough = min(len(np.unique(labels)) for labels in clusters) >= 3
            drawn = statistics.bootstrap(statistics.mean, both.to_numpy(), clusters) if enough else None
            rows.append(
                {**dict(zip(KEYS[1:-1], key)), "method": first, "against": second, "pairs": len(both), "mean": both.mean(),
                 "median": both.median(), "low": drawn.low if drawn else np.nan, "high": drawn.high if drawn else np.nan,
                 "better_in": 100 * (both > 0).mean(), "wilcoxon_p": wilcoxon(both).pvalue if (both != 0).any() else 1.0}
            )  # fmt: skip
    columns = [
        "amount",
        "view",
        "reading",
        "method",
        "against",
        "pairs",
        "mean",
        "median",
        "low",
        "high",
        "better_in",
        "wilcoxon_p",
    ]
    return pandas.DataFrame(rows, columns=columns)


def costs(cells: pandas.DataFrame, final: pandas.DataFrame) -> pandas.DataFrame:
    """Per method over ordinary pairs: mean Delta, GFLOPs of a transfer without teachers, with teachers asked at every step, with
    kept logits, and the rank of Delta per PFLOP under each; MAFs likewise."""
    delta = final[(final["metric"] == "delta") & (final["status"] == "done")]
    delta = delta[(delta["among"] == "trained") | (delta["pair"] == "team")]
    joined = delta.merge(cells[["cell", "student_gflops", "asked_gflops", "kept_gflops", "mafs"]], on="cell")
    rows = joined.groupby(["method", "amount", "view"], sort=False).agg(
        runs=("value", "size"), delta=("value", "mean"), alone=("student_gflops", "mean"), asked=("asked_gflops", "mean"),
        kept=("kept_gflops", "mean"), mafs=("mafs", "mean"),
    ).reset_index()  # fmt: skip
    for name in ("alone", "asked", "kept"):
        gain = rows["delta"] / rows[name]
        rows[f"rank_{name}"] = gain.groupby([rows["amount"], rows["view"]]).rank(ascending=False, method="min")
    return rows
