"""What transfer jobs do with their cells and files."""

from functools import cache, cached_property
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import place
from flopwise.core.errors import RunFailure
from flopwise.core.io import read_json, sha256_json, write_json
from flopwise.data.store import write_arrays
from flopwise.methods.transfer import Method, load
from flopwise.studies.transfer import network, pictures
from flopwise.studies.transfer.cache import LogitCache
from flopwise.studies.transfer.plan import Cell, Grid
from flopwise.studies.transfer.predictions import shown, test_scores, view
from flopwise.studies.transfer.run import Material, Source, Transfer, permuted


class Zoo:
    """The models of a scale, what they have said and the pictures, read when they are needed."""

    def __init__(self, settings: Settings, folder: Path):
        self.settings, self.folder = settings, folder
        self.study, self.grid = settings.preset.transfer, Grid(settings.preset.transfer)
        self.data = pictures.load(settings)
        self.placement = place(settings.config.device, self.study.precision)
        self.kept_of = cache(self._kept)
        self.material_of = cache(self._material)

    def weights(self, name: str) -> Path:
        return self.folder / "zoo" / self.grid.part_of(name) / name

    def model(self, name: str):
        return network.restored(self.settings, name, len(self.data.classes), self.weights(name))

    @cached_property
    def accuracy(self) -> dict[str, float]:
        """Top-1 of each model on the test pictures, which orders the teachers of a sequence."""
        return {name: one["accuracy"]["test"] for part in self.grid.parts for name, one in self._asked(part).items()}

    def _asked(self, part: str) -> dict:
        return read_json(self.folder / "predictions" / part / "asked.json")

    def _kept(self, name: str, amount: str, view_name: str) -> list:
        """What a model said of each kept view of a transfer set."""
        part = self.grid.part_of(name)
        keys = {(a, v, index): key for a, v, index, key in self._asked(part)[name]["keys"]}
        store = LogitCache(self.folder / "predictions" / part / "cache")
        return [store.get(keys[amount, view_name, index]) for index in range(self.study.views[view_name].count)]

    def _material(self, amount: str, view_name: str) -> Material:
        import torch

        how, size = self.study.views[view_name], self.study.amounts[amount]
        indices = self.data.share(size.share)
        views = [shown(self.data, indices, view(self.study, view_name, index)) for index in range(how.count)]
        labels = torch.from_numpy(self.data.train.targets[indices])
        return Material(views or [pictures.chosen(self.data.train, indices)], labels, how, size)

    def source(self, name: str, cell: Cell, exchanged: bool = False) -> Source:
        permutation = permuted(len(self.data.classes), cell.teacher) if exchanged else None
        if self.study.views[cell.view].count:
            return Source(self.kept_of(name, cell.amount, cell.view), permutation=permutation)
        return Source(model=self.placement.put(self.model(name)), permutation=permutation)

    def teachers(self, cell: Cell, method: Method) -> list[Source]:
        """The sources of a cell's teachers; of a sequence in its order, by accuracy."""
        names = list(self.study.teachers(cell.teacher))
        if method.teachers == "sequential":
            names.sort(key=self.accuracy.__getitem__, reverse=method.descending)
        return [self.source(name, cell, cell.teacher in self.study.permuted) for name in names]


def transfer_job(settings: Settings, job: str, folder: Path, out: Path, state: Path, sources: str) -> dict:
    """Run the transfers of `job`. Writes `out`/runs.json (status, cost, shares, by cell) and, for each cell, `out`/<cell>/: the
    student's predictions of the test pictures after it. A transfer that ended before an interruption is not run again."""
    zoo = Zoo(settings, folder)
    cells, runs = zoo.grid.job(job), {}
    inputs = [network.digest(zoo.weights(name)) for name in zoo.grid.involved(cells)]
    digest = sha256_json([sources, zoo.data.digest, inputs, zoo.grid.settings_of(cells)])
    for cell in cells:
        saved = StateFolder(state / cell.slug, digest)
        if (done := saved.load()) is None:
            done = _transfer(zoo, cell)
            saved.save(*done)
        _, said, runs[cell.slug] = done
        write_arrays(out / cell.slug, {name: value.numpy() for name, value in said.items()}, {}, {"cell": cell.slug})
    write_json(out / "runs.json", runs)
    for cell in cells:
        StateFolder(state / cell.slug, digest).clear()
    return {"train_seconds": sum(run["seconds"] for run in runs.values()),
            "evaluate_seconds": sum(run["evaluate_seconds"] for run in runs.values())}  # fmt: skip


def _transfer(zoo: Zoo, cell: Cell) -> tuple[int, dict, dict]:
    """(steps, predictions as tensors, record) of one cell."""
    import torch

    method, student = load(cell.method), zoo.model(cell.student)
    run = Transfer(
        zoo.study, method, zoo.material_of(cell.amount, cell.view), student, zoo.source(cell.student, cell),
        zoo.teachers(cell, method), cell.seed, zoo.placement, cell.reading == "as-released",
    )  # fmt: skip
    weights = run.run()
    result = vars(run.result)
    if result["status"] != "done":
        return _diverged(zoo, result)
    student.load_state_dict(weights)
    start = zoo.placement.clock()
    try:
        scores = test_scores(
            zoo.placement.put(student.eval()), zoo.data.test, zoo.placement, zoo.study.evaluation_batch_size
        )
    except RunFailure:  # finite losses, and weights that say nothing finite in evaluation mode
        return _diverged(zoo, result | {"status": "diverged", "diverged_at": result["steps"]})
    said = {name: torch.from_numpy(value) for name, value in scores.items()}
    return result["steps"], said, result | {"evaluate_seconds": zoo.placement.clock() - start}


def _diverged(zoo: Zoo, result: dict) -> tuple[int, dict, dict]:
    """What is kept of a cell whose weights are not finite: they predict nothing."""
    import torch

    predicted = np.full(len(zoo.data.test), -1, np.int32)
    return result["steps"], {"predicted": torch.from_numpy(predicted)}, result | {"evaluate_seconds": 0.0}
