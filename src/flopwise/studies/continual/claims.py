"""What the study says of itself to have its claims judged."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.config.continual import ContinualConfig
from flopwise.config.files import scales
from flopwise.config.load import preset
from flopwise.core.io import read_table
from flopwise.core.judge import Context, Planned
from flopwise.studies.continual.plan import AXES, STUDY, Grid


def claim_context(settings: Settings, tables: Path) -> Context:
    """The tables in the folder `tables`, and what every scale runs: this one with the user's overrides."""
    studies = {scale: preset(scale).continual for scale in scales()} | {
        settings.config.scale: settings.preset.continual
    }
    return Context(
        study=STUDY,
        scale=settings.config.scale,
        tables={name: read_table(tables / f"{name}.csv") for name in ("final", "trajectory")},
        axes=AXES,
        planned={scale: planned(study) for scale, study in studies.items() if study is not None},
        validation=settings.preset.continual.evaluation.split == "validation",
    )


def planned(study: ContinualConfig) -> Planned:
    """Every run is scored at the end; those that are evaluated more often have a trajectory."""
    cells = Grid(study).cells.values()
    rows = {
        "final": [{**cell.axes(), "seed": cell.seed} for cell in cells],
        "trajectory": [{**cell.axes(), "seed": cell.seed} for cell in cells if cell.evaluate != "final"],
    }
    return Planned(study.defaults.model_dump(), rows)
