"""The starting point of all cells of a model: its zero-shot scores on the full test sets, and its streams."""

from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.metrics import normalised, wilson_interval
from flopwise.data.store import open_set
from flopwise.data.streams import entry, random_stream, similarity_stream, write_stream
from flopwise.models import clip
from flopwise.studies.continual.corpus import data_folder
from flopwise.studies.continual.evaluate import Evaluator


def zero_shot_rows(settings: Settings, model: str, weights: Path) -> list[dict]:
    """One row per data set: score of theta_0 on the whole test set, Wilson's 95 % interval, chance, and the score as a
    share of what lies above chance."""
    network = clip.create(model)
    network.load_state_dict(clip.load(weights))
    rows = []
    for row in Evaluator(settings, model).scores(network).rows:
        card = open_set(data_folder(settings, row["dataset"])).card
        low, high = wilson_interval(row["value"], row["n"])
        rows.append(
            {"model": model, "title": card["title"], "task": card["task"], **row, "lower": low, "upper": high,
             "normalised": normalised(row["value"], row["chance"])}
        )  # fmt: skip
    return rows


def build_streams(settings: Settings, model: str, weights: Path, wanted: dict[tuple[str, int], Path]) -> None:
    """Write the streams `wanted`: (kind, seed) -> file."""
    entries, texts = [], []
    for name in settings.preset.data.adaptation:
        stored = open_set(data_folder(settings, name))
        entries += [entry(name, label) for label in stored.class_names]
        texts += [stored.card["template"].format(label) for label in stored.class_names]
    embeddings = _text_features(model, weights, texts) if any(kind == "similarity" for kind, _ in wanted) else None
    for (kind, seed), path in wanted.items():
        stream = similarity_stream(entries, embeddings, seed) if kind == "similarity" else random_stream(entries, seed)
        write_stream(path, stream)


def _text_features(model: str, weights: Path, texts: list[str]) -> np.ndarray:
    """Unit-length features (K, d) of primed class names under theta_0."""
    import torch

    network = clip.create(model)
    network.load_state_dict(clip.load(weights))
    network.eval()
    with torch.no_grad():
        return network.encode_text(clip.tokenizer(model)(texts), normalize=True).numpy()
