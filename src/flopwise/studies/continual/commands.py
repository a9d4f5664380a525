"""The verbs of the continual study, one per rule of workflow/rules/continual.smk. Each calls one function, then writes
the lineage record of what it did."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)
Job = Annotated[str, typer.Option(help="Train job: model/budget/mixture/method/part.")]
Evaluation = Annotated[str, typer.Option(help="Evaluation job: model/part.")]
Model = Annotated[str, typer.Option(help="Model scale.")]
Lineage = Annotated[Path, typer.Option(help="Where the lineage record goes.")]
PACKAGE = "flopwise.studies.continual"
JOB_FILES = (".csv", ".chunks.csv", ".inside.csv", ".json")  # what a train job writes, after its name


def modules(verb: str, job: str = "") -> tuple[str, ...]:
    """Where the code of a verb starts; its imports are found from there. A train job adds its method's file, and that
    of full fine-tuning the one of the methods that share its training."""
    from flopwise.methods.continual import module_name

    roots = {
        "plan": (f"{PACKAGE}.price",), "pretrain": (f"{PACKAGE}.pretrain",), "start": (f"{PACKAGE}.start",),
        "train": (f"{PACKAGE}.jobs",), "evaluate": (f"{PACKAGE}.jobs",), "collect": (f"{PACKAGE}.tables",),
        "claims": (f"{PACKAGE}.claims",), "tune": (f"{PACKAGE}.tune",),
    }[verb]  # fmt: skip
    if verb == "plan":
        from flopwise.methods.continual import modules as methods

        return (*roots, *methods())
    if verb == "tune":
        return (*roots, module_name(job))
    if verb != "train":
        return roots
    method = job.split("/")[3]
    shared = (module_name("ema-merge"),) if method == "full-ft" else ()
    return (*roots, module_name(method), *shared)


def _sources_digest(verb: str, job: str = "") -> str:
    from flopwise.provenance.sources import closure, digest

    return digest(closure(*modules(verb, job)))


def _settings(context: typer.Context):
    return context.obj()


def _data(settings, *extra: str) -> list[Path]:
    names = (*settings.preset.data.adaptation, *settings.preset.data.evaluation, *extra)
    return [settings.results / "data" / name / "card.json" for name in names]


@app.command()
def plan(context: typer.Context, out: Path, lineage: Lineage) -> None:
    """Write cells.tsv: every cell with all its parameters and what it will cost."""
    from flopwise.core.io import atomic_path
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.price import cells_table

    table = cells_table(_settings(context))
    with atomic_path(out) as temporary:
        table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")
    write(lineage, rule="continual_plan", job="", inputs=[], outputs=[out], modules=modules("plan"))


@app.command()
def pretrain(context: typer.Context, model: Model, out: Path, lineage: Lineage) -> None:
    """Make the initial weights of a model."""
    from flopwise.models import clip
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.pretrain import pretrain_job

    clip.only(model)
    settings = _settings(context)
    cost = pretrain_job(settings, model, out, _state(settings, "pretrain", model), _sources_digest("pretrain"))
    inputs = [settings.results / "data" / "pool" / "card.json"]
    write(
        lineage, rule="continual_pretrain", job=model, inputs=inputs, outputs=[out], modules=modules("pretrain"),
        cost=cost,
    )  # fmt: skip


@app.command()
def start(context: typer.Context, model: Model, base: Path, out: Path, lineage: Lineage) -> None:
    """Score the initial weights on the full test sets and build the model's streams."""
    import pandas

    from flopwise.core.io import write_table
    from flopwise.models import clip
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.plan import grid
    from flopwise.studies.continual.start import build_streams, zero_shot_rows
    from flopwise.studies.continual.train import stream_file

    clip.only(model)
    settings = _settings(context)
    wanted = {(kind, seed): stream_file(settings, model, kind, seed) for kind, seed in grid(settings).streams}
    orderings = stream_file(settings, model, "random", 0).with_name("orderings.csv")
    write_table(orderings, pandas.DataFrame(build_streams(settings, model, base, wanted)))
    write_table(out, pandas.DataFrame(zero_shot_rows(settings, model, base)))
    write(
        lineage, rule="continual_start", job=model, inputs=[base, *_data(settings, "pool")],
        outputs=[out, orderings, *wanted.values()], modules=modules("start"),
    )  # fmt: skip


