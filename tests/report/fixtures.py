"""Tables of the continual study with made-up numbers, in the shape that the workflow writes; and small data sets."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from flopwise.config.continual import Axes
from flopwise.data import store, streams
from flopwise.report.continual import merging

SETS = {
    "digits": "adaptation", "letters": "adaptation", "icons": "adaptation", "textures": "adaptation",
    "brand-icons": "adaptation", "relief": "adaptation", "sketches": "adaptation", "signs": "adaptation",
    "sprites": "evaluation", "solids": "evaluation", "counting": "evaluation", "captions": "evaluation",
}  # fmt: skip
EFFECT = {  # method -> (gain on adaptation sets, loss on evaluation sets), in points
    "full-ft": (19, -6), "locked-text": (15, -3), "lnfit": (7, -1), "lora-r4": (12, -3), "dora-r4": (12.5, -3.2),
    "ewc": (15, -4), "si": (16, -5), "ema-merge": (16, -0.5), "zs-merge": (10, 0.2), "ft-merge": (9, 0.1),
    "brand-new": (13, -2), "oracle": (27, 1.5),
}  # fmt: skip
START = {"vit-xs-8": (28.0, 47.0), "vit-s-8": (31.0, 53.0), "vit-m-8": (33.0, 57.0)}
STEP = {"vit-xs-8": 0.4, "vit-s-8": 1.2, "vit-m-8": 3.1}  # GFLOPs of a step
DEFAULT = {  # every axis of the study, at its default
    axis: {"model": "vit-s-8", "budget": "f1", "horizon": "t6"}.get(axis, field.default)
    for axis, field in Axes.model_fields.items()
}  # fmt: skip
BUDGETS = {"f1": 1.0, "f0.5": 0.5, "f2": 2.0, "f1-steps": 1.0, "f1-published": 1.0}
MIXTURES = {
    "uniform": (0.33, 0.34, 0.33), "no-replay": (0, 1, 0), "no-buffer": (0.5, 0.5, 0), "buffer-heavy": (0.1, 0.1, 0.8),
    "oracle": (0.33, 0.67, 0),
}  # fmt: skip
RATES = {"lr1": 1.0, "lr0.3": 0.3, "lr3": 3.0}
TEMPERATURES = {"learned": None, "tau0.07": 0.07, "tau0.5": 0.5}
HORIZONS = {"t6": 6, "t12": 12, "per-set": 8}
GRID = tuple(merging.GRID)
PAIR = ("full-ft", "ema-merge")
EXPERIMENTS = {  # name -> (seeds, evaluated when, axes), in the manner of the presets
    "headline": (5, "tasks", {"method": PAIR}),
    "methods": (3, "tasks", {"method": tuple(EFFECT)[:-1]}),
    "ewc-accounting": (3, "final", {"method": ("ewc",), "budget": ("f1", "f1-published")}),
    "merging": (3, "tasks", {"method": ("full-ft", "ema-merge", "zs-merge"), "mixture": ("uniform", "no-replay")}),
    "time-grid": (2, "final", {"method": GRID}),
    "operators": (3, "final", {"method": ("ema-merge", "zs-merge"), "merge": ("interpolation", "slerp", "ties")}),
    "weightings": (3, "final", {"method": ("offline-merge",), "merge": ("interpolation", "linear", "exp")}),
    "merge-weights": (1, "final", {"method": ("ema-merge", "zs-merge"), "merge": ("w0.1", "interpolation", "w0.9")}),
    "mixtures": (3, "tasks", {"method": PAIR, "mixture": tuple(MIXTURES)[:-1]}),
    "schedules": (3, "tasks", {"method": PAIR, "schedule": ("cosine", "rsqrt", "cosine-autoregressive")}),
    "rates": (3, "final", {"method": PAIR, "rate": tuple(RATES)}),
    "temperature": (3, "final", {"temperature": tuple(TEMPERATURES)}),
    "streams": (3, "tasks", {"method": PAIR, "stream": ("random", "similarity", "time", "random-reverse")}),
    "per-set": (3, "final", {"method": PAIR, "stream": ("dataset-incremental",), "horizon": ("per-set",)}),
    "pools": (3, "tasks", {"method": PAIR, "pool": ("pool", "clean", "narrow")}),
    "horizons": (3, "tasks", {"method": (*PAIR, "lora-r4"), "horizon": ("t6", "t12")}),
    "schedules-horizons": (3, "final", {"schedule": ("cosine", "cosine-autoregressive"), "horizon": ("t6", "t12")}),
    "compute": (3, "final", {"method": PAIR, "budget": ("f0.5", "f1", "f2")}),
    "model-scale": (3, "final", {"method": PAIR, "model": tuple(START)}),
    "model-scale-steps": (3, "final", {"method": PAIR, "model": ("vit-xs-8", "vit-m-8"), "budget": ("f1-steps",)}),
    "stability": (1, "steps", {"method": PAIR}),
    "defects": (3, "final", {"method": ("full-ft", "ewc"), "recipe": ("mended", "as-released")}),
    "response": (2, "final", {"budget": ("f0.5", "f1", "f2")}),
    "oracle": (3, "tasks", {"method": ("oracle",), "mixture": ("oracle",)}),
}  # fmt: skip
SMOKE = ("headline", "methods", "mixtures", "oracle")
ORDER = ("final", "tasks", "steps")


def points(*, smoke: bool = False, experiments=None) -> list[dict]:
    """Cells of the grid: name, axes, seed, experiments and when they are evaluated. smoke: few experiments, one seed."""
    cells: dict[str, dict] = {}
    for name in experiments or (SMOKE if smoke else EXPERIMENTS):
        seeds, evaluate, axes = EXPERIMENTS[name]
        for point in product(*(axes.get(axis, (value,)) for axis, value in DEFAULT.items())):
            for seed in range(1 if smoke else seeds):
                run = dict(zip(DEFAULT, point)) | {"seed": seed}
                cell = _slug(run)
                known = cells.setdefault(cell, {"cell": cell, **run, "experiments": [], "evaluate": evaluate})
                known["experiments"].append(name)
                known["evaluate"] = max(known["evaluate"], evaluate, key=ORDER.index)
    return list(cells.values())


def _slug(run: dict) -> str:
    words = [run[axis] for axis, value in DEFAULT.items() if axis != "method" and run[axis] != value]
    return "-".join([run["method"], *words, f"s{run['seed']}"])


def write(folder: Path, *, smoke: bool = False, experiments=None, diverged: tuple[str, ...] = ()) -> Path:
    """Write all tables of the study; cells named in `diverged` break off after their first task."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    tables = {
        name: [] for name in ("trajectory", "per_set", "final", "final_sets", "chunks", "inside", "cells", "losses")
    }
    for point in points(smoke=smoke, experiments=experiments):
        _add_run(tables, point, point["cell"] in diverged, generator)
    for name, rows in tables.items():
        columns = None if rows else ["cell", *DEFAULT, "seed", "status", "task", "metric", "value"]
        pd.DataFrame(rows, columns=columns).to_csv(folder / f"{name}.csv", index=False)
    tuning = [] if smoke or experiments else _tuning(generator)
    pd.DataFrame(tuning, columns=None if tuning else ["cell", *DEFAULT, "seed", "status", "rate_multiple", "metric", "value"]
                 ).to_csv(folder / "tuning.csv", index=False)  # fmt: skip
    _zero_shot(generator, ["vit-s-8"] if smoke else list(START)).to_csv(folder / "zero_shot.csv", index=False)
    (folder / "claims.json").write_text(json.dumps({"claims": claims(), "calibration": calibration()}))
    return folder


