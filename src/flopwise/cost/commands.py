"""`flopwise cost ...`: prices of models and methods, at the papers' own scale and without a device."""

import json
from typing import Annotated

import typer

from flopwise.cost.mafs import BUDGET_GFLOPS, TASKS

app = typer.Typer(
    help="Price models and update methods in FLOPs, memory, MAFs and steps.",
    no_args_is_help=True,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]
Model = Annotated[
    str, typer.Option("--model", help="open_clip:NAME, timm:NAME, or perceiver:NAME of a picture classifier.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Samples per training step.")]
Convention = Annotated[
    str,
    typer.Option(
        "--convention",
        help="hardware: fused attention recomputes its scores in the backward, as the published table has it; "
        "model: no recomputation.",
    ),
]
Precision = Annotated[str, typer.Option("--precision", help="fp16, bf16 (autocast) or fp32.")]


@app.command()
def forward(
    model: Annotated[str, typer.Argument(help="open_clip:NAME, timm:NAME or perceiver:NAME.")], json_: Json = False
) -> None:
    """Parameters (millions) and forward GFLOPs of one sample; 1 multiply-add = 2 FLOPs."""
    from flopwise.cost import price

    _print([price.forward(model)], json_, single=True)


@app.command()
def step(
    model: Model,
    method: Annotated[str, typer.Option("--method", help="An update method of the published table.")] = "full-ft",
    batch_size: BatchSize = 512,
    convention: Convention = "hardware",
    precision: Precision = "fp16",
    json_: Json = False,
) -> None:
    """One training step of a method: GFLOPs, peak device memory (GiB), its ratio to full fine-tuning, MAFs (GFLOPs)."""
    from flopwise.cost import price

    _print([price.step(model, method, batch_size, convention, precision)], json_, single=True)


@app.command()
def table(
    model: Model,
    batch_size: BatchSize = 512,
    budget: Annotated[float, typer.Option("--budget", help="Total budget of MAFs, in GFLOPs.")] = BUDGET_GFLOPS,
    convention: Convention = "hardware",
    accounting: Annotated[
        str,
        typer.Option(
            "--accounting",
            help="published: passes at the end of a task are charged to every step of it; "
            "per-task-once: paid once, out of the budget first.",
        ),
    ] = "published",
    precision: Precision = "fp16",
    json_: Json = False,
) -> None:
    """All methods of the published cost table: one training step each, and the steps per task that a budget buys."""
    from flopwise.cost import price

    rows, left_out = price.table(model, batch_size, budget, convention, accounting, precision)
    for reason in left_out.values():
        typer.echo(f"left out: {reason}", err=True)
    if json_:
        given = {"model": model, "batch_size": batch_size, "budget_gflops": budget, "convention": convention}
        given |= {"accounting": accounting, "precision": precision}
        typer.echo(json.dumps({**given, "rows": rows, "left_out": left_out}, indent=1))
        return
    typer.echo(f"{model}, batch {batch_size}, {precision}, convention {convention}, accounting {accounting}")
    flat = [
        {key: value for key, value in row.items() if key != "steps"}
        | {f"steps_T{tasks}": row["steps"][str(tasks)] for tasks in TASKS}
        for row in rows
    ]
    _print(flat, as_json=False)


def _print(rows: list[dict], as_json: bool, single: bool = False) -> None:
    """Rows as JSON, or as aligned columns."""
    if as_json:
        typer.echo(json.dumps(rows[0] if single else rows, indent=1))
        return
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        name, *numbers = (cell.ljust(widths[0]) if place == 0 else cell for place, cell in enumerate(line))
        typer.echo("  ".join([name, *(cell.rjust(width) for cell, width in zip(numbers, widths[1:]))]).rstrip())


def _text(value) -> str:
    return f"{value:,.4f}" if isinstance(value, float) else str(value)
