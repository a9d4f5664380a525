"""Train the models of the zoo, each by a recipe of its own: network, views, optimiser, seed, order, length."""

import math
from pathlib import Path

from flopwise.config import Settings
from flopwise.config.transfer import ZooModel
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import Placement, place
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_json, write_json
from flopwise.core.loop import Diverged, adamw, progress_bar, update
from flopwise.core.schedules import learning_rate
from flopwise.core.seeds import numpy_generator
from flopwise.core.sgd import SGD
from flopwise.data import distort
from flopwise.models.miniature import outputs
from flopwise.studies.transfer import heads, network, pictures
from flopwise.studies.transfer.pictures import Pictures

MOMENTUM, DECAY, ADAMW_DECAY, CLIP = 0.9, 5e-4, 0.05, 1.0


def recipe(settings: Settings, name: str) -> ZooModel:
    """The recipe of a model at this scale: that of its twin with another seed, where it is one."""
    study = settings.preset.transfer
    own = study.zoo[name]
    if own.twin_of:
        changes = {"seed": own.seed, "role": own.role, "twin_of": own.twin_of}
        own = study.zoo[own.twin_of].model_copy(update=changes)
    return own.model_copy(update={"epochs": own.epochs * study.epochs_multiple})


def steps_of(recipe: ZooModel, samples: int, batch_size: int) -> int:
    """Optimiser steps of a training."""
    return math.ceil(recipe.epochs * (samples // batch_size))


def train(
    recipe: ZooModel, data: Pictures, batch_size: int, placement: Placement, label: str = ""
) -> tuple[dict, dict]:
    """Train a network on the training pictures. Returns its state dict and what is known of the training: steps, seconds,
    last loss. A training that diverges ends the job: a zoo with a hole is no zoo."""
    import torch

    start, n = placement.clock(), len(data.train)
    model = placement.put(network.create(recipe, len(data.classes))).train()
    steps, per_epoch = steps_of(recipe, n, batch_size), n // batch_size
    make = {"sgd": lambda p: SGD(p, recipe.learning_rate, MOMENTUM, DECAY)}.get(
        recipe.optimiser, lambda p: adamw(p, recipe.learning_rate, ADAMW_DECAY)
    )
    optimiser, images = make(model.parameters()), placement.put(pictures.pixels(pictures.tensor(data.train)))
    targets, losses, scaler = placement.put(torch.from_numpy(data.train.targets.copy())), [], placement.scaler()
    for step in progress_bar(0, steps, label):
        epoch, place_in = divmod(step, per_epoch)
        if place_in == 0:
            order = torch.from_numpy(numpy_generator(recipe.seed, "order", epoch).permutation(n)).to(images.device)
            numbers = placement.put(distort.draw(n, recipe.seed, "views", epoch))
        chosen = order[place_in * batch_size : (place_in + 1) * batch_size]
        views = distort.distorted(images[chosen], numbers[chosen], recipe.augment)
        with placement.autocast():
            loss = torch.nn.functional.cross_entropy(outputs(model, views)[1], targets[chosen])
        rate = learning_rate("cosine", 0, step, steps, peak=recipe.learning_rate)
        try:
            losses.append(update(loss, optimiser, rate, clip_norm=CLIP, scaler=scaler))
        except Diverged as error:
            raise RunFailure(
                f"zoo model {label} diverged at step {step} ({error}); give it a lower learning_rate"
            ) from error
    recent = losses[-per_epoch:]
    facts = {
        "steps": steps,
        "seconds": placement.clock() - start,
        "loss": sum(recent) / len(recent) if recent else None,
    }
    return {name: value.cpu() for name, value in model.state_dict().items()}, facts


def take_over(settings: Settings, own: ZooModel, data: Pictures, placement: Placement, label: str) -> tuple[dict, dict]:
    """A released model's state dict, with a head fitted to the data where the weights have none for their classes, or trained
    on other data (`tuned_on`) before it gets its own head back. Raises `UserError` where a head is needed and not wanted."""
    study = settings.preset.transfer
    model, headless = network.released(own, len(data.classes), settings.config.weights_root)
    facts = {"steps": 0, "seconds": 0.0, "loss": None}
    if own.tuned_on:
        other = pictures.real(own.tuned_on, settings.config.data_root, study.side, study.job.threads)
        facts = heads.train_elsewhere(model, own, other, study.tuning, placement, label)
    if headless:
        how = study.heads
        if how is None:
            raise UserError(
                f"{own.pretrained or own.image_tower} has no head for the {len(data.classes)} classes of the data; "
                "`transfer.heads` fits one"
            )
        fitted = heads.fit(model, data, how, placement, label)
        facts = fitted | {name: facts[name] + fitted[name] for name in ("steps", "seconds")}
    return {name: value.cpu() for name, value in model.state_dict().items()}, facts


def zoo_job(settings: Settings, names: tuple[str, ...], out: Path, state: Path, sources: str) -> dict:
    """Train or take over the models `names`; writes `out`/<model>/ (weights) and `out`/trained.json. A model that was
    finished before an interruption is not trained again."""
    study, data = settings.preset.transfer, pictures.load(settings)
    placement = place(settings.config.device, study.precision)
    known = {}
    for name in names:
        own = recipe(settings, name)
        how = [part and part.model_dump(mode="json") for part in (study.heads, study.tuning if own.tuned_on else None)]
        key = sha256_json(
            [sources, data.digest, own.model_dump(mode="json"), study.zoo_batch_size, study.precision, how]
        )
        folder = StateFolder(state / name, key)
        if (saved := folder.load()) is None:
            if own.network:
                weights, facts = train(own, data, study.zoo_batch_size, placement, name)
            else:
                weights, facts = take_over(settings, own, data, placement, name)
            folder.save(facts["steps"], weights, facts)
            saved = facts["steps"], weights, facts
        network.save(out / name, saved[1])
        known[name] = saved[2] | {"seed": own.seed, "parameters": network.parameters(own, len(data.classes))}
    write_json(out / "trained.json", known)
    for name in names:
        StateFolder(state / name, "").clear()
    seconds = sum(facts["seconds"] for facts in known.values())
    return {"train_seconds": seconds}
