"""The initial weights theta_0: pre-trained here on the pool, or a released checkpoint of open_clip."""

from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.config.continual import ContinualConfig
from flopwise.core.checkpoint import StateFolder, joined, parted
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_json, write_json
from flopwise.core.loop import Diverged, adamw, optimiser_tensors, progress_bar, restore_optimiser, update
from flopwise.core.schedules import learning_rate
from flopwise.data.store import open_set
from flopwise.models import clip, weights
from flopwise.models.buffers import check_parts
from flopwise.models.loss import contrastive_loss
from flopwise.studies.continual.budget import step_gflops
from flopwise.studies.continual.corpus import POOL, TaskBatches, data_folder, load_corpus, placement_of
from flopwise.studies.continual.network import name_of

SAVE_EVERY = 500  # steps
WEIGHT_DECAY, BETAS, CLIP_NORM = 0.2, (0.9, 0.98), 1.0  # open_clip's defaults for CLIP pre-training


def pretrain_job(settings: Settings, model: str, out: Path, state: Path, sources: str) -> dict:
    """Write theta_0 of `model` to the folder `out`; returns facts for the lineage record."""
    config = settings.preset.continual.models[model]
    if config.pretrained:
        return _released(settings, model, out)
    corpus, nothing = load_corpus(settings, model, POOL, adaptation=()), np.arange(0)
    steps, size, peak = config.pretrain_steps, config.pretrain_batch_size, config.pretrain_learning_rate
    placement = placement_of(settings)
    batches = TaskBatches(corpus, nothing, nothing, (1.0, 0.0, 0.0), size, steps, 0, 0, placement)
    network, scaler = placement.put(clip.create(model, seed=0)), placement.scaler()
    optimiser = adamw(network.parameters(), peak, WEIGHT_DECAY, BETAS)
    files = open_set(data_folder(settings, POOL)).card["files"]
    folder = StateFolder(state, sha256_json([config.model_dump(), files, sources]))
    losses = _restore(folder, network, optimiser, scaler)

    start = placement.clock()
    for step in progress_bar(len(losses), steps, f"pre-training {model}"):
        with placement.autocast():
            loss = contrastive_loss(network, *batches[step])
        rate = learning_rate("cosine", 0, step, steps, peak)
        try:
            losses.append(update(loss, optimiser, rate, clip_norm=CLIP_NORM, scaler=scaler))
        except Diverged:
            raise RunFailure(
                f"pre-training of {model} diverged at step {step}; lower its pretrain_learning_rate"
            ) from None
        if (step + 1) % SAVE_EVERY == 0 and step + 1 < steps:
            parts = {"model": network.state_dict(), "optimiser": optimiser_tensors(optimiser)}
            folder.save(step + 1, joined(parts), {"losses": losses, "scaler": scaler.state_dict() if scaler else {}})

    clip.save(out, model, clip.plain_state(network))
    write_json(out / "losses.json", losses)
    folder.clear()
    gflops = steps * step_gflops(model, "full-ft", size)
    return {"gflops": gflops, "train_seconds": placement.clock() - start, "steps": steps, "batch_size": size}


def _restore(folder: StateFolder, network, optimiser, scaler) -> list[float]:
    """Take on the saved state, if there is one; returns the losses of its steps."""
    saved = folder.load()
    if saved is None:
        return []
    _, tensors, record = saved
    parts = parted(tensors)
    network.load_state_dict(parts["model"])
    restore_optimiser(optimiser, parts["optimiser"])
    if scaler:
        scaler.load_state_dict(record["scaler"])
    return record["losses"]


def released_file(settings: Settings, model: str) -> Path:
    """The released checkpoint that `model` starts from: `<weights_root>/<model>/<tag>.<ending>`. Raises `UserError` where
    it is not, and where what it carries beside its tensors is not known or cannot be kept."""
    study, root = settings.preset.continual, settings.config.weights_root
    clip.preprocessing(name_of(study, model))
    if root is None:
        raise UserError(
            f"model {model} starts from the released checkpoint {study.models[model].pretrained!r}: set `weights_root` in "
            "config/config.yaml"
        )
    return weights.find_file(*_released_name(study, model), root)


def missing_weights(settings: Settings, models: list[str]) -> list[str]:
    """Released checkpoints that `models` start from and that are not there or cannot be used, and batches that a model
    cannot take in parts, a line each; no file is opened."""
    found = []
    for model in models:
        config = settings.preset.continual.models[model]
        try:
            if config.pretrained:
                released_file(settings, model)
            if config.micro_batch_size:
                check_parts(clip.create(model, device="meta"), config.micro_batch_size)
        except UserError as error:
            found.append(f"model {model}: {error}")
    return found


def _released(settings: Settings, model: str, out: Path) -> dict:
    """Copy a released checkpoint into our layout, with what it carries beside its tensors."""
    study, file = settings.preset.continual, released_file(settings, model)
    name = name_of(study, model)
    network = clip.create(name)
    weights.load(network, ".".join(_released_name(study, model)), file)
    clip.save(out, name, clip.plain_state(network))
    write_json(out / "losses.json", [])
    return {"gflops": 0.0, "train_seconds": 0.0, "steps": 0, "batch_size": 0}


def _released_name(study: ContinualConfig, model: str) -> tuple[str, str]:
    """Model, in its library's own spelling, and tag."""
    official = model if model in clip.EMBEDDED else clip.parts(model)[0]
    return official, study.models[model].pretrained.removesuffix(clip.AS_RELEASED)
