"""What all cells of a model start from beside its weights: their zero-shot scores on the full test sets, and streams."""

from pathlib import Path

from flopwise.config import Settings
from flopwise.core.metrics import normalised, wilson_interval
from flopwise.data import streams
from flopwise.data.store import open_set
from flopwise.models import clip
from flopwise.studies.continual.corpus import data_folder
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.orderings import StreamMaterial, build_stream, rule_of


def zero_shot_rows(settings: Settings, model: str, weights: Path) -> tuple[list[dict], float]:
    """One row per data set: score of theta_0 on the whole test set, Wilson's 95 % interval, chance, and the score as a
    share of what lies above chance. Second: the seconds of scoring."""
    evaluator = Evaluator(settings, model)
    network = evaluator.network()
    network.load_state_dict(clip.load(weights))
    rows, begin = [], evaluator.placement.clock()
    scored = evaluator.scores(network).rows
    seconds = evaluator.placement.clock() - begin
    for row in scored:
        card = open_set(data_folder(settings, row["dataset"])).card
        low, high = wilson_interval(row["value"], row["n"])
        rows.append(
            {"model": model, "title": card["title"], "task": card["task"], **row, "lower": low, "upper": high,
             "normalised": normalised(row["value"], row["chance"])}
        )  # fmt: skip
    return rows, seconds


def build_streams(settings: Settings, model: str, weights: Path, wanted: dict[tuple[str, int], Path]) -> list[dict]:
    """Write the streams `wanted`: (kind, seed) -> file. Returns a row per stream that says what decided its order."""
    material = StreamMaterial(settings, model, weights)
    rows = []
    for (kind, seed), path in wanted.items():
        stream = build_stream(material, kind, seed)
        streams.write_stream(path, stream)
        rows.append(
            {"model": model, "kind": kind, "seed": seed, "file": path.name, "rule": rule_of(material, kind),
             "entries": len(stream), "runs": streams.runs(stream)}
        )  # fmt: skip
    return rows
