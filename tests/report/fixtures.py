"""Tables of the continual study with made-up numbers, in the shape that the workflow writes; and small data sets."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from flopwise.data import store, streams

SETS = {
    "digits": "adaptation", "letters": "adaptation", "icons": "adaptation", "textures": "adaptation",
    "brand-icons": "adaptation", "relief": "adaptation", "sketches": "adaptation", "signs": "adaptation",
    "sprites": "evaluation", "solids": "evaluation", "counting": "evaluation", "captions": "evaluation",
}  # fmt: skip
EFFECT = {  # method -> (gain on adaptation sets, loss on evaluation sets), in points
    "full-ft": (19, -6), "lnfit": (7, -1), "lora-r4": (12, -3), "ema-merge": (16, -0.5), "oracle": (27, 1.5),
}  # fmt: skip
START = {"vit-xs-8": (28.0, 47.0), "vit-s-8": (31.0, 53.0), "vit-m-8": (33.0, 57.0)}
GFLOPS = {"vit-xs-8": 1.1, "vit-s-8": 3.4, "vit-m-8": 8.0}


def points(*, smoke: bool) -> list[dict]:
    """Cells of the grid: all methods with replay, two without, streams, budgets and models for two methods."""
    base = {"model": "vit-s-8", "budget": 1.0, "mixture": "uniform", "stream": "random", "schedule": "cosine"}
    methods, pair = list(EFFECT), ["full-ft", "ema-merge"]
    grid = [{**base, "method": m} for m in methods]
    grid += [{**base, "method": m, "mixture": "no-replay"} for m in pair]
    if not smoke:
        grid += [{**base, "method": m, "stream": "similarity"} for m in pair]
        grid += [{**base, "method": m, "budget": b} for m, b in product(pair, (0.25, 4.0))]
        grid += [{**base, "method": m, "model": v} for m, v in product(pair, ("vit-xs-8", "vit-m-8"))]
    runs = [{**point, "seed": seed} for point in grid for seed in range(1 if smoke else 5)]
    return [{"cell": _slug(run, base), **run} for run in runs]


def _slug(run: dict, base: dict) -> str:
    words = [str(run[k]) if k != "budget" else f"f{run[k]:g}" for k in base if run[k] != base[k]]
    return "-".join([run["method"], *words, f"s{run['seed']}"])


def write(folder: Path, *, smoke: bool = False, diverged: tuple[str, ...] = (), tasks: int = 6) -> Path:
    """Write trajectory, per_set, final, cells and zero_shot tables; cells named in `diverged` break off."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    tasks = 2 if smoke else tasks
    trajectory, per_set, final, cells = [], [], [], []
    for run in points(smoke=smoke):
        lost = run["cell"] in diverged
        status = {"status": "diverged" if lost else "done"}
        path = _path(run, tasks, generator)
        for task, values in enumerate(path):
            if run["method"] == "oracle" and 0 < task < tasks:
                continue
            cost = {"gflops": 400.0 * run["budget"] * task, "samples": 3200 * task}
            values = {m: float("nan") if lost and task >= tasks - 1 else v for m, v in values.items()}
            trajectory += [{**run, "task": task, "metric": m, "value": v, **cost, **status} for m, v in values.items()]
            per_set += [{**run, **row} for row in _sets(task, values, tasks)]
        for metric, value in path[-1].items():
            start = path[0][metric]
            value = float("nan") if lost else value
            final.append({**run, "metric": metric, "value": value, "zero_shot": start, "delta": value - start})
        steps = round(800 * run["budget"] / GFLOPS[run["model"]])
        cells.append({**run, "experiment_methods": True, "steps_per_task": steps, "batch_size": 64,
                      "planned_gflops": 2400.0 * run["budget"], "measured_gflops": 2391.5 * run["budget"],
                      "cpu_seconds": 21.5 * run["budget"], **status})  # fmt: skip
    pd.DataFrame(trajectory).to_csv(folder / "trajectory.csv", index=False)
    pd.DataFrame(per_set).drop(columns="schedule").to_csv(folder / "per_set.csv", index=False)
    pd.DataFrame(final).to_csv(folder / "final.csv", index=False)
    pd.DataFrame(cells).to_csv(folder / "cells.csv", index=False)
    _zero_shot(generator, ["vit-s-8"] if smoke else list(START)).to_csv(folder / "zero_shot.csv", index=False)
    (folder / "claims.json").write_text(json.dumps(claims()))
    return folder


def _path(run: dict, tasks: int, generator) -> list[dict]:
    """Aggregates after each task: a curve to the method's end point, moved by budget and stream, with noise."""
    gain, loss = EFFECT[run["method"]]
    replay = 1.0 if run["mixture"] == "uniform" else 2.4
    gain *= 1 + 0.18 * np.log2(run["budget"]) - (0.25 if replay > 1 else 0)
    ka, zs = START[run["model"]]
    noise = generator.normal(0, [0.8, 0.5])
    rows = []
    for task in range(tasks + 1):
        share = task / tasks
        a = ka + gain * share**0.7 + noise[0] * share + (generator.normal(0, 0.3) if task else 0)
        z = zs + loss * replay * share + noise[1] * share + (generator.normal(0, 0.3) if task else 0)
        rows.append({"a_ka": a, "a_zs": z, "gm": float(np.sqrt(a * z))})
    return rows


