"""What the study says of itself to have its claims judged."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.config.files import scales
from flopwise.config.load import preset
from flopwise.config.perceiver import PerceiverConfig
from flopwise.core.io import read_table
from flopwise.core.judge import Context, Planned
from flopwise.studies.perceiver.plan import AXES, STUDY, Grid

READ = ("final", "scaling", "exact")
CURVES = ("perceiver/inputs", "perceiver/outputs", "perceiver/layers", "transformer/inputs")
DEARER = "a transformer over units costs 3.5 times as much"
IDENTITIES = (
    "FLOPs are affine in inputs", "FLOPs are affine in outputs", "FLOPs are affine in layers",
    "depth costs the same whatever is read and written", "outputs move with their units", "latents do not see an order",
    "an output does not depend on which others are decoded", DEARER,
)  # fmt: skip


def claim_context(settings: Settings, tables: Path) -> Context:
    """The tables in the folder `tables`, and what every scale runs: this one with the user's overrides."""
    studies = {scale: preset(scale).perceiver for scale in scales()} | {
        settings.config.scale: settings.preset.perceiver
    }
    read = {name: read_table(tables / f"{name}.csv") for name in READ}
    read["scaling"] = read["scaling"][read["scaling"]["last"]]  # exponents over the last step alone
    return Context(
        study=STUDY, scale=settings.config.scale, tables=read, axes=AXES,
        planned={scale: planned(study) for scale, study in studies.items() if study is not None}, validation=False,
    )  # fmt: skip


def planned(study: PerceiverConfig) -> Planned:
    trains_units = any(cell.task == "units" for cell in Grid(study).cells.values())
    rows = {
        "final": [{**cell.axes(), "seed": cell.seed} for cell in Grid(study).cells.values()],
        "scaling": [{"name": name} for name in CURVES],
        "exact": [{"identity": name} for name in IDENTITIES if name != DEARER or trains_units],
    }  # fmt: skip
    return Planned(study.defaults.model_dump(), rows)
