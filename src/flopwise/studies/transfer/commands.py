"""`flopwise transfer`: any two checkpoints and a folder of pictures."""

from pathlib import Path
from typing import Annotated

import typer

from flopwise.core.errors import UserError
from flopwise.core.paths import given

app = typer.Typer(add_completion=False)
GROUP = "transfer", "What a student can gain from a teacher: flips, a transfer, a page about the pair."


@app.callback(invoke_without_command=True)
def transfer(
    context: typer.Context,
    teacher: Annotated[
        str, typer.Option(help="NETWORK:FILE; NETWORK is timm/<model>, open_clip/<model> or one of flopwise's own.")
    ],
    student: Annotated[str, typer.Option(help="The same of the student.")],
    data: Annotated[Path, typer.Option(callback=given, help="Folder with train/<class>/ and test/<class>/.")],
    out: Annotated[Path, typer.Option(callback=given, help="Folder for the page, the flips and the new weights.")],
    method: Annotated[str, typer.Option(help="Transfer method.")] = "kl-dp",
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of the training pictures to transfer on.")] = 1.0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over them.")] = 20,
    batch_size: Annotated[int, typer.Option(min=2, help="Pictures per step.")] = 64,
    learning_rate: Annotated[float | None, typer.Option(help="Default: the official code's, by batch size.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Order of the pictures.")] = 0,
    only_flips: Annotated[bool, typer.Option("--only-flips", help="Say what there is to gain and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine output on standard output.")] = False,
) -> None:
    """Say what the teacher knows that the student does not, transfer it, and write a page about the pair."""
    import json

    from flopwise.core.device import place
    from flopwise.core.io import write_json, write_tensors
    from flopwise.report.transfer import pair as page
    from flopwise.studies.transfer import pair as pairs

    if out.is_file():
        raise UserError(f"--out is {str(out)!r}, a file; allowed is the name of a folder")
    how = pairs.How(method, share, epochs, batch_size, learning_rate, seed)
    placement = place(context.obj().config.device, "fp32")
    classes = pairs.classes_of(data)
    learner, side = pairs.checkpoint(student, classes)
    expert, other = pairs.checkpoint(teacher, classes)
    if side != other:
        raise UserError(f"the student takes pictures of {side} pixels, the teacher of {other}; both must take the same")
    pair = pairs.look(expert, learner, pairs.pictures_of(data, side), placement, batch_size)
    if not only_flips:
        write_tensors(out / "student.safetensors", pairs.transfer(pair, expert, learner, how, placement))
    facts = pair.facts() | {"teacher": teacher, "student": student, "method": None if only_flips else method}
    write_json(out / "pair.json", facts)
    page.write(out / "pair.html", pair, facts)
    print(json.dumps(facts, indent=1, sort_keys=True) if as_json else page.text(facts, out / "pair.html"))
