"""Put the report of a run together: chapters from executed notebooks, claims, cost, provenance, from files alone.
`workflow` is a `flopwise.workflow.Workflow`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas

from flopwise.config import ROOT, Settings
from flopwise.core.io import atomic_path, read_json, read_table, sha256_json
from flopwise.core.paths import making
from flopwise.provenance import ledger
from flopwise.provenance.job import Job
from flopwise.provenance.lineage import code_version, versions
from flopwise.report import decisions, kept, page
from flopwise.studies import regime


def write(workflow, job: Job) -> None:
    """Write the page, or the PDF, of a run. The page is copied to report/report.html, where a reader looks first, when run
    from the repository's root."""
    out = job.outputs[0]
    if out.suffix == ".pdf":
        from flopwise.report import pdf

        pdf.build(out, **content(workflow, job))
        return
    page.build(out, **content(workflow, job))
    if Path.cwd() == ROOT:
        with atomic_path(ROOT / "report" / "report.html") as temporary:
            shutil.copyfile(out, temporary)


def content(workflow, job: Job) -> dict:
    """Everything the report shows, as `page.build` takes it."""
    settings = workflow.settings
    cells = {name: read_table(path) for name, path in workflow.facts["studies.cells"][0].items()}
    judged = [decisions.judged(study) for study in workflow.studies.values()]
    runs = pandas.concat(cells.values(), ignore_index=True) if cells else pandas.DataFrame()
    made, costs = _made(workflow), ledger.by_rule(settings, job)
    return {
        "scale": settings.config.scale, "chapters": [*_chapters(workflow, made)],
        **{key: [one for result in judged for one in result[key]] for key in ("claims", "calibration")},
        "facts": _facts(settings, runs, costs), "costs": costs, "provenance": _provenance(workflow, job),
        "problems": _problems(runs), "sources": ROOT / "report", "kept": kept.latest(settings.config.scale),
        "validation": any(study.validation for study in workflow.studies.values()),
    }  # fmt: skip


def _chapters(workflow, made: dict) -> Iterator[page.Chapter]:
    for chapter, notebooks in workflow.chapters:
        study = workflow.studies.get(chapter["id"])
        setup = [{"": name, "paper": paper, "this run": here} for name, paper, here in study.setup()] if study else ()
        quantities = [one for path in study.regime_table for one in regime.read(path)] if study else ()
        texts = {key: chapter[key] for key in ("id", "title", "question", "source", "deviations")}
        texts |= {key: chapter[key] for key in ("answer", "picture") if key in chapter}
        folder = workflow.folder(notebooks[0])
        executed = [folder / f"{one.name}.ipynb" for one in notebooks]
        yield page.Chapter(
            **texts, setup=setup, regime=quantities, notebooks=executed, figures=folder, made=made
        )  # fmt: skip


def _facts(settings: Settings, cells, costs: list[dict]) -> dict:
    version = code_version()
    return {
        "hardware": settings.preset.title, "version": version["flopwise"], "commit": version["commit"],
        "command": f"snakemake --config scale={settings.config.scale}", "runs": len(cells),
        "trainings": int(cells["training"].nunique()),
        "diverged": int((cells["status"] == "diverged").sum()), "seeds": int(cells["seed"].nunique()),
        "core_seconds": costs[-1]["CPU seconds"],
    }  # fmt: skip


def _provenance(workflow, job: Job) -> dict:
    settings, code = workflow.settings, code_version()
    first = workflow.notebooks[0]
    return {
        "code": f"flopwise {code['flopwise']}, commit {code['commit'] or 'unknown'}{', with changes' * bool(code['changed'])}",
        "versions": [f"{name} {value}" for name, value in versions().items()],
        "settings": sha256_json(settings.preset.model_dump(mode="json"))[:16],
        "audit": f"flopwise audit {workflow.folder(first) / next(iter(first.files))}",
        "ledger": ledger.ledger_text(ledger.ledger(settings, job)).splitlines(),
    }  # fmt: skip


def _problems(cells) -> list[dict]:
    lost = cells[cells["status"] == "diverged"]
    return [
        {
            "what": f"{row.cell} diverged",
            "detail": f"loss not finite at step {row.diverged_at:.0f}; shown as such, in no average",
        }
        for row in lost.itertuples()
    ]


def _made(workflow) -> dict[str, page.Made]:
    """How each figure and table came about, by its name."""
    results, found = workflow.settings.results, {}
    for notebook in workflow.notebooks:
        job = workflow.job(f"{notebook.name}_figures")
        record = read_json(job.lineage)
        digest = sha256_json([record["rule"], record["inputs"], record["sources"]])
        code = record["code"]
        for name in (*notebook.figures, *notebook.tables):
            files = [path for path in job.outputs if path.stem == name]
            found[name] = page.Made(
                rule=record["rule"], command=making(files[0], force=True), inputs=len(record["inputs"]),
                code_version=f"{code['flopwise']}, commit {(code['commit'] or 'unknown')[:12]}", lineage=digest[:16],
                files=tuple(f"../{file.relative_to(results)}" for file in files),
                note=f"flopwise audit {files[0]}; record {job.lineage.name}",
            )  # fmt: skip
    return found
