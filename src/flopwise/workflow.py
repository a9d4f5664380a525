"""All jobs of a scale: those of its studies and those that they share (data, cost tables, notebooks, the report). Rule
files, `flopwise run`, planning and audit ask here. Imports no torch and no pandas."""

import atexit
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from flopwise.config import ROOT, Settings, load
from flopwise.core.choices import among
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.paths import making
from flopwise.cost.names import TABLES as COST_TABLES
from flopwise.data import jobs as data
from flopwise.provenance.job import Job
from flopwise.provenance.sources import imported
from flopwise.report import kept
from flopwise.report.chapters import Notebook, chapters
from flopwise.studies import NAMES
from flopwise.studies.study import Study, studies

ALLOWED = ("scale", "results")  # what --config may set


def load_or_exit(config: dict) -> "Workflow":
    """The workflow for Snakemake's `config` (what --config gave). A mistake is one line and exit status 2."""
    try:
        if odd := {*"{}"} & {*f"{ROOT}{Path.cwd()}"}:
            raise UserError(
                f"{Path.cwd()}: a path with {' '.join(sorted(odd))} is one that Snakemake takes for wildcards"
            )
        for key in config:
            if key not in ALLOWED:
                raise UserError(
                    f"--config {key}: unknown key; allowed are {', '.join(ALLOWED)}; edit config/config.yaml for others"
                )
        return Workflow(load(**config))
    except (UserError, RunFailure) as error:
        print(f"flopwise: {error}", file=sys.stderr, flush=True)
        os._exit(2)  # Snakemake would turn any exception into its own report of many lines


