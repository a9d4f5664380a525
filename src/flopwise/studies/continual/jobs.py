"""What train, tune and evaluate jobs do with their cells and files."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.config import Settings
from flopwise.core.checkpoint import StateFolder
from flopwise.core.errors import RunFailure
from flopwise.core.io import read_json, sha256_file, sha256_json, write_json, write_rows
from flopwise.data.store import open_set
from flopwise.models import clip
from flopwise.studies.continual.corpus import data_folder, load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.network import name_of
from flopwise.studies.continual.plan import Cell, Grid
from flopwise.studies.continual.train import TrainingRun, base_folder, stream_file

SCORES = ("role", "metric", "value", "chance", "n")
COLUMNS = {  # of the tables that a train job writes, beside the cell's axes
    "sets": ("task", "samples", "gflops", "dataset", *SCORES),
    "chunks": ("task", "chunk", "value", "n"),
    "inside": ("task", "step", "steps", "dataset", *SCORES),
}


@dataclass(frozen=True)
class Finished:
    """A training that ran to its end. `results`: status and cost, one for each of the cells that share it; `rows`: what
    was scored, see `COLUMNS`; `folder`: its state and its final weights, until `discard`."""

    cells: list[Cell]
    folder: Path
    results: list[dict]
    rows: dict[str, list[dict]]

    def weights(self, cell: Cell) -> dict:
        return clip.load(_final_weights(self.folder, cell))

    def discard(self) -> None:
        import shutil

        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise RunFailure(f"cannot remove {self.folder}: {error.strerror}") from error


def run_trainings(
    settings: Settings, trainings: list[list[Cell]], evaluator_of: Callable[[int], Evaluator], state: Path, sources: str
) -> list[Finished]:
    """Run trainings of one model, each given as the cells that share it, one after another. One that ended before an
    interruption is not run again, one that was running goes on at its last saved step. `evaluator_of`: seed -> what
    scores; `sources`: digest of the code."""
    name = name_of(settings.preset.continual, trainings[0][0].model)
    digest = Grid(settings.preset.continual).digest_of([cell for cells in trainings for cell in cells])
    corpus_of = cache(lambda pool: load_corpus(settings, trainings[0][0].model, pool))  # read only if something runs
    finished = []
    for cells in trainings:
        first = cells[0]
        folder = StateFolder(state / first.slug, run_key(settings, cells, digest, sources))
        path = folder.folder / "finished.json"
        record = read_json(path) if path.exists() else {}
        if record.get("key") != folder.key:  # never ended, or with other settings, code or data
            run = TrainingRun(settings, cells, corpus_of(first.pool), evaluator_of(first.seed), folder)
            run.run()
            for cell, deployment in zip(cells, run.deployments):
                clip.save(_final_weights(folder.folder, cell), name, deployment.deployed)
            record = {"key": folder.key, "results": [run.result(cell) for cell in cells], "rows": run.scoring.rows}
            write_json(path, record)  # last: where it stands, the weights do
        finished.append(Finished(cells, folder.folder, record["results"], record["rows"]))
    return finished


def _final_weights(folder: Path, cell: Cell) -> Path:
    return folder / "final" / cell.slug


def run_key(settings: Settings, cells: list[Cell], digest: str, sources: str) -> str:
    """Digest of everything that decides the training's result: settings, sources, weights, data, stream."""
    cell = cells[0]
    names = (*settings.preset.data.adaptation, *settings.preset.data.evaluation, cell.pool)
    cards = [open_set(data_folder(settings, name)).card["files"] for name in names]
    weights = sha256_file(base_folder(settings, cell.model) / clip.WEIGHTS)
    stream = stream_file(settings, cell.model, cell.stream, cell.seed).read_text(encoding="utf-8")
    return sha256_json([[c.slug for c in cells], digest, sources, cards, weights, stream])


def costs(trainings: list[Finished]) -> dict:
    """What trainings cost; a shared one is paid once."""
    once = [training.results[0] for training in trainings]
    sums = {name: sum(result[name] for result in once) for name in ("train_seconds", "evaluate_seconds")}
    return {"gflops": sum(result["charged_gflops"] for result in once), **sums}


def train_job(settings: Settings, job: str, out: Path, checkpoints: Path, state: Path, sources: str) -> dict:
    """Run the trainings of `job`. Writes `<out>.csv` (a row per cell, task and data set), `<out>.chunks.csv` (a row per
    cell, task and chunk of the stream), `<out>.inside.csv` (scores within tasks), `<out>.json` (status and cost per cell)
    and the final weights, `checkpoints`/<cell>/, all when every training has ended."""
    model = job.split("/")[0]
    evaluator_of = cache(lambda seed: Evaluator(settings, model, seed))
    trainings = run_trainings(settings, Grid(settings.preset.continual).trainings(job), evaluator_of, state, sources)
    name = name_of(settings.preset.continual, model)
    for training in trainings:
        for cell in training.cells:
            clip.save(checkpoints / cell.slug, name, training.weights(cell))
    write_json(out.with_suffix(".json"), [result for training in trainings for result in training.results])
    axes = {
        cell.slug: {**_axes(cell), "status": result["status"]}
        for training in trainings
        for cell, result in zip(training.cells, training.results)
    }
    for kind, columns in COLUMNS.items():
        rows = [row for training in trainings for row in training.rows[kind]]
        _write_rows(out.with_suffix(".csv" if kind == "sets" else f".{kind}.csv"), rows, axes, columns)
    for training in trainings:
        training.discard()
    return costs(trainings)


def evaluate_job(settings: Settings, name: str, checkpoints: Path, out: Path) -> dict:
    """Score the final weights of every cell of the evaluation job `name` on the full test sets; writes `out` (CSV).
    `checkpoints`: the folder that holds those of every train job."""
    grid, model = Grid(settings.preset.continual), name.split("/")[0]
    evaluator = Evaluator(settings, model)
    network = evaluator.network()
    start = evaluator.placement.clock()
    rows, axes = [], {}
    for job in grid.evaluation(name):
        for cell in grid.job(job):
            network.load_state_dict(clip.load(checkpoints / job / cell.slug))
            rows += [{"cell": cell.slug, **row} for row in evaluator.scores(network).rows]
            axes[cell.slug] = _axes(cell)
    _write_rows(out, rows, axes, ("dataset", *SCORES))
    return {"gflops": 0.0, "evaluate_seconds": evaluator.placement.clock() - start}


def _write_rows(path: Path, rows: list[dict], axes: dict[str, dict], columns: tuple[str, ...]) -> None:
    """Rows as a table: the axes of each row's cell, then `columns`."""
    names = [*next(iter(axes.values())), *columns]
    write_rows(path, [{**axes[row["cell"]], **row} for row in rows], names)


def _axes(cell: Cell) -> dict:
    return {"cell": cell.slug, **cell.axes(), "seed": cell.seed}
