"""The command line: `python -m flopwise ...` or `flopwise ...`. Thin: it parses, calls, and turns failures into one
line. Nothing heavy is imported before a command needs it."""

import atexit
import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.paths import given
from flopwise.cost.commands import app as cost_app
from flopwise.data.commands import app as data_app
from flopwise.models.commands import app as weights_app
from flopwise.report.commands import app as report_app
from flopwise.studies import NAMES

Json = Annotated[bool, typer.Option("--json", help="Machine output on standard output.")]
LONGEST = 500  # characters of a word in a message; a path may be long
UsageError = typer.BadParameter.__base__  # of the click that typer uses, its own or the package

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(cost_app, name="cost", help="FLOPs, memory and memory-adjusted FLOPs of models and methods.")
app.add_typer(data_app, name="data", help="The data sets: list, describe, prepare and verify them.")
app.add_typer(weights_app, name="weights", help="Released checkpoints: list them, check a copy.")
app.add_typer(report_app, name="report", help="What became of the claims.")
for study in NAMES:  # a study may bring commands of its own
    try:
        own = import_module(f"flopwise.studies.{study}.commands")
    except ModuleNotFoundError:
        continue
    app.add_typer(own.app, name=own.GROUP[0], help=own.GROUP[1])


@app.callback()
def options(
    context: typer.Context,
    scale: Annotated[
        str | None, typer.Option(help="Preset in config/scales/; default: the one in config.yaml.")
    ] = None,
    results: Annotated[str | None, typer.Option(help="Folder of everything that is generated.")] = None,
    config: Annotated[
        Path | None, typer.Option(callback=given, help="Configuration file; default: config/config.yaml.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of torch.")] = 1,
) -> None:
    """Where should the next FLOP go?"""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):  # read by torch when it is imported
        os.environ[name] = str(threads)
    context.obj = lambda **changes: _settings(config, **{"scale": scale, "results": results, **changes})


def _settings(config: Path | None, **changes):
    from flopwise.config import load

    return load(config, **changes)


def _workflow(context: typer.Context, **changes):
    from flopwise.workflow import Workflow

    return Workflow(context.obj(**changes))


@app.command()
def plan(
    context: typer.Context,
    scale: Annotated[str | None, typer.Option(help="Preset in config/scales/.")] = None,
    as_json: Json = False,
) -> None:
    """Count jobs, cells and FLOPs of a scale before anything runs."""
    from flopwise.planning import plan_of, plan_text

    facts = plan_of(_workflow(context, **({"scale": scale} if scale else {})))
    _print(facts, as_json, plan_text)


@data_app.command()
def missing(context: typer.Context, as_json: Json = False) -> None:
    """List what the scale reads and does not find under data_root and weights_root; exit status 2 if there is anything."""
    from flopwise.planning import missing_of

    lines = missing_of(_workflow(context))
    _print(lines, as_json, lambda lines: "\n".join(lines) or "nothing is missing")
    if lines:
        raise typer.Exit(2)


@app.command()
def run(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="A rule of the workflow.")],
    name: Annotated[str, typer.Argument(help="Which of its jobs: its wildcards, joined by /.")] = "",
) -> None:
    """Do one job, with the inputs it finds, and write its lineage record. Snakemake's rules call this; it makes nothing
    that the job reads."""
    from flopwise.provenance.lineage import record

    workflow = _workflow(context)
    job = workflow.job(rule, name)
    record(job, workflow.run(job))