class Workflow:
    """One resolved configuration."""

    extra = ("report_pdf",)  # rules that the default target does not need

    def __init__(self, settings: Settings):
        self.settings = settings
        self.studies: dict[str, Study] = studies(settings)
        self._jobs: dict[tuple[str, str], Job] = {}

    # jobs ----------------------------------------------------------------------------------------------------------

    @cached_property
    def rules(self) -> dict[str, list[str]]:
        """Every rule that makes something, with the names of its jobs."""
        config = self.settings.preset.data
        shared = {
            "data_set": [*config.adaptation, *config.evaluation], "data_pool": list(config.pools),
            "data_material": list(config.materials), "data_index": [""], "cost_tables": [""],
        }  # fmt: skip
        own = {f"{name}_{verb}": study.names(verb) for name, study in self.studies.items() for verb in study.verbs}
        drawn = {f"{one.name}_figures": [""] for one in self.notebooks}
        return {**shared, **own, **drawn, "report": [""], **{rule: [""] for rule in self.extra}}

    def job(self, rule: str, name: str = "") -> Job:
        """What a job reads, with which code and settings, and what it writes."""
        study, verb = self._study(rule)
        if study:
            return study.job(verb, name)
        key = (rule, name)
        if key not in self._jobs:
            if rule not in self.rules:
                raise UserError(f"rule {rule!r} does not exist at this scale; {among(rule, self.rules)}")
            if name not in self.rules[rule]:
                raise UserError(f"{rule} has no job {name!r}; {among(name, filter(None, self.rules[rule]))}")
            self._jobs[key] = Job(rule, self.settings.results, name, **self._shared(rule, name))
        return self._jobs[key]

    def run(self, job: Job) -> dict | None:
        """Do a job; returns what it knows of its cost."""
        study, verb = self._study(job.rule)
        if study:
            return study.run(verb, job)
        if job.rule.startswith("data_"):
            return data.run(self.settings, job)
        if job.rule == "cost_tables":
            from flopwise.planning import write_cost_tables

            return write_cost_tables(self, job)
        if job.rule in ("report", "report_pdf"):
            from flopwise.report.assemble import write

            return write(self, job)
        from flopwise.report.notebook import execute

        notebook = self.notebook(job.rule)
        return execute(notebook.source, job.outputs[-1], self.parameters(notebook, job.outputs[-1].parent))

    def again(self, job: Job, path: Path) -> Path:
        """Make a file that a notebook drew again, in a temporary folder, and return it."""
        if not job.rule.endswith("_figures"):
            raise UserError(f"--rerun compares what notebooks draw; to re-make {path} run `{making(path, force=True)}`")
        from flopwise.report.notebook import execute

        notebook, folder = self.notebook(job.rule), Path(tempfile.mkdtemp(prefix="flopwise-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        execute(notebook.source, folder / job.outputs[-1].name, self.parameters(notebook, folder))
        return folder / path.name

    def _study(self, rule: str) -> tuple[Study | None, str]:
        name, _, verb = rule.partition("_")
        study = self.studies.get(name)
        return (study, verb) if study and verb in (*study.verbs, *study.asked) else (None, "")

    def _shared(self, rule: str, name: str) -> dict:
        if rule.startswith("data_"):
            return data.describe(self.settings, name)
        if rule == "cost_tables":
            return self._cost_tables()
        return self._page(rule) if rule in ("report", "report_pdf") else self._figures(self.notebook(rule))

    def _cost_tables(self) -> dict:
        chosen = self.settings.preset.cost
        presets = [
            path for scale in chosen.priced_scales for path in (ROOT / "config" / "scales" / scale).glob("*.yaml")
        ]
        tables = [self.settings.results / "cost" / "tables" / f"{name}.csv" for name in COST_TABLES]
        read = [
            *(ROOT / "config" / "published").glob("*.csv"),
            *presets,
            *(ROOT / "config" / "experiments").glob("*.yaml"),
        ]
        prices = (module for study in self.studies.values() for module in study.job("plan").modules)
        return {
            "outputs": tuple(tables), "modules": ("flopwise.cost.tables", "flopwise.planning", *prices),
            "extra_sources": tuple(sorted(read)), "settings": [chosen.checked_models, list(chosen.priced_scales)],
        }  # fmt: skip

    # notebooks and the page ------------------------------------------------------------------------------------------

    @cached_property
    def chapters(self) -> list[tuple[dict, list[Notebook]]]:
        """The chapters that the scale has, with their notebooks."""
        return list(chapters(set(self.studies), set(NAMES)))

    @cached_property
    def notebooks(self) -> list[Notebook]:
        return [notebook for _, shown in self.chapters for notebook in shown]

    def notebook(self, rule: str) -> Notebook:
        """The notebook that a rule runs."""
        return next(one for one in self.notebooks if f"{one.name}_figures" == rule)

    def folder(self, notebook: Notebook) -> Path:
        """Where a notebook writes."""
        return self.settings.results / notebook.chapter / "figures"

    @cached_property
    def facts(self) -> dict[str, tuple[object, tuple[Path, ...]]]:
        """What notebooks may read, by name: a value, most often a folder, and the files behind it."""
        cells = {
            name: study.job("collect").outputs[study.tables.index("cells")] for name, study in self.studies.items()
        }
        named = {name: str(path) for name, path in cells.items()}
        cost = self.job("cost_tables").outputs
        return {
            **data.facts(self.settings), "cost.tables": (cost[0].parent, cost), "studies.cells": (named, tuple(cells.values())),
            **{f"{name}.{fact}": both for name, study in self.studies.items() for fact, both in study.facts().items()},
        }  # fmt: skip

    def parameters(self, notebook: Notebook, folder: Path) -> dict:
        """What a notebook is given; `folder`: where it writes."""
        own = {parameter: self._fact(notebook, fact)[0] for parameter, fact in notebook.reads.items()}
        return {**own, "figures": folder, "scale": self.settings.config.scale}

    def _fact(self, notebook: Notebook, fact: str) -> tuple[object, tuple[Path, ...]]:
        if fact not in self.facts:
            raise UserError(f"{notebook.source}: reads {fact!r}; {among(fact, self.facts)}")
        return self.facts[fact]

    def _figures(self, notebook: Notebook) -> dict:
        facts = {parameter: self._fact(notebook, fact) for parameter, fact in notebook.reads.items()}
        folder = self.folder(notebook)
        asked = {fact.partition(".")[0] for fact in notebook.reads.values()} & set(self.studies)
        named = (module for name in sorted(asked) for module in self.studies[name].named_in_figures)
        values = {name: value for name, (value, paths) in facts.items() if not paths and not isinstance(value, Path)}
        return {
            "inputs": tuple(dict.fromkeys(path for _, paths in facts.values() for path in paths)),
            "outputs": (*(folder / file for file in notebook.files), folder / f"{notebook.name}.ipynb"),
            "modules": ("flopwise.report.notebook", *imported(notebook.source), *named), "extra_sources": (notebook.source,),
            "settings": {"scale": self.settings.config.scale, **values},
            "study": notebook.chapter if notebook.chapter in self.studies else "",
        }  # fmt: skip

    def _page(self, rule: str) -> dict:
        folder, preset = ROOT / "report", self.settings.preset
        kind = {"report": "html", "report_pdf": "pdf"}[rule]
        drawn = [path for one in self.notebooks for path in self.job(f"{one.name}_figures").outputs]
        judged = [path for study in self.studies.values() for path in study.job("claims").outputs]
        files = [
            folder / "page.html.j2",
            folder / "page.css",
            *folder.glob("chapters/*.yaml"),
            *folder.glob("checklists/*.yaml"),
            *kept.files(self.settings.config.scale),
        ]
        own = tuple(f"flopwise.studies.{name}.setup" for name in self.studies)
        regimes = [path for study in self.studies.values() for path in study.regime_table]
        decisions = [path for study in self.studies.values() for path in study.decisions]  # of no rule: where they are
        return {
            "inputs": (*drawn, *judged, *self.facts["studies.cells"][1], *regimes, *decisions),
            "outputs": (self.settings.results / "report" / f"report.{kind}",),
            "modules": ("flopwise.report.assemble", *own, *(["flopwise.report.pdf"] if kind == "pdf" else [])),
            "extra_sources": tuple(sorted(files)),
            "settings": [preset.title, preset.ledger, {n: s.setup() for n, s in self.studies.items()}],
        }  # fmt: skip

    # for the rule files ----------------------------------------------------------------------------------------------

    @cached_property
    def results(self) -> str:
        return str(self.settings.results)

    @cached_property
    def command(self) -> str:
        """How rules call the package: with the same scale and results folder. The interpreter comes from the environment,
        so that calling Snakemake by another name of the same interpreter re-runs nothing."""
        os.environ["FLOPWISE_PYTHON"] = sys.executable
        config = self.settings.config
        return f'"$FLOPWISE_PYTHON" -m flopwise --scale {config.scale} --results {shlex.quote(config.results)}'

    def _each(self, rule: str, what: Callable[[Job], object]):
        """What a rule takes for all its jobs: a value, or a function of its wildcards."""
        study, verb = self._study(rule)
        names = study.wildcards.get(verb, ()) if study else data.WILDCARDS.get(rule, ())
        if not names:
            return what(self.job(rule))
        return lambda wildcards: what(self.job(rule, "/".join(getattr(wildcards, name) for name in names)))

    def reads(self, rule: str):
        """Inputs of a rule: results of others, and files of the repository that are no code."""
        return self._each(rule, lambda job: job.read)

    def settings_of(self, rule: str):
        """Parameter: hash of the settings that decide a rule's results; a changed value re-runs what depends on it."""
        return self._each(rule, lambda job: job.settings_digest)

    def code_of(self, rule: str):
        """Parameter: hash of the modules that a rule's code imports, which Snakemake does not see by itself."""
        return self._each(rule, lambda job: job.code_digest)

    def writes(self, rule: str) -> list[str]:
        """Outputs of a rule that has one job."""
        return [str(path) for path in self.job(rule).outputs]

    def drawn(self, notebook: Notebook) -> list[str]:
        """Outputs of a notebook; figures and tables carry the caption that Snakemake's own report shows."""
        from snakemake.io import report

        caption, captions = str(ROOT / "workflow" / "report" / "caption.rst"), notebook.figures | notebook.tables
        shown = {f"{name}.svg" for name in notebook.figures} | {f"{name}.csv" for name in notebook.tables}
        return [
            report(
                str(path), caption=caption, category=notebook.chapter, labels=_labels(path.stem, captions[path.stem])
            )
            if path.name in shown
            else str(path)
            for path in self.job(f"{notebook.name}_figures").outputs
        ]

    def threads(self, rule: str) -> int:
        study, verb = self._study(rule)
        return study.resources(verb)["threads"]

    def resources(self, rule: str) -> dict:
        """Memory in MB and time in minutes, which grow with each attempt, and GPUs."""
        study, verb = self._study(rule)
        asked = study.resources(verb) if study else data.resources(self.settings, rule)
        return {
            "mem_mb": lambda wildcards, attempt: asked["memory_mb"] * attempt,
            "runtime": lambda wildcards, attempt: asked["minutes"] * attempt,
            **({"gpu": asked["gpus"]} if asked.get("gpus") else {}),
        }  # fmt: skip

    def allowed(self, rule: str) -> dict[str, str]:
        """What the wildcards of a rule may be, as regular expressions."""
        study, verb = self._study(rule)
        values = study.allowed() if study else {name: self.rules[rule] for name in data.WILDCARDS[rule]}
        names = study.wildcards[verb] if study else data.WILDCARDS[rule]
        allowed = {name: "|".join(sorted(values.get(name, ()))) or "none" for name in names}
        return allowed | ({"part": "all|part[0-9]+"} if "part" in allowed else {})


def _labels(name: str, caption: str) -> dict[str, str]:
    """How Snakemake's own report lists a figure: its name and the first sentence of its caption, formulas as letters, since
    Snakemake reads braces as wildcards."""
    return {"name": name, "shows": re.sub(r"\\[a-z]+|[${}\\]", "", caption.partition(". ")[0])}
