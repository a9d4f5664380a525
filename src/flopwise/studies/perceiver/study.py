"""The Perceiver study's jobs: what each verb reads, writes and does. Imports no torch and no pandas."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

from flopwise.config import Settings
from flopwise.config.perceiver_evaluations import find as find_evaluation
from flopwise.config.perceiver_recipes import find as find_recipe
from flopwise.methods.perceiver import find, module_name
from flopwise.provenance.job import Job
from flopwise.studies import study
from flopwise.studies.perceiver.plan import STUDY, TABLES, Grid

PACKAGE = "flopwise.studies.perceiver"


class Study(study.Study):
    """See `flopwise.studies.study.Study`."""

    name = STUDY
    verbs = ("plan", "train", "pretrain", "released", "scaling", "collect", "claims")
    wildcards: ClassVar = {"train": ("task", "part"), "pretrain": ("recipe",), "released": ("evaluation",)}
    tables = TABLES

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.grid = Grid(self.config)

    def names(self, verb: str) -> list[str]:
        own = {
            "train": list(self.grid.jobs), "pretrain": list(self.config.pretraining.recipes),
            "released": list(self.config.released.evaluations),
        }  # fmt: skip
        return own.get(verb, [""])

    # what jobs read, write and do ------------------------------------------------------------------------------------

    def _plan(self) -> dict:
        return {
            "outputs": (self.folder / "cells.tsv",), "modules": (f"{PACKAGE}.price", *self._tasks), "settings": self.whole,
        }  # fmt: skip

    def _train(self, name: str) -> dict:
        cells = self.grid.jobs[name]
        task = cells[0].task
        return {
            "inputs": self._data(task), "outputs": (self._runs(name),), "modules": (f"{PACKAGE}.train", module_name(task)),
            "settings": self.grid.settings_of(cells), "cells": tuple(cell.slug for cell in cells),
            "seeds": tuple(sorted({cell.seed for cell in cells})),
        }  # fmt: skip

    def _pretrain(self, name: str) -> dict:
        how = [self.config.pretraining.model_dump(mode="json", exclude={"recipes"}), asdict(find_recipe(name))]
        return {
            "outputs": (self._pretrained(name),), "modules": (f"{PACKAGE}.pretrain",),
            "settings": [*how, self.config.released.model_dump(mode="json", exclude={"evaluations"})],
        }  # fmt: skip

    def _released(self, name: str) -> dict:
        how = self.config.released.model_dump(mode="json", exclude={"evaluations"})
        return {
            "outputs": (self._scored(name),), "modules": (f"{PACKAGE}.released",),
            "settings": [how, asdict(find_evaluation(name))],
        }  # fmt: skip

    def _scaling(self) -> dict:
        return {
            "outputs": (self.folder / "scaling.json",), "modules": (f"{PACKAGE}.scaling",),
            "settings": self.config.scaling.model_dump(mode="json"),
        }  # fmt: skip

    def _collect(self) -> dict:
        cells = self.grid.cells.values()
        return {
            "inputs": (self.folder / "cells.tsv", self.folder / "scaling.json", *map(self._runs, self.grid.jobs),
                       *map(self._scored, self.config.released.evaluations),
                       *map(self._pretrained, self.config.pretraining.recipes)),
            "outputs": tuple(map(self.table, TABLES)), "modules": (f"{PACKAGE}.tables", *self._tasks), "settings": self.whole,
            "cells": tuple(cell.slug for cell in cells), "seeds": tuple(sorted({cell.seed for cell in cells})),
        }  # fmt: skip

    def _run_plan(self, job: Job) -> None:
        from flopwise.core.io import atomic_path
        from flopwise.studies.perceiver.price import cells_table

        table = cells_table(self.settings)
        with atomic_path(job.outputs[0]) as temporary:
            table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")

    def _run_train(self, job: Job) -> dict:
        from flopwise.studies.perceiver.train import train_job

        return train_job(self.settings, job.name, job.inputs, job.outputs[0], job.state, job.code_digest)

    def _run_pretrain(self, job: Job) -> dict:
        from flopwise.studies.perceiver.pretrain import pretrain_job

        return pretrain_job(self.settings, job.name, job.outputs[0], job.state, job.code_digest)

    def _run_released(self, job: Job) -> dict:
        from flopwise.studies.perceiver.released import released_job

        return released_job(self.settings, job.name, job.outputs[0], job.state, job.code_digest)

    def _run_scaling(self, job: Job) -> dict:
        from flopwise.studies.perceiver.scaling import scaling_job

        return scaling_job(self.config.scaling, job.outputs[0])

    def _run_collect(self, job: Job) -> None:
        from flopwise.studies.perceiver.tables import collect

        collect(self.settings, self.folder, job.outputs[0].parent)

    # paths -----------------------------------------------------------------------------------------------------------

    @property
    def _tasks(self) -> tuple[str, ...]:
        return tuple(module_name(task) for task in dict.fromkeys(cell.task for cell in self.grid.cells.values()))

    def _data(self, task: str) -> tuple[Path, ...]:
        work = find(task)
        return tuple(self.settings.results / "data" / name for name in (work.material, *work.others))

    def _runs(self, job: str) -> Path:
        return self.folder / "train" / f"{job}.json"

    def _pretrained(self, recipe: str) -> Path:
        return self.folder / "pretrain" / recipe

    def _scored(self, evaluation: str) -> Path:
        return self.folder / "released" / f"{evaluation}.json"

    # what others ask -------------------------------------------------------------------------------------------------

    def resources(self, verb: str) -> dict:
        return self.config.job.model_dump() if verb in (*self.wildcards, "scaling") else super().resources(verb)

    def allowed(self) -> dict[str, Iterable[str]]:
        return {
            "task": {cell.task for cell in self.grid.cells.values()}, "evaluation": set(self.config.released.evaluations),
            "recipe": set(self.config.pretraining.recipes),
        }  # fmt: skip

    def price(self) -> dict:
        from flopwise.studies.perceiver.price import price

        return price(self.settings)

    def setup(self) -> list[tuple[str, str, str]]:
        from flopwise.studies.perceiver.setup import rows

        return rows(self.settings)

    def missing(self) -> list[str]:
        if not (self.config.released.evaluations or self.config.pretraining.recipes):
            return []
        from flopwise.studies.perceiver import pretrain, released

        return [*released.missing(self.settings), *pretrain.missing(self.settings)]

    @property
    def named_in_figures(self) -> tuple[str, ...]:
        return self._tasks

    def claim_context(self, tables: Path):
        from flopwise.studies.perceiver.claims import claim_context

        return claim_context(self.settings, tables)
