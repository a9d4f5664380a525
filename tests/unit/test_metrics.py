import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from flopwise.core.metrics import (
    correct,
    evaluation_subset,
    geometric_mean,
    normalised,
    recall_at,
    subset_size,
    wilson_interval,
)


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


def test_subset_sizes_and_balance():
    assert subset_size(10_000, 10) == 1000  # CIFAR10
    assert subset_size(11_883, 1870) == 3740  # ArtBench10
    assert subset_size(50_000, 1000) == 5000  # ImageNet
    assert subset_size(1777, 1, 0.1) == 300  # FSCOCO
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
