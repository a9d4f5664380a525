"""The sixteen update methods of FoMo-in-Flux's cost table, described by what they train and what they add.

Nothing here holds a cost: a method says which parameters train, which adapters are attached where, which extra passes
the end of a task takes and which per-parameter state lies on the device. `flops` and `memory` then look at what
autograd makes of it. Source: arXiv 2408.14471, its public code (commit 3e123d9) and its cost table.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from torch.nn.utils import parametrize

from flopwise.core.errors import UserError
from flopwise.cost.names import METHODS
from flopwise.models.adapters import Dora, Lora, Vera, places


def _image(name: str) -> bool:
    return name.startswith("visual.")


TRAINS: dict[str, Callable[[str], bool]] = {
    "all": lambda name: True,
    "image": _image,
    "text": lambda name: not _image(name),
    "norms": lambda name: "ln_" in name,
    "biases": lambda name: "bias" in name,
    "none": lambda name: False,
}


ADAPTERS = {"lora": Lora, "dora": Dora, "vera": Vera}


@dataclass(frozen=True)
class Description:
    """What a method does to a training step.

    trains: a key of `TRAINS`, over the names of the base model's parameters
    adapter, rank: adapter kind and rank, or None and 0
    fisher_samples: samples of the Fisher pass at the end of each task (EWC: at most 50,000)
    device_state: per-parameter arrays the method keeps on the device between steps (SI: omega and Omega); EWC's Fisher
        and anchor weights and SI's anchor are kept in host memory by the published code
    """

    trains: str = "all"
    adapter: str | None = None
    rank: int = 0
    fisher_samples: int = 0
    device_state: int = 0

    def end_of_task_steps(self, batch_size: int) -> int:
        """Extra passes, each costs as much as a training step, at the end of a task."""
        return math.ceil(self.fisher_samples / batch_size)


DESCRIPTIONS: dict[str, Description] = {
    "full-ft": Description(),
    "locked-text": Description(trains="image"),
    "locked-image": Description(trains="text"),
    "lnfit": Description(trains="norms"),
    "bitfit": Description(trains="biases"),
    **{
        f"{kind}-r{rank}": Description(trains="none", adapter=kind, rank=rank)
        for kind in ("lora", "dora", "vera")
        for rank in (4, 64)
    },
    "ewc": Description(fisher_samples=50_000),
    "si": Description(device_state=2),
    "zs-merge": Description(),
    "ft-merge": Description(),
    "ema-merge": Description(),
}
assert tuple(DESCRIPTIONS) == METHODS


def apply(name: str, module: nn.Module, subject: str) -> None:
    """Make `module` train as method `name` does: set `requires_grad` and attach adapters, in place.

    Raises UserError where the method has nothing to train in this model, or in one of its towers.
    """
    description = DESCRIPTIONS[name]
    if description.trains in ("image", "text") and not hasattr(module, "visual"):
        raise UserError(f"method {name} does not fit {subject}: the model has no separate image and text towers")
    trains = TRAINS[description.trains]
    for parameter_name, parameter in module.named_parameters():
        parameter.requires_grad_(trains(parameter_name))
    if description.adapter:
        paths = _attach(ADAPTERS[description.adapter], description.rank, module)
        towers = {_image(path) for path in paths}
        if not paths or (hasattr(module, "visual") and len(towers) == 1):
            place = " in its image tower" if towers == {False} else " in its text tower" if towers else ""
            what = "fused attention projections (in_proj_weight) and mlp.c_proj"
            raise UserError(f"method {name} does not fit {subject}: it adapts {what}, and the model has none{place}")
    elif not any(parameter.requires_grad for parameter in module.parameters()):
        sought = {"norms": "LayerNorms named ln_*", "biases": "biases"}.get(description.trains, "parameters")
        raise UserError(f"method {name} does not fit {subject}: the model has no {sought}")


def _attach(kind: type[nn.Module], rank: int, module: nn.Module) -> list[str]:
    """Adapters on the fused query, key and value projections and on `mlp.c_proj` of both towers; `mlp.c_fc` is left out,
    and the adapter on the attention's output projection is there but never used, as in the published code. Returns the
    paths of the adapted layers."""
    shared: dict = {}
    paths = []
    for path, layer, name, parts in places(module):
        adapter = kind(getattr(layer, name), parts, rank, None, shared)
        parametrize.register_parametrization(layer, name, adapter, unsafe=True)
        if parts == 3:
            layer.out_proj.unused_adapter = kind(layer.out_proj.weight, 1, rank, None, shared)
        paths.append(path)
    return paths
