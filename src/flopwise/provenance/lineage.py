"""Lineage: one small record per job, saying what it read, with which code, and what it wrote."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import flopwise
from flopwise.config import ROOT, Settings
from flopwise.core.io import read_json, sha256_file, sha256_json, write_json
from flopwise.provenance import meter
from flopwise.provenance.job import Job

RECORDED = ("torch", "open_clip_torch", "numpy", "scikit-learn", "matplotlib", "fontawesomefree", "snakemake")


def hash_path(path: Path | str) -> str:
    """SHA-256 of a file; of a folder, the hash over its files' names and hashes."""
    path = Path(path)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        return sha256_json({str(p.relative_to(path)): sha256_file(p) for p in files})
    return sha256_file(path)


def hash_input(path: Path | str) -> str:
    """The same for what a job reads. A data set is known by its card, which holds the hash of each of its files: training
    jobs read hundreds of megabytes of them, and the record of the job that made the set covers every byte."""
    card = Path(path) / "card.json"
    return sha256_file(card) if card.is_file() else hash_path(path)


@cache
def code_version() -> dict:
    """Version of the package, commit of the checkout (None outside git) and whether tracked files were changed."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    changed = bool(git("status", "--porcelain", "--untracked-files=no")) if commit else None
    return {"flopwise": flopwise.__version__, "commit": commit, "changed": changed}


def versions() -> dict:
    """Versions of what computes the results."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def folder(settings: Settings) -> Path:
    return settings.results / "lineage"


def record(job: Job, cost: dict | None = None) -> None:
    """Write the record of a finished job. cost: what the job knows of its cost (gflops ...); what the meter knows is added
    last: CPU seconds, peak memory, the Snakemake process around it, and how long a small training step takes
    on one thread here and now."""
    facts = {
        "rule": job.rule, "job": job.name, "study": job.study, "settings": job.settings,
        "inputs": {str(path): hash_input(path) for path in job.inputs},
        "outputs": {str(path): hash_path(path) for path in job.outputs},
        "sources": source_hashes(job), "cells": list(job.cells), "seeds": list(job.seeds),
        "code": code_version(), "versions": versions(), "machine": platform.machine(),
    }  # fmt: skip
    step = meter.training_step_ms()
    measured = {**({"training_step_ms": step} if step else {}), **meter.around(job), **meter.own()}
    write_json(job.lineage, {**facts, "cost": {**(cost or {}), **measured}})


def same_code(job: Job) -> bool:
    """Whether the job has run with the code and settings that there are now."""
    if not job.lineage.exists():
        return False
    kept = read_json(job.lineage)
    return kept["sources"] == source_hashes(job) and sha256_json(kept["settings"]) == sha256_json(job.settings)


def current(job: Job) -> bool:
    """Whether the job has run with the code, settings and inputs that there are now, and what it made is there."""
    if not same_code(job) or not all(path.exists() for path in (*job.inputs, *job.outputs)):
        return False
    return read_json(job.lineage)["inputs"] == {str(path): hash_input(path) for path in job.inputs}


def source_hashes(job: Job) -> dict[str, str]:
    """SHA-256 of every source of a job, by its path in the repository."""
    return {str(path.relative_to(ROOT)): sha256_file(path) for path in job.sources}


def records(settings: Settings) -> list[tuple[Path, dict]]:
    """All records of a scale: (file, record)."""
    return [(path, read_json(path)) for path in sorted(folder(settings).rglob("*.json"))]
