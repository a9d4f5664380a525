"""Scoring a CLIP model on every data set: zero-shot classification and retrieval, in one pass over all images."""

from dataclasses import dataclass

import numpy as np

from flopwise.config import Settings
from flopwise.core import metrics
from flopwise.core.seeds import numpy_generator
from flopwise.data.store import open_set
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


class Evaluator:
    """Scores models on the test sets of a scale; `seed` given: on the streaming subset drawn with that seed."""

    def __init__(self, settings: Settings, model: str, seed: int | None = None):
        self.batch_size = settings.preset.continual.evaluation.batch_size
        self.sets = [
            _test_set(settings, model, name, seed)
            for name in (*settings.preset.data.adaptation, *settings.preset.data.evaluation)
        ]

    def scores(self, model) -> list[dict]:
        """One row per data set: dataset, role, metric, value (percent), chance (percent), n."""
        import torch

        model.eval()
        with torch.no_grad():
            images = self._encode(
                lambda batch: lean.encode_image(model, clip.preprocess(batch)), [s.images for s in self.sets]
            )
            texts = self._encode(lambda batch: lean.encode_text(model, batch), [s.tokens for s in self.sets])
        rows = []
        for test, image_features, text_features in zip(self.sets, images, texts):
            if test.task == "retrieval":
                name, score = (
                    "recall_at_5",
                    metrics.recall_at(image_features, text_features, torch.as_tensor(test.targets)),
                )
            else:
                name, score = "top1", metrics.top1(image_features, text_features, torch.as_tensor(test.targets))
            rows.append(
                {"dataset": test.name, "role": test.role, "metric": name, "value": score, "chance": test.chance,
                 "n": len(test.images)}
            )  # fmt: skip
        return rows

    def _encode(self, encode, parts: list) -> list:
        """Unit-length features of each part, computed in batches across parts."""
        import torch
        from torch.nn.functional import normalize

        whole = torch.cat([torch.as_tensor(part) for part in parts])
        features = [normalize(encode(batch), dim=-1) for batch in whole.split(self.batch_size)]
        return list(torch.cat(features).split([len(part) for part in parts]))


def aggregates(rows: list[dict]) -> dict[str, float]:
    """A_KA and A_ZS (unweighted means over adaptation and evaluation sets, percent) and their geometric mean."""
    means = {
        key: float(np.mean([row["value"] for row in rows if row["role"] == role]))
        for key, role in (("a_ka", "adaptation"), ("a_zs", "evaluation"))
    }
    return {**means, "gm": metrics.geometric_mean(means["a_ka"], means["a_zs"])}


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
    return TestSet(name, stored.card["role"], task, chance, images, targets, clip.tokenizer(model)(texts))
