"""What pretrain and segment jobs do with their cells and files."""

from functools import cache
from pathlib import Path

from flopwise.config import Settings
from flopwise.config.efficiency import SCRATCH
from flopwise.core.checkpoint import StateFolder, joined, parted
from flopwise.core.io import read_json, sha256_file, sha256_json, write_json, write_tensors
from flopwise.studies.efficiency import pools, released
from flopwise.studies.efficiency.plan import Cell, Grid

WEIGHTS, RECORD = "trunk.safetensors", "runs.json"


def pretrain_job(settings: Settings, job: str, out: Path, state: Path, sources: str) -> dict:
    """Run the trainings of `job`. Writes `out`/<cell>/trunk.safetensors and `out`/runs.json: cost, losses, collapse by cell. A
    training that ended before an interruption is not run again."""
    study, grid = settings.preset.efficiency, Grid(settings.preset.efficiency)
    data, records = cache(lambda name: pools.load(settings, name)), {}
    for cells in grid.trainings(job):
        first = cells[0]
        if first.released:
            records[first.slug] = _released(settings, first)
            continue
        if first.method == SCRATCH:
            _scratch(study, cells, out, records)
            continue
        done = _trained(settings, cells, data(first.pool), state, sources)
        for name, weights in parted(done[1]).items():
            write_tensors(out / name / WEIGHTS, weights)
        records |= {
            name: one | {"images": one["steps"] * study.batch_size, "pool_images": len(data(first.pool))}
            for name, one in done[2].items()
        }
    write_json(out / RECORD, records)
    for cells in grid.trainings(job):
        StateFolder(state / cells[0].training, "").clear()
    return {
        "gflops": sum(one["steps"] * one["image_flops"] * study.batch_size / 1e9 for one in records.values()),
        "train_seconds": sum(one["seconds"] for one in records.values()),
    }


def _trained(settings: Settings, cells: list[Cell], pool, state: Path, sources: str) -> tuple[int, dict, dict]:
    """Steps, weights and records of one training, from its state where it has ended before."""
    from flopwise.core.device import place
    from flopwise.studies.efficiency.pretrain import Pretraining

    study, name = settings.preset.efficiency, cells[0].training
    key = sha256_json([sources, pool.digest, Grid(study).settings_of(cells)])
    saved = StateFolder(state / name, key)
    if (done := saved.load()) is None:
        # small pictures train on CPUs alone: their CPU seconds are a result
        real = isinstance(pool, pools.RealPool)
        placement = place(settings.config.device if real else "cpu", study.pictures.precision if real else "fp32")
        training = Pretraining(study, cells, pool, state / f"{name}-steps", key, placement)
        found = training.run()
        weights = joined({one["cell"]: one.pop("trunk", {}) for one in found})
        done = (sum(one["steps"] for one in found), weights, {one["cell"]: one for one in found})
        saved.save(*done)
        training.clear()
    return done


def _scratch(study, cells: list[Cell], out: Path, records: dict) -> None:
    from flopwise.studies.efficiency.pretrain import trunk

    for cell in cells:
        if not study.sizes[cell.size].network:  # a network of timm is drawn again where it is transferred
            write_tensors(out / cell.slug / WEIGHTS, trunk(study, cell.size, cell.seed).state_dict())
        records[cell.slug] = {
            "cell": cell.slug, "steps": 0, "image_flops": 0.0, "status": "done", "losses": [], "seconds": 0.0, "images": 0,
            "pool_images": 0,
        }  # fmt: skip


def _released(settings: Settings, cell: Cell) -> dict:
    """The record of a checkpoint, whose weights are there and fit: what its recipe cost, and the file's hash."""
    from flopwise.models import vit_tokens
    from flopwise.studies.efficiency.price import released_flops

    study = settings.preset.efficiency
    one, path = study.checkpoints[cell.budget], released.weights_of(settings, cell.budget)
    vit_tokens.released(one.pretrained, path)
    return {
        "cell": cell.slug, "steps": 0, "image_flops": released_flops(study, cell.budget), "status": "done", "losses": [],
        "seconds": 0.0, "images": one.images, "pool_images": 0, "weights": sha256_file(path),
    }  # fmt: skip


def segment_job(settings: Settings, job: str, encoders: Path, out: Path, state: Path, sources: str) -> dict:
    """Transfer every encoder of `job`, from the folder `encoders`. Writes `out` (JSON): scores by cell."""
    study, grid = settings.preset.efficiency, Grid(settings.preset.efficiency)
    runs = read_json(encoders / RECORD)
    done = [cell for cell in grid.jobs[job] if runs[cell.slug]["status"] == "done"]
    scored, seconds = (_on_scenes if study.scenes else _on_embedded)(settings, done, encoders, state, sources)
    write_json(out, {cell.slug: scored.get(cell.slug) for cell in grid.jobs[job]})
    for cell in done:
        released.clear(state / cell.slug)
    return {"evaluate_seconds": seconds}


def _on_embedded(settings: Settings, cells: list[Cell], encoders: Path, *_) -> tuple[dict, float]:
    """Scores by cell on the embedded scenes, and CPU seconds."""
    import time

    from safetensors.torch import load_file

    from flopwise.studies.efficiency import segment
    from flopwise.studies.efficiency.pretrain import trunk

    study, scenes, start, found = settings.preset.efficiency, segment.load(settings), time.process_time(), {}
    for cell in cells:
        encoder = trunk(study, cell.size, cell.seed)
        encoder.load_state_dict(load_file(encoders / cell.slug / WEIGHTS))
        found[cell.slug] = segment.scores(encoder, scenes, study.transfer, cell.seed)
    return found, time.process_time() - start


def _hash(path: Path) -> str | None:
    return sha256_file(path) if path.is_file() else None


def _on_scenes(settings: Settings, cells: list[Cell], encoders: Path, state: Path, sources: str) -> tuple[dict, float]:
    """Scores by cell on the real set, and seconds of the device's clock. What ended before an interruption is not run again."""
    from flopwise.core.device import place
    from flopwise.studies.efficiency import finetune

    study, scenes = settings.preset.efficiency, finetune.load(settings)
    placement = place(settings.config.device, study.scenes.precision)
    runs, start, found = read_json(encoders / RECORD), placement.clock(), {}
    for cell in cells:
        how = study.scenes.model_dump(mode="json")
        weights = runs[cell.slug].get("weights") or _hash(encoders / cell.slug / WEIGHTS)
        key = sha256_json([sources, scenes.digest, how, Grid(study).settings_of([cell]), weights])
        ended = StateFolder(state / cell.slug / "scores", key)
        if (kept := ended.load()) is None:
            make = released.maker(settings, cell, encoders / cell.slug / WEIGHTS)
            scores = finetune.Finetuning(
                make, scenes, study.scenes, cell.seed, placement, state / cell.slug, key
            ).scores()
            kept = (study.scenes.steps, {}, {"scores": scores})
            ended.save(*kept)
        found[cell.slug] = kept[2]["scores"]
    return found, placement.clock() - start
