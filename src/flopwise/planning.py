"""`flopwise plan`: what a scale will run and cost, before anything runs."""

from flopwise.config import Settings


def plan_of(settings: Settings) -> dict:
    """Jobs by rule, cells, and GFLOPs by study and stage (1 multiply-add = 2 FLOPs, no recomputation)."""
    from flopwise.studies.continual.plan import grid
    from flopwise.studies.continual.price import cells_table, jobs, pretraining_gflops
    from flopwise.workflow import NOTEBOOKS

    plan = grid(settings)
    table = cells_table(settings)
    pretraining = pretraining_gflops(settings)
    data = settings.preset.data
    by_rule = {
        "data_set": len(data.adaptation) + len(data.evaluation) + 1, **jobs(settings, plan),
        "notebook": len(NOTEBOOKS), "report": 1,
    }  # fmt: skip
    gflops = {"pretraining": sum(pretraining.values()), "training": float(table["planned_gflops"].sum())}
    return {
        "scale": settings.config.scale, "title": settings.preset.title, "jobs": {**by_rule, "total": sum(by_rule.values())},
        "studies": {
            "continual": {
                "cells": len(table), "models": plan.models, "gflops": {**gflops, "total": sum(gflops.values())},
                "max_core_seconds": settings.preset.max_core_seconds.continual,
            }
        },
    }  # fmt: skip


def plan_text(facts: dict) -> str:
    """The plan for a reader."""
    lines = [f"scale {facts['scale']}: {facts['title']}", f"{facts['jobs']['total']} jobs"]
    lines += [f"  {count:>5}  {rule}" for rule, count in facts["jobs"].items() if rule != "total"]
    for name, study in facts["studies"].items():
        total = study["gflops"]
        lines.append(f"{name}: {study['cells']} cells on {', '.join(study['models'])}")
        lines.append(f"  {total['pretraining'] / 1e6:.4g} PFLOPs of pre-training, {total['training'] / 1e6:.4g} PFLOPs of updates")
    return "\n".join(lines)
