"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`."""

import pandas

from flopwise.config import Settings
from flopwise.config.efficiency import SCRATCH, EfficiencyConfig
from flopwise.cost import closed_forms, pretraining
from flopwise.methods.efficiency import load
from flopwise.studies.efficiency.plan import Cell, Grid

CLASSES = {"pool-coco": 10, "pool-align": 0}  # the others label things on grounds
LABELS = 24
CONTEXT = 9  # words of a caption, about; a run counts those that are there
TOKENS = 32  # of a caption where pictures are real


def options(study: EfficiencyConfig, method: str) -> dict:
    """An objective's own, with the scale's over them."""
    return {**load(method).options, **study.methods[method].options}


def image_flops(study: EfficiencyConfig, cell: Cell, classes: int, context: int) -> float:
    """FLOPs per image of a cell's training. context: words of a caption."""
    chosen = options(study, cell.method)
    return pretraining.per_image(cell.method, _trunk(study, cell.size), study.batch_size, classes, context, chosen)


def step_flops(study: EfficiencyConfig, cell: Cell) -> float:
    """Of one training step, before the pool's captions are known."""
    pool = study.pools[cell.pool]
    if pool.dataset:
        from flopwise.data.catalogue import dataset

        classes = dataset(pool.dataset).n_classes or 0
        return study.batch_size * image_flops(study, cell, classes, TOKENS)
    return study.batch_size * image_flops(study, cell, CLASSES.get(pool.material, LABELS), CONTEXT)


def released_flops(study: EfficiencyConfig, name: str) -> float:
    """FLOPs per image of a checkpoint's pre-training, by its recipe."""
    one = study.checkpoints[name]
    size = study.sizes[one.size]
    return closed_forms.pretraining(one.method, closed_forms.Vit(size.width, size.depth, size.patch), **one.recipe)


def segment_gflops(study: EfficiencyConfig, size: str) -> float:
    """Of one transfer: fine-tuned, its trials and frozen; scoring left out, and of a real set all but the encoder."""
    if how := study.scenes:
        one, patches = study.sizes[size], (how.side // study.sizes[size].patch) ** 2
        vit = closed_forms.Vit(one.width, one.depth, one.patch)
        trials = len(how.trials) * how.trial_steps if len(how.trials) > 1 else 0
        return ((how.steps + trials) * how.batch_size * vit.training(patches)) / 1e9
    how, trunk = study.transfer, _trunk(study, size)
    return how.steps * how.batch_size * (how.draws * trunk.training() + trunk.forward()) / 1e9


def cells_table(settings: Settings) -> pandas.DataFrame:
    """A row per cell: slug, every parameter, steps, images and GFLOPs; `added_gflops`: what it adds to the training that cells
    share."""
    study, rows = settings.preset.efficiency, []
    for cell in Grid(study).cells.values():
        rows.append({**cell.row(), **_planned(study, cell), "segment_gflops": segment_gflops(study, cell.size)})
    table = pandas.DataFrame(rows)
    # budgets of a training share its constant part: the largest pays for it, the others for their cooldowns
    own = table["planned_gflops"]
    largest = table.groupby("training")["planned_gflops"].transform("max")
    table["added_gflops"] = own.where(own == largest, study.cooldown * own).where(~table["released"], 0.0)
    return table


def _planned(study: EfficiencyConfig, cell: Cell) -> dict:
    """Steps, images and GFLOPs of a cell's pre-training; of a checkpoint those of its recipe, which nobody pays here."""
    if cell.released:
        images = study.checkpoints[cell.budget].images
        spent = images * released_flops(study, cell.budget) / 1e9
        return {"steps_planned": 0, "images_planned": images, "step_gflops": 0.0, "planned_gflops": spent}
    budget = study.budgets[cell.budget] * study.budget_gflops if cell.method != SCRATCH else 0.0
    step = step_flops(study, cell) / 1e9 if budget else 0.0
    steps = max(1, int(budget / step)) if budget else 0
    return {
        "steps_planned": steps, "images_planned": steps * study.batch_size, "step_gflops": step, "planned_gflops": steps * step,
    }  # fmt: skip


def price(settings: Settings) -> dict:
    """What the study costs before it runs; see `flopwise.studies.study.Study.price`."""
    study, table = settings.preset.efficiency, cells_table(settings)
    spent = float(table["added_gflops"].sum())
    return {
        "cells": len(table), "models": list(dict.fromkeys(table["size"])), "mafs": spent,
        "gflops": {"pretraining": spent, "segmentation": float(table["segment_gflops"].sum())},
        "checkpoint_bytes": 4 * sum(_weights(study, size) for size in table["size"]),
    }  # fmt: skip


def _trunk(study: EfficiencyConfig, size: str) -> pretraining.Trunk:
    one = study.sizes[size]
    if one.network:  # a class token beside the patches
        return pretraining.Trunk(one.width, one.depth, one.patch, "patches", study.pictures.side, 1)
    return pretraining.Trunk(one.width, one.depth, one.patch, one.stem)


def _weights(study: EfficiencyConfig, size: str) -> int:
    """Parameters of a trunk, about: those of its blocks."""
    one = study.sizes[size]
    return 12 * one.depth * one.width**2