@app.command()
def decide(
    context: typer.Context,
    claim: Annotated[str, typer.Argument(help="Name of an inconclusive claim: continual-4b ...")],
    max_seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds at most, the run's own included; default: the design's, else 20.")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Trainings side by side; default: all cores.")] = None,
    as_json: Json = False,
) -> None:
    """Add seeds to one inconclusive claim until it is decided, by intervals that allow for every look (docs/audit.md)."""
    from flopwise.report import verdicts
    from flopwise.studies import decide

    study, found, judged = decide.find(_workflow(context).studies, claim)
    own, told = judged[claim], sys.stderr if as_json else sys.stdout
    if own["verdict"] != "inconclusive":
        text = f"{claim} is {own['verdict']} with the run's own {verdicts.units(own)} {verdicts.interval(own)}; nothing is added"
        _print(own, as_json, lambda _: text)
        return

    def tell(look: dict, most: int) -> None:
        if not look["cost"]["trainings"]:  # the first
            print(f"{claim}: {own['title']}\n  {own['rule']}", file=told)
        print(verdicts.look({**own, **look}, most), file=told, flush=True)

    given = [f"--{name}={value}" for name, value in context.parent.params.items() if value is not None]
    command = [sys.executable, "-m", "flopwise", *given, "run"]
    try:
        facts = decide.decided(study, found, judged, max_seeds, cores or os.cpu_count() or 1, command, tell)
    except KeyboardInterrupt:
        raise RunFailure("stopped; the same command goes on where it was") from None
    path = decide.decision_file(study, claim)
    _print(
        facts,
        as_json,
        lambda _: f"{verdicts.decided(own | {'decision': facts | {'stale': False}})}\nflopwise audit {path}",
    )


@app.command()
def audit(
    path: Annotated[Path, typer.Argument(callback=given, help="A figure, table or any other result.")],
    rerun: Annotated[bool, typer.Option("--rerun", help="Make it again in a folder of its own and compare.")] = False,
    as_json: Json = False,
) -> None:
    """Say where a result comes from and check every hash, input, source and setting on the way."""
    from flopwise.config import load
    from flopwise.provenance.audit import audit_path, audit_text, inside, results_of
    from flopwise.workflow import Workflow

    results = results_of(inside(path))
    workflow = Workflow(load(scale=results.name, results=str(results.parent)))
    facts = audit_path(path, workflow.job, workflow.again if rerun else None)
    _print(facts, as_json, audit_text)
    if not facts["verified"]:
        raise RunFailure(f"{path} does not hold: {facts['problems'][0]}")


@app.command()
def ledger(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if a study is over by more than half.")] = False,
    as_json: Json = False,
) -> None:
    """Print the core-seconds that each study used beside those that the scale allows it."""
    from flopwise.provenance.ledger import ledger, ledger_text

    rows = ledger(context.obj())
    _print(rows, as_json, ledger_text)
    if check and (over := [row["study"] for row in rows if row["over"]]):
        raise RunFailure(f"{', '.join(over)}: over the ledger by more than half")


@app.command("config")
def config_files(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; print what differs, exit 1 if anything does.")
    ] = False,
) -> None:
    """Write the generated files: the schemas in config/schema/, config/README.md and the claims' locks."""
    from flopwise.generate import write_generated

    stale = write_generated(check=check)
    if check and stale:
        print("\n".join(stale.values()))
        raise RunFailure(f"{', '.join(map(str, stale))} differ from the code; `flopwise config` writes them again")


def _print(facts, as_json: bool, text) -> None:
    import json

    print(json.dumps(facts, indent=1, sort_keys=True) if as_json else text(facts))


def main() -> None:
    """Run the command line; a user's mistake exits with 2, a failure with 1, both after one line."""
    atexit.register(gc.freeze)  # else the interpreter ends with a look at every object: 0.6 CPU seconds with torch
    try:
        sys.exit(app(prog_name="flopwise", standalone_mode=False))
    except UsageError as error:
        _fail_usage(error)
    except UserError as error:
        _fail(error, 2)
    except RunFailure as error:
        _fail(error, 1)
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}", 1)


def _fail_usage(error: UsageError) -> None:
    """One line for a wrong or missing option; a command without anything prints its help."""
    message, context = error.format_message(), error.ctx
    if context is not None and message == context.get_help():
        print(message, file=sys.stderr)
        sys.exit(2)
    _fail(f"{message.rstrip('.')}; `{context.command_path if context else 'flopwise'} --help` lists what is allowed", 2)


def _fail(message, status: int) -> None:
    """One line, whatever a damaged file has put into it: what cannot be printed is escaped, what has no end is cut."""
    words = (
        word if len(word) <= LONGEST else f"{word[:40]}... ({len(word):,} characters)" for word in str(message).split()
    )
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(words))
    print(f"flopwise: {line}", file=sys.stderr)
    sys.exit(status)
