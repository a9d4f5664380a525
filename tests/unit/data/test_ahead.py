"""Batches that are made while the model computes."""

import pytest

from flopwise.core.errors import RunFailure
from flopwise.data.ahead import AHEAD, Prefetcher


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_ahead_keep_their_order_and_are_no_more_than_asked_for(threads):
    made, used = [], 0

    def make(step: int) -> int:
        made.append(step)
        assert len(made) <= used + (AHEAD if threads else 0) + 1
        return 10 * step

    ahead = Prefetcher(make, 20, threads)
    for step in range(20):
        assert ahead[step] == 10 * step
        used = step + 1
    assert made == list(range(20))


@pytest.mark.parametrize("threads", [0, 2])
def test_what_goes_wrong_ahead_is_raised_at_its_own_step(threads):
    def make(step: int) -> int:
        if step == 2:
            raise RunFailure(f"step {step}")
        return step

    ahead = Prefetcher(make, 5, threads)
    assert [ahead[0], ahead[1]] == [0, 1]
    with pytest.raises(RunFailure, match="step 2"):
        ahead[2]
    assert ahead[3] == 3
