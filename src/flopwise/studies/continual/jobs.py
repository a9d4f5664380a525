"""What one train job and one evaluate job do with their cells and files."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.core.checkpoint import StateFolder
from flopwise.core.errors import RunFailure
from flopwise.core.io import sha256_file, sha256_json, write_json, write_rows
from flopwise.data.store import open_set
from flopwise.models import clip
from flopwise.studies.continual.corpus import data_folder, load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.plan import Cell, grid
from flopwise.studies.continual.train import TrainingRun, base_folder, finished, stream_file

SCORES = ("role", "metric", "value", "chance", "n")
TABLES = {
    "sets": ("task", "samples", "gflops", "dataset", *SCORES),
    "chunks": ("task", "chunk", "value", "n"),
    "inside": ("task", "step", "steps", "dataset", *SCORES),
}


def run_key(settings: Settings, cells: list[Cell], digest: str, sources: str) -> str:
    """Digest of everything that decides the training's result: settings, sources, weights, data, stream."""
    cell = cells[0]
    names = (*settings.preset.data.adaptation, *settings.preset.data.evaluation, cell.pool)
    cards = [open_set(data_folder(settings, name)).card["files"] for name in names]
    weights = sha256_file(base_folder(settings, cell.model) / clip.WEIGHTS)
    stream = stream_file(settings, cell.model, cell.stream, cell.seed).read_text(encoding="utf-8")
    return sha256_json([[c.slug for c in cells], digest, sources, cards, weights, stream])


def train_job(settings: Settings, job: str, out: Path, checkpoints: Path, state: Path, sources: str) -> dict:
    """Run the trainings of `job` one after another. Writes `<out>.csv` (a row per cell, task and data set),
    `<out>.chunks.csv` (a row per cell, task and chunk of the stream), `<out>.inside.csv` (scores inside tasks),
    `<out>.json` (status and cost per cell) and the final weights, `checkpoints`/<cell>/, all when every training has
    ended. One that ended before an interruption is not run again, one that was running goes on at its last saved
    step."""
    plan = grid(settings)
    corpora, evaluators, ended = {}, {}, []
    for cells in plan.trainings(job):
        first = cells[0]
        folder = StateFolder(state / first.slug, run_key(settings, cells, plan.digest_of(plan.job(job)), sources))
        record = finished(folder)
        if record is None:
            if first.pool not in corpora:
                corpora[first.pool] = load_corpus(settings, first.model, first.pool)
            if first.seed not in evaluators:
                evaluators[first.seed] = Evaluator(settings, first.model, first.seed)
            run = TrainingRun(settings, cells, corpora[first.pool], evaluators[first.seed], folder)
            run.run()
            for cell, deployment in zip(cells, run.deployments):
                clip.save(folder.folder / "final" / cell.slug, cell.model, deployment.deployed)
            record = {"key": folder.key, "results": [run.result(cell) for cell in cells], "rows": run.rows}
            write_json(folder.folder / "finished.json", record)
        ended.append((cells, folder, record))
    results = [result for _, _, record in ended for result in record["results"]]
    for cells, folder, _ in ended:
        for cell in cells:
            clip.save(checkpoints / cell.slug, cell.model, clip.load(folder.folder / "final" / cell.slug))
    write_json(out.with_suffix(".json"), results)
    status = {result["slug"]: result["status"] for result in results}
    axes = {cell.slug: {**_axes(cell), "status": status[cell.slug]} for cells, _, _ in ended for cell in cells}
    for kind, columns in TABLES.items():
        rows = [row for _, _, record in ended for row in record["rows"][kind]]
        _write_rows(out.with_suffix(".csv" if kind == "sets" else f".{kind}.csv"), rows, axes, columns)
    for _, folder, _ in ended:
        discard(folder)
    once = [record["results"][0] for _, _, record in ended]  # a shared training is paid once
    return {
        "gflops": sum(r["charged_gflops"] for r in once),
        "train_seconds": sum(r["train_seconds"] for r in once),
        "evaluate_seconds": sum(r["evaluate_seconds"] for r in once),
    }


def evaluate_job(settings: Settings, name: str, checkpoints: Path, out: Path) -> dict:
    """Score the final weights of every cell of the evaluation job `name` on the full test sets; writes `out` (CSV).
    `checkpoints`: the folder that holds those of every train job."""
    import time

    plan = grid(settings)
    jobs = plan.evaluation(name)
    model = name.split("/")[0]
    evaluator = Evaluator(settings, model)
    network = evaluator.placement.put(clip.create(model))
    start = time.process_time()
    rows, axes = [], {}
    for job in jobs:
        for cell in plan.job(job):
            network.load_state_dict(clip.load(checkpoints / job / cell.slug))
            rows += [{"cell": cell.slug, **row} for row in evaluator.scores(network).rows]
            axes[cell.slug] = _axes(cell)
    _write_rows(out, rows, axes, ("dataset", *SCORES))
    return {"gflops": 0.0, "evaluate_seconds": time.process_time() - start}


def _write_rows(path: Path, rows: list[dict], axes: dict[str, dict], columns: tuple[str, ...]) -> None:
    """Rows as a table: the axes of each row's cell, then `columns`."""
    names = [*next(iter(axes.values())), *columns]
    write_rows(path, [{**axes[row["cell"]], **row} for row in rows], names)


def _axes(cell: Cell) -> dict:
    return {"cell": cell.slug, **cell.axes(), "seed": cell.seed}


def discard(folder: StateFolder) -> None:
    import shutil

    try:
        shutil.rmtree(folder.folder)
    except OSError as error:
        raise RunFailure(f"cannot remove {folder.folder}: {error.strerror}") from error
