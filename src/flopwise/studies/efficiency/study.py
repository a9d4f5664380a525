"""The efficiency study's jobs: what each verb reads, writes and does. Imports no torch and no pandas."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from flopwise.config import Settings
from flopwise.config.efficiency import PAIRS, SCRATCH
from flopwise.data.catalogue import dataset
from flopwise.methods.efficiency import module_name
from flopwise.methods.efficiency import modules as method_modules
from flopwise.provenance.job import Job
from flopwise.studies import study
from flopwise.studies.efficiency.plan import STUDY, TABLES, Cell, Grid

PACKAGE = "flopwise.studies.efficiency"


class Study(study.Study):
    """See `flopwise.studies.study.Study`."""

    name = STUDY
    verbs = ("plan", "pretrain", "segment", "collect", "claims")
    wildcards: ClassVar = {"pretrain": ("method", "size", "part"), "segment": ("method", "size", "part")}
    tables = TABLES

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.grid = Grid(self.config)

    def names(self, verb: str) -> list[str]:
        return list(self.grid.jobs) if verb in self.wildcards else [""]

    # what jobs read, write and do ------------------------------------------------------------------------------------

    def _plan(self) -> dict:
        return {
            "outputs": (self.folder / "cells.tsv",), "modules": (f"{PACKAGE}.price", *method_modules()), "settings": self.whole,
        }  # fmt: skip

    def _pretrain(self, name: str) -> dict:
        cells = self.grid.jobs[name]
        pools = sorted({cell.pool for cell in cells if cell.method != SCRATCH and not cell.released})
        methods = [module_name(method) for method in sorted({cell.method for cell in cells} - {SCRATCH})]
        real = (f"{PACKAGE}.released", f"{PACKAGE}.price", "flopwise.models.vit_tokens", "flopwise.data.views")
        released = real if self.config.scenes else ()
        return {
            "inputs": tuple(dict.fromkeys(map(self._data, filter(None, map(self._made, pools))))),
            "outputs": (self._encoders(name),), "modules": (f"{PACKAGE}.jobs", f"{PACKAGE}.pretrain", *methods, *released),
            "settings": self.grid.settings_of(cells), **_about(cells),
        }  # fmt: skip

    def _segment(self, name: str) -> dict:
        cells, how = self.grid.jobs[name], self.config.scenes or self.config.transfer
        data = () if self.config.scenes else (self._data("segmentation"),)  # a user's copy is no job's output
        learners = (f"{PACKAGE}.finetune", f"{PACKAGE}.released") if self.config.scenes else (f"{PACKAGE}.segment",)
        return {
            "inputs": (*data, self._encoders(name)), "outputs": (self._scores(name),),
            "modules": (f"{PACKAGE}.jobs", *learners, f"{PACKAGE}.pretrain"),
            "settings": how.model_dump(mode="json"), **_about(cells),
        }  # fmt: skip

    def _collect(self) -> dict:
        parts = [path for name in self.grid.jobs for path in (self._encoders(name), self._scores(name))]
        return {
            "inputs": (self.folder / "cells.tsv", *parts), "outputs": tuple(map(self.table, TABLES)),
            "modules": (f"{PACKAGE}.tables", *method_modules()), "settings": self.whole, **_about(list(self.grid.cells.values())),
        }  # fmt: skip

    def _run_plan(self, job: Job) -> None:
        from flopwise.core.io import atomic_path
        from flopwise.studies.efficiency.price import cells_table

        table = cells_table(self.settings)
        with atomic_path(job.outputs[0]) as temporary:
            table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")

    def _run_pretrain(self, job: Job) -> dict:
        from flopwise.studies.efficiency.jobs import pretrain_job

        return pretrain_job(self.settings, job.name, job.outputs[0], job.state, job.code_digest)

    def _run_segment(self, job: Job) -> dict:
        from flopwise.studies.efficiency.jobs import segment_job

        return segment_job(self.settings, job.name, job.inputs[-1], job.outputs[0], job.state, job.code_digest)

    def _run_collect(self, job: Job) -> None:
        from flopwise.studies.efficiency.tables import collect

        collect(self.settings, self.folder, job.outputs[0].parent)

    # paths -----------------------------------------------------------------------------------------------------------

    def _made(self, pool: str) -> str | None:
        """What a job makes of a pool; a user's labelled copy is no job's output."""
        one = self.config.pools[pool]
        if one.material or dataset(one.dataset).task != PAIRS:
            return one.material
        return next(name for name, of in self.settings.preset.data.pools.items() if of.source == one.dataset)

    def _data(self, material: str) -> Path:
        return self.settings.results / "data" / material

    def _encoders(self, job: str) -> Path:
        return self.folder / "pretrain" / job

    def _scores(self, job: str) -> Path:
        return self.folder / "segment" / f"{job}.json"

    # what others ask -------------------------------------------------------------------------------------------------

    def resources(self, verb: str) -> dict:
        return self.config.job.model_dump() if verb in self.wildcards else super().resources(verb)

    def allowed(self) -> dict[str, Iterable[str]]:
        cells = self.grid.cells.values()
        return {axis: {getattr(cell, axis) for cell in cells} for axis in ("method", "size")}

    def price(self) -> dict:
        from flopwise.studies.efficiency.price import price

        return price(self.settings)

    def setup(self) -> list[tuple[str, str, str]]:
        from flopwise.studies.efficiency.setup import rows

        return rows(self.settings)

    def regime(self):
        from flopwise.studies.efficiency.regime import planned

        return planned(self.settings)

    def missing(self) -> list[str]:
        from flopwise.studies.efficiency.released import missing

        return missing(self.settings)

    @property
    def named_in_figures(self) -> tuple[str, ...]:
        return method_modules()

    def claim_context(self, tables: Path):
        from flopwise.studies.efficiency.claims import claim_context

        return claim_context(self.settings, tables)


def _about(cells: list[Cell]) -> dict:
    return {"cells": tuple(cell.slug for cell in cells), "seeds": tuple(sorted({cell.seed for cell in cells}))}
