"""Where the time of a job went."""

import pytest

from flopwise.core.stopwatch import Stopwatch


def test_inner_work_is_not_counted_for_the_outer_kind_and_is_booked_before_it_starts():
    now = 0.0
    watch = Stopwatch(lambda: now)
    with watch.measure("train"):
        now += 2
        with watch.measure("evaluate"):
            now += 3
            assert watch.seconds == {"train": 2}
        now += 4
    now += 5
    with pytest.raises(ValueError, match="broken"), watch.measure("train"):
        now += 6
        raise ValueError("broken")
    now += 7
    assert watch.seconds == {"train": 2 + 4 + 6, "evaluate": 3}
