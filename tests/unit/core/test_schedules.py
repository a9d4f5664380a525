import pytest

from flopwise.core.errors import UserError
from flopwise.core.schedules import SCHEDULES, learning_rate

STEPS = (0, 9, 10, 11, 50, 89, 90, 95, 99)
# N = 100, warm-up and cool-down 10 steps, in units of the peak; computed from the official code of FoMo-in-Flux
GOLDEN = {
    ("cosine", 3): (0.1000, 1.0000, 0.9997, 0.9988, 0.5700, 0.0311, 0.0254, 0.0059, 0.0010),
    ("cosine-autoregressive", 1): (0.0492, 0.4918, 0.4916, 0.4912, 0.2805, 0.0158, 0.0130, 0.0034, 0.0010),
    ("cosine-autoregressive", 5): (0.0066, 0.0665, 0.0665, 0.0664, 0.0383, 0.0030, 0.0026, 0.0013, 0.0010),
    ("cosine-dynamic", 1): (0.0492, 0.4918, 0.4918, 0.4831, 0.1728, 0.0086, 0.0071, 0.0022, 0.0010),
    ("rsqrt", 2): (0.1000, 1.0000, 1.0000, 0.9535, 0.4478, 0.3359, 0.3006, 0.1300, 0.0000),
    ("rsqrt-autoregressive", 1): (0.0427, 0.4270, 0.4270, 0.4072, 0.1915, 0.1438, 0.1287, 0.0557, 0.0000),
    ("rsqrt-continued", 1): (0.0334, 0.3340, 0.3340, 0.3185, 0.1499, 0.1126, 0.1008, 0.0436, 0.0000),
    ("rsqrt-recovered", 1): (0.0251, 0.2507, 0.3340, 0.3322, 0.2781, 0.2440, 0.2190, 0.0959, 0.0000),
}


@pytest.mark.parametrize(("name", "task"), GOLDEN)
def test_golden_values(name, task):
    assert [learning_rate(name, task, step, 100) for step in STEPS] == pytest.approx(GOLDEN[name, task], abs=5e-5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_first_task_warms_up_to_the_peak_and_scales_with_it(name):
    rates = [learning_rate(name, 0, step, 100, peak=3.0) for step in range(100)]
    assert max(rates) == pytest.approx(3.0, rel=1e-3)
    assert rates == pytest.approx([3.0 * learning_rate(name, 0, step, 100) for step in range(100)])


def test_counts_replace_shares():
    assert learning_rate("rsqrt", 0, 19, 400, warmup=20, cooldown=40) == pytest.approx(1.0)
    assert learning_rate("rsqrt", 0, 399, 400, warmup=20, cooldown=40) == 0


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 11])
def test_short_tasks_give_a_rate_or_one_clear_line(name, steps):
    for task in (0, 1, 4):
        for step in range(steps):
            try:
                assert 0 <= learning_rate(name, task, step, steps) <= 1
            except UserError as error:
                assert "needs more than" in str(error)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'linear' does not exist; allowed are constant, cosine"):
        learning_rate("linear", 0, 0, 10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"task": -1}, "task is -1; allowed are whole numbers from 0"),
        ({"step": 0.5}, "step is 0.5; allowed are whole numbers from 0"),
        ({"step": -1}, "step is -1; allowed are whole numbers from 0"),
        ({"step": 100}, "step 100 lies outside a task of 100 steps"),
        ({"warmup": -1}, "warmup is -1; allowed are finite numbers from 0"),
        ({"cooldown": float("nan")}, "cooldown is nan; allowed are finite numbers from 0"),
        ({"floor": 5}, "floor is 5; allowed are finite numbers from 0 to 1"),
    ],
)
def test_values_that_make_no_sense_are_one_line(values, message):
    with pytest.raises(UserError, match=message):
        learning_rate(**{"name": "rsqrt", "task": 0, "step": 0, "steps_per_task": 100, **values})


def test_no_cool_down_follows_the_curve_to_the_end():
    assert learning_rate("rsqrt", 0, 99, 100, cooldown=0, floor=0) == pytest.approx((10 / 99) ** 0.5)
    assert learning_rate("rsqrt", 0, 89, 100, cooldown=0) == learning_rate("rsqrt", 0, 89, 100)