def _tuning(generator) -> list[dict]:
    """Trials of two methods, two seeds; one run of the second diverged, at the rate that is best in the other."""
    rows = []
    for method, (rate, multiple), seed in product(PAIR, RATES.items(), range(2)):
        run = {**DEFAULT, "method": method, "rate": rate, "seed": seed, "rate_multiple": multiple}
        status = "diverged" if (method, rate, seed) == ("ema-merge", "lr0.3", 1) else "done"
        for metric in ("a_ka", "a_zs", "gm"):
            value = 30 - abs(multiple - 0.5) + generator.normal(0, 0.1)
            rows.append({**run, "cell": _slug(run), "status": status, "metric": metric, "value": value, "zero_shot": 25.0,
                         "delta": value - 25})  # fmt: skip
    return rows


def _add_run(tables: dict[str, list], point: dict, lost: bool, generator) -> None:
    """Rows of one run in every table."""
    run = {key: point[key] for key in ("cell", *DEFAULT, "seed")} | {"status": "diverged" if lost else "done"}
    run["budget_multiple"] = BUDGETS[run["budget"]]
    tasks = 1 if run["method"] == "oracle" else HORIZONS[run["horizon"]]
    path = _path(run, tasks, generator)
    if point["evaluate"] != "final":
        for task, values in enumerate(path[: 2 if lost else None]):
            cost = {"gflops": 80.0 * task, "samples": 3200 * task}
            tables["trajectory"] += [{**run, "task": task, "metric": m, "value": v, **cost} for m, v in values.items()]
            tables["per_set"] += [{**run, "task": task, **row} for row in _sets(task, values)]
            tables["chunks"] += [{**run, "task": task, "chunk": chunk, "n": 40, "value": 25 + 40 * (task >= chunk)
                                  - 3.0 * max(0, task - chunk)} for chunk in range(1, tasks + 1)]  # fmt: skip
    if point["evaluate"] == "steps":
        tables["inside"] += [
            {**run, "task": task, "step": step, "steps": 100, "metric": m, "value": v - 2}
            for task, values in enumerate(path[:-1]) for step in (33, 66) for m, v in values.items()
        ]  # fmt: skip
    start, end = path[0], path[-1]
    tables["final"] += [
        {**run, "metric": m, "value": v, "zero_shot": start[m], "delta": v - start[m]} for m, v in end.items()
    ]
    for first, last in zip(_sets(0, start), _sets(tasks, end)):
        delta = last["value"] - first["value"]
        tables["final_sets"].append({**run, **last, "zero_shot": first["value"], "delta": delta})
    cell = _cell(run, point, tasks)
    keys = ("cell", *DEFAULT, "seed", "status")
    tables["losses"] += [
        {**{key: run[key] for key in keys}, "step": cell["steps_planned"] * part // 10, "task": 1 + tasks * part // 11,
         "loss": 4 * 0.98**part + generator.normal(0, 0.05)}
        for part in range(1, 11)
    ]  # fmt: skip
    tables["cells"].append(cell)


