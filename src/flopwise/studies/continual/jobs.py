"""What one train job and one evaluate job do with their cells and files."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.core.checkpoint import StateFolder
from flopwise.core.errors import RunFailure
from flopwise.core.io import sha256_file, sha256_json, write_json, write_table
from flopwise.data.store import open_set
from flopwise.models import clip
from flopwise.studies.continual.corpus import POOL, data_folder, load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.plan import AXES, Cell, grid
from flopwise.studies.continual.train import CellRun, base_folder, finished, stream_file


def _key(settings: Settings, cell: Cell, digest: str, sources: str) -> str:
    """Digest of everything that decides the cell's result: settings, sources, weights, data, stream."""
    cards = [open_set(data_folder(settings, name)).card["files"] for name in (*settings.preset.data.adaptation, POOL)]
    weights = sha256_file(base_folder(settings, cell.model) / clip.WEIGHTS)
    stream = stream_file(settings, cell.model, cell.stream, cell.seed).read_text(encoding="utf-8")
    return sha256_json([cell.slug, digest, sources, cards, weights, stream])


def train_job(settings: Settings, job: str, out: Path, checkpoints: Path, state: Path, sources: str) -> dict:
    """Train the cells of `job` one after another. Writes `<out>.csv` (a row per cell, task and data set), `<out>.json`
    (status and cost per cell) and the final weights, `checkpoints`/<cell>/, all when every cell has ended. A cell that
    ended before an interruption is not run again, one that was running goes on at its last saved step."""
    plan = grid(settings)
    cells = plan.job(job)
    corpus = load_corpus(settings, cells[0].model)
    ended = []
    for cell in cells:
        folder = StateFolder(state / cell.slug, _key(settings, cell, plan.digest(job), sources))
        record = finished(folder)
        if record is None:
            run = CellRun(settings, cell, corpus, folder)
            run.run()
            clip.save(folder.folder / "final", cell.model, run.deployed)
            record = {"key": folder.key, "result": run.result(), "rows": run.rows}
            write_json(folder.folder / "finished.json", record)
        ended.append((cell, folder, record))
    import pandas

    order = ("task", "samples", "gflops", "dataset", "role", "metric", "value", "chance", "n")  # JSON forgets it
    rows = [
        {**_axes(cell), **{key: row[key] for key in order}, "status": r["result"]["status"]}
        for cell, _, r in ended
        for row in r["rows"]
    ]
    for cell, folder, _ in ended:
        clip.save(checkpoints / cell.slug, cell.model, clip.load(folder.folder / "final"))
    results = [record["result"] for _, _, record in ended]
    write_json(out.with_suffix(".json"), results)
    write_table(out.with_suffix(".csv"), pandas.DataFrame(rows))
    for _, folder, _ in ended:
        _discard(folder)
    return {
        "gflops": sum(r["spent_gflops"] for r in results),
        "train_seconds": sum(r["train_seconds"] for r in results),
        "evaluate_seconds": sum(r["evaluate_seconds"] for r in results),
    }


def evaluate_job(settings: Settings, job: str, checkpoints: Path, out: Path) -> dict:
    """Score the final weights of every cell of `job` on the full test sets; writes `out` (CSV)."""
    import time

    import pandas

    cells = grid(settings).job(job)
    evaluator = Evaluator(settings, cells[0].model)
    network = clip.create(cells[0].model)
    start = time.process_time()
    rows = []
    for cell in cells:
        network.load_state_dict(clip.load(checkpoints / cell.slug))
        rows += [{**_axes(cell), **row} for row in evaluator.scores(network)]
    write_table(out, pandas.DataFrame(rows))
    return {"gflops": 0.0, "evaluate_seconds": time.process_time() - start}


def _axes(cell: Cell) -> dict:
    return {"cell": cell.slug, **{axis: getattr(cell, axis) for axis in AXES}, "seed": cell.seed}


def _discard(folder: StateFolder) -> None:
    import shutil

    try:
        shutil.rmtree(folder.folder)
    except OSError as error:
        raise RunFailure(f"cannot remove {folder.folder}: {error.strerror}") from error
