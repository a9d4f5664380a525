"""Complementary knowledge and what a transfer did, on hand-made predictions and against other implementations."""

import math

import numpy as np
import pytest

from flopwise.studies.transfer import flips

TARGETS = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
TEACHER = np.array([0, 0, 1, 1, 1, 0, 2, 2, 0, 2])  # 7 right
STUDENT = np.array([0, 1, 1, 1, 0, 1, 0, 0, 2, 2])  # 5 right


def random_predictions(seed: int, n: int = 400, classes: int = 7) -> tuple:
    generator = np.random.default_rng(seed)
    targets = generator.integers(classes, size=n)
    return targets, *(
        np.where(generator.random(n) < p, targets, generator.integers(classes, size=n)) for p in (0.5, 0.3, 0.4)
    )


def test_flips_by_hand():
    found = flips.flips(TEACHER, STUDENT, TARGETS, 3)
    assert (found.n, found.positive, found.negative) == (10, 4, 2)
    assert found.by_class.tolist() == [1, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_differ_by_what_flips(seed):
    targets, teacher, student, after = random_predictions(seed)
    found = flips.flips(teacher, student, targets, 7)
    assert (teacher == targets).sum() - (student == targets).sum() == found.positive - found.negative
    change = flips.change(student, after, teacher, targets, 7)
    assert change.delta == pytest.approx(change.gain - change.loss)
    assert change.remaining == pytest.approx(100 * flips.flips(teacher, after, targets, 7).positive / len(targets))


def test_entropy_is_scipys_and_at_most_that_of_a_uniform_spread():
    from scipy.stats import entropy

    counts = np.array([5, 0, 3, 2])
    assert flips.entropy(counts) == pytest.approx(entropy(counts / counts.sum()))
    assert flips.entropy(np.full(8, 3)) == pytest.approx(math.log(8))
    assert flips.entropy(np.array([4, 0])) == 0
    assert math.isnan(flips.entropy(np.zeros(3)))


def test_top_classes_are_the_fewest_that_hold_the_share_and_the_released_ones_one_more():
    counts = np.array([1, 6, 0, 3])
    assert flips.top_classes(counts, 60).tolist() == [1]
    assert flips.top_classes(counts, 61).tolist() == [1, 3]
    assert flips.top_classes(counts, 100).tolist() == [1, 3, 0], "a class without flips belongs to no set"
    assert flips.top_classes(counts, 60, as_released=True).tolist() == [1, 3]


def test_similarity_of_classes_and_its_null():
    cosines = flips.similarities(np.array([[1.0, 0, 0], [1, 1, 0], [0, 0, 2]]))
    assert flips.mean_similarity(cosines, np.array([0, 1])) == pytest.approx(2**-0.5)
    assert flips.mean_similarity(cosines, np.arange(3)) == pytest.approx(2**-0.5 / 3)
    assert math.isnan(flips.mean_similarity(cosines, np.array([2])))
    mean, _ = flips.random_similarity(cosines, 2, 3000, np.random.default_rng(0))
    assert mean == pytest.approx(2**-0.5 / 3, abs=0.02)


def test_mcnemar_is_the_exact_binomial_test():
    from scipy.stats import binomtest

    for gained, lost in ((3, 9), (7, 7), (40, 12), (0, 5)):
        assert flips.mcnemar(gained, lost) == pytest.approx(binomtest(gained, gained + lost, 0.5).pvalue)
    assert flips.mcnemar(0, 0) == 1


def test_the_paired_error_is_that_of_the_differences():
    targets, teacher, student, after = random_predictions(1)
    differences = 100 * ((after == targets).astype(float) - (student == targets))
    assert flips.change(student, after, teacher, targets, 7).error == pytest.approx(
        differences.std() / math.sqrt(len(targets))
    )


def test_both_transfer_rates():
    after = np.array([0, 0, 1, 1, 0, 1, 2, 0, 2, 2])  # gains pictures 1 and 6, both complementary, of 4
    change = flips.change(STUDENT, after, TEACHER, TARGETS, 3)
    assert (change.gain, change.loss, change.rate, change.released_rate) == (20, 0, 50, 50)
    alone = STUDENT.copy()
    alone[2] = 0  # right now, where the teacher is wrong: counted by the released rate alone
    change = flips.change(STUDENT, alone, TEACHER, TARGETS, 3)
    assert (change.rate, change.released_rate) == (0, 25)


def test_a_student_that_learns_nothing_has_a_plotted_rate_of_98_and_a_strict_one_of_0():
    targets, teacher, student, _ = random_predictions(2, n=2000)
    rate = flips.top_rate(student, student.copy(), teacher, targets, 7, 2)
    assert (rate.strict, rate.plotted, rate.blind) == (0, 98, 98)


def test_the_plotted_rate_of_a_class_blind_transfer_is_the_published_curve():
    """With gain / remaining = 34.5 % the formula alone gives 98.7, 96.7, 86.9, 67.2 and 34.5; published are 98.9, 96.7, 86.1,
    65.7 and 34.5."""
    blind = [100 - p + 0.345 * p for p in (2, 5, 20, 50, 100)]
    assert blind == pytest.approx([98.7, 96.7, 86.9, 67.2, 34.5], abs=0.1)
    targets, teacher, student, after = random_predictions(3, n=4000)
    remaining = ((teacher == targets) & (after != targets)).sum()
    gained = ((after == targets) & (student != targets)).sum()
    for p in (20, 50, 100):
        assert flips.top_rate(student, after, teacher, targets, 7, p).blind == pytest.approx(
            100 - p + p * gained / remaining
        )


def test_the_ensemble_takes_the_more_confident_model():
    first = {"predicted": np.array([1, 1, 1]), "confidence": np.array([0.9, 0.2, 0.5])}
    second = {"predicted": np.array([2, 2, 2]), "confidence": np.array([0.8, 0.3, 0.5])}
    assert flips.ensemble(first, second).tolist() == [1, 2, 2]
