"""The continual study's jobs: what each verb reads, writes and does. Imports no torch and no pandas."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from flopwise.config import ROOT, Settings
from flopwise.core.errors import UserError
from flopwise.data.catalogue import FILE as CATALOGUE
from flopwise.data.jobs import index
from flopwise.data.jobs import modules as data_modules
from flopwise.data.streams import ORDERINGS
from flopwise.methods.continual import module_name
from flopwise.methods.continual import modules as method_modules
from flopwise.provenance.job import Job
from flopwise.studies import study
from flopwise.studies.continual import seeds
from flopwise.studies.continual.plan import STUDY, TABLES, Cell, grid, trials

PACKAGE = "flopwise.studies.continual"
TRAINED = (".csv", ".chunks.csv", ".inside.csv", ".json")  # what a train job writes, after its name


class Study(study.Study):
    """See `flopwise.studies.study.Study`."""

    name = STUDY
    verbs = ("plan", "pretrain", "start", "train", "tune", "evaluate", "collect", "claims")
    asked = ("decide_streams", "decide_train", "decide")
    wildcards: ClassVar = {
        "pretrain": ("model",), "start": ("model",), "train": ("model", "budget", "mixture", "method", "part"),
        "tune": ("tuned",), "evaluate": ("model", "part"),
    }  # fmt: skip
    tables = TABLES

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.grid = grid(settings)

    def names(self, verb: str) -> list[str]:
        own = {
            "pretrain": self.grid.models, "start": self.grid.models, "train": self.grid.jobs,
            "tune": self.config.tuning.method, "evaluate": self.grid.evaluations,
        }  # fmt: skip
        return list(own.get(verb, [""]))

    # what jobs read, write and do ------------------------------------------------------------------------------------

    def _plan(self) -> dict:
        return {
            "outputs": (self.folder / "cells.tsv",), "modules": (f"{PACKAGE}.price", *method_modules()),
            "settings": self.whole,
        }  # fmt: skip

    def _pretrain(self, model: str) -> dict:
        origin = self.config.models[model]
        # a released checkpoint waits for no data: what is wrong with it is said before any are listed
        pool = () if origin.pretrained else (self._data("pool"),)
        return {
            "inputs": pool, "outputs": (self._base(model),), "modules": (f"{PACKAGE}.pretrain",),
            "settings": origin.model_dump(mode="json"),
        }  # fmt: skip

    def _start(self, model: str) -> dict:
        decide = [self.grid.streams, self.settings.preset.data.adaptation, self.config.performance_score]
        return {
            "inputs": (self._base(model), index(self.settings), self._data("pool")),
            "outputs": (self._zero_shot(model), *map(Path, self.streams(model))),
            "modules": (f"{PACKAGE}.start",), "settings": [*decide, self.config.evaluation.model_dump(mode="json")],
        }  # fmt: skip

    def _train(self, name: str) -> dict:
        cells = self.grid.job(name)
        method = cells[0].shared_training
        # the file of full fine-tuning is also read by the methods that share its training
        shared = (module_name("ema-merge"),) if method == "full-ft" else ()
        return {
            **self._trained(cells), "outputs": (*self._written(name), self._checkpoints(name)),
            "modules": (f"{PACKAGE}.jobs", module_name(method), *shared), "settings": self.grid.settings_of(cells),
        }  # fmt: skip

    def _tune(self, method: str) -> dict:
        cells = trials(self.config, method)
        return {
            **self._trained(cells), "outputs": (self._tuning(method),),
            "modules": (f"{PACKAGE}.tune", module_name(method)), "settings": self.grid.settings_of(cells),
        }  # fmt: skip

    def _trained(self, cells: list[Cell]) -> dict:
        """What the training of `cells`, all of one model, reads, and what it is about."""
        model = cells[0].model
        streams = sorted({(cell.stream, cell.seed) for cell in cells})
        pools = sorted({cell.pool for cell in cells})
        inputs = (self._base(model), *self._streams(model, streams), index(self.settings), *map(self._data, pools))
        return {"inputs": inputs, **_about(cells)}

    def _evaluate(self, name: str) -> dict:
        jobs = self.grid.evaluation(name)
        return {
            "inputs": (index(self.settings), *map(self._checkpoints, jobs)), "outputs": (self._metrics(name),),
            "modules": (f"{PACKAGE}.jobs",), "settings": self.config.evaluation.model_dump(mode="json"),
            **_about([cell for job in jobs for cell in self.grid.job(job)]),
        }  # fmt: skip

    def _collect(self) -> dict:
        each = {
            "train": self._written, "evaluate": lambda name: [self._metrics(name)],
            "start": lambda model: [self._zero_shot(model)], "tune": lambda method: [self._tuning(method)],
        }  # fmt: skip
        parts = [path for verb, written in each.items() for name in self.names(verb) for path in written(name)]
        data = self.settings.preset.data  # the regime counts its classes and samples
        counted = data.model_dump(mode="json", include={"kind", "adaptation", "train_per_class", "pools"})
        classes = dict.fromkeys(module for name in data.adaptation for module in data_modules(data, name))
        return {
            "inputs": (self.folder / "cells.tsv", *parts), "outputs": tuple(map(self.table, TABLES)),
            "modules": (f"{PACKAGE}.tables", *classes), "extra_sources": (ROOT / CATALOGUE,),
            "settings": [self.whole, counted], **_about(list(self.grid.cells.values())),
        }  # fmt: skip

    def run(self, verb: str, job: Job) -> dict | None:
        if "model" in self.wildcards.get(verb, ()) or verb == "tune":
            from flopwise.models import clip

            clip.import_minimal(self.config.defaults.model if verb == "tune" else job.name.split("/")[0])
        return super().run(verb, job)

    def _run_plan(self, job: Job) -> None:
        from flopwise.core.io import atomic_path
        from flopwise.studies.continual.price import cells_table

        table = cells_table(self.settings)
        with atomic_path(job.outputs[0]) as temporary:
            table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")

    def _run_pretrain(self, job: Job) -> dict:
        from flopwise.studies.continual.pretrain import pretrain_job

        return pretrain_job(self.settings, job.name, job.outputs[0], job.state, job.code_digest)

    def _run_start(self, job: Job) -> dict:
        import pandas

        from flopwise.core.io import write_table
        from flopwise.studies.continual.start import build_streams, zero_shot_rows

        model, base = job.name, job.inputs[0]
        scores, orderings, *streams = job.outputs
        wanted = dict(zip(self.grid.streams, streams))
        write_table(orderings, pandas.DataFrame(build_streams(self.settings, model, base, wanted)))
        rows, seconds = zero_shot_rows(self.settings, model, base)
        write_table(scores, pandas.DataFrame(rows))
        return {"gflops": 0.0, "evaluate_seconds": seconds}

    def _run_train(self, job: Job) -> dict:
        from flopwise.studies.continual.jobs import train_job

        table, checkpoints = job.outputs[0], job.outputs[-1]
        return train_job(self.settings, job.name, table.with_suffix(""), checkpoints, job.state, job.code_digest)

    def _run_tune(self, job: Job) -> dict:
        from flopwise.studies.continual.tune import tune_job

        return tune_job(self.settings, job.name, job.outputs[0], job.state, job.code_digest)

    def _run_evaluate(self, job: Job) -> dict:
        from flopwise.studies.continual.jobs import evaluate_job

        return evaluate_job(self.settings, job.name, self.folder / "checkpoints", job.outputs[0])

    def _run_collect(self, job: Job) -> None:
        from flopwise.studies.continual.tables import collect

        collect(self.settings, self.folder, job.outputs[0].parent)

    # seeds that are added to one claim -------------------------------------------------------------------------------

    def decide_before(self, claim: str, most: int) -> list[Job]:
        missing = seeds.new_streams(self.grid, self.claim(claim).rule, most)
        return [self.job("decide_streams", f"{claim}/{most}")] if missing else []

    def decide_seed(self, claim: str, seed: int) -> list[Job]:
        added = seeds.added(self.grid, self.claim(claim).rule, seed)
        return [self.job("decide_train", f"{claim}/{name}") for name in added]

    def with_added(self, tables: dict, jobs: list[Job]) -> dict:
        return seeds.with_added(tables, [job.outputs[0] for job in jobs])

    def _new_streams(self, name: str) -> dict[str, dict[tuple[str, int], Path]]:
        """The streams that `<claim>/<most>` needs, by model. They lie where trainings look for them, the same for every claim."""
        claim, _, most = name.partition("/")
        missing = seeds.new_streams(self.grid, self.claim(claim).rule, int(most) if most.isdecimal() else 0)
        return {model: dict(zip(wanted, self._streams(model, wanted))) for model, wanted in missing.items()}

    def _decide_streams(self, name: str) -> dict:
        wanted = self._new_streams(name)
        if not wanted:
            raise UserError(
                f"decide_streams has no job {name!r}; allowed is CLAIM/N for more seeds than the scale runs"
            )
        decide = [sorted({one for streams in wanted.values() for one in streams}), self.settings.preset.data.adaptation]
        return {
            "inputs": (*map(self._base, wanted), index(self.settings), self._data("pool")),
            "outputs": tuple(path for streams in wanted.values() for path in streams.values()),
            "modules": (f"{PACKAGE}.start",),
            "settings": [*decide, self.config.performance_score, self.config.evaluation.model_dump(mode="json")],
        }  # fmt: skip

    def _run_decide_streams(self, job: Job) -> None:
        from flopwise.studies.continual.start import build_streams

        for model, wanted in self._new_streams(job.name).items():
            build_streams(self.settings, model, self._base(model), wanted)

    def _training(self, name: str) -> list[Cell]:
        """The cells of `<claim>/<training>`."""
        claim, _, training = name.partition("/")
        seed = training.rpartition("-s")[2]
        known = seeds.added(self.grid, self.claim(claim).rule, int(seed)) if seed.isdecimal() else {}
        if training not in known:
            raise UserError(f"decide_train has no job {name!r}; allowed is CLAIM/CELL for a cell that the claim adds")
        return known[training]

    def _decide_train(self, name: str) -> dict:
        cells, (claim, _, training) = self._training(name), name.partition("/")
        return {
            **self._trained(cells), "outputs": (self.folder / "decide" / claim / "runs" / f"{training}.csv",),
            "modules": (f"{PACKAGE}.seeds", module_name(cells[0].shared_training)),
            "settings": [self.grid.settings_of(cells), self.config.evaluation.model_dump(mode="json")],
        }  # fmt: skip

    def _run_decide_train(self, job: Job) -> dict:
        from flopwise.models import clip

        cells = self._training(job.name)
        clip.import_minimal(cells[0].model)
        return seeds.train(self.settings, cells, job.outputs[0], job.state, job.code_digest)

    # paths ---------------------------------------------------------------------------------------------------------

    def _data(self, name: str) -> Path:
        return self.settings.results / "data" / name

    def _base(self, model: str) -> Path:
        return self.folder / "base" / model

    def _zero_shot(self, model: str) -> Path:
        return self.folder / "start" / model / "zero_shot.csv"

    def _orderings(self, model: str) -> Path:
        return self.folder / "streams" / model / "orderings.csv"

    def _streams(self, model: str, wanted: Iterable[tuple[str, int]]) -> tuple[Path, ...]:
        return tuple(self.folder / "streams" / model / f"{kind}-s{seed}.json" for kind, seed in wanted)

    def streams(self, model: str) -> list[str]:
        """The table of what decided the order of a model's streams, and the streams."""
        return [*map(str, (self._orderings(model), *self._streams(model, self.grid.streams)))]

    def _written(self, job: str) -> tuple[Path, ...]:
        return tuple(self.folder / "train" / f"{job}{end}" for end in TRAINED)

    def _checkpoints(self, job: str) -> Path:
        return self.folder / "checkpoints" / job

    def _metrics(self, evaluation: str) -> Path:
        return self.folder / "metrics" / f"{evaluation}.csv"

    def _tuning(self, method: str) -> Path:
        return self.folder / "tuning" / f"{method}.csv"

    # what others ask -----------------------------------------------------------------------------------------------

    def resources(self, verb: str) -> dict:
        if verb == "plan":
            return super().resources(verb)
        return self.config.job.model_dump()

    def allowed(self) -> dict[str, Iterable[str]]:
        cells = self.grid.cells.values()
        axes = {axis: {getattr(cell, axis) for cell in cells} for axis in ("budget", "mixture")}
        methods = {cell.shared_training for cell in cells}
        return {**axes, "model": self.grid.models, "method": methods, "tuned": self.config.tuning.method}

    def facts(self) -> dict[str, tuple[object, tuple[Path, ...]]]:
        model, horizon = self.config.defaults.model, self.config.horizons[self.config.defaults.horizon]
        streams = (self._orderings(model), *self._streams(model, [(kind, 0) for kind in ORDERINGS]))
        tasks = len(self.settings.preset.data.adaptation) if horizon == "sets" else horizon
        return {
            **super().facts(),
            "zero_shot": (self.folder / "tables", (self.table("zero_shot"),)),
            "streams": (streams[0].parent, streams),
            "tasks": (tasks, ()),
        }  # fmt: skip

    def price(self) -> dict:
        from flopwise.studies.continual.price import price

        return price(self.settings, self.grid)

    def setup(self) -> list[tuple[str, str, str]]:
        from flopwise.studies.continual.setup import rows

        return rows(self.settings)

    def regime(self):
        from flopwise.studies.continual.regime import planned

        return planned(self.settings)

    def missing(self) -> list[str]:
        from flopwise.studies.continual.pretrain import missing_weights

        return missing_weights(self.settings, self.grid.models)

    @property
    def named_in_figures(self) -> tuple[str, ...]:
        return method_modules()

    @property
    def validation(self) -> bool:
        return self.config.evaluation.split == "validation"

    def claim_context(self, tables: Path):
        from flopwise.studies.continual.claims import claim_context

        return claim_context(self.settings, tables)


def _about(cells: list[Cell]) -> dict:
    return {"cells": tuple(cell.slug for cell in cells), "seeds": tuple(sorted({cell.seed for cell in cells}))}
