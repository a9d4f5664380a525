import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from flopwise.config import load
from flopwise.core.metrics import (
    correct,
    evaluation_subset,
    geometric_mean,
    normalised,
    recall_at,
    wilson_interval,
)
from flopwise.data.catalogue import catalogue
from flopwise.data.store import Split, StoredSet
from flopwise.studies.continual.evaluate import _test_set


def test_the_nearest_class_wins_whatever_the_length_of_an_image_feature():
    classes = torch.eye(3)
    images = torch.tensor([[9.0, 1, 0], [0, 0.2, 0.1], [0, 5, 1]])
    assert correct(images, classes, torch.tensor([0, 1, 2])).tolist() == [True, True, False]


def test_recall_against_a_loop():
    """Both directions, several captions per image, written out with sorted lists."""
    generator = torch.Generator().manual_seed(0)
    images, texts = (torch.nn.functional.normalize(torch.randn(n, 6, generator=generator), dim=1) for n in (12, 30))
    owner = torch.cat([torch.arange(12), torch.randint(12, (18,), generator=generator)])
    similarity = texts @ images.T
    nearest = lambda row: sorted(range(len(row)), key=lambda i: -row[i])[:5]  # noqa: E731
    found_image = [owner[t].item() in nearest(similarity[t].tolist()) for t in range(30)]
    found_text = [any(owner[t] == i for t in nearest(similarity[:, i].tolist())) for i in range(12)]
    assert recall_at(images, texts, owner) == pytest.approx(50 * (np.mean(found_image) + np.mean(found_text)))


@pytest.mark.parametrize(
    ("folder", "size"),
    [
        ("CIFAR10", 1000), ("ARTBENCH10", 3740), ("MVTECAD_Eval", 300), ("IMAGENET", 5000), ("FSCOCO", 300),
        ("MSCOCO", 5000), ("FLICKR30K", 1000),
    ],
)  # fmt: skip
def test_the_evaluation_draws_as_many_images_of_a_published_set_as_the_official_code(folder, size):
    """Counts of the catalogue, rule of the scale `paper`; in a retrieval set without classes every image stays."""
    row = next(row for row in catalogue().values() if row.folder == folder)
    names = [f"class {number}" for number in range(row.n_classes or 0)]
    targets = np.arange(row.n_test) % (row.n_classes or row.n_test)
    test = Split(np.zeros((row.n_test, 1, 1, 3), np.uint8), targets, ["a caption"] * row.n_test)
    card = {"name": row.name, "task": row.task, "role": row.role, "template": row.template}
    chosen = _test_set(load(scale="paper"), "vit-xs-8", StoredSet(card, None, test, names), seed=0).chosen
    assert len(chosen) == len(set(chosen)) == size


def test_a_subset_is_balanced_over_classes():
    targets = np.repeat(np.arange(7), [50, 50, 50, 50, 50, 50, 3])
    chosen = evaluation_subset(targets, 100, np.random.default_rng(0))
    counts = np.bincount(targets[chosen])
    assert len(set(chosen)) == 100
    assert np.array_equal(chosen, np.sort(chosen))
    assert counts[6] == 3
    assert counts[:6].min() >= 14


def test_intervals_and_normalisation():
    interval = binomtest(30, 80).proportion_ci(method="wilson")
    assert wilson_interval(37.5, 80) == pytest.approx((100 * interval.low, 100 * interval.high))
    assert normalised(55, 10) == pytest.approx(50)
    assert geometric_mean(38.47, 67.93) == pytest.approx(51.12, abs=0.005)
