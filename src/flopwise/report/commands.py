"""Commands that run notebooks and build the report page."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)
PACKAGES = ("flopwise.report", "flopwise.report.continual")  # whose modules notebooks import
Lineage = Annotated[Path, typer.Option(help="Where the lineage record goes.")]


@app.command()
def figures(context: typer.Context, notebook: str, out: Path, lineage: Lineage) -> None:
    """Run a notebook: write its figures and tables beside the executed notebook `out`."""
    from flopwise.provenance.lineage import write
    from flopwise.report.chapters import notebook as find
    from flopwise.report.notebook import execute

    settings = context.obj()
    found, inputs = find(notebook), notebook_inputs(settings, notebook)
    execute(found.source, out, _parameters(settings, notebook, out.parent))
    write(
        lineage, rule=f"{notebook}_figures", job=notebook, inputs=inputs,
        outputs=[out, *(out.parent / name for name in found.files)], modules=notebook_modules(notebook),
        extra_sources=(found.source,),
    )  # fmt: skip


def _parameters(settings, name: str, folder: Path) -> dict:
    if name == "materials":
        return {
            "data": str(settings.results / "data"), "names": list(settings.preset.data.materials), "figures": str(folder),
            "scale": settings.config.scale,
        }  # fmt: skip
    data = "cost/tables" if name == "cost" else "data"
    own = {}
    if name == "world":
        study = settings.preset.continual
        horizon = study.horizons[study.defaults.horizon]
        tasks = len(settings.preset.data.adaptation) if horizon == "sets" else horizon
        own = {"streams": str(_streams(settings)), "tasks": tasks, "pools": list(settings.preset.data.pools)}
    return {
        "tables": str(settings.results / "continual" / "tables"), "data": str(settings.results / data),
        "figures": str(folder), "scale": settings.config.scale, **own,
    }  # fmt: skip


def _streams(settings) -> Path:
    """The folder of the default model's streams."""
    return settings.results / "continual" / "streams" / settings.preset.continual.defaults.model


def notebook_inputs(settings, name: str) -> list[Path]:
    """What a notebook reads: the study's tables, and the data sets and streams where it draws them."""
    from flopwise.data.streams import ORDERINGS
    from flopwise.studies.continual.tables import NAMES

    tables = settings.results / "continual" / "tables"
    if name == "cost":
        from flopwise.workflow import COST_TABLES

        return [*(settings.results / "cost" / "tables" / f"{table}.csv" for table in COST_TABLES), tables / "cells.csv"]
    if name == "materials":
        return [settings.results / "data" / material for material in settings.preset.data.materials]
    if name != "world":
        return [tables / f"{table}.csv" for table in NAMES]
    data = settings.preset.data
    sets = [settings.results / "data" / dataset for dataset in (*data.adaptation, *data.evaluation, *data.pools)]
    streams = [_streams(settings) / name for name in ("orderings.csv", *(f"{kind}-s0.json" for kind in ORDERINGS))]
    return [*sets, *streams, tables / "zero_shot.csv"]


def notebook_modules(name: str) -> tuple[str, ...]:
    """Modules of this package that a notebook imports, and what runs it."""
    import ast

    from flopwise.report.chapters import notebook

    tree = ast.parse(notebook(name).source.read_text(encoding="utf-8"))
    found = [
        f"{node.module}.{alias.name}" if node.module in PACKAGES else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("flopwise")
        for alias in node.names
    ]
    return tuple(sorted({"flopwise.report.notebook", *found}))


def rerun_notebook(name: str, path: Path, folder: Path) -> Path:
    """Run the notebook that made `path` (results/<scale>/<study>/figures/<file>) again into `folder`; returns the
    file that corresponds to `path`."""
    from flopwise.config import load
    from flopwise.report.chapters import notebook
    from flopwise.report.notebook import execute

    results = path.parents[2]
    settings = load(scale=results.name, results=str(results.parent))
    execute(notebook(name).source, folder / f"{name}.ipynb", _parameters(settings, name, folder))
    return folder / path.name


@app.command()
def page(context: typer.Context, out: Path, lineage: Lineage) -> None:
    """Build the report from the executed notebooks, the claims and the lineage records."""
    from flopwise.provenance.lineage import write
    from flopwise.report.assemble import assemble, page_inputs

    settings = context.obj()
    assemble(settings, out)
    inputs = page_inputs(settings)
    write(lineage, rule="report", job="", inputs=inputs, outputs=[out], modules=("flopwise.report.assemble",))


@app.command()
def pdf(context: typer.Context, out: Path, lineage: Lineage) -> None:
    """Write the report as PDF (needs the extra `pdf`)."""
    from flopwise.provenance.lineage import write
    from flopwise.report.assemble import content, page_inputs
    from flopwise.report.pdf import build

    settings = context.obj()
    build(out, **content(settings))
    modules = ("flopwise.report.assemble", "flopwise.report.pdf")
    write(lineage, rule="report_pdf", job="", inputs=page_inputs(settings), outputs=[out], modules=modules)


@app.command()
def summary(context: typer.Context) -> None:
    """Print where the report is and what became of the claims."""
    from flopwise.core.io import read_json
    from flopwise.report.verdicts import console

    settings = context.obj()
    claims = read_json(settings.results / "continual" / "tables" / "claims.json")["claims"]
    print(f"\nreport: {settings.results / 'report' / 'report.html'} (copy: report/report.html)")
    print(f"claims at scale {settings.config.scale}:", *console(claims), sep="\n")
