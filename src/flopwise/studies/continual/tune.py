"""Learning rates tried on validation data, as often for every method: the only scores that a setting may be chosen by.

Scores are of a fifth of each class's training data, see `flopwise.data.validation`. No test image is looked at."""

import dataclasses
from pathlib import Path

from flopwise.config import Settings
from flopwise.core.io import write_table
from flopwise.core.metrics import aggregate
from flopwise.models import clip
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.jobs import costs, run_trainings
from flopwise.studies.continual.plan import AXES, TUNING, trials
from flopwise.studies.continual.train import base_folder

ZERO_SHOT = "zero-shot"


def on_validation(settings: Settings) -> Settings:
    """The same settings, scored on validation data."""
    study = settings.preset.continual
    evaluation = study.evaluation.model_copy(update={"split": "validation"})
    preset = settings.preset.model_copy(update={"continual": study.model_copy(update={"evaluation": evaluation})})
    return dataclasses.replace(settings, preset=preset)


def tune_job(settings: Settings, method: str, out: Path, state: Path, sources: str) -> dict:
    """Run the trials of `method`; writes `out` (CSV): a row per run and metric (a_ka, a_zs, gm), value in percent, zero-shot
    value and difference."""
    import pandas

    settings = on_validation(settings)
    study = settings.preset.continual
    cells = trials(study, method)
    model = cells[0].model
    evaluator = Evaluator(settings, model)
    trainings = run_trainings(settings, [[cell] for cell in cells], lambda seed: evaluator, state, sources)
    network = evaluator.network()

    def scores(name: str, weights: dict) -> list[dict]:
        network.load_state_dict(weights)
        return [{"cell": name, **row} for row in evaluator.scores(network).rows]

    start = evaluator.placement.clock()
    rows = scores(ZERO_SHOT, clip.load(base_folder(settings, model)))
    for cell, training in zip(cells, trainings):
        rows += scores(cell.slug, training.weights(cell))
    evaluated = evaluator.placement.clock() - start
    table = aggregate(pandas.DataFrame(rows), ["cell"])
    zero_shot = table[table["cell"] == ZERO_SHOT].set_index("metric")["value"]
    table = table[table["cell"] != ZERO_SHOT].assign(zero_shot=lambda t: t["metric"].map(zero_shot))
    table["delta"] = table["value"] - table["zero_shot"]
    facts = pandas.DataFrame(
        {"cell": cell.slug, **{axis: getattr(cell, axis) for axis in AXES}, "seed": cell.seed,
         "status": training.results[0]["status"], "rate_multiple": study.rates[cell.rate]}
        for cell, training in zip(cells, trainings)
    )  # fmt: skip
    write_table(out, facts.merge(table, on="cell")[list(TUNING)])
    for training in trainings:
        training.discard()
    return {**costs(trainings), "evaluate_seconds": evaluated}
