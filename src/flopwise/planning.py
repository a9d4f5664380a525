"""`flopwise plan`: what a scale will run and cost, before anything runs. `workflow` is a `flopwise.workflow.Workflow`."""

import contextlib
import secrets
import shutil
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from flopwise.config import Settings, load
from flopwise.core.errors import UserError
from flopwise.core.io import atomic_path, sha256_json, write_table
from flopwise.provenance.job import Job
from flopwise.provenance.sources import closure, digest
from flopwise.studies import regime


def plan_of(workflow) -> dict:
    """Jobs by rule, and for each study cells, models, GFLOPs by stage (1 multiply-add = 2 FLOPs, as the scale prices
    them), MAFs, and the rows of its regime."""
    settings = workflow.settings
    ledger = settings.preset.ledger
    prices = {name: study.price() for name, study in workflow.studies.items()}
    studies = {
        name: {
            "cells": one["cells"], "models": one["models"], "gflops": {**one["gflops"], "total": sum(one["gflops"].values())},
            "mafs": one["mafs"], "max_core_seconds": ledger[name],
            "regime": [quantity.row() for quantity in workflow.studies[name].regime()],
        }
        for name, one in prices.items()
    }  # fmt: skip
    jobs = jobs_of(workflow)
    return {
        "scale": settings.config.scale, "title": settings.preset.title,
        "price": price_of(settings, sum(study["gflops"]["total"] for study in studies.values())),
        "disk": disk_of(settings, sum(one["checkpoint_bytes"] for one in prices.values())),
        "missing": missing_of(workflow), "jobs": {**jobs, "total": sum(jobs.values())}, "studies": studies,
    }  # fmt: skip


def jobs_of(workflow) -> dict[str, int]:
    """Number of jobs by rule, all notebooks as one."""
    found = Counter()
    for rule, names in workflow.rules.items():
        if rule not in workflow.extra:
            found["figures" if rule.endswith("_figures") else rule] += len(names)
    return dict(found)


def price_of(settings: Settings, gflops: float) -> dict:
    """Device hours, energy and CO2-equivalents of `gflops` on the scale's device, and what the figures assume."""
    from flopwise.cost.devices import price

    chosen = settings.preset.cost
    cost = price(gflops * 1e9, chosen.device, chosen.utilisation)
    return {
        "device": chosen.device, "device_hours": cost.device_hours, "kwh": cost.kwh, "kg_co2e": cost.kg_co2e,
        "assumptions": cost.assumptions,
    }  # fmt: skip


def disk_of(settings: Settings, checkpoint_bytes: int) -> dict:
    """GB that the scale will keep: checkpoints (float32) and embedded pools."""
    data = settings.preset.data
    pool = sum(pool.samples for pool in data.pools.values()) * 32 * 32 * 3 if data.kind == "embedded" else 0
    return {"checkpoints_gb": checkpoint_bytes / 1e9, "pool_gb": pool / 1e9}


def missing_of(workflow) -> list[str]:
    """What the scale reads and does not find under `data_root` and `weights_root`, a line each; nothing is opened."""
    return [
        *_missing_data(workflow.settings),
        *(line for study in workflow.studies.values() for line in study.missing()),
    ]


def _missing_data(settings: Settings) -> list[str]:
    from flopwise.data.catalogue import dataset
    from flopwise.data.pools import find_pool

    data, root = settings.preset.data, settings.config.data_root
    if data.kind != "catalogue":
        return []
    if root is None or not Path(root).is_dir():
        found = "is not set" if root is None else f"is {root}, which does not exist"
        return [f"data_root {found}; in config/config.yaml it must be the folder of your copies of the data sets"]
    lines = []
    for name in (*data.adaptation, *data.evaluation):
        folder = Path(root) / dataset(name).folder
        if not folder.is_dir() and not folder.with_name(f"{folder.name}.tar").is_file():
            lines.append(f"data set {name}: neither {folder}/ nor {folder}.tar")
    for pool in data.pools.values():
        try:
            find_pool(pool.source, root)
        except UserError as error:
            lines.append(str(error))
    return lines


