"""Named devices, and what a number of FLOPs costs on them: hours, energy and CO2-equivalents. No torch."""

from dataclasses import dataclass

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.cost import carbon

# Share of the peak that training reaches. 0.35 to 0.45 is what well-tuned transformer training reports; small models
# and data-bound jobs stay below. Our choice; every price says which share it used.
UTILISATION = 0.40


@dataclass(frozen=True)
class Device:
    """peak_flops: dense matrix products per second in 16 bit with 32 bit accumulation (fp32 for CPUs), without
    sparsity; watts: maximum board power, or the measured average where the source gives that; memory_gb: GiB."""

    peak_flops: float
    watts: float
    memory_gb: float
    source: str


DEVICES: dict[str, Device] = {
    "a100-40gb": Device(312e12, 400, 40, "NVIDIA A100 datasheet (SXM4)"),
    "a100-80gb": Device(312e12, 400, 80, "NVIDIA A100 datasheet (SXM4)"),
    "h100-sxm": Device(989.4e12, 700, 80, "NVIDIA H100 datasheet (SXM5; half of the figure with sparsity)"),
    "h200-sxm": Device(989.4e12, 700, 141, "NVIDIA H200 datasheet (SXM5; half of the figure with sparsity)"),
    "v100-sxm2": Device(125e12, 300, 32, "NVIDIA V100 datasheet (SXM2)"),
    "t4": Device(65.13e12, 70, 16, "NVIDIA T4 datasheet"),
    "rtx-3090": Device(71e12, 350, 24, "NVIDIA Ampere GA102 whitepaper"),
    "rtx-4090": Device(165.2e12, 450, 24, "NVIDIA Ada whitepaper"),
    "rtx-a6000": Device(154.8e12, 300, 48, "NVIDIA RTX A6000 datasheet (half of the figure with sparsity)"),
    "tpu-v3": Device(123e12, 283, 32, "Google Cloud TPU v3 page; average system power of Patterson et al. 2021"),
    "tpu-v4": Device(275e12, 170, 32, "Google Cloud TPU v4 page (measured mean power)"),
    "laptop-2-cores": Device(
        192e9, 8, 8, "estimate: 2 cores x 3 GHz x 32 fp32 FLOPs per cycle (AVX2); 4 W a thread as codecarbon assumes"
    ),
}


@dataclass(frozen=True)
class Price:
    """device_hours: summed over devices; hours: wall clock with all of them at work; assumptions: all that the figures
    rest on."""

    hours: float
    device_hours: float
    kwh: float
    kg_co2e: float
    assumptions: dict[str, float | str]


def price(
    flops: float,
    device: str,
    utilisation: float = UTILISATION,
    count: int = 1,
    region: str = carbon.REGION,
    pue: float = carbon.PUE,
) -> Price:
    """What `flops` cost on `count` devices, each at `utilisation` of its peak and at its full power:

    device hours = FLOPs / (peak * utilisation) / 3600; energy and CO2e as in `carbon.estimate`.
    """
    check("device", device, DEVICES)
    if not 0 < utilisation <= 1:
        raise UserError(f"utilisation {utilisation:g}: a share of the peak lies above 0 and at most at 1")
    if count < 1:
        raise UserError(f"device count {count}: at least 1 device is needed")
    if flops < 0:
        raise UserError(f"flops {flops:g}: a cost is not negative")
    described = DEVICES[device]
    device_hours = flops / (described.peak_flops * utilisation) / 3600
    footprint = carbon.estimate(device_hours, described.watts, region=region, pue=pue)
    assumptions = {
        "device": device,
        "count": count,
        "peak_flops": described.peak_flops,
        "utilisation": utilisation,
        "device_source": described.source,
        **footprint.assumptions,
    }
    return Price(device_hours / count, device_hours, footprint.kwh, footprint.kg_co2e, assumptions)
