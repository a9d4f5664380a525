"""What pretrain and segment jobs do with their cells and files."""

from functools import cache
from pathlib import Path

from flopwise.config import Settings
from flopwise.config.efficiency import SCRATCH
from flopwise.core.checkpoint import StateFolder, joined, parted
from flopwise.core.io import read_json, sha256_json, write_json, write_tensors
from flopwise.studies.efficiency import pools
from flopwise.studies.efficiency.plan import Cell, Grid

WEIGHTS, RECORD = "trunk.safetensors", "runs.json"


def pretrain_job(settings: Settings, job: str, out: Path, state: Path, sources: str) -> dict:
    """Run the trainings of `job`. Writes `out`/<cell>/trunk.safetensors and `out`/runs.json: cost, losses, collapse by cell. A
    training that ended before an interruption is not run again."""
    from flopwise.studies.efficiency.pretrain import Pretraining

    study, grid = settings.preset.efficiency, Grid(settings.preset.efficiency)
    data, records = cache(lambda name: pools.load(settings, name)), {}
    for cells in grid.trainings(job):
        first = cells[0]
        if first.method == SCRATCH:
            _scratch(study, cells, out, records)
            continue
        saved = StateFolder(
            state / first.training, sha256_json([sources, data(first.pool).digest, grid.settings_of(cells)])
        )
        if (done := saved.load()) is None:
            found = Pretraining(study, cells, data(first.pool)).run()
            weights = joined({one["cell"]: one.pop("trunk", {}) for one in found})
            done = (sum(one["steps"] for one in found), weights, {one["cell"]: one for one in found})
            saved.save(*done)
        for name, weights in parted(done[1]).items():
            write_tensors(out / name / WEIGHTS, weights)
        records |= {
            name: one | {"images": one["steps"] * study.batch_size, "pool_images": len(data(first.pool).chosen)}
            for name, one in done[2].items()
        }
    write_json(out / RECORD, records)
    for cells in grid.trainings(job):
        StateFolder(state / cells[0].training, "").clear()
    return {
        "gflops": sum(one["steps"] * one["image_flops"] * study.batch_size / 1e9 for one in records.values()),
        "train_seconds": sum(one["seconds"] for one in records.values()),
    }


def _scratch(study, cells: list[Cell], out: Path, records: dict) -> None:
    from flopwise.studies.efficiency.pretrain import trunk

    for cell in cells:
        write_tensors(out / cell.slug / WEIGHTS, trunk(study, cell.size, cell.seed).state_dict())
        records[cell.slug] = {
            "cell": cell.slug, "steps": 0, "image_flops": 0.0, "status": "done", "losses": [], "seconds": 0.0, "images": 0,
            "pool_images": 0,
        }  # fmt: skip


def segment_job(settings: Settings, job: str, encoders: Path, out: Path) -> dict:
    """Transfer every encoder of `job`, from the folder `encoders`. Writes `out` (JSON): scores by cell."""
    import time

    from safetensors.torch import load_file

    from flopwise.studies.efficiency import segment
    from flopwise.studies.efficiency.pretrain import trunk

    study, grid = settings.preset.efficiency, Grid(settings.preset.efficiency)
    scenes, start, found = segment.load(settings), time.process_time(), {}
    runs = read_json(encoders / RECORD)
    for cell in grid.jobs[job]:
        if runs[cell.slug]["status"] != "done":
            found[cell.slug] = None
            continue
        encoder = trunk(study, cell.size, cell.seed)
        encoder.load_state_dict(load_file(encoders / cell.slug / WEIGHTS))
        found[cell.slug] = segment.scores(encoder, scenes, study.transfer, cell.seed)
    write_json(out, found)
    return {"evaluate_seconds": time.process_time() - start}
