"""The toy study's jobs."""

from typing import ClassVar

from flopwise.studies.toy.plan import cells

from flopwise.provenance.job import Job
from flopwise.studies import study


class Study(study.Study):
    """See `flopwise.studies.study.Study`."""

    name = "toy"
    verbs = ("plan", "train", "collect", "claims")
    wildcards: ClassVar = {"train": ("size",)}
    tables = ("cells", "final")

    def names(self, verb: str) -> list[str]:
        return list(self.config.sizes) if verb == "train" else [""]

    def allowed(self):
        return {"size": self.config.sizes}

    def _plan(self) -> dict:
        return {
            "outputs": (self.folder / "cells.tsv",), "modules": ("flopwise.studies.toy.price",), "settings": self.whole,
        }  # fmt: skip

    def _train(self, size: str) -> dict:
        own = [cell for cell in cells(self.config) if cell["size"] == size]
        return {
            "outputs": (self.folder / "train" / f"{size}.csv",), "modules": ("flopwise.studies.toy.train",),
            "settings": {"size": self.config.sizes[size], "seeds": len(own)},
            "cells": tuple(cell["cell"] for cell in own), "seeds": tuple(cell["seed"] for cell in own),
        }  # fmt: skip

    def _collect(self) -> dict:
        parts = [path for size in self.names("train") for path in self.job("train", size).outputs]
        return {
            "inputs": (self.folder / "cells.tsv", *parts), "outputs": tuple(map(self.table, self.tables)),
            "modules": ("flopwise.studies.toy.train",), "settings": self.whole,
        }  # fmt: skip

    def _run_plan(self, job: Job) -> None:
        from flopwise.studies.toy.price import write_plan

        write_plan(self.config, job.outputs[0])

    def _run_train(self, job: Job) -> dict:
        from flopwise.studies.toy.train import train

        return train(job)

    def _run_collect(self, job: Job) -> None:
        from flopwise.studies.toy.train import collect

        collect(job)

    def price(self) -> dict:
        gflops = {"training": sum(self.config.sizes.values()) / 1e9}
        return {"cells": len(cells(self.config)), "models": [], "gflops": gflops, "mafs": 0.0, "checkpoint_bytes": 0}

    def setup(self) -> list[tuple[str, str, str]]:
        from flopwise.studies.toy.setup import rows

        return rows(self.config)

    def claim_context(self, tables):
        from flopwise.studies.toy.claims import claim_context

        return claim_context(self.settings, tables)
