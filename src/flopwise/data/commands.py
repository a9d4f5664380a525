"""Commands around the data sets: list, describe, prepare and verify them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flopwise.core.errors import UserError
from flopwise.core.paths import given

app = typer.Typer(no_args_is_help=True)
Root = Annotated[
    Path,
    typer.Option(
        "--root", callback=given, help="Folder that holds your copies: <root>/<FOLDER>/ or <root>/<FOLDER>.tar."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Machine output on standard output.")]


@app.command("list")
def list_sets(
    context: typer.Context,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="All real data sets, whatever the scale.")] = False,
    as_json: Json = False,
) -> None:
    """List the data sets and materials of the scale, or all rows of the catalogue of real ones."""
    from flopwise.data.catalogue import catalogue as rows_of

    if catalogue:
        rows = [_row_facts(name) for name in rows_of()]
    else:
        data = context.obj().preset.data
        rows = [_facts(data, name) for name in (*data.adaptation, *data.evaluation, *data.materials)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        kind = row.get("material") or row["access"]
        print(f"{row['name']:<22} {row['role']:<11} {row['task']:<15} {kind:<11} {row['title']}")


@app.command()
def describe(context: typer.Context, name: str, as_json: Json = False) -> None:
    """Print everything that is known about a data set or material of the scale, or a data set of the catalogue."""
    from flopwise.data.catalogue import catalogue, near_names

    data = context.obj().preset.data
    known = (*data.adaptation, *data.evaluation, *data.materials)
    if name not in known and name not in catalogue():
        near = ", ".join(near_names(name, known))
        hint = f"did you mean {near}?" if near else "`flopwise data list`, with --catalogue too, prints all names"
        raise UserError(f"data set {name!r} is neither one of this scale's nor in the catalogue; {hint}")
    facts = _row_facts(name) if name not in known else _facts(data, name)
    print(json.dumps(facts, indent=1) if as_json else "\n".join(_line(*fact) for fact in facts.items()))


def _line(key: str, value) -> str:
    """A fact for a reader; a blank licence or number of images could not be sourced."""
    sourced = ("licence", "n_train", "n_test")
    blank = value is None or value == ""
    return f"{key}: {('not sourced' if key in sourced else '-') if blank else value}"


@app.command()
def prepare(
    name: str,
    root: Root,
    out: Annotated[
        Path | None, typer.Option("--out", callback=given, help="Where copies and manifests go; default: the root.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read your copy of a data set and write its manifests and copies with a shorter side of 224 pixels; exit status 1 if
    an image was left out."""
    from flopwise.data.prepare import prepare as run

    facts = run(name, root, out)
    print(json.dumps(facts, indent=1) if as_json else _prepared(facts))
    if facts["left_out"]:
        raise typer.Exit(1)


def _prepared(facts: dict) -> str:
    counts = ", ".join(f"{count:,} {split}" for split, count in facts["counts"].items())
    made = f"{facts['copies_made']:,} copies made in {facts['out']}"
    left = [f"  left out {lost['count']:,} x {kind}: {lost['first']}" for kind, lost in facts["left_out"].items()]
    again = ["  mend them and run again; what is left out has no copy, `flopwise data verify` lists it"] if left else []
    return "\n".join([f"{facts['name']}: {counts}, {facts['classes']:,} classes, {made}", *left, *again])


@app.command()
def verify(
    name: str,
    root: Root,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not open the images, or other large files, one by one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say exactly what is missing or wrong in your copy of a data set; exit status 1 if anything is."""
    from flopwise.data.verify import verify as run
    from flopwise.data.verify import verify_text

    result = run(name, root, quick)
    print(json.dumps(result, indent=1) if as_json else verify_text(result))
    if not result["ok"]:
        raise typer.Exit(1)


def _facts(data, name: str) -> dict:
    """Facts of a set or material of the scale; a scale of real sets takes them from the catalogue."""
    import dataclasses

    from flopwise.data.build import facts_of
    from flopwise.data.materials import MATERIALS

    if name in MATERIALS:
        return {**dataclasses.asdict(MATERIALS[name]), "role": MATERIALS[name].study}
    return _row_facts(name) if data.kind == "catalogue" else facts_of(data, name)


def _row_facts(name: str) -> dict:
    import dataclasses

    from flopwise.data.catalogue import dataset

    return dataclasses.asdict(dataset(name))
