import math

import numpy as np
import pytest

from flopwise.core.errors import UserError
from flopwise.data.mixtures import composition, sample_order


@pytest.mark.parametrize(
    ("batch", "shares", "expected"),
    [  # official code of FoMo-in-Flux
        (512, (0.33, 0.34, 0.33), (169, 175, 168)),
        (256, (0.33, 0.34, 0.33), (85, 87, 84)),
        (512, (0.33, 0.67, 0.0), (169, 343, 0)),
        (512, (0.1, 0.1, 0.8), (52, 51, 409)),
        (64, (0.0, 1.0, 0.0), (0, 64, 0)),
    ],
)
def test_golden_compositions(batch, shares, expected):
    assert composition(batch, shares) == expected


def test_the_first_task_hands_the_buffers_part_to_the_others():
    assert composition(512, (0.33, 0.34, 0.33), first_task=True) == (253, 259, 0)
    assert composition(10, (0.0, 0.5, 0.5), first_task=True) == (0, 10, 0)
    assert composition(64, (0.5, 0.0, 0.5), first_task=True) == (64, 0, 0)  # an update batch is drawn, then discarded
    assert composition(64, (0.0, 0.0, 1.0), first_task=True) == (0, 64, 0)  # there is nothing else to train on


def test_the_remainder_goes_to_pools_that_are_used():
    assert composition(64, (0.0, 0.34, 0.66)) == (0, 22, 42)
    assert composition(65, (0.5, 0.0, 0.5)) == (33, 0, 32)
    assert composition(7, (0.0, 0.0, 1.0)) == (0, 0, 7)


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (-0.1, 0.6, 0.5), (0.3, 0.3, 0.3), (0.5, math.nan, 0.5)])
def test_shares_that_do_not_sum_to_one(shares):
    with pytest.raises(UserError, match=r"must be three shares >= 0 that sum to 1; they sum to"):
        composition(64, shares)


def test_samples_appear_evenly_up_to_one_and_depend_on_the_task():
    pool = np.array([5, 8, 13])
    order = sample_order(pool, 10, 0, "update", 2)
    counts = [np.sum(order == member) for member in pool]
    assert sum(counts) == 10
    assert max(counts) - min(counts) <= 1
    assert np.array_equal(order, sample_order(pool, 10, 0, "update", 2))
    assert not np.array_equal(order, sample_order(pool, 10, 0, "update", 3))
    assert len(set(sample_order(np.arange(50), 20, 0, "buffer", 1))) == 20


def test_an_empty_pool_is_named_with_its_task():
    with pytest.raises(UserError, match=r"the update pool of task 3 \(counted from 0\) is empty"):
        sample_order(np.array([], np.int64), 10, 0, "update", 3)