@app.command()
def train(context: typer.Context, out: Path, checkpoints: Path, job: Job, lineage: Lineage) -> None:
    """Train the cells of a job, evaluating after each task."""
    from flopwise.models import clip
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.jobs import train_job
    from flopwise.studies.continual.plan import grid
    from flopwise.studies.continual.train import base_folder, stream_file

    clip.only(job.split("/")[0])
    settings = _settings(context)
    cells = grid(settings).job(job)
    state = _state(settings, "train", job)
    cost = train_job(settings, job, out.with_suffix(""), checkpoints, state, _sources_digest("train", job))
    streams = {stream_file(settings, cell.model, cell.stream, cell.seed) for cell in cells}
    pools = sorted({cell.pool for cell in cells})
    write(
        lineage, rule="continual_train", job=job,
        inputs=[base_folder(settings, cells[0].model), *sorted(streams), *_data(settings, *pools)],
        outputs=[*(out.with_suffix(end) for end in JOB_FILES), checkpoints], modules=modules("train", job),
        cells=tuple(cell.slug for cell in cells), seeds=tuple(sorted({cell.seed for cell in cells})), cost=cost,
    )  # fmt: skip


@app.command()
def tune(
    context: typer.Context,
    out: Path,
    method: Annotated[str, typer.Option(help="Update method.")],
    lineage: Lineage,
) -> None:
    """Try the learning rates of a method on validation data."""
    from flopwise.models import clip
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.plan import trials
    from flopwise.studies.continual.train import base_folder, stream_file
    from flopwise.studies.continual.tune import tune_job

    settings = _settings(context)
    cells = trials(settings.preset.continual, method)
    model, stream = cells[0].model, cells[0].stream
    clip.only(model)
    cost = tune_job(settings, method, out, _state(settings, "tune", method), _sources_digest("tune", method))
    seeds = tuple(range(settings.preset.continual.tuning.seeds))
    streams = [stream_file(settings, model, stream, seed) for seed in seeds]
    write(
        lineage, rule="continual_tune", job=method,
        inputs=[base_folder(settings, model), *streams, *_data(settings, cells[0].pool)], outputs=[out],
        modules=modules("tune", method), cells=tuple(cell.slug for cell in cells), seeds=seeds, cost=cost,
    )  # fmt: skip


@app.command()
def evaluate(context: typer.Context, checkpoints: Path, out: Path, job: Evaluation, lineage: Lineage) -> None:
    """Score the final weights of the cells of one or more train jobs on the full test sets."""
    from flopwise.models import clip
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.jobs import evaluate_job
    from flopwise.studies.continual.plan import grid

    clip.only(job.split("/")[0])
    settings = _settings(context)
    cost = evaluate_job(settings, job, checkpoints, out)
    plan = grid(settings)
    cells = [cell for name in plan.evaluation(job) for cell in plan.job(name)]
    write(
        lineage, rule="continual_evaluate", job=job,
        inputs=[*(checkpoints / name for name in plan.evaluation(job)), *_data(settings)], outputs=[out],
        modules=modules("evaluate"), cells=tuple(cell.slug for cell in cells),
        seeds=tuple(sorted({cell.seed for cell in cells})), cost=cost,
    )  # fmt: skip


@app.command()
def collect(context: typer.Context, lineage: Lineage) -> None:
    """Join the metrics of all jobs into tidy tables."""
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.plan import grid
    from flopwise.studies.continual.tables import NAMES
    from flopwise.studies.continual.tables import collect as run

    settings = _settings(context)
    study = settings.results / "continual"
    out = study / "tables"
    run(settings, study, out)
    plan = grid(settings)
    inputs = [study / "cells.tsv", *(study / "start" / model / "zero_shot.csv" for model in plan.models)]
    inputs += [study / "train" / f"{job}{end}" for job in plan.jobs for end in JOB_FILES]
    inputs += [study / "metrics" / f"{name}.csv" for name in plan.evaluations]
    inputs += [study / "tuning" / f"{method}.csv" for method in settings.preset.continual.tuning.method]
    write(
        lineage, rule="continual_collect", job="", inputs=inputs, outputs=[out / f"{name}.csv" for name in NAMES],
        modules=modules("collect"), cells=tuple(plan.cells),
        seeds=tuple(sorted({cell.seed for cell in plan.cells.values()})),
    )  # fmt: skip


@app.command()
def claims(context: typer.Context, out: Path, lineage: Lineage) -> None:
    """Apply the rule of every published claim to the tables that lie beside `out`."""
    from flopwise.provenance.lineage import write
    from flopwise.studies.continual.claims import claims_file, judge_all

    tables = out.parent
    judge_all(_settings(context), tables, out)
    write(
        lineage, rule="continual_claims", job="", inputs=[tables / "final.csv", tables / "trajectory.csv"],
        outputs=[out], modules=modules("claims"), extra_sources=(claims_file(),),
    )  # fmt: skip


def _state(settings, verb: str, job: str) -> Path:
    """Where an interrupted job finds what it had done; no rule declares it, so nothing removes it."""
    return settings.results / "state" / verb / job
