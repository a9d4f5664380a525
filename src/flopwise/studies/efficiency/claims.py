"""What the study says of itself to have its claims judged."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.config.efficiency import SCRATCH, EfficiencyConfig
from flopwise.config.files import scales
from flopwise.config.load import preset
from flopwise.core.io import read_table
from flopwise.core.judge import Context, Planned
from flopwise.methods.efficiency import load
from flopwise.studies.efficiency import regime
from flopwise.studies.efficiency.plan import AXES, STUDY, Grid

READ = ("final", "front", "costs", "regime", "fits")


def claim_context(settings: Settings, tables: Path) -> Context:
    """The tables in the folder `tables`, and what every scale runs: this one with the user's overrides."""
    studies = {scale: preset(scale).efficiency for scale in scales()} | {
        settings.config.scale: settings.preset.efficiency
    }
    return Context(
        study=STUDY, scale=settings.config.scale, tables={name: read_table(tables / f"{name}.csv") for name in READ}, axes=AXES,
        planned={scale: planned(study) for scale, study in studies.items() if study is not None}, validation=False,
    )  # fmt: skip


def planned(study: EfficiencyConfig) -> Planned:
    """Every encoder is scored by all metrics; a point of the front needs methods of both groups."""
    cells = list(Grid(study).cells.values())
    final = [
        {**cell.axes(), "seed": cell.seed, "group": "reference" if cell.method == SCRATCH else load(cell.method).group}
        for cell in cells
    ]
    trained = [cell.axes() | {"seed": cell.seed, "group": load(cell.method).group} for cell in Grid(study).trained]
    groups: dict[tuple, set] = {}
    for row in trained:
        groups.setdefault((row["pool"], row["size"], row["budget"], row["seed"]), set()).add(row["group"])
    rows = {
        "final": final,
        "front": [dict(zip(("pool", "size", "budget", "seed"), key)) for key, both in groups.items() if len(both) == 2],
        "costs": [{key: row[key] for key in ("method", "pool", "size")} for row in trained],
        "fits": [{key: row[key] for key in ("method", "pool", "size")} for row in trained],
        "regime": [{"quantity": name} for name in regime.PLANNED if regime.runs(study, name)],
    }  # fmt: skip
    return Planned(study.defaults.model_dump(), rows)
