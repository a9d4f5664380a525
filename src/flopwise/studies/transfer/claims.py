"""What the study says of itself to have its claims judged."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.config.files import scales
from flopwise.config.load import preset
from flopwise.config.transfer import TransferConfig
from flopwise.core.io import read_table
from flopwise.core.judge import Context, Planned
from flopwise.studies.transfer import regime
from flopwise.studies.transfer.complementary import SIDES, kinds, pairs
from flopwise.studies.transfer.plan import AXES, STUDY, Grid

READ = ("final", "students", "flips", "tops", "top_rates", "zoo", "regime")
TOPS = ("top2", "top5", "top20", "top50", "top100")


def claim_context(settings: Settings, tables: Path) -> Context:
    """The tables in the folder `tables`, and what every scale runs: this one with the user's overrides."""
    studies = {scale: preset(scale).transfer for scale in scales()} | {settings.config.scale: settings.preset.transfer}
    read = {name: read_table(tables / f"{name}.csv") for name in READ}
    # rules that count pairs take the pair for one unit: its models are no axes of theirs
    read["pairs"] = read["flips"].drop(columns=["teacher", "student"])
    # a student has one twin: its name is no axis either
    read["twins"] = read["final"][read["final"]["pair"] == "twin"].drop(columns="teacher")
    return Context(
        study=STUDY, scale=settings.config.scale, tables=read, axes=AXES,
        planned={scale: planned(study) for scale, study in studies.items() if study is not None},
        validation=settings.preset.transfer.split == "validation",
    )  # fmt: skip


def planned(study: TransferConfig) -> Planned:
    """Every transfer is scored on all test pictures; every pair has its flips."""
    cells = [
        {**cell.axes(), "seed": cell.seed, **kinds(study, cell.teacher, cell.student)}
        for cell in Grid(study).cells.values()
    ]
    found = [{"teacher": t, "student": s, "name": f"{t} to {s}", **kinds(study, t, s)} for t, s in pairs(study)]
    students = [
        {key: cell[key] for key in ("student", "method", "amount", "view", "reading", "among")} for cell in cells
    ]
    twins = [{key: cell[key] for key in cell if key != "teacher"} for cell in cells if cell["pair"] == "twin"]
    rows = {
        "final": cells, "twins": twins, "students": students, "flips": [{**one, "side": side} for one in found for side in SIDES],
        "pairs": [{key: one[key] for key in ("name", "pair", "among")} | {"side": side} for one in found for side in SIDES],
        "top_rates": [{**cell, "top": top} for cell in cells for top in TOPS],
        "tops": [{**one, "top": f"top{top:g}"} for one in found for top in study.flips.tops],
        "zoo": [{"model": name, "role": study.zoo[name].role} for name in study.models],
        "regime": [{"quantity": name} for name in regime.PLANNED],
    }  # fmt: skip
    return Planned(study.defaults.model_dump(), rows)
