"""Energy, CO2e and device prices: formulas, the sourced constant they must give, and errors."""

import pytest

from flopwise.core.errors import UserError
from flopwise.cost import carbon
from flopwise.cost.devices import DEVICES, price


def test_formula_by_hand():
    footprint = carbon.estimate(10, 400, region="FRA", pue=1.2)
    assert footprint.kwh == pytest.approx(4.8)
    assert footprint.kg_co2e == pytest.approx(4.8 * 0.056)
    assert footprint.assumptions["carbon_intensity_g_per_kwh"] == 56.0


def test_constant_of_the_published_carbon_axis():
    """2.66 +- 0.01 kg CO2 per hour on 32 TPUs, read off the figure of arXiv 2209.15589."""
    assert carbon.estimate(32, **carbon.EFFICIENCY_STUDY).kg_co2e == pytest.approx(2.66, abs=0.01)


def test_price_follows_peak_and_utilisation():
    one = price(312e12 * 3600 * 0.5, "a100-80gb", utilisation=0.5, region="USA", pue=1.1)
    assert one.hours == one.device_hours == pytest.approx(1)
    assert one.kwh == pytest.approx(0.44)
    assert one.kg_co2e == pytest.approx(0.44 * 0.3695)
    eight = price(312e12 * 3600 * 0.5, "a100-80gb", utilisation=0.5, count=8, region="USA", pue=1.1)
    assert (eight.hours, eight.kwh) == pytest.approx((1 / 8, one.kwh))
    assert {"device", "utilisation", "watts", "pue", "region", "device_source"} <= set(eight.assumptions)
    assert price(0, "t4").kwh == 0


def test_every_device_and_region_has_a_source():
    assert all(device.source and device.peak_flops > 0 and device.watts > 0 for device in DEVICES.values())
    assert all(source for _, source in carbon.CARBON_INTENSITY.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "a100"}, "a100-40gb"),
        ({"device": "t4", "utilisation": 0}, "above 0"),
        ({"device": "t4", "utilisation": 1.5}, "at most at 1"),
        ({"device": "t4", "count": 0}, "at least 1"),
        ({"device": "t4", "pue": 0.9}, "1 or more"),
        ({"device": "t4", "region": "FR"}, "FRA"),
    ],
)
def test_errors_say_what_is_allowed(options, message):
    with pytest.raises(UserError, match=message):
        price(1e18, **options)
