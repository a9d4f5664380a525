"""What the rule files need to know: names, source files, digests, inputs as functions of wildcards. Imports no torch."""

import os
import sys
from functools import cached_property
from pathlib import Path

from flopwise.config import ROOT, Settings, load
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_json
from flopwise.data.commands import modules as set_modules
from flopwise.data.materials.commands import modules as material_modules
from flopwise.data.streams import ORDERINGS
from flopwise.provenance.sources import closure
from flopwise.report.chapters import notebook, notebooks
from flopwise.report.commands import notebook_modules
from flopwise.studies.continual import commands
from flopwise.studies.continual.plan import grid, trials

NOTEBOOKS = notebooks()
COST_TABLES = ("methods", "steps", "open_clip", "timm", "perceiver", "objectives", "scales")
ALLOWED = ("scale", "results")  # what --config may set


def load_or_exit(config: dict) -> "Flow":
    """The flow for Snakemake's `config` (what --config gave). A mistake is one line and exit status 2."""
    try:
        for key in config:
            if key not in ALLOWED:
                raise UserError(
                    f"--config {key}: unknown key; allowed are {', '.join(ALLOWED)}; edit config/config.yaml for others"
                )
        return Flow(load(**config))
    except (UserError, RunFailure) as error:
        print(f"flopwise: {error}", file=sys.stderr, flush=True)
        os._exit(2)  # Snakemake would turn any exception into its own report of many lines


