"""What size costs: FLOPs, activations kept for the backward pass, peak memory and time of a training step against inputs M,
outputs O and depth L, a transformer on the same inputs beside it; and identities of the architecture that hold exactly.

FLOPs and activations are counted, so they are the same everywhere; memory is what torch's allocator had given at most, time is
this machine's."""

import time
from pathlib import Path

import numpy as np
import torch

from flopwise.config.perceiver import Scaling
from flopwise.core.io import write_json
from flopwise.core.seeds import numpy_generator
from flopwise.cost import flops
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import InputQueries, LearnedQueries, Linear, Units
from flopwise.models.trunk import Block

LATENTS, WIDTH, CHANNELS, BATCH, REPEATS = 32, 64, 32, 2, 5


def perceiver(inputs: int, outputs: int, layers: int) -> Config:
    """N = 32 latents of 64, inputs and outputs of 32 channels."""
    return Config(
        Units(inputs, CHANNELS), LearnedQueries(outputs, CHANNELS), Linear(1), LATENTS, WIDTH, layers, heads=4
    )


class Transformer(torch.nn.Module):
    """Four layers of width 32 over all inputs."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(*(Block(CHANNELS, 4) for _ in range(4)))

    def forward(self, x):
        return self.layers(x)


def measure(model, inputs: int) -> dict[str, float]:
    """FLOPs, activations (MB) and peak memory beside the weights (MB) of a training step on two samples; its CPU seconds, the
    median of a few and each of them."""
    x = torch.zeros(BATCH, inputs, CHANNELS)
    step = lambda: model(x).sum().backward()  # noqa: E731
    kept: dict[int, int] = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    owned = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = model(x).sum()
    activations = sum(size for pointer, size in kept.items() if pointer not in owned)
    del value
    counted, seconds = flops.count(step), []
    for _ in range(REPEATS + 1):
        start = time.process_time()
        step()
        seconds.append(time.process_time() - start)
    return {"gflops": counted / 1e9, "activations_mb": activations / 1e6, "peak_mb": allocated_peak(step) / 1e6,
            "cpu_seconds": float(np.median(seconds[1:])), "seconds": seconds[1:]}  # fmt: skip


def allocated_peak(step) -> int:
    """Bytes that torch's CPU allocator had given at most while `step` ran, above what it had before."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    changes = [one.nbytes() for one in sorted(events, key=lambda one: one.start_ns())]
    return int(np.cumsum([0, *changes]).max())


def sizes(how: Scaling) -> list[tuple[str, str, int, tuple[int, int, int]]]:
    """(model, along, size, (M, O, L)): one of the three grows, the others stay at their smallest."""
    small = (min(how.inputs), min(how.outputs), min(how.layers))
    found = []
    for place, (along, values) in enumerate((("inputs", how.inputs), ("outputs", how.outputs), ("layers", how.layers))):
        for value in sorted(values):
            found.append(("perceiver", along, value, tuple(value if k == place else small[k] for k in range(3))))
    return [*found, *(("transformer", "inputs", m, (m, 0, 0)) for m in sorted(how.inputs) if m <= how.transformer)]


def scaling_job(how: Scaling, out: Path) -> dict:
    """Measure every size; writes `out` (JSON): rows, and what holds exactly."""
    start, rows = time.process_time(), []
    for name, along, size, (m, o, layers) in sizes(how):
        model = Transformer() if name == "transformer" else create(perceiver(m, o, layers), seed=0)
        rows.append({"model": name, "along": along, "size": size, **measure(model, m)})
    write_json(out, {"rows": rows, "exact": identities(how, rows)})
    return {"evaluate_seconds": time.process_time() - start}


def identities(how: Scaling, rows: list[dict]) -> list[dict]:
    """What the architecture promises, each as a number that is 0 where it holds: (identity, deviation)."""
    found = []
    for along in ("inputs", "outputs", "layers"):
        own = [row for row in rows if row["model"] == "perceiver" and row["along"] == along]
        x, y = (np.array([row[name] for row in own]) for name in ("size", "gflops"))
        fit = np.polyval(np.polyfit(x, y, 1), x)
        found.append({"identity": f"FLOPs are affine in {along}", "deviation": float(np.abs(y - fit).max() / y.max())})
    deep = [_forward(perceiver(m, o, n)) for m, o in ((256, 256), (1024, 512)) for n in (2, 4)]
    apart = float((deep[1] - deep[0]) - (deep[3] - deep[2]))
    found.append({"identity": "depth costs the same whatever is read and written", "deviation": apart})
    return [*found, *_units(), _subset()]


def _forward(config: Config) -> int:
    from flopwise.cost.perceiver_models import closed_form, parts

    return sum(parts(closed_form(config)).values())


def _units() -> list[dict]:
    """Sets have no order: outputs move with their units, latents stay."""
    config = Config(Units(12, 8), InputQueries(12, 8), Linear(1), 6, 16, 2, heads=2, query_residual=True)
    model = create(config, seed=1).eval()
    order = torch.from_numpy(numpy_generator(0, "perceiver", "order").permutation(12))
    x = torch.randn((3, 12, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        moved = float((model(x)[:, order] - model(x[:, order])).abs().max())
        latents = float((model.encode(model.inputs(x)) - model.encode(model.inputs(x[:, order]))).abs().max())
    return [
        {"identity": "outputs move with their units", "deviation": moved},
        {"identity": "latents do not see an order", "deviation": latents},
    ]


def _subset() -> dict:
    """An output does not depend on which others are decoded."""
    model = create(perceiver(64, 32, 2), seed=2).eval()
    x, points = torch.randn((2, 64, CHANNELS), generator=torch.Generator().manual_seed(0)), torch.tensor([3, 17, 30])
    with torch.no_grad():
        gap = float((model(x)[:, points] - model(x, points=points)).abs().max())
    return {"identity": "an output does not depend on which others are decoded", "deviation": gap}
