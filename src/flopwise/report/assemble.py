"""Put the report of a run together: chapters from executed notebooks, claims, cost, provenance, from files alone."""

import shutil
from pathlib import Path

from flopwise.config import ROOT, Settings
from flopwise.core.io import atomic_path, read_json, read_table, sha256_json
from flopwise.provenance.lineage import code_version, records, versions
from flopwise.report import page
from flopwise.report.chapters import notebook, notebooks, outline


def figures_folder(settings: Settings, name: str) -> Path:
    """Where the notebook called `name` writes."""
    return settings.results / name.split("_")[0] / "figures"


def page_inputs(settings: Settings) -> list[Path]:
    """The files that the page is made from, beside its template."""
    executed = [figures_folder(settings, one.name) / f"{one.name}.ipynb" for one in notebooks()]
    tables = settings.results / "continual" / "tables"
    return [*executed, tables / "claims.json", tables / "cells.csv", tables / "zero_shot.csv"]


def assemble(settings: Settings, out: Path) -> None:
    """Write the page to `out` and, when run from the repository's root, a copy to report/report.html, where a reader
    looks first."""
    page.build(out, **content(settings))
    if Path.cwd() != ROOT:
        return
    with atomic_path(ROOT / "report" / "report.html") as temporary:
        shutil.copyfile(out, temporary)


def content(settings: Settings) -> dict:
    """Everything the report shows, as `page.build` takes it."""
    tables = settings.results / "continual" / "tables"
    cells = read_table(tables / "cells.csv")
    made = _made(settings)
    return {
        "scale": settings.config.scale, "chapters": [_chapter(settings, chapter, made) for chapter in outline()],
        **read_json(tables / "claims.json"), "facts": _facts(settings, cells), "costs": _costs(settings, cells),
        "provenance": _provenance(settings), "problems": _problems(cells), "sources": ROOT / "report",
        "validation": settings.preset.continual.evaluation.split == "validation",
    }  # fmt: skip


def _chapter(settings: Settings, chapter: dict, made: dict) -> page.Chapter:
    folder = figures_folder(settings, chapter["notebooks"][0])
    texts = {key: chapter[key] for key in ("id", "title", "question", "source", "deviations")}
    setup = _setup(settings) if chapter["id"] == "continual" else ()
    notebooks = [folder / f"{name}.ipynb" for name in chapter["notebooks"]]
    return page.Chapter(**texts, setup=setup, notebooks=notebooks, figures=folder, made=made)


def _setup(settings: Settings) -> list[dict]:
    """Paper against this run, row by row."""
    study, data = settings.preset.continual, settings.preset.data
    default = study.defaults
    mixture = " / ".join(f"{share:g}" for share in study.mixtures[default.mixture])
    seeds = study.seeds()
    other = [_tasks(study.horizons[name]) for name in study.used("horizon") if name != default.horizon]
    horizons = _tasks(study.horizons[default.horizon]) + (f" (also {', '.join(other)})" if other else "")
    multiples = sorted({study.budgets[name].multiple for name in study.used("budget")})
    rows = [
        ("models", "ViT-S/16 to ViT-g/14, 224 pixels", ", ".join(study.models)),
        ("update steps T", "20 (also 50, 100, 200)", horizons),
        ("adaptation / evaluation sets", "41 / 22", f"{len(data.adaptation)} / {len(data.evaluation)}"),
        ("batch size", 512, study.batch_size),
        ("mixture P / D / B", "0.33 / 0.34 / 0.33", mixture),
        ("budget F, memory-adjusted (MAFs)", "1.8e9 GFLOPs", f"{study.budget_gflops:g} GFLOPs"),
        ("multiples of F", "not sourced", ", ".join(f"{multiple:g}" for multiple in multiples)),
        (
            "optimiser",
            "AdamW, 1e-5, decay 0.2, clip 1",
            f"AdamW, {study.learning_rate:g}, decay {study.weight_decay:g}, clip {study.clip_norm:g}",
        ),
        ("seeds", "1 (5 streams published)", " or ".join(map(str, seeds))),
    ]
    return [{"": name, "paper": str(paper), "this run": str(here)} for name, paper, here in rows]


