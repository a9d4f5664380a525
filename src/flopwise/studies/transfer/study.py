"""The transfer study's jobs: what each verb reads, writes and does. Imports no torch and no pandas."""

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from flopwise.config import Settings
from flopwise.methods.transfer import module_name
from flopwise.methods.transfer import modules as method_modules
from flopwise.provenance.job import Job
from flopwise.studies import study
from flopwise.studies.transfer.plan import READ, STUDY, TABLES, Grid

PACKAGE = "flopwise.studies.transfer"
PAIRS = ("flips", "class_flips", "tops")  # tables that the verb `flips` writes


class Study(study.Study):
    """See `flopwise.studies.study.Study`."""

    name = STUDY
    verbs = ("plan", "zoo", "predictions", "flips", "transfer", "collect", "claims")
    wildcards: ClassVar = {"zoo": ("part",), "predictions": ("part",), "transfer": ("student", "part")}
    tables = TABLES

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.grid = Grid(self.config)

    def names(self, verb: str) -> list[str]:
        own = {"zoo": self.grid.parts, "predictions": self.grid.parts, "transfer": self.grid.jobs}
        return list(own.get(verb, [""]))

    @property
    def _read(self) -> dict:
        return self.config.model_dump(mode="json", include=set(READ))

    # what jobs read, write and do ------------------------------------------------------------------------------------

    def _plan(self) -> dict:
        return {
            "outputs": (self.folder / "cells.tsv",), "modules": (f"{PACKAGE}.price", *method_modules()),
            "settings": self.whole,
        }  # fmt: skip

    def _zoo(self, part: str) -> dict:
        zoo = self.config.zoo
        names = self.grid.parts[part]
        recipes = {name: zoo[name].model_dump(mode="json") for name in names}
        twins = {one: zoo[one].model_dump(mode="json") for name in names if (one := zoo[name].twin_of)}
        how = self.config.model_dump(
            mode="json", include={"epochs_multiple", "zoo_batch_size", "precision", "split", "heads", "tuning", *READ}
        )
        return {
            "inputs": self._data, "outputs": (self._trained(part),), "modules": (f"{PACKAGE}.zoo",),
            "settings": [how, recipes, twins],
        }  # fmt: skip

    def _predictions(self, part: str) -> dict:
        views = [[name, self.config.views[name].model_dump(mode="json")] for name in self._used("view")]
        amounts = [self.config.amounts[name].share for name in self._used("amount")]
        asked = [[name, self.grid.kept_of(name)] for name in self.grid.parts[part]]
        return {
            "inputs": (*self._data, self._trained(part)), "outputs": (self._asked(part),),
            "modules": (f"{PACKAGE}.predictions",),
            "settings": [views, amounts, asked, self.config.split, self.config.precision, self._read],
        }  # fmt: skip

    def _flips(self) -> dict:
        roles = {name: self.config.zoo[name].model_dump(mode="json") for name in self.config.models}
        return {
            "inputs": (*self._data, *map(self._asked, self.grid.parts)), "outputs": tuple(map(self._pairs, PAIRS)),
            "modules": (f"{PACKAGE}.complementary",),
            "settings": [self.config.flips.model_dump(mode="json"), roles, self.config.split, self._read],
        }  # fmt: skip

    def _transfer(self, name: str) -> dict:
        cells = self.grid.job(name)
        parts = dict.fromkeys(self.grid.part_of(model) for model in self.grid.involved(cells))
        orders = [self._asked(part) for part in self.grid.parts]  # accuracies order the teachers of a sequence
        inputs = (*self._data, *map(self._trained, parts), *dict.fromkeys(orders))
        return {
            "inputs": inputs, "outputs": (self._run(name),),
            "modules": (f"{PACKAGE}.jobs", *dict.fromkeys(module_name(cell.method) for cell in cells)),
            "settings": self.grid.settings_of(cells), "cells": tuple(cell.slug for cell in cells),
            "seeds": tuple(sorted({cell.seed for cell in cells})),
        }  # fmt: skip

    def _collect(self) -> dict:
        parts = (
            *map(self._trained, self.grid.parts), *map(self._asked, self.grid.parts), *map(self._pairs, PAIRS),
            *map(self._run, self.grid.jobs),
        )  # fmt: skip
        cells = self.grid.cells.values()
        return {
            "inputs": (self.folder / "cells.tsv", *self._data, *parts), "outputs": tuple(map(self.table, TABLES)),
            "modules": (f"{PACKAGE}.tables",), "settings": self.whole, "cells": tuple(cell.slug for cell in cells),
            "seeds": tuple(sorted({cell.seed for cell in cells})),
        }  # fmt: skip

    def _run_plan(self, job: Job) -> None:
        from flopwise.core.io import atomic_path
        from flopwise.studies.transfer.price import cells_table

        table = cells_table(self.settings)
        with atomic_path(job.outputs[0]) as temporary:
            table.to_csv(temporary, sep="\t", index=False, lineterminator="\n")

    def _run_zoo(self, job: Job) -> dict:
        from flopwise.studies.transfer.zoo import zoo_job

        return zoo_job(self.settings, self.grid.parts[job.name], job.outputs[0], job.state, job.code_digest)

    def _run_predictions(self, job: Job) -> dict:
        from flopwise.studies.transfer.predictions import predictions_job

        return predictions_job(self.settings, self.grid.parts[job.name], job.inputs[-1], job.outputs[0])

    def _run_flips(self, job: Job) -> None:
        from flopwise.studies.transfer.complementary import flips_job

        flips_job(self.settings, self.folder, job.outputs[0].parent)

    def _run_transfer(self, job: Job) -> dict:
        from flopwise.studies.transfer.jobs import transfer_job

        return transfer_job(self.settings, job.name, self.folder, job.outputs[0], job.state, job.code_digest)

    def _run_collect(self, job: Job) -> None:
        from flopwise.studies.transfer.tables import collect

        collect(self.settings, self.folder, job.outputs[0].parent)

    # paths ---------------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> tuple[Path, ...]:
        """The embedded material; a user's copy of a real set is no job's output."""
        return (self.settings.results / "data" / self.config.material,) if self.config.material else ()

    def _trained(self, part: str) -> Path:
        return self.folder / "zoo" / part

    def _asked(self, part: str) -> Path:
        return self.folder / "predictions" / part

    def _pairs(self, table: str) -> Path:
        return self.folder / "flips" / f"{table}.csv"

    def _run(self, job: str) -> Path:
        return self.folder / "transfer" / job

    def _used(self, axis: str) -> list[str]:
        return list(dict.fromkeys(getattr(cell, axis) for cell in self.grid.cells.values()))

    # what others ask -----------------------------------------------------------------------------------------------

    def resources(self, verb: str) -> dict:
        return self.config.job.model_dump() if verb in self.wildcards else super().resources(verb)

    def allowed(self) -> dict[str, Iterable[str]]:
        return {"student": self.grid.students}

    def facts(self) -> dict[str, tuple[object, tuple[Path, ...]]]:
        asked = tuple(map(self._asked, self.grid.parts))
        return {**super().facts(), "predictions": (self.folder / "predictions", asked)}

    def price(self) -> dict:
        from flopwise.studies.transfer.price import price

        return price(self.settings)

    def setup(self) -> list[tuple[str, str, str]]:
        from flopwise.studies.transfer.setup import rows

        return rows(self.settings)

    def regime(self):
        from flopwise.studies.transfer.regime import planned

        return planned(self.settings)

    def missing(self) -> list[str]:
        from flopwise.studies.transfer.released import missing

        return missing(self.settings)

    @property
    def named_in_figures(self) -> tuple[str, ...]:
        return method_modules()

    @property
    def validation(self) -> bool:
        return self.config.split == "validation"

    def claim_context(self, tables: Path):
        from flopwise.studies.transfer.claims import claim_context

        return claim_context(self.settings, tables)
