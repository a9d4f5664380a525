"""Commands around the data sets."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def build(context: typer.Context, name: str, out: Path, lineage: Annotated[Path, typer.Option()]) -> None:
    """Make one data set of the scale, its pre-training pool (`pool`) or one of its materials, and its card."""
    from flopwise.data.build import build_to
    from flopwise.data.materials import MATERIALS
    from flopwise.data.materials.commands import build_recorded
    from flopwise.provenance.lineage import write

    settings = context.obj()
    if name in MATERIALS:
        build_recorded(settings, name, out, lineage)
        return
    build_to(settings.preset.data, name, out)
    rule = "data_pool" if name == "pool" else "data_set"
    write(
        lineage, rule=rule, job=name, inputs=[], outputs=[out], modules=("flopwise.data.build",),
       
    )  # fmt: skip

    build_to(settings.preset.data, name, out)


@app.command("list")
def list_sets(context: typer.Context, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the data sets and materials of the scale."""
    import json
    from dataclasses import asdict

    from flopwise.data.build import facts_of
    from flopwise.data.materials import MATERIALS

    data = context.obj().preset.data
    rows = [facts_of(data, name) for name in (*data.adaptation, *data.evaluation)]
    rows += [{**asdict(MATERIALS[name]), "role": MATERIALS[name].study} for name in data.materials]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['name']:<22} {row['role']:<11} {row['task']:<15} {row['material']:<11} {row['title']}")


@app.command()
def describe(context: typer.Context, name: str, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Print everything that is known about a data set or material."""
    import json
    from dataclasses import asdict

    from flopwise.data.build import facts_of
    from flopwise.data.materials import MATERIALS

    facts = asdict(MATERIALS[name]) if name in MATERIALS else facts_of(context.obj().preset.data, name)
    print(json.dumps(facts, indent=1) if as_json else "\n".join(f"{key}: {value}" for key, value in facts.items()))
