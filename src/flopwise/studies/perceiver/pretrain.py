"""A published model trained from scratch on a user's copies, and scored as the released ones are.

rate: linear warm-up, then flat, then half a cosine to 0        LAMB, decay on matrices alone, the whole gradient clipped
gradient of a batch = sum over its parts, each computed again in the backward pass, so that one part is in memory at a time"""

import math
import shutil
from pathlib import Path

import torch
from torch.utils.checkpoint import checkpoint

from flopwise.config import Settings
from flopwise.config.perceiver import Pretraining as How
from flopwise.config.perceiver_evaluations import find as find_evaluation
from flopwise.config.perceiver_recipes import Recipe, find
from flopwise.core import resumable
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import Placement, place
from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json, write_json, write_tensors
from flopwise.core.lamb import Lamb
from flopwise.core.paths import not_below
from flopwise.core.seeds import derive, torch_generator
from flopwise.data.ahead import Prefetcher, decoding_threads
from flopwise.data.catalogue import dataset
from flopwise.models.perceiver import create, published
from flopwise.studies.perceiver.glue import score_glue
from flopwise.studies.perceiver.released import SCORES, folder_of
from flopwise.studies.perceiver.sources import SOURCES, Source, seed_of, split

WEIGHTS, SCORED = "model.safetensors", "scores.json"


def steps_of(recipe: Recipe, how: How) -> int:
    return max(1, round(how.share * recipe.steps))


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """Learning rate of a step."""
    warm = min(1.0, (step + 1) / max(1, recipe.warm_up))
    rest = max(0.0, (step - recipe.flat * steps) / max(1.0, steps - recipe.flat * steps))
    return recipe.learning_rate * warm * (1 + math.cos(math.pi * rest)) / 2


def train(model, recipe: Recipe, source: Source, how: How, placement: Placement, state: StateFolder):
    """Train in place, or go on where the state says so; returns the losses of all steps and the seconds that they took, those
    before an interruption included. Raises `Diverged`."""
    steps, threads, losses = steps_of(recipe, how), decoding_threads(placement), []
    matrices, others = ([p for p in model.parameters() if (p.ndim > 1) == wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    batches = Prefetcher(lambda step: source.batch(step, recipe.batch_size, threads), steps, threads)

    def loss(step: int):
        batch = {name: placement.put(value) for name, value in batches[step].items()}
        batch = source.prepared(batch, torch_generator(0, "perceiver", "pretrain", "views", step))

        def of_part(part):
            with placement.autocast():
                return source.loss(model, part)

        parts = split(batch, how.part_size)
        return sum(checkpoint(of_part, part, use_reentrant=False) for part in parts) / source.divisor(batch)

    seconds = resumable.train(
        model.train(), Lamb(groups, recipe.learning_rate), state, steps, loss, lambda step: rate(recipe, step, steps),
        every=how.checkpoint_every_steps, clip_norm=recipe.clip_norm, placement=placement, seed_of=seed_of, label=recipe.model,
        losses=losses,
    )  # fmt: skip
    return losses, seconds


def pretrain_job(settings: Settings, name: str, out: Path, state: Path, sources: str) -> dict:
    """Train a recipe's model and score it. Writes `out`/model.safetensors and `out`/scores.json: results by evaluation, as the
    released checkpoints' are, and the losses."""
    study, recipe = settings.preset.perceiver, find(name)
    how, config = study.pretraining, published.find(recipe.model)
    placement = place(settings.config.device, how.precision)
    source = SOURCES[recipe.kind](root_of(settings), config, recipe.datasets)
    key = sha256_json([sources, name, how.model_dump(mode="json")])
    model = placement.put(create(config, seed=derive(0, "perceiver", "pretrain", name)))
    losses, seconds = train(model, recipe, source, how, placement, StateFolder(state / "training", key))
    trained = placement.clock()
    write_tensors(out / WEIGHTS, model.state_dict())
    scores = {}
    for evaluation in recipe.evaluations:
        one = find_evaluation(evaluation)
        folder = folder_of(settings, one)
        if one.kind == "glue":
            found = score_glue(model.cpu(), one, folder, study.released, placement, state / evaluation, key)
        else:
            with torch.no_grad():
                found = SCORES[one.kind](placement.put(model).eval(), one, folder, study.released, placement)
        scores[evaluation] = {
            "metrics": found[0], "published": one.published, "source": one.source, "dataset": one.dataset,
            "checkpoint": f"{recipe.model}, trained here ({len(losses):,} of {recipe.steps:,} steps)", "samples": found[1],
            "listed": found[2],
        }  # fmt: skip
    write_json(out / SCORED, {"scores": scores, "losses": losses})
    shutil.rmtree(state, ignore_errors=True)
    return {"train_seconds": seconds, "evaluate_seconds": placement.clock() - trained}


def root_of(settings: Settings) -> Path:
    if settings.config.data_root is None:
        raise UserError("the data of the Perceiver study lie below `data_root`; set it in config/config.yaml")
    return Path(settings.config.data_root)


def missing(settings: Settings) -> list[str]:
    """Data sets that are not there, a line each."""
    lines, root = [], settings.config.data_root
    for name in settings.preset.perceiver.pretraining.recipes:
        recipe = find(name)
        for one in dict.fromkeys([*recipe.datasets, *(find_evaluation(each).dataset for each in recipe.evaluations)]):
            folder = dataset(one).folder
            if not (root and (Path(root) / folder).is_dir()):
                lines.append(f"data set {one} of the perceiver recipe {name}: {not_below(folder, root)}")
    return lines
