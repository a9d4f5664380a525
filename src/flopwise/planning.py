"""`flopwise plan`: what a scale will run and cost, before anything runs."""

from pathlib import Path

from flopwise.config import Settings, load
from flopwise.core.errors import UserError
from flopwise.core.io import write_table


def plan_of(settings: Settings) -> dict:
    """Jobs by rule, cells, and GFLOPs by study and stage (1 multiply-add = 2 FLOPs, as the scale prices them)."""
    from flopwise.studies.continual.plan import grid
    from flopwise.studies.continual.price import cells_table, jobs, pretraining_gflops, tuning_gflops
    from flopwise.workflow import NOTEBOOKS

    plan = grid(settings)
    table = cells_table(settings)
    trainings = table.drop_duplicates("training")  # a shared one is paid once
    pretraining = pretraining_gflops(settings)
    data = settings.preset.data
    by_rule = {
        "data_pool": len(data.pools), "data_set": len(data.adaptation) + len(data.evaluation),
        "data_material": len(data.materials), **jobs(settings, plan), "cost_tables": 1, "figures": len(NOTEBOOKS), "report": 1,
    }  # fmt: skip
    gflops = {"pretraining": sum(pretraining.values()), "training": float(trainings["planned_gflops"].sum())}
    gflops["tuning"] = tuning_gflops(settings)
    return {
        "scale": settings.config.scale, "title": settings.preset.title,
        "price": price_of(settings, sum(gflops.values())), "disk": disk_of(settings, table),
        "missing": missing_of(settings),
        "jobs": {**by_rule, "total": sum(by_rule.values())},
        "studies": {
            "continual": {
                "cells": len(table), "models": plan.models, "gflops": {**gflops, "total": sum(gflops.values())},
                "mafs": float(trainings["planned_mafs"].sum()),
                "max_core_seconds": settings.preset.max_core_seconds.continual,
            }
        },
    }  # fmt: skip


def price_of(settings: Settings, gflops: float) -> dict:
    """Device hours, energy and CO2-equivalents of `gflops` on the scale's device, and what the figures assume."""
    from flopwise.cost.devices import price

    chosen = settings.preset.cost
    cost = price(gflops * 1e9, chosen.device, chosen.utilisation)
    return {
        "device": chosen.device, "device_hours": cost.device_hours, "kwh": cost.kwh, "kg_co2e": cost.kg_co2e,
        "assumptions": cost.assumptions,
    }  # fmt: skip


def disk_of(settings: Settings, table) -> dict:
    """GB that the scale will keep: checkpoints (float32, one per cell and one initial per model) and embedded data."""
    bytes_of = {model: 4 * _parameters(model) for model in set(table["model"])}
    checkpoints = sum(bytes_of.values()) + sum(bytes_of[model] for model in table["model"])
    data = settings.preset.data
    pool = sum(pool.samples for pool in data.pools.values()) * 32 * 32 * 3 if data.kind == "embedded" else 0
    return {"checkpoints_gb": checkpoints / 1e9, "pool_gb": pool / 1e9}


def missing_of(settings: Settings) -> list[str]:
    """What the scale reads and does not find under `data_root` and `weights_root`, a line each; nothing is opened."""
    from flopwise.studies.continual.plan import grid
    from flopwise.studies.continual.pretrain import released_file

    data, lines = settings.preset.data, []
    if data.kind == "catalogue":
        from flopwise.data.catalogue import dataset
        from flopwise.data.pools import find_pool

        root = settings.config.data_root
        if root is None or not Path(root).is_dir():
            lines.append(f"data_root is {root}: it must be the folder of your copies of the data sets")
        else:
            for name in (*data.adaptation, *data.evaluation):
                folder = Path(root) / dataset(name).folder
                if not folder.is_dir() and not folder.with_name(f"{folder.name}.tar").is_file():
                    lines.append(f"data set {name}: neither {folder}/ nor {folder}.tar")
            lines += _complaints(lambda pool: find_pool(pool.source, root), data.pools.values())
    models = settings.preset.continual.models
    used = [model for model in grid(settings).models if models[model].pretrained]
    return lines + _complaints(lambda model: released_file(settings, model), used)


def _complaints(look, items) -> list[str]:
    found = []
    for item in items:
        try:
            look(item)
        except UserError as error:
            found.append(str(error))
    return found


def _parameters(model: str) -> int:
    from flopwise.models import clip

    return sum(p.numel() for p in clip.create(model, device="meta").parameters())


def write_price_list(scales: tuple[str, ...], out: Path) -> None:
    """One row per scale: cells, jobs, PFLOPs, device hours, kWh, kg CO2e and disk, all before anything runs."""
    import pandas

    rows = []
    for scale in scales:
        plan = plan_of(load(scale=scale))
        study = plan["studies"]["continual"]
        price = {key: plan["price"][key] for key in ("device", "device_hours", "kwh", "kg_co2e")}
        rows.append(
            {"scale": scale, "cells": study["cells"], "jobs": plan["jobs"]["total"], "pflops": study["gflops"]["total"] / 1e6,
             "update_pmafs": study["mafs"] / 1e6,
             **price, **plan["disk"]}
        )  # fmt: skip
    write_table(out, pandas.DataFrame(rows))


def plan_text(facts: dict) -> str:
    """The plan for a reader."""
    lines = [f"scale {facts['scale']}: {facts['title']}", f"{facts['jobs']['total']} jobs"]
    lines += [f"  {count:>5}  {rule}" for rule, count in facts["jobs"].items() if rule != "total"]
    for name, study in facts["studies"].items():
        total = study["gflops"]
        lines.append(f"{name}: {study['cells']} cells on {', '.join(study['models'])}")
        lines.append(
            f"  {total['pretraining'] / 1e6:.4g} PFLOPs of pre-training, {total['training'] / 1e6:.4g} PFLOPs of updates "
            f"({study['mafs'] / 1e6:.4g} memory-adjusted), {total['tuning'] / 1e6:.4g} PFLOPs of trials on validation data"
        )
    price, disk = facts["price"], facts["disk"]
    lines.append(
        f"on {price['device']} at {price['assumptions']['utilisation']:.0%} of its peak: "
        f"{price['device_hours']:,.3g} device hours, {price['kwh']:,.3g} kWh, {price['kg_co2e']:,.3g} kg CO2e; "
        f"disk {sum(disk.values()):.3g} GB"
    )
    if facts["missing"]:
        lines += [f"{len(facts['missing'])} things are missing:", *(f"  {line}" for line in facts["missing"])]
    return "\n".join(lines)
