"""Energy and CO2-equivalents of a run, estimated from stated factors.

    kWh = device hours * watts / 1000 * PUE          kg CO2e = kWh * carbon intensity / 1000

(Lacoste et al. 2019, ML CO2 impact calculator, with the power usage effectiveness of Patterson et al. 2021; carbon
intensity in g CO2e per kWh). The estimate is a pure function of its inputs, so it may stand in figures. No torch.
"""

from dataclasses import dataclass, field

from flopwise.core.choices import check
from flopwise.core.errors import UserError

_CODECARBON = "codecarbon 3.3.2 energy mix, year 2023"
_ML_CO2 = "ML CO2 impact calculator, impact.csv"

# Region -> (g CO2e per kWh, source)
CARBON_INTENSITY: dict[str, tuple[float, str]] = {
    "BEL": (138.1, _CODECARBON),
    "FRA": (56.0, _CODECARBON),
    "GBR": (237.6, _CODECARBON),
    "NLD": (267.6, _CODECARBON),
    "USA": (369.5, _CODECARBON),
    "gcp:europe-west1": (267.0, _ML_CO2),
    "gcp:us-central1": (566.3, _ML_CO2),
    "gcp:us-east4": (367.8, _ML_CO2),
    "gcp:us-west1": (297.6, _ML_CO2),
}
REGION = "USA"
# Average of data centres in 2023: Uptime Institute Global Data Center Survey 2023 (Google's own average in 2021: 1.10).
PUE = 1.58

# What re-draws the CO2 axis of arXiv 2209.15589 (2.66 kg per hour on 32 TPUs, read off its figure): average power of a
# TPU v3, Google's PUE of 2021 and the ML CO2 calculator's Belgium. Chosen to match: the paper's factors are not known.
EFFICIENCY_STUDY = {"watts": 283.0, "pue": 1.10, "region": "gcp:europe-west1"}


@dataclass(frozen=True)
class Footprint:
    """kwh at the meter (PUE included), kg_co2e, and the factors they rest on."""

    kwh: float
    kg_co2e: float
    assumptions: dict[str, float | str] = field(default_factory=dict)


def estimate(device_hours: float, watts: float, region: str = REGION, pue: float = PUE) -> Footprint:
    """Footprint of `device_hours` at `watts` each (see the module's formula)."""
    check("region", region, CARBON_INTENSITY)
    _check_pue(pue)
    intensity, source = CARBON_INTENSITY[region]
    kwh = device_hours * watts / 1000 * pue
    assumptions = {
        "watts": watts,
        "pue": pue,
        "region": region,
        "carbon_intensity_g_per_kwh": intensity,
        "carbon_intensity_source": source,
    }
    return Footprint(kwh, kwh * intensity / 1000, assumptions)


def _check_pue(pue: float) -> None:
    if pue < 1:
        raise UserError(f"PUE {pue:g}: a data centre draws at least what its machines draw, so it is 1 or more")