def _tasks(horizon: int | str) -> str:
    return "a task per data set" if horizon == "sets" else str(horizon)


def _facts(settings: Settings, cells) -> dict:
    core = _core_seconds(settings)
    version = code_version()
    return {
        "hardware": settings.preset.title, "version": version["flopwise"], "commit": version["commit"],
        "command": f"snakemake --config scale={settings.config.scale}", "runs": len(cells),
        "trainings": int(cells["training"].nunique()),
        "diverged": int((cells["status"] == "diverged").sum()), "seeds": int(cells["seed"].nunique()),
        "core_seconds": sum(seconds for seconds, _ in core.values()),
    }  # fmt: skip


def _core_seconds(settings: Settings) -> dict[str, tuple[float, int]]:
    """CPU seconds and number of jobs by rule, as each job's own process measured them."""
    found: dict[str, tuple[float, int]] = {}
    for _, record in records(settings):
        seconds, jobs = found.get(record["rule"], (0.0, 0))
        found[record["rule"]] = (seconds + record["cost"].get("cpu_seconds", 0.0), jobs + 1)
    return found


def _costs(settings: Settings, cells) -> list[dict]:
    """CPU seconds by rule beside what training and evaluation took inside, and the study's ledger."""
    trained = cells.drop_duplicates("training")  # cells that share a training carry its cost each
    inside = {"continual_train": float(trained["train_cpu_seconds"].sum() + trained["evaluate_cpu_seconds"].sum())}
    for _, record in records(settings):
        if record["rule"] in ("continual_pretrain", "continual_tune", "continual_evaluate"):
            seconds = record["cost"].get("train_seconds", 0) + record["cost"].get("evaluate_seconds", 0)
            inside[record["rule"]] = inside.get(record["rule"], 0) + seconds
    rows = []
    for rule, (seconds, jobs) in sorted(_core_seconds(settings).items(), key=lambda item: -item[1][0]):
        work = inside.get(rule)
        rows.append(
            {
                "rule": rule,
                "jobs": jobs,
                "CPU seconds": round(seconds, 1),
                "of them training and evaluation": None if work is None else round(work, 1),
            }
        )
    return rows


def _provenance(settings: Settings) -> dict:
    code = code_version()
    return {
        "code": f"flopwise {code['flopwise']}, commit {code['commit'] or 'unknown'}{', with changes' * bool(code['changed'])}",
        "versions": [f"{name} {value}" for name, value in versions().items()],
        "settings": sha256_json(settings.preset.model_dump())[:16],
        "audit": f"flopwise audit {settings.results}/continual/figures/continual_trajectories.svg",
        "ledger": [f"{name}: at most {seconds:g} core-seconds" for name, seconds in settings.preset.max_core_seconds],
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


def _made(settings: Settings) -> dict[str, page.Made]:
    """How each figure and table came about, by its name."""
    found = {}
    for path, record in records(settings):
        if not record["rule"].endswith("_figures"):
            continue
        source = notebook(record["job"])
        digest = sha256_json([record["rule"], record["inputs"], record["sources"]])
        code = record["code"]
        for name in (*source.figures, *source.tables):
            files = [Path(output) for output in record["outputs"] if Path(output).stem == name]
            found[name] = page.Made(
                rule=record["rule"], command=f"snakemake --cores 1 --force {files[0]}", inputs=len(record["inputs"]),
                code_version=f"{code['flopwise']}, commit {(code['commit'] or 'unknown')[:12]}", lineage=digest[:16],
                files=tuple(f"../{file.relative_to(settings.results)}" for file in files),
                note=f"flopwise audit {files[0]}; record {path.name}",
            )  # fmt: skip
    return found