class Flow:
    """One resolved configuration, seen from the rule files."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.grid = grid(settings)

    @cached_property
    def results(self) -> str:
        return str(self.settings.results)

    @cached_property
    def command(self) -> str:
        """How rules call the package: with the same scale and results folder. The interpreter comes from the environment,
        so that calling Snakemake by another name of the same interpreter re-runs nothing."""
        os.environ["FLOPWISE_PYTHON"] = sys.executable
        config = self.settings.config
        return f"$FLOPWISE_PYTHON -m flopwise --scale {config.scale} --results {config.results}"

    # names that may stand in paths -------------------------------------------------------------------------------

    @cached_property
    def datasets(self) -> list[str]:
        data = self.settings.preset.data
        return [*data.adaptation, *data.evaluation]

    @cached_property
    def materials(self) -> list[str]:
        return list(self.settings.preset.data.materials)

    @property
    def pools(self) -> list[str]:
        return list(self.settings.preset.data.pools)

    @property
    def tuned(self) -> list[str]:
        """Methods whose rates are tried on validation data."""
        return list(self.settings.preset.continual.tuning.method)

    @property
    def models(self) -> list[str]:
        return self.grid.models

    def axis(self, name: str) -> list[str]:
        """Values of an axis, or of the trunk, that some cell uses."""
        return sorted({getattr(cell, name) for cell in self.grid.cells.values()})

    # source files ------------------------------------------------------------------------------------------------

    def sources(self, verb: str) -> list[str]:
        """Files of this package that a verb of the continual study, or a module given by its full name, depends on."""
        return self._files(commands.modules(verb) if "." not in verb else (verb,))

    def train_sources(self, wildcards) -> list[str]:
        return self._files(commands.modules("train", self._job(wildcards)))

    def tune_sources(self, wildcards) -> list[str]:
        return self._files(commands.modules("tune", wildcards.tuned))

    def set_sources(self, wildcards) -> list[str]:
        return self._files(set_modules(self.settings.preset.data, wildcards.dataset))

    def pool_sources(self, wildcards) -> list[str]:
        return self._files(set_modules(self.settings.preset.data, wildcards.pool))

    def material_sources(self, wildcards) -> list[str]:
        return self._files(material_modules(wildcards.material))

    def notebook_sources(self, name: str) -> list[str]:
        """A notebook and what it imports."""
        return [os.path.relpath(notebook(name).source), *self._files(notebook_modules(name))]

    @cached_property
    def page_sources(self) -> list[str]:
        """Code, template, style sheet, chapter order and checklists of the report."""
        folder = ROOT / "report"
        files = [
            folder / "chapters.yaml",
            folder / "page.html.j2",
            folder / "page.css",
            *sorted(folder.glob("checklists/*.yaml")),
        ]
        return [*map(os.path.relpath, files), *self._files(("flopwise.report.assemble",))]

    def figures(self, name: str) -> list[str]:
        """Everything that a notebook writes beside itself."""
        return [f"{self.results}/{name.split('_')[0]}/figures/{file}" for file in notebook(name).files]

    @cached_property
    def continual_notebooks(self) -> list[str]:
        return [one.name for one in NOTEBOOKS if one.name.startswith("continual_")]

    @cached_property
    def chapters(self) -> list[str]:
        """Everything that the notebooks of the report write, and the executed notebooks themselves."""
        folders = [(one.name, f"{self.results}/{one.name.split('_')[0]}/figures") for one in NOTEBOOKS]
        return [path for name, folder in folders for path in (*self.figures(name), f"{folder}/{name}.ipynb")]

    def drawn(self, name: str) -> list[str]:
        """The same as outputs: figures and tables carry the caption that Snakemake's own report shows."""
        from snakemake.io import report

        shown = {f"{n}.svg": n for n in notebook(name).figures} | {f"{n}.csv": n for n in notebook(name).tables}
        folder = ROOT / "workflow" / "report"
        return [
            report(
                path,
                caption=str(folder / f"{shown[file]}.rst"),
                category=name.split("_")[0],
                labels={"name": shown[file]},
            )
            if (file := Path(path).name) in shown
            else path
            for path in self.figures(name)
        ]

    def _files(self, modules: tuple[str, ...]) -> list[str]:
        return [os.path.relpath(path) for path in closure(*modules)]

    # digests: settings enter a rule as a parameter, so that a changed value re-runs what depends on it ---------------

    def data_digest(self, wildcards) -> str:
        return self._data_digest("kind", "train_per_class", "test_per_class", "allow_subset")

    def pool_digest(self, wildcards) -> str:
        data = self.settings.preset.data
        return sha256_json([data.kind, data.pools[wildcards.pool].model_dump()])[:16]

    def material_digest(self, wildcards) -> str:
        return sha256_json(self.settings.preset.data.materials[wildcards.material])[:16]

    def _data_digest(self, *keys: str) -> str:
        data = self.settings.preset.data.model_dump()
        return sha256_json({key: data[key] for key in keys})[:16]

    def grid_digest(self, wildcards) -> str:
        return sha256_json(self.settings.preset.continual.model_dump(exclude={"job"}))[:16]

    def model_digest(self, wildcards) -> str:
        return sha256_json(self.settings.preset.continual.models[wildcards.model].model_dump())[:16]

    def streams_digest(self, wildcards) -> str:
        study = self.settings.preset.continual
        adaptation, split = self.settings.preset.data.adaptation, study.evaluation.split
        return sha256_json([self.grid.streams, adaptation, study.performance_score, split])[:16]

    def job_digest(self, wildcards) -> str:
        return self.grid.digest(self._job(wildcards))

    def tune_digest(self, wildcards) -> str:
        return self.grid.digest_of(trials(self.settings.preset.continual, wildcards.tuned))

    # what jobs ask for ---------------------------------------------------------------------------------------------

    @property
    def job(self):
        """Threads, GPUs, memory and time of the jobs that train or evaluate."""
        return self.settings.preset.continual.job

    def data_memory(self, wildcards, attempt: int) -> int:
        """MB for a data set or pool; the list of a real one holds up to millions of names."""
        return attempt * (2000 if self.settings.preset.data.kind == "embedded" else 16000)

    def data_minutes(self, wildcards, attempt: int) -> int:
        """Minutes for a data set or pool; the shards of a real pool are read once from front to back."""
        return attempt * (30 if self.settings.preset.data.kind == "embedded" else 600)

    # inputs --------------------------------------------------------------------------------------------------------

    def _job(self, wildcards) -> str:
        return "/".join([wildcards.model, wildcards.budget, wildcards.mixture, wildcards.method, wildcards.part])

    @cached_property
    def sets(self) -> list[str]:
        """Folders of all data sets but the pool."""
        return [f"{self.results}/data/{name}" for name in self.datasets]

    @cached_property
    def material_folders(self) -> list[str]:
        return [f"{self.results}/data/{name}" for name in self.materials]

    @cached_property
    def pool(self) -> str:
        """The pool that initial models are pre-trained on."""
        return f"{self.results}/data/pool"

    @cached_property
    def pool_folders(self) -> list[str]:
        return [f"{self.results}/data/{name}" for name in self.pools]

    def pools_of_job(self, wildcards) -> list[str]:
        """Pools that the cells of a train job replay."""
        names = {cell.pool for cell in self.grid.job(self._job(wildcards))}
        return [f"{self.results}/data/{name}" for name in sorted(names)]

    @cached_property
    def tune_inputs(self) -> list[str]:
        """Initial weights, replayed pool and streams of the default point."""
        study, folder = self.settings.preset.continual, f"{self.results}/continual"
        model, kind = study.defaults.model, study.defaults.stream
        streams = [f"{folder}/streams/{model}/{kind}-s{seed}.json" for seed in range(study.tuning.seeds)]
        return [f"{folder}/base/{model}", f"{self.results}/data/{study.defaults.pool}", *streams]

    @cached_property
    def streams(self) -> list[str]:
        """Stream files of a model and the table of what decided their order, with the wildcard {model}."""
        folder = f"{self.results}/continual/streams/{{model}}"
        return [f"{folder}/orderings.csv", *(f"{folder}/{kind}-s{seed}.json" for kind, seed in self.grid.streams)]

    @cached_property
    def drawn_streams(self) -> list[str]:
        """Every ordering of the default model with seed 0, which the report draws."""
        folder = f"{self.results}/continual/streams/{self.settings.preset.continual.defaults.model}"
        return [f"{folder}/orderings.csv", *(f"{folder}/{kind}-s0.json" for kind in ORDERINGS)]

    def streams_of_job(self, wildcards) -> list[str]:
        cells = self.grid.job(self._job(wildcards))
        pairs = sorted({(cell.stream, cell.seed) for cell in cells})
        return [f"{self.results}/continual/streams/{wildcards.model}/{kind}-s{seed}.json" for kind, seed in pairs]

    @cached_property
    def metrics(self) -> list[str]:
        """What `collect` reads."""
        folder = f"{self.results}/continual"
        per_job = [f"{folder}/train/{job}{end}" for job in self.grid.jobs for end in commands.JOB_FILES]
        scores = [f"{folder}/metrics/{name}.csv" for name in self.grid.evaluations]
        starts = [f"{folder}/start/{model}/zero_shot.csv" for model in self.models]
        return [*per_job, *scores, *starts, *(f"{folder}/tuning/{method}.csv" for method in self.tuned)]

    def checkpoints_of_evaluation(self, wildcards) -> list[str]:
        """Final weights that an evaluation job scores."""
        jobs = self.grid.evaluation(f"{wildcards.model}/{wildcards.part}")
        return [f"{self.results}/continual/checkpoints/{job}" for job in jobs]

    @cached_property
    def claim_rules(self) -> str:
        """The claims and their rules."""
        return os.path.relpath(ROOT / "config" / "claims" / "continual.yaml")

    @cached_property
    def cost_tables(self) -> list[str]:
        return [f"{self.results}/cost/tables/{name}.csv" for name in COST_TABLES]

    @cached_property
    def published(self) -> list[str]:
        """Published figures that others are held against."""
        return [os.path.relpath(path) for path in sorted((ROOT / "config" / "published").glob("*.csv"))]

    @cached_property
    def presets(self) -> list[str]:
        return [os.path.relpath(path) for path in sorted((ROOT / "config" / "scales").glob("*/*.yaml"))]

    @cached_property
    def tables(self) -> list[str]:
        from flopwise.studies.continual.tables import NAMES

        return [f"{self.results}/continual/tables/{name}.csv" for name in NAMES]
