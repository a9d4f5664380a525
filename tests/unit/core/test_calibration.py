"""The calibration finds the rate at which a rule errs."""

import numpy as np
import pandas
import pytest
from claim_tables import rule
from test_rules import SPREAD, Replaced

from flopwise.core.calibration import error_rates, residuals


def null_table(seeds: int, points: int = 40) -> pandas.DataFrame:
    """Points that differ in their mean only; what a seed does to all points is far larger than noise."""
    generator = np.random.default_rng(3)
    noise = generator.normal(size=(points, seeds)) + generator.normal(0, 5, seeds) + generator.normal(0, 9, (points, 1))
    rows = [(f"m{p}", s, metric, noise[p, s]) for p in range(points) for s in range(seeds) for metric in ("gm", "a_ka")]
    return pandas.DataFrame(rows, columns=["method", "seed", "metric", "value"]).assign(status="done")


TWO = {"a": {"method": "m0"}, "b": {"method": "m1"}}
RULES = {
    "difference": (rule(**TWO, claimed="above"), 2),
    "equivalence": (rule(kind="equivalence", **TWO, within=1), 2),
    "trend": (rule(along="method", values=("m0", "m1", "m2"), at={}, claimed="above"), 3),
}


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_calibration_finds_nominal_rates_and_an_interval_that_is_too_narrow(kind, seeds):
    found, (one, width) = residuals(null_table(seeds), ["method"]), RULES[kind]
    rates = error_rates(found, one, width, seeds)
    broken = error_rates(found, one, width, seeds, confidence=0.5)
    for side in ("reproduced", "not_reproduced"):
        assert rates[side] == pytest.approx(0.025, abs=4 * rates["monte_carlo_error"])
        assert broken[side] == pytest.approx(0.25, abs=0.05)
    assert rates["monte_carlo_error"] == pytest.approx((0.025 * 0.975 / rates["draws"]) ** 0.5)


def test_too_few_points_are_not_calibrated_on():
    assert residuals(null_table(3, points=5), ["method"]) == {}


def test_the_calibration_would_have_found_the_rule_that_was_replaced():
    found = residuals(null_table(3), ["method"])
    assert error_rates(found, SPREAD, 13, 3)["not_reproduced"] < 0.04
    assert error_rates(found, Replaced(**SPREAD.model_dump()), 13, 3)["not_reproduced"] > 0.15
