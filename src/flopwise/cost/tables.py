"""Published cost figures beside what is re-derived here, as tables: the part of the audit that needs no training."""

from pathlib import Path

import pandas

from flopwise.core.io import read_table
from flopwise.core.root import ROOT
from flopwise.cost import closed_forms, mafs, perceiver_models, price

PUBLISHED = ROOT / "config" / "published"
MODEL, BATCH_SIZE = "open_clip:ViT-B-16", 512  # of FoMo-in-Flux's table


def _percent(here: pandas.Series, published: pandas.Series) -> pandas.Series:
    return 100 * (here / published - 1)


def methods() -> tuple[pandas.DataFrame, pandas.DataFrame]:
    """FoMo-in-Flux's cost table: GFLOPs per step, peak memory (GiB) and its multiple of full fine-tuning, here and
    published, differences in percent; and training steps per task under both accountings of one-off costs."""
    published = read_table(PUBLISHED / "fomo_in_flux_cost.csv")
    rows, _ = price.table(MODEL, BATCH_SIZE)
    here = pandas.DataFrame(rows).set_index("method").loc[published["method"]].reset_index()
    table = pandas.DataFrame({"method": published["method"]})
    for column in ("gflops_per_step", "peak_memory_gb", "memory_multiplier"):
        table[column], table[f"{column}_published"] = here[column], published[column]
        table[f"{column}_difference"] = _percent(here[column], published[column])
    once, _ = price.table(MODEL, BATCH_SIZE, accounting="per-task-once")
    per_task = {row["method"]: row["steps"] for row in once}
    steps = [
        {"method": row["method"], "tasks": tasks, "here": row["steps"][str(tasks)],
         "published": int(published.loc[published["method"] == row["method"], f"steps_{tasks}"].iloc[0]),
         "per_task_once": per_task[row["method"]][str(tasks)]}
        for row in here.to_dict("records") for tasks in mafs.TASKS
    ]  # fmt: skip
    return table, pandas.DataFrame(steps)


def profiles(library: str, number: int) -> pandas.DataFrame:
    """`number` models of open_clip or timm, evenly spread over the published list: parameters (millions) and forward
    GFLOPs of one sample, 1 multiply-add = 2 FLOPs, here and published."""
    published = read_table(PUBLISHED / f"{library}_profile.csv")
    keep = sorted({round(i * (len(published) - 1) / max(1, number - 1)) for i in range(number)})
    published = published.iloc[keep].reset_index(drop=True)
    here = pandas.DataFrame([price.forward(f"{library}:{model}") for model in published["model"]])
    gflops = published["gflops"] if library == "open_clip" else 2 * published["gmacs"]
    return pandas.DataFrame(
        {"model": published["model"], "params_m": here["params_m"], "params_m_published": published["params_m"],
         "gflops": here["gflops"], "gflops_published": gflops, "gflops_difference": _percent(here["gflops"], gflops),
         "source": published["source"]}
    )  # fmt: skip


def perceiver_io() -> pandas.DataFrame:
    """Published parameters and FLOPs of Perceiver IO, and of what it is compared with, beside the closed forms, with the rows
    that do not hold."""
    published = read_table(PUBLISHED / "perceiver_io_cost.csv").astype(object)
    published = published.where(published.notna(), None)
    return pandas.DataFrame(perceiver_models.audit(published.to_dict("records")))


def objectives() -> pandas.DataFrame:
    """Training GFLOPs of one image under the six pre-training objectives of arXiv 2209.15589, by ViT."""
    rows = [
        {"objective": objective, "model": name, "gflops": closed_forms.pretraining(objective, vit) / 1e9}
        for name, vit in (("ViT-B/16", closed_forms.VIT_B16), ("ViT-L/16", closed_forms.VIT_L16))
        for objective in closed_forms.OBJECTIVES
    ]
    table = pandas.DataFrame(rows)
    supervised = table[table["objective"] == "supervised"].set_index("model")["gflops"]
    table["times_supervised"] = table["gflops"] / table["model"].map(supervised)
    return table


def all_tables(checked_models: int) -> dict[str, pandas.DataFrame]:
    """Every table by name."""
    method_table, steps = methods()
    return {
        "methods": method_table, "steps": steps, "open_clip": profiles("open_clip", checked_models),
        "timm": profiles("timm", checked_models), "perceiver": perceiver_io(), "objectives": objectives(),
    }  # fmt: skip


def write(folder: Path, checked_models: int) -> None:
    """Write all tables to `folder` as CSV."""
    from flopwise.core.io import write_table

    for name, table in all_tables(checked_models).items():
        write_table(folder / f"{name}.csv", table)
