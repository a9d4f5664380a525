"""Scoring a CLIP model on every data set: zero-shot classification and retrieval, in one pass over all images."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flopwise.config import Settings
from flopwise.core import metrics
from flopwise.core.seeds import numpy_generator
from flopwise.data.store import open_set
from flopwise.data.streams import entry
from flopwise.models import clip, lean
from flopwise.studies.continual.corpus import data_folder


@dataclass(frozen=True)
class TestSet:
    """One data set as the evaluation needs it. `texts`: primed class names, or one caption per image (retrieval)."""

    name: str
    role: str
    task: str
    chance: float
    images: np.ndarray
    targets: np.ndarray
    tokens: object
    class_names: tuple[str, ...]  # of a classification set


class Scores(NamedTuple):
    """`rows`: one per data set: dataset, role, metric, value (percent), chance (percent), n. `correct`: stream entry of
    a classification set -> (test images of the class that were recognised, number of them)."""

    rows: list[dict]
    correct: dict[str, tuple[int, int]]

    def of_entries(self, entries: list[str]) -> dict:
        """Accuracy (percent; NaN where there is nothing to classify) and number of test images of some classes."""
        found = [self.correct[item] for item in entries if item in self.correct]
        n = sum(count for _, count in found)
        return {"value": 100 * sum(hits for hits, _ in found) / n if n else math.nan, "n": n}


class Evaluator:
    """Scores models on the test sets of a scale; `seed` given: on the streaming subset drawn with that seed."""

    def __init__(self, settings: Settings, model: str, seed: int | None = None):
        self.batch_size = settings.preset.continual.evaluation.batch_size
        self.sets = [
            _test_set(settings, model, name, seed)
            for name in (*settings.preset.data.adaptation, *settings.preset.data.evaluation)
        ]

    def scores(self, model) -> Scores:
        """Score `model` on every data set."""
        import torch

        model.eval()
        with torch.no_grad():
            images = self._encode(
                lambda batch: lean.encode_image(model, clip.preprocess(batch)), [s.images for s in self.sets]
            )
            texts = self._encode(lambda batch: lean.encode_text(model, batch), [s.tokens for s in self.sets])
        rows, correct = [], {}
        for test, image_features, text_features in zip(self.sets, images, texts):
            targets = torch.as_tensor(test.targets)
            if test.task == "retrieval":
                name, score = "recall_at_5", metrics.recall_at(image_features, text_features, targets)
            else:
                hits = metrics.correct(image_features, text_features, targets)
                name, score = "top1", 100.0 * hits.double().mean().item()
                correct |= _per_entry(test, hits.numpy())
            rows.append(
                {"dataset": test.name, "role": test.role, "metric": name, "value": score, "chance": test.chance,
                 "n": len(test.images)}
            )  # fmt: skip
        return Scores(rows, correct)

    def _encode(self, encode, parts: list) -> list:
        """Unit-length features of each part, computed in batches across parts."""
        import torch
        from torch.nn.functional import normalize

        whole = torch.cat([torch.as_tensor(part) for part in parts])
        features = [normalize(encode(batch), dim=-1) for batch in whole.split(self.batch_size)]
        return list(torch.cat(features).split([len(part) for part in parts]))


def _per_entry(test: TestSet, hits: np.ndarray) -> dict[str, tuple[int, int]]:
    total = np.bincount(test.targets, minlength=len(test.class_names))
    right = np.bincount(test.targets, weights=hits, minlength=len(test.class_names))
    return {entry(test.name, c): (int(r), int(n)) for c, r, n in zip(test.class_names, right, total)}


def _test_set(settings: Settings, model: str, name: str, seed: int | None) -> TestSet:
    stored = open_set(data_folder(settings, name))
    task, test = stored.card["task"], stored.test
    groups = np.arange(len(test.images)) if task == "retrieval" else np.asarray(test.targets)
    chosen = np.arange(len(groups))
    if seed is not None:
        rule = settings.preset.continual.evaluation
        size = metrics.subset_size(len(groups), len(stored.class_names), rule.fraction, rule.minimum)
        generator = numpy_generator(seed, "subset", name)
        chosen = metrics.evaluation_subset(np.asarray(test.targets), size, generator)
    if task == "retrieval":
        texts, targets = [test.captions[i] for i in chosen], np.arange(len(chosen))
        chance = 100 * min(1, 5 / len(chosen))
    else:
        texts = [stored.card["template"].format(label) for label in stored.class_names]
        targets, chance = groups[chosen], 100 / len(stored.class_names)
    images = np.asarray(test.images)[chosen]
    names = () if task == "retrieval" else tuple(stored.class_names)
    return TestSet(name, stored.card["role"], task, chance, images, targets, clip.tokenizer(model)(texts), names)
