"""Scoring a CLIP model on every data set: zero-shot classification and retrieval, in one pass over all images. Images
in memory go through the model together, images on disk set by set, so that no more than a few batches are held."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flopwise.config import Settings
from flopwise.core import metrics
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.core.seeds import numpy_generator
from flopwise.data.ahead import Prefetcher, decoding_threads
from flopwise.data.files import ImageFiles
from flopwise.data.store import Split, StoredSet
from flopwise.data.streams import entry
from flopwise.models import clip, lean
from flopwise.studies.continual.corpus import open_data, placement_of
from flopwise.studies.continual.network import name_of, resize_of


@dataclass(frozen=True)
class TestSet:
    """One data set as the evaluation needs it. `images`: in memory, or files, of which those numbered `chosen` count.
    `tokens`: of primed class names, or of the captions of the images (retrieval). `targets`: the class of every image,
    or the image (its place in `chosen`) of every caption."""

    name: str
    role: str
    task: str
    chance: float
    images: np.ndarray | ImageFiles
    chosen: np.ndarray
    targets: np.ndarray
    tokens: object
    class_names: tuple[str, ...]  # of a classification set


class Scores(NamedTuple):
    """`rows`: one per data set: dataset, role, metric, value (percent), chance (percent), n. `correct`: stream entry of
    a classification set -> (test images of the class that were recognised, number of them)."""

    rows: list[dict]
    correct: dict[str, tuple[int, int]]

    def of_entries(self, entries: list[str]) -> dict:
        """Accuracy (percent; None where there is nothing to classify) and number of test images of some classes."""
        found = [self.correct[item] for item in entries if item in self.correct]
        n = sum(count for _, count in found)
        return {"value": 100 * sum(hits for hits, _ in found) / n if n else None, "n": n}


class Evaluator:
    """Scores models on the test sets of a scale, or on the validation split (`evaluation.split`); `seed` given: on the
    streaming subset drawn with that seed."""

    def __init__(self, settings: Settings, model: str, seed: int | None = None):
        self.batch_size = settings.preset.continual.evaluation.batch_size
        self.placement = placement_of(settings)
        self.name = name_of(settings.preset.continual, model)
        self.how = clip.preprocessing(self.name)
        names = (*settings.preset.data.adaptation, *settings.preset.data.evaluation)
        stored = {name: open_data(settings, name, self.how) for name in names}
        left_out = [name for name in names if stored[name].test is None]
        if set(settings.preset.data.evaluation) <= set(left_out):
            raise UserError(
                "continual.evaluation.split is 'validation', but no evaluation set of this scale has training images"
            )
        if left_out and seed is None:
            print(f"no validation images, left out of every score: {', '.join(left_out)}")
        self.sets = [_test_set(settings, model, stored[name], seed) for name in names if name not in left_out]
        self._first: tuple[dict, Scores] | None = None

    def network(self):
        """A model on the evaluator's device that takes on the weights to score."""
        return self.placement.put(clip.create(self.name))

    def scores(self, model) -> Scores:
        """Score `model`, which lies on the evaluator's device, on every data set."""
        import torch

        model.eval()
        rows, correct = [], {}
        with torch.no_grad():
            texts = self._encode(lambda batch: lean.encode_text(model, batch), [s.tokens for s in self.sets])
            for test, image_features, text_features in zip(self.sets, self._images(model), texts):
                row, per_entry = _score(test, image_features, text_features)
                rows.append(row)
                correct |= per_entry
        return Scores(rows, correct)

    def first_scores(self, model, weights: dict) -> Scores:
        """Scores of `weights`, loaded into `model`; not computed again where they equal those of the last call: every
        training of a job starts from the same weights."""
        if self._first is None or not all(weights[name].equal(value) for name, value in self._first[0].items()):
            model.load_state_dict(weights)
            self._first = (weights, self.scores(model))
        return self._first[1]

    def _images(self, model):
        """Iterator over the image features of each set."""
        mean, std = self.how.mean, self.how.std
        encode = lambda batch: lean.encode_image(model, clip.preprocess(batch, mean, std))  # noqa: E731
        if any(isinstance(test.images, ImageFiles) for test in self.sets):
            return self._stream(encode)
        return iter(self._encode(encode, [test.images for test in self.sets]))

    def _encode(self, encode, parts: list) -> list:
        """Unit-length features of each part, computed in batches across parts."""
        import torch

        whole = torch.cat([torch.as_tensor(part) for part in parts])
        # sets share batches: only the last one is smaller, and a matrix product is slow on few rows
        features = [unit_features(self.placement, encode, batch) for batch in whole.split(self.batch_size)]
        return list(torch.cat(features).split([len(part) for part in parts]))

    def _stream(self, encode):
        """Yields the features of one set after the other; the next batches are read while the model computes."""
        import torch

        starts = [(test, start) for test in self.sets for start in range(0, len(test.chosen), self.batch_size)]
        threads = decoding_threads(self.placement)
        batches = Prefetcher(lambda i: self._read(*starts[i], max(1, threads)), len(starts), threads)
        number = 0
        for test in self.sets:
            count = -(-len(test.chosen) // self.batch_size)
            yield torch.cat([unit_features(self.placement, encode, batches[number + i]) for i in range(count)])
            number += count

    def _read(self, test: TestSet, start: int, threads: int):
        import torch

        indices = test.chosen[start : start + self.batch_size]
        return torch.from_numpy(test.images.load(indices, self.how.size, threads, resize_of(self.how)))


def unit_features(placement: Placement, encode, batch):
    """Unit-length features of a batch, float32 in main memory."""
    from torch.nn.functional import normalize

    with placement.autocast():
        features = encode(placement.put(batch))
    return normalize(features.float(), dim=-1).cpu()


def _score(test: TestSet, image_features, text_features) -> tuple[dict, dict[str, tuple[int, int]]]:
    """The row of a set, and for a classification set how many images of each stream entry were recognised."""
    import torch

    targets = torch.as_tensor(test.targets)
    if test.task == "retrieval":
        name, score = "recall_at_5", metrics.recall_at(image_features, text_features, targets)
        per_entry = {}
    else:
        hits = metrics.correct(image_features, text_features, targets)
        name, score = "top1", 100.0 * hits.double().mean().item()
        per_entry = _per_entry(test, hits.numpy())
    row = {"dataset": test.name, "role": test.role, "metric": name, "value": score, "chance": test.chance}
    return {**row, "n": len(test.chosen)}, per_entry


def _per_entry(test: TestSet, hits: np.ndarray) -> dict[str, tuple[int, int]]:
    total = np.bincount(test.targets, minlength=len(test.class_names))
    right = np.bincount(test.targets, weights=hits, minlength=len(test.class_names))
    found: dict[str, tuple[int, int]] = {}
    for name, r, n in zip(test.class_names, right, total):  # classes of one name are one entry
        before = found.get(entry(test.name, name), (0, 0))
        found[entry(test.name, name)] = (before[0] + int(r), before[1] + int(n))
    return found


def _test_set(settings: Settings, model: str, stored: StoredSet, seed: int | None) -> TestSet:
    name, task, test = stored.card["name"], stored.card["task"], stored.test
    targets = np.asarray(test.targets)
    chosen = np.arange(len(targets))
    if seed is not None:
        rule = settings.preset.continual.evaluation
        classes = len(stored.class_names) or len(targets)  # without classes every image is its own
        size = metrics.subset_size(len(targets), classes, rule.fraction, rule.minimum)
        chosen = metrics.evaluation_subset(targets, size, numpy_generator(seed, "subset", name))
    if task == "retrieval":
        texts, targets = _captions(test, chosen)
        chance, names = 100 * min(1, 5 / len(chosen)), ()
    else:
        texts = [stored.card["template"].format(label) for label in stored.class_names]
        targets, chance, names = targets[chosen], 100 / len(stored.class_names), tuple(stored.class_names)
    images = test.images if isinstance(test.images, ImageFiles) else np.asarray(test.images)[chosen]
    tokens = clip.tokenize(model, texts)
    return TestSet(name, stored.card["role"], task, chance, images, chosen, targets, tokens, names)


def _captions(test: Split, chosen: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The captions of the chosen images, and for each the place of its image in `chosen`."""
    own = [test.captions_of(int(index)) for index in chosen]
    texts = [test.captions[place] for places in own for place in places]
    return texts, np.repeat(np.arange(len(chosen)), [len(places) for places in own])