def write_cost_tables(workflow, job: Job) -> None:
    """Write published cost figures beside what is re-derived here, and the price of scales, as tables. The former take a
    minute to count: they are kept in the state folder under a hash of all that they depend on."""
    folder, settings = job.outputs[0].parent, workflow.settings
    chosen = settings.preset.cost
    kept = _kept_tables(settings.results.parent / "state" / "cost_tables", chosen.checked_models)
    for path in sorted(kept.glob("*.csv")):
        with atomic_path(folder / path.name) as temporary:
            shutil.copyfile(path, temporary)
    write_price_list(type(workflow), chosen.priced_scales, folder / "scales.csv", settings.config.results)


def _kept_tables(state: Path, checked_models: int) -> Path:
    """Folder with the tables of published figures, made where there is none for this code and these libraries."""
    from flopwise.cost import tables
    from flopwise.provenance.lineage import versions

    sources = digest((*closure("flopwise.cost.tables"), *sorted(tables.PUBLISHED.glob("*.csv"))))
    libraries = {**versions(), "timm": version("timm")}
    folder = state / sha256_json([sources, libraries, checked_models])[:24]
    if not folder.is_dir():
        temporary = state / f".{secrets.token_hex(8)}"
        try:
            temporary.mkdir(parents=True)
            tables.write(temporary, checked_models)
            with contextlib.suppress(OSError):  # another scale's job was faster
                temporary.rename(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def write_price_list(make, scales: tuple[str, ...], out: Path, results: str) -> None:
    """One row per scale: cells, jobs, PFLOPs, device hours, kWh, kg CO2e and disk, all before anything runs. make:
    settings -> their workflow; results: folder whose state keeps the prices of training steps."""
    import pandas

    rows = []
    for scale in scales:
        plan = plan_of(make(load(scale=scale, results=results)))
        studies = plan["studies"].values()
        price = {key: plan["price"][key] for key in ("device", "device_hours", "kwh", "kg_co2e")}
        rows.append(
            {"scale": scale, "cells": sum(study["cells"] for study in studies), "jobs": plan["jobs"]["total"],
             "pflops": sum(study["gflops"]["total"] for study in studies) / 1e6,
             "update_pmafs": sum(study["mafs"] for study in studies) / 1e6, **price, **plan["disk"]}
        )  # fmt: skip
    write_table(out, pandas.DataFrame(rows))


def plan_text(facts: dict) -> str:
    """The plan for a reader."""
    lines = [f"scale {facts['scale']}: {facts['title']}", f"{facts['jobs']['total']} jobs"]
    lines += [f"  {count:>5}  {rule}" for rule, count in facts["jobs"].items() if rule != "total"]
    for name, study in facts["studies"].items():
        stages = {stage: gflops / 1e6 for stage, gflops in study["gflops"].items() if stage != "total"}
        lines.append(f"{name}: {study['cells']} cells on {', '.join(study['models'])}")
        lines.append(
            "  PFLOPs: " + ", ".join(f"{pflops:.4g} {stage}" for stage, pflops in stages.items())
            + f" ({study['mafs'] / 1e6:.4g} memory-adjusted); at most {study['max_core_seconds']:g} core-seconds"
        )  # fmt: skip
        lines += [f"  {line}" for line in regime.lines(study["regime"])]
    price, disk = facts["price"], facts["disk"]
    lines.append(
        f"on {price['device']} at {price['assumptions']['utilisation']:.0%} of its peak: "
        f"{price['device_hours']:,.3g} device hours, {price['kwh']:,.3g} kWh, {price['kg_co2e']:,.3g} kg CO2e; "
        f"disk {sum(disk.values()):.3g} GB"
    )
    if facts["missing"]:
        lines += [f"{len(facts['missing'])} things are missing:", *(f"  {line}" for line in facts["missing"])]
    return "\n".join(lines)
