"""Orderings: in which order a model meets the classes, and from what each order is made."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.device import Placement
from flopwise.data import streams
from flopwise.data.build import facts_of
from flopwise.data.files import ImageFiles
from flopwise.data.store import Split, StoredSet
from flopwise.data.world import WORLD
from flopwise.data.world.build import family
from flopwise.models import clip, lean
from flopwise.models.clip import Preprocessing
from flopwise.studies.continual.corpus import POOL, open_data, placement_of
from flopwise.studies.continual.evaluate import unit_features
from flopwise.studies.continual.network import name_of, resize_of


def build_stream(material: "StreamMaterial", kind: str, seed: int) -> list[str]:
    """The stream of `kind`, one of `flopwise.data.streams.KINDS`; a reverse is the exact reversal of its ordering."""
    if kind.endswith(streams.REVERSE):
        return build_stream(material, streams.reverse_of(kind), seed)[::-1]
    return list(dict.fromkeys(_ordered(material, kind, seed)))  # classes of one set and name are one entry


def _ordered(material: "StreamMaterial", kind: str, seed: int) -> list[str]:
    entries = material.entries
    if kind == "random":
        return streams.random_stream(entries, seed)
    if kind == "similarity":
        return streams.similarity_stream(entries, material.class_features, seed)
    if kind == "performance":
        return streams.performance_stream(entries, material.scores)
    if kind == "frequency":
        return streams.frequency_stream(entries, material.frequencies)
    build = {"time": streams.time_stream, "dataset-incremental": streams.dataset_stream}[kind]
    return build(entries, material.releases, seed)


def rule_of(material: "StreamMaterial", kind: str) -> str:
    """What decides the order of a stream of `kind`, in words."""
    if kind.endswith(streams.REVERSE):
        return rule_of(material, streams.reverse_of(kind)) + "; reversed"
    if kind == "performance":
        score = material.settings.preset.continual.performance_score
        words = {"similarity": "mean cosine of image and caption", "accuracy": "top-1 accuracy"}[score]
        return f"easy to hard: {words}, training images, {material.model}"
    if kind == "frequency":
        unseen = material.frequencies.count(0)
        return (
            "rare to frequent: captions of the pre-training pool that hold the class name "
            f"({unseen} of {len(material.entries)} names occur in none and stand in alphabetical order)"
        )
    return {
        "random": "all classes shuffled",
        "similarity": f"from a random class, always on to the class with the most similar name, {material.model}",
        "time": "by release group, classes of a group shuffled together",
        "dataset-incremental": "by release, one data set after the other, classes of a set shuffled",
    }[kind]


@dataclass(frozen=True)
class StreamMaterial:
    """What streams are built from; each part is computed when an ordering first asks for it. `weights`: folder of
    theta_0."""

    settings: Settings
    model: str
    weights: Path

    @cached_property
    def sets(self) -> dict[str, StoredSet]:
        return {name: open_data(self.settings, name, self.how) for name in self.settings.preset.data.adaptation}

    @cached_property
    def class_names(self) -> dict[str, list[str]]:
        """Class names of every adaptation set; those of the embedded world need no stored data."""
        if self.settings.preset.data.kind == "embedded":
            return {name: family(name)[0] for name in self.settings.preset.data.adaptation}
        return {name: stored.class_names for name, stored in self.sets.items()}

    @cached_property
    def entries(self) -> list[str]:
        """All K entries, set by set in the preset's order, classes in the set's own."""
        return [streams.entry(name, label) for name, labels in self.class_names.items() for label in labels]

    @cached_property
    def releases(self) -> list[list[str]]:
        """Data sets by release group; inside a group in the embedded catalogue's order or the published one."""
        data = self.settings.preset.data
        groups = {name: facts_of(data, name)["release_group"] for name in data.adaptation}
        published = [name for group in streams.PUBLISHED_RELEASES for name in group]
        return streams.releases(groups, [*WORLD, *published, *data.adaptation])

    @cached_property
    def frequencies(self) -> list[int]:
        """In how many captions of the pre-training pool each class name occurs."""
        captions = open_data(self.settings, POOL).train.captions
        return streams.caption_counts([streams.class_of(item) for item in self.entries], captions)

    @cached_property
    def how(self) -> Preprocessing:
        return clip.preprocessing(name_of(self.settings.preset.continual, self.model))

    @cached_property
    def network(self):
        network = clip.create(name_of(self.settings.preset.continual, self.model))
        network.load_state_dict(clip.load(self.weights))
        return self.placement.put(network).eval()

    @cached_property
    def placement(self) -> Placement:
        return placement_of(self.settings)

    @cached_property
    def class_features(self) -> np.ndarray:
        """Unit-length features (K, d) of primed class names under theta_0."""
        templates = {name: facts_of(self.settings.preset.data, name)["template"] for name in self.class_names}
        primed = [templates[name].format(label) for name, labels in self.class_names.items() for label in labels]
        return self._text_features(primed)

    @cached_property
    def scores(self) -> np.ndarray:
        """The score (K,) of theta_0 on the training images of each class, in the preset's sense: mean cosine of an
        image and its caption, or the share of images whose nearest class name of the set is the right one. A class
        without training images counts as hardest."""
        accuracy, first, scores = self.settings.preset.continual.performance_score == "accuracy", 0, []
        for stored in self.sets.values():
            images, targets = self._image_features(stored.train.images), np.asarray(stored.train.targets)
            size = len(stored.class_names)
            if accuracy:
                values = (images @ self.class_features[first : first + size].T).argmax(1) == targets
            else:
                values = (images * self._text_features(_first_captions(stored.train))).sum(1)
            counts = np.bincount(targets, minlength=size)
            sums = np.bincount(targets, weights=values, minlength=size)
            scores.append(np.where(counts > 0, sums / np.maximum(counts, 1), -np.inf))
            first += size
        return np.concatenate(scores)

    def _text_features(self, texts: list[str]) -> np.ndarray:
        tokens = clip.tokenize(self.model, texts)
        return self._encode(lean.encode_text, len(tokens), lambda start, end: tokens[start:end])

    def _image_features(self, images: np.ndarray | ImageFiles) -> np.ndarray:
        import torch

        def batch(start: int, end: int):
            if not isinstance(images, ImageFiles):
                return torch.from_numpy(np.array(images[start:end]))
            threads = torch.get_num_threads()
            return torch.from_numpy(images.load(range(start, end), self.how.size, threads, resize_of(self.how)))

        def encode(model, pixels):
            return lean.encode_image(model, clip.preprocess(pixels, self.how.mean, self.how.std))

        return self._encode(encode, len(images), batch)

    def _encode(self, encode, count: int, batch) -> np.ndarray:
        """Unit-length features (count, d) of images or token rows; `batch(start, end)` is a part of them."""
        import torch

        size = self.settings.preset.continual.evaluation.batch_size
        parts = (batch(start, min(start + size, count)) for start in range(0, count, size))
        with torch.no_grad():
            features = [unit_features(self.placement, lambda part: encode(self.network, part), part) for part in parts]
        return torch.cat(features).numpy()


def _first_captions(split: Split) -> list[str]:
    """A caption of every sample."""
    return [split.captions[split.captions_of(index)[0]] for index in range(len(split.targets))]