def _sets(task: int, values: dict, tasks: int) -> list[dict]:
    rows = []
    for index, (name, role) in enumerate(SETS.items()):
        value = values["a_ka" if role == "adaptation" else "a_zs"] + 9 * np.sin(2.3 * index) + task * np.cos(index)
        metric = "recall_at_5" if name in ("captions", "sketches") else "top1"
        rows.append({"task": task, "dataset": name, "role": role, "metric": metric, "value": value,
                     "chance": 10.0 if metric == "top1" else 2.5, "n": 300})  # fmt: skip
    return rows


def _zero_shot(generator, models: list[str]) -> pd.DataFrame:
    rows = []
    for model, (index, (name, role)) in product(models, enumerate(SETS.items())):
        ka, zs = START[model]
        chance = (10.0, 4.0, 12.5, 2.5)[index % 4]
        value = max(chance, (ka if role == "adaptation" else zs) + 14 * np.sin(2.3 * index) + generator.normal(0, 1))
        retrieval = name in ("captions", "sketches")
        rows.append({"model": model, "dataset": name, "title": name.replace("-", " ").capitalize(), "role": role,
                     "task": "retrieval" if retrieval else "classification",
                     "metric": "recall_at_5" if retrieval else "top1", "value": value, "lower": value - 3.1,
                     "upper": value + 3.2, "chance": chance, "n": 300,
                     "normalised": (value - chance) / (100 - chance)})  # fmt: skip
    return pd.DataFrame(rows)


def write_sets(folder: Path) -> Path:
    """Small data sets as the store writes them: coloured shapes, one per class; retrieval sets have a caption each."""
    for index, (name, role) in enumerate(SETS.items()):
        retrieval = name in ("captions", "sketches")
        count, copies = (24, 1) if retrieval else (4 + 3 * (index % 4), 4)
        targets = np.repeat(np.arange(count), copies)
        images = np.stack([_image(index, target, i % copies) for i, target in enumerate(targets)])
        captions = [f"a {name} drawing, number {target}, with a long caption" for target in targets]
        names = [] if retrieval else [f"{name} class {target}" for target in range(count)]
        split = store.Split(images, targets, captions)
        facts = {
            "name": name, "title": name.replace("-", " ").capitalize(), "role": role,
            "task": "retrieval" if retrieval else "classification", "material": "procedural", "source": "made here",
            "licence": "Apache-2.0", "split": "held-out poses", "release_group": 1 + index % 3,
        }  # fmt: skip
        train = split if role == "adaptation" else None
        store.write_set(folder / name, store.BuiltSet(train, split, names), facts)
    pool = store.Split(images, targets, captions)
    store.write_set(folder / "pool", pool, {"name": "pool", "title": "Pool", "role": "pre-training", "task": "pairs"})
    return folder


def write_streams(folder: Path) -> Path:
    """Every ordering of made-up classes of the adaptation sets; what decides the order does not matter here."""
    entries = [
        streams.entry(name, f"class {i}") for name, role in SETS.items() if role == "adaptation" for i in range(4)
    ]
    rows = []
    for seed, kind in enumerate(streams.ORDERINGS):
        stream = entries if kind == "dataset-incremental" else streams.random_stream(entries, seed)
        streams.write_stream(folder / f"{kind}-s0.json", stream)
        rows.append({"model": "vit-s-8", "kind": kind, "seed": 0, "file": f"{kind}-s0.json", "rule": f"rule of {kind}",
                     "entries": len(stream), "runs": streams.runs(stream)})  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "orderings.csv", index=False)
    return folder


def _image(family: int, number: int, copy: int) -> np.ndarray:
    image = Image.new("RGB", (32, 32), tuple((37 * family + 91 * c) % 200 for c in range(3)))
    draw = ImageDraw.Draw(image)
    shapes = (draw.ellipse, draw.rectangle)
    box = (4 + copy, 4 + number % 7, 20 + copy + number % 5, 24)
    shapes[number % 2](box, fill=tuple((53 * number + 80 * c + 90) % 256 for c in range(3)))
    return np.asarray(image, dtype=np.uint8)


def claims() -> list[dict]:
    """One claim per verdict, with texts that try to break the page."""
    verdicts = ("reproduced", "direction only", "not reproduced", "inconclusive", "not testable at this scale")
    titles = (
        "Merging beats plain fine-tuning", "Merging keeps A_ZS near zero-shot",
        "Parameter-efficient methods trade plasticity for stability", "More compute helps only with merging",
        "Larger models forget less <script>alert('x')</script>",
    )  # fmt: skip
    rows = []
    for index, (verdict, title) in enumerate(zip(verdicts, titles)):
        measured = index < 4
        rows.append({
            "id": f"continual-{index + 1}", "study": "continual", "title": title, "source": "third-party summary",
            "paper_says": "GM after the stream is higher for EMA merging <img src=x onerror=alert(1)>",
            "quantity": "GM(ema-merge) - GM(full-ft)", "rule": "Paired over seeds: the interval's lower end is > 0.",
            "rule_sha256": f"{index}" * 64, "scales": ["laptop", "evening"], "verdict": verdict,
            "effect": 1.5 - index if measured else None, "low": 0.5 - index if measured else None,
            "high": 2.5 - index if measured else None, "unit": "points", "n_seeds": 5 if measured else 0,
            "smallest_detectable": 1.2 if measured else None, "false_positive_rate": 0.04 if measured else None,
            "note": "Needs 2 model scales." if not measured else "",
        })  # fmt: skip
    return rows
