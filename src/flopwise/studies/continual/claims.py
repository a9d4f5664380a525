"""What the study says of itself to have its claims judged."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.config.continual import ContinualConfig
from flopwise.config.files import scales
from flopwise.config.load import preset
from flopwise.core.io import read_table
from flopwise.core.judge import Context, Planned
from flopwise.studies.continual import regime
from flopwise.studies.continual.plan import AXES, STUDY, Grid

ROLES = ("adaptation", "evaluation")
READ = ("final", "final_sets", "trajectory", "chunks", "zero_shot", "regime")


def claim_context(settings: Settings, tables: Path) -> Context:
    """The tables in the folder `tables`, and what every scale runs: this one with the user's overrides."""
    studies = {scale: preset(scale).continual for scale in scales()} | {
        settings.config.scale: settings.preset.continual
    }
    return Context(
        study=STUDY,
        scale=settings.config.scale,
        tables={name: read_table(tables / f"{name}.csv") for name in READ},
        axes=AXES,
        planned={scale: planned(study) for scale, study in studies.items() if study is not None},
        validation=settings.preset.continual.evaluation.split == "validation",
    )


def planned(study: ContinualConfig) -> Planned:
    """Every run is scored at the end, on sets of either role; those that are evaluated more often have a trajectory, and
    accuracy on the first chunk of the stream before and after its task."""
    cells = Grid(study).cells.values()
    final = [{**cell.axes(), "seed": cell.seed} for cell in cells]
    watched = [{**cell.axes(), "seed": cell.seed} for cell in cells if cell.evaluate != "final"]
    rows = {
        "final": final, "final_sets": [{**row, "role": role} for row in final for role in ROLES],
        "trajectory": watched, "chunks": [{**row, "task": task, "chunk": "1"} for row in watched for task in ("0", "1")],
        "zero_shot": [{"model": model, "role": role} for model in study.models for role in ROLES],
        "regime": [{"quantity": name} for name in regime.PLANNED],
    }  # fmt: skip
    return Planned(study.defaults.model_dump(), rows)
