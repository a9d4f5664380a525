"""Learning rates tried on validation data, as often for every method: the only scores that a setting may be chosen by.

A fifth of each class's training data stands for the test data, see `flopwise.data.validation`. No test image is looked at."""

import dataclasses
from pathlib import Path

from flopwise.config import Settings
from flopwise.core.checkpoint import StateFolder
from flopwise.core.io import write_json, write_table
from flopwise.core.metrics import aggregate
from flopwise.models import clip
from flopwise.studies.continual.corpus import load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.jobs import discard, run_key
from flopwise.studies.continual.plan import AXES, TUNING, grid, trials
from flopwise.studies.continual.train import TrainingRun, base_folder, finished


def on_validation(settings: Settings) -> Settings:
    """The same settings, scored on validation data."""
    study = settings.preset.continual
    evaluation = study.evaluation.model_copy(update={"split": "validation"})
    preset = settings.preset.model_copy(update={"continual": study.model_copy(update={"evaluation": evaluation})})
    return dataclasses.replace(settings, preset=preset)


def tune_job(settings: Settings, method: str, out: Path, state: Path, sources: str) -> dict:
    """Run the trials of `method`; writes `out` (CSV): a row per run and metric (a_ka, a_zs, gm), value in percent, zero-shot
    value and difference. One that ended before an interruption is not run again."""
    import pandas

    settings = on_validation(settings)
    study = settings.preset.continual
    cells = trials(study, method)
    model, pool = cells[0].model, cells[0].pool
    corpus, evaluator = load_corpus(settings, model, pool), Evaluator(settings, model)
    network = evaluator.placement.put(clip.create(model))

    evaluated = 0.0

    def scores(cell: str, weights: dict) -> list[dict]:
        nonlocal evaluated
        start = evaluator.placement.clock()
        network.load_state_dict(weights)
        rows = [{"cell": cell, **row} for row in evaluator.scores(network).rows]
        evaluated += evaluator.placement.clock() - start
        return rows

    rows, records, folders = scores("zero-shot", clip.load(base_folder(settings, model))), {}, []
    for cell in cells:
        folder = StateFolder(state / cell.slug, run_key(settings, [cell], grid(settings).digest_of([cell]), sources))
        record = finished(folder)
        if record is None:
            run = TrainingRun(settings, [cell], corpus, evaluator, folder)
            run.run()
            record = {"key": folder.key, "result": run.result(cell)}
            record["scores"] = scores(cell.slug, run.deployments[0].deployed)
            write_json(folder.folder / "finished.json", record)
        records[cell.slug] = record["result"]
        rows += record["scores"]
        folders.append(folder)
    table = aggregate(pandas.DataFrame(rows), ["cell"])
    start = table[table["cell"] == "zero-shot"].set_index("metric")["value"]
    table = table[table["cell"] != "zero-shot"].assign(zero_shot=lambda t: t["metric"].map(start))
    table["delta"] = table["value"] - table["zero_shot"]
    facts = pandas.DataFrame(
        {"cell": cell.slug, **{axis: getattr(cell, axis) for axis in AXES}, "seed": cell.seed,
         "status": records[cell.slug]["status"], "rate_multiple": study.rates[cell.rate]}
        for cell in cells
    )  # fmt: skip
    write_table(out, facts.merge(table, on="cell")[list(TUNING)])
    for folder in folders:
        discard(folder)
    return {
        "gflops": sum(result["charged_gflops"] for result in records.values()),
        "train_seconds": sum(result["train_seconds"] for result in records.values()),
        "evaluate_seconds": evaluated,
    }
