"""What a study says of itself. Planning, rules, report and audit know no study by name: they ask each of these."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flopwise.config import Settings
from flopwise.provenance.job import Job
from flopwise.studies import NAMES

if TYPE_CHECKING:  # it imports pandas
    from flopwise.core.judge import Context


class Study(Protocol):
    """One study at one scale; `studies/<name>/study.py` defines it as `Study(settings)`, without torch or pandas.

    verbs: its steps in order, each the rule `<name>_<verb>`; `plan`, `collect` and `claims` every study has, the others
    stand in workflow/rules/<name>.smk. wildcards: for each verb with several jobs, the wildcards of its rule, whose
    values joined by `/` are a job's name. tables: names of the tidy tables that `collect` writes, `cells` among them,
    with at least the columns cell, training, seed, status, diverged_at and cpu_seconds."""

    name: str
    verbs: tuple[str, ...]
    wildcards: dict[str, tuple[str, ...]]
    tables: tuple[str, ...]

    def __init__(self, settings: Settings): ...

    def names(self, verb: str) -> list[str]:
        """Names of all jobs of a verb; `[""]` where it is one job."""

    def job(self, verb: str, name: str = "") -> Job:
        """What a job reads and writes. Raises `UserError` where there is no job of that name."""

    def run(self, verb: str, job: Job) -> dict | None:
        """Do the job; returns what it knows of its cost (gflops, train_seconds, evaluate_seconds), for the record."""

    def resources(self, verb: str) -> dict:
        """What a verb's jobs ask for: threads, memory_mb, minutes, gpus; a job that failed gets a multiple."""

    def allowed(self) -> dict[str, Iterable[str]]:
        """Values that each wildcard of its rules may have; `part` needs none."""

    def facts(self) -> dict[str, tuple[object, tuple[Path, ...]]]:
        """What notebooks may ask for by `<study>.<fact>`: a value, most often a folder, and the files behind it."""

    def price(self) -> dict:
        """Before anything runs: cells, models (names), gflops by stage, mafs (GFLOPs), checkpoint_bytes."""

    def setup(self) -> list[tuple[str, str, str]]:
        """Rows of the set-up table: what, in the paper, in this run."""

    def missing(self) -> list[str]:
        """What the study reads from the user's copies and does not find, a line each."""

    def claim_context(self) -> "Context":
        """What `core.judge.judge_all` needs to know beside the claims; reads the tables."""


def studies(settings: Settings) -> dict[str, Study]:
    """The studies that the scale runs, by name."""
    running = [name for name in NAMES if getattr(settings.preset, name) is not None]
    return {name: import_module(f"flopwise.studies.{name}.study").Study(settings) for name in running}


def folder(settings: Settings, name: str) -> Path:
    """Where everything of a study lies."""
    return settings.results / name
