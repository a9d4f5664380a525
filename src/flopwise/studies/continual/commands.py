"""Commands around streams: build one of any ordering, describe any file in the published format."""

from pathlib import Path
from typing import Annotated

import typer

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.paths import given

app = typer.Typer(no_args_is_help=True)
GROUP = "stream", "Streams: in which order classes arrive; build one, describe a file."
Json = Annotated[bool, typer.Option("--json", help="Machine output on standard output.")]


@app.command()
def build(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="Ordering, or its reverse: random, similarity, time-reverse ...")],
    out: Annotated[Path, typer.Option(callback=given, help="Where the stream goes.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed; performance and frequency have none.")] = 0,
    model: Annotated[str | None, typer.Option(help="Model whose theta_0 measures; default: the scale's own.")] = None,
    as_json: Json = False,
) -> None:
    """Write a stream over the adaptation sets of the scale, in FoMo-in-Flux's file format."""
    import json

    from flopwise.data.streams import KINDS, REVERSE, SEEDLESS, write_stream
    from flopwise.studies.continual.orderings import StreamMaterial, build_stream, rule_of
    from flopwise.studies.continual.train import base_folder

    settings = context.obj()
    study = settings.preset.continual
    model = model or study.defaults.model
    if kind not in KINDS:
        raise UserError(f"stream kind {kind!r} does not exist; allowed are {', '.join(KINDS)}")
    if model not in study.models:
        raise UserError(f"model {model!r} is none of this scale's; allowed are {', '.join(study.models)}")
    if out.is_dir():
        raise UserError(f"--out is {str(out)!r}, an existing folder; allowed is the name of a file")
    _check_inputs(settings, kind, model)
    material = StreamMaterial(settings, model, base_folder(settings, model))
    stream = build_stream(material, kind, seed)
    write_stream(out, stream)
    seedless = kind.removesuffix(REVERSE) in SEEDLESS
    facts = {
        "kind": kind, "seed": None if seedless else seed, "rule": rule_of(material, kind), "entries": len(stream),
        "out": str(out),
    }  # fmt: skip
    seeded = "the same for every seed" if seedless else f"seed {seed}"
    text = f"{out}: {len(stream)} entries; {facts['rule']}; {seeded}"
    print(json.dumps(facts, indent=1) if as_json else text)


@app.command()
def describe(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(callback=given, help="A stream file: FoMo-in-Flux's own, or one made here.")],
    tasks: Annotated[str, typer.Option(help="Number of tasks T, or `datasets`: a task per data set.")] = "20",
    as_json: Json = False,
) -> None:
    """Say what a stream file holds and how it is cut into tasks. Any file in the format will do; data sets and classes that
    are not known here are counted."""
    import json

    from flopwise.data.known import unknown_entries
    from flopwise.data.streams import cut, dataset_of, read_stream, runs

    context.obj()  # a scale or configuration that does not exist is a mistake here, too
    if tasks != "datasets" and not (tasks.isascii() and tasks.isdigit() and len(tasks) < 10):
        raise UserError(f"--tasks is {tasks!r}; allowed are a whole number from 1, and `datasets`")
    stream = read_stream(file)
    counts: dict[str, int] = {}
    for item in stream:
        counts[dataset_of(item)] = counts.get(dataset_of(item), 0) + 1
    facts = {
        "entries": len(stream), "datasets": len(counts), "tasks": [len(part) for part in cut(stream, tasks)],
        "runs": runs(stream), "entries_per_dataset": counts, "unknown": unknown_entries(stream),
    }  # fmt: skip
    print(json.dumps(facts, indent=1) if as_json else _text(facts))


def _check_inputs(settings, kind: str, model: str) -> None:
    """One line that names the targets to make, when what the ordering needs is not there. Where data sets are the
    user's own, every ordering needs all of them: only they say which classes there are."""
    from flopwise.data.streams import REVERSE
    from flopwise.studies.continual.corpus import POOL, data_folder
    from flopwise.studies.continual.train import base_folder

    data, ordering = settings.preset.data, kind.removesuffix(REVERSE)
    sets = [data_folder(settings, name) for name in data.adaptation]
    needed = sets if data.kind == "catalogue" or ordering == "performance" else []
    if ordering in ("similarity", "performance"):
        needed = [base_folder(settings, model), *needed]
    if ordering == "frequency":
        needed = [data_folder(settings, POOL), *needed]
    missing = [folder for folder in needed if not folder.is_dir()]
    if missing:
        config = f"scale={settings.config.scale} results={settings.config.results}"
        raise RunFailure(
            f"ordering {ordering!r} needs {missing[0]}{f' and {len(missing) - 1} more' if missing[1:] else ''}, not yet "
            f"made; `snakemake --config {config} -- {_targets(missing)}` makes what is missing"
        )


def _targets(folders: list[Path]) -> str:
    """Folders as a shell is given them: those of one place in braces."""
    places: dict[Path, list[str]] = {}
    for folder in folders:
        places.setdefault(folder.parent, []).append(folder.name)
    return " ".join(
        f"{place}/{names[0] if len(names) == 1 else '{' + ','.join(names) + '}'}" for place, names in places.items()
    )


def _text(facts: dict) -> str:
    sizes = facts["tasks"]
    spread = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{sizes[0]}"
    lines = [
        f"{facts['entries']} entries of {facts['datasets']} data sets in {facts['runs']} runs of equal data set",
        f"{len(sizes)} tasks of {spread} entries",
    ]
    names = {name: _printable(name) for name in facts["entries_per_dataset"]}
    width = max(map(len, names.values()))
    lines += [f"  {names[name]:<{width}} {n:>6}" for name, n in facts["entries_per_dataset"].items()]
    unknown = facts["unknown"]
    for what, words in (("data_set", "of a data set that is"), ("class", "of a class that is")):
        if unknown[what]["count"]:
            examples = ", ".join(map(_printable, unknown[what]["examples"]))
            lines.append(f"{unknown[what]['count']} entries {words} not known here, for example {examples}")
    if unknown["not_compared"]:
        lines.append(
            f"classes of {len(unknown['not_compared'])} data sets were not compared: no list of them is kept here"
        )
    return "\n".join(lines)


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)
