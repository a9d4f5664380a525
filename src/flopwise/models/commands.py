"""Commands around released checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.paths import given

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_weights(
    study: Annotated[str | None, typer.Option(help="Only this study's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine output on standard output.")] = False,
) -> None:
    """List the released checkpoints that the larger scales start from."""
    import json
    from dataclasses import asdict

    from flopwise.models.checkpoints import checkpoints

    studies = dict.fromkeys(row.study for row in checkpoints().values())
    if study is not None and study not in studies:
        raise UserError(f"--study is {study!r}; allowed are {', '.join(studies)}")
    rows = [asdict(row) for row in checkpoints().values() if study in (None, row.study)]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{row['name']:<48} {row['study']:<10} {row['library']:<12} {row['params_m']:>8} M  {row['source']}")


@app.command()
def verify(
    name: str,
    root: Annotated[
        Path,
        typer.Option(callback=given, help="Folder of released checkpoints: <root>/<model>/<tag>.safetensors, ..."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Machine output on standard output.")] = False,
) -> None:
    """Check a copy of a released checkpoint against the model it is for; exit 1 where it does not fit."""
    import json

    from flopwise.models.weights import misfit
    from flopwise.models.weights import verify as check

    facts = check(name, root)
    if as_json:
        print(json.dumps(facts, indent=1, sort_keys=True))
    elif facts["ok"]:
        print(
            f"{facts['file']} fits: {facts['tensors']} tensors, {facts['parameters_m']} M parameters, hash {facts['hash']}"
        )
        carried = ", ".join(f"{key} {value}" for key, value in facts["carries"].items())
        print(f"it carries {carried}" if carried else "its library's table says nothing of it beside its tensors")
    else:
        print("\n".join(facts["problems"]))
    if not facts["ok"]:
        raise RunFailure(misfit(facts["file"], facts["name"], facts["problems"]))
