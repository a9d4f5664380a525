"""What the grid costs before it runs: `cells.tsv` and the totals of `flopwise plan`.

A transfer's own cost is the student's training. What it needs besides is charged too: the frozen student's and the teachers'
forward passes, either asked at every step, or once for each kept view and then shared by all transfers that read them."""

import math
from functools import cache

import pandas

from flopwise.config import Settings
from flopwise.config.transfer import TransferConfig, ZooModel
from flopwise.methods.transfer import load
from flopwise.studies.transfer.plan import Cell, Grid
from flopwise.studies.transfer.zoo import recipe, steps_of

BACKWARD = 2  # a backward pass costs twice the forward one (both gradients of every product)


def sizes(settings: Settings) -> tuple[int, int, int]:
    """Training pictures, test pictures and classes of the scale's data."""
    study = settings.preset.transfer
    if study.material:
        from flopwise.data.materials import cues

        families, members = cues.FAMILIES[study.material]
        counts = settings.preset.data.materials[study.material]
        return counts["train"], counts["test"], families * members
    from flopwise.data.catalogue import dataset

    row = dataset(study.dataset)
    return row.n_train, row.n_test, row.n_classes


@cache
def _counted(name: str, classes: int, tower: bool = False) -> tuple[float, int]:
    """(forward GFLOPs of one picture, parameters) of a network made here, or of an image tower of open_clip."""
    import torch

    from flopwise.cost import flops

    if tower:
        from flopwise.models import clip, image_towers

        model, side = image_towers.create(name, classes, "meta").eval(), clip.preprocessing(name).size
    else:
        from flopwise.models import miniature

        model, side = miniature.create(name, classes, device="meta").eval(), miniature.SIZE
    images = torch.empty(1, 3, side, side, device="meta")
    return flops.forward(model, images) / 1e9, sum(p.numel() for p in model.parameters())


def forward_gflops(model: ZooModel, classes: int) -> float:
    """GFLOPs of one picture; of released models the number that stands in the configuration."""
    made = model.network or model.image_tower
    return _counted(made, classes, not model.network)[0] if made else model.gflops


def parameters(model: ZooModel, classes: int) -> float:
    made = model.network or model.image_tower
    return _counted(made, classes, not model.network)[1] if made else 1e6 * (model.params_m or 0)


def cells_table(settings: Settings) -> pandas.DataFrame:
    """One row per cell: slug, every parameter, steps, and GFLOPs: of the student's training alone; with the frozen student and
    the teachers asked at every step; with kept logits, each model's passes divided by the transfers that read them. MAFs:
    the student's, times memory with the other models' weights, slow weights and memory banks resident over memory of weights,
    gradients and momentum of the student alone. A contrast with a memory bank is part of the student's training."""
    study, grid = settings.preset.transfer, Grid(settings.preset.transfer)
    train, _, classes = sizes(settings)
    readers: dict[tuple, int] = {}
    for cell in grid.cells.values():
        for name in (cell.student, *study.teachers(cell.teacher)):
            readers[name, cell.amount, cell.view] = readers.get((name, cell.amount, cell.view), 0) + 1
    gflops = {name: forward_gflops(recipe(settings, name), classes) for name in study.models}
    weights = {name: parameters(recipe(settings, name), classes) for name in study.models}
    rows = [_row(study, cell, _samples(study, cell, train), readers, gflops, weights) for cell in grid.cells.values()]
    return pandas.DataFrame(rows)


def _samples(study: TransferConfig, cell: Cell, train: int) -> int:
    return round(study.amounts[cell.amount].share * train)


def _row(study: TransferConfig, cell: Cell, n: int, readers: dict, gflops: dict, weights: dict) -> dict:
    method, view, amount = load(cell.method), study.views[cell.view], study.amounts[cell.amount]
    others = (cell.student, *study.teachers(cell.teacher))
    epochs = amount.epochs * method.passes(len(others) - 1)
    steps = epochs * (n // study.batch_size)
    passes = steps * study.batch_size
    contrast, bank = method.memory_cost(n) if method.memory_cost else (0.0, 0)
    alone = passes * ((1 + BACKWARD) * gflops[cell.student] + contrast / 1e9)
    per_teacher = passes / (len(others) - 1) if method.teachers in ("sequential", "soup") else passes
    asked = passes * gflops[cell.student] + sum(per_teacher * gflops[name] for name in others[1:])
    kept = (
        sum(n * view.count * gflops[name] / readers[name, cell.amount, cell.view] for name in others)
        if view.count
        else asked
    )
    # training keeps weights, gradients and momentum, beside which the others' weights (and slow ones) lie
    own = 3 * weights[cell.student]
    extra = sum(weights[name] for name in others) * (not view.count) + method.slow * weights[cell.student] + bank
    return {
        **cell.row(), "training": cell.slug, "transfer_pictures": n, "epochs_planned": epochs, "steps_planned": steps,
        "batch_size": study.batch_size, "student_gflops": alone, "asked_gflops": alone + asked, "kept_gflops": alone + kept,
        "planned_gflops": alone + kept, "memory_multiplier": round((own + extra) / own, 4),
        "mafs": alone * round((own + extra) / own, 4),
    }  # fmt: skip


def zoo_gflops(settings: Settings) -> float:
    """Of the zoo's training: of networks trained here, of released models' heads (their passes forward, the head's part left
    out) and of all of those that train on other data first."""
    from flopwise.data.catalogue import dataset

    study, (train, _, classes) = settings.preset.transfer, sizes(settings)
    total = 0.0
    for one in (recipe(settings, name) for name in study.models):
        forward = forward_gflops(one, classes)
        if one.network:
            total += steps_of(one, train, study.zoo_batch_size) * study.zoo_batch_size * (1 + BACKWARD) * forward
        if one.tuned_on:
            total += study.tuning.epochs * dataset(one.tuned_on).n_train * (1 + BACKWARD) * forward
        elif study.heads and not one.network:
            total += study.heads.epochs * train * forward
    return total


def price(settings: Settings) -> dict:
    """What the study costs before it runs; see `flopwise.studies.study.Study.price`. Logits of kept views and memory banks are
    on disk; teachers' passes stand in `logits`, what every model says of the test pictures in `predictions`."""
    study, table = settings.preset.transfer, cells_table(settings)
    _, test, classes = sizes(settings)
    own = {name: recipe(settings, name) for name in study.models}
    each = {name: forward_gflops(one, classes) for name, one in own.items()}
    kept = float((table["kept_gflops"] - table["student_gflops"]).sum())
    asked = sum(each.values()) * test + sum(each[student] for student in table["student"]) * test
    views = table.drop_duplicates(["amount", "view"])
    logits = (
        sum(row.transfer_pictures * study.views[row.view].count for row in views.itertuples()) * classes * 4 * len(own)
    )
    models = [name for name in study.models if own[name].network]
    bytes_ = 4 * sum(parameters(own[name], classes) for name in models) + logits
    return {
        "cells": len(table), "models": list(study.models), "mafs": float(table["mafs"].sum()),
        "gflops": {"zoo": zoo_gflops(settings), "training": float(table["student_gflops"].sum()), "logits": kept,
                   "predictions": asked},
        "checkpoint_bytes": math.ceil(bytes_),
    }  # fmt: skip