def _cell(run: dict, point: dict, tasks: int) -> dict:
    """The run's row in the table of cells."""
    step = STEP[run["model"]] * (0.7 if run["method"] in ("lnfit", "lora-r4") else 1)
    multiplier = 0.66 if run["method"] == "lnfit" else 1.0
    allowed = 500.0 * run["budget_multiple"]
    steps = int(allowed / (step * multiplier))
    mafs, share = steps * step * multiplier, steps * step * multiplier / allowed
    shares = dict(zip(("pool_share", "update_share", "buffer_share"), MIXTURES[run["mixture"]]))
    return {
        **run, "experiments": ",".join(point["experiments"]), "evaluate": point["evaluate"],
        "job": "/".join([run["model"], run["budget"], run["mixture"], run["method"], "all"]), "training": run["cell"],
        "tasks_planned": tasks, "tasks": tasks, "steps_planned": steps, "steps_per_task": steps / tasks, "end_passes": 0,
        "batch_size": 64, "step_gflops": step, "memory_multiplier": multiplier, "rate_multiple": RATES[run["rate"]],
        "temperature_value": TEMPERATURES[run["temperature"]], **shares, "planned_gflops": steps * step,
        "planned_mafs": mafs, "allowed_gflops": allowed, "budget_unit": "steps" if run["budget"] == "f1-steps" else "mafs",
        "planned_share": share, "charged_share": share, "charged_gflops": steps * step, "charged_mafs": mafs,
        "executed_gflops": 0.7 * steps * step,
        "train_cpu_seconds": 21.5, "evaluate_cpu_seconds": 3.0, "cpu_seconds": 24.5, "gflops_per_second": 20.0,
        "diverged_at": 40 if run["status"] == "diverged" else None, "steps_run": steps, "shared_by": 1,
    }  # fmt: skip


def _path(run: dict, tasks: int, generator) -> list[dict]:
    """Aggregates after each task: a curve to the method's end point, moved by the other axes, with noise."""
    gain, loss = EFFECT.get(run["method"], (12, -1.5))
    changed = [axis for axis, value in DEFAULT.items() if axis not in ("method", "model") and run[axis] != value]
    gain *= 1 + 0.18 * np.log2(run["budget_multiple"]) - 0.12 * len(changed)
    loss *= 1 + 0.8 * len(changed)
    ka, zs = START[run["model"]]
    noise = generator.normal(0, [0.8, 0.5])
    rows = []
    for task in range(tasks + 1):
        share = task / tasks
        a = ka + gain * share**0.7 + noise[0] * share + (generator.normal(0, 0.3) if task else 0)
        z = zs + loss * share + noise[1] * share + (generator.normal(0, 0.3) if task else 0)
        rows.append({"a_ka": a, "a_zs": z, "gm": float(np.sqrt(a * z))})
    return rows


def _sets(task: int, values: dict) -> list[dict]:
    rows = []
    for index, (name, role) in enumerate(SETS.items()):
        value = values["a_ka" if role == "adaptation" else "a_zs"] + 9 * np.sin(2.3 * index) + task * np.cos(index)
        metric = "recall_at_5" if name in ("captions", "sketches") else "top1"
        rows.append({"dataset": name, "role": role, "metric": metric, "value": value,
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
    made = {"title": "Pre-training pool", "role": "pre-training", "task": "image-text pairs", "split": "no test split",
            "source": "made here", "licence": "Apache-2.0"}  # fmt: skip
    pool = store.Split(images, targets % 3, captions)
    recipe = {"caption_noise": 0.2, "families": ["shapes", "scenes", "print"]}
    store.write_set(folder / "pool", pool, {**made, **recipe, "name": "pool"})
    store.write_set(folder / "web", pool, {**made, "name": "web"})  # a real pool has no recipe
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
            "n": 5 if measured else 0, "unit_of_inference": "seed", "gates": [],
            "smallest_detectable": 1.2 if measured else None, "p_value": 0.001 if measured else None,
            "p_holm": 0.01 * 4**index if measured else None, "stands_for": "published", "kind": "difference",
            "diverged": [], "reason": "" if measured else "one seed only",
            "note": "Needs 2 model scales." if not measured else "",
        })  # fmt: skip
    return rows


def calibration() -> list[dict]:
    rates = {"reproduced": 0.024, "not_reproduced": 0.031, "monte_carlo_error": 0.0025, "draws": 4000}
    return [{"kind": "difference", "seeds": 5, "points": 2, "example": "continual-1", **rates}]
