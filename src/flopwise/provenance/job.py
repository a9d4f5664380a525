"""What one job reads, with which code and settings, and what it writes: said once. Snakemake's rules, the command that
runs the job and its lineage record all read the same `Job`, so that they cannot disagree."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flopwise.core.io import sha256_json
from flopwise.provenance.sources import closure, code_digest

ASKED = "decide"  # whose the jobs are that no rule makes, but a person asks for


@dataclass(frozen=True)
class Job:
    """One job of a rule.

    results: folder of the scale, results/<scale>. name: which of the rule's jobs, its wildcards joined by `/`; empty where
    the rule has one. inputs, outputs: files and folders that other jobs make, and that this one makes. modules: where the
    job's code starts; every file that they import is a source. extra_sources: other files of the repository that it reads
    (a notebook, a style sheet, rules of claims). settings: the values of the configuration that decide the result, as
    JSON. cells, seeds: what it is about. study: whose it is; empty: shared by all; ASKED: of no rule."""

    rule: str
    results: Path
    name: str = ""
    inputs: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()
    modules: tuple[str, ...] = ()
    extra_sources: tuple[Path, ...] = ()
    settings: object = None
    cells: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    study: str = ""

    @property
    def lineage(self) -> Path:
        """Where the record of the finished job lies."""
        return self.results / "lineage" / f"{self.rule}/{self.name}.json".replace("/.json", ".json")

    @property
    def state(self) -> Path:
        """Where the job, interrupted, finds what it had done; no rule declares it, so nothing removes it."""
        return self.results / "state" / self.rule / self.name

    @cached_property
    def sources(self) -> tuple[Path, ...]:
        """Every file of the repository that the job depends on."""
        return (*closure(*self.modules), *self.extra_sources)

    @cached_property
    def read(self) -> list[str]:
        """What the job reads beside its code, as paths that Snakemake takes, relative to where it runs."""
        return [*map(str, self.inputs), *map(os.path.relpath, self.extra_sources)]

    @property
    def settings_digest(self) -> str:
        """Hash of the settings: a rule's parameter, so that a changed value re-runs the job."""
        return sha256_json(self.settings)[:16]

    @property
    def code_digest(self) -> str:
        """Hash of all modules that the job imports: a rule's parameter too, so that an edited module re-runs the jobs that
        use it. As inputs, dozens of files for each of a thousand jobs made Snakemake twice as slow."""
        return code_digest(*self.modules)
