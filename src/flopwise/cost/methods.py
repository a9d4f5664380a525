"""The sixteen update methods of FoMo-in-Flux's cost table, described by what they train and what they add.

Nothing here holds a cost: a method says which parameters train, which adapters are attached where, which extra passes
the end of a task takes and which per-parameter state lies on the device. `flops` and `memory` then look at what
autograd makes of it. Source: arXiv 2408.14471, its public code (commit 3e123d9) and its cost table.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from flopwise.core.errors import UserError
from flopwise.cost.names import METHODS


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


class Adapter(nn.Module):
    """Low-rank change of a weight of shape (out, in), stacked from `parts` blocks of rows (3 for a fused query, key
    and value projection), each with factors of its own. The adapted weight is formed in full, W + dW, and then used by
    the layer: its gradient is a full weight gradient, which is why adapters save little arithmetic here."""

    def __init__(self, weight: Tensor, parts: int, rank: int):
        super().__init__()
        rows, self.columns = weight.shape
        self.rows, self.rank, self.parts = rows // parts, rank, parts

    def factors(self, weight: Tensor) -> tuple[nn.ParameterList, nn.ParameterList]:
        def stack(*shape):
            return nn.ParameterList([nn.Parameter(weight.new_empty(shape)) for _ in range(self.parts)])

        return stack(self.rank, self.columns), stack(self.rows, self.rank)


class Lora(Adapter):
    """W + s B A (Hu et al. 2022, equation 3); s = 1."""

    def __init__(self, weight: Tensor, parts: int, rank: int, shared: dict):
        super().__init__(weight, parts, rank)
        self.down, self.up = self.factors(weight)

    def change(self) -> Tensor:
        return torch.cat([up @ down for up, down in zip(self.up, self.down)])

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.change()


class Dora(Lora):
    """m / |V| * V with V = W + s B A, the row norms |V| left out of the graph (Liu et al. 2024, DoRA). The norm takes an
    evaluation of B A of its own: the published FLOPs exceed LoRA's by exactly that."""

    def __init__(self, weight: Tensor, parts: int, rank: int, shared: dict):
        super().__init__(weight, parts, rank, shared)
        self.magnitude = nn.Parameter(weight.new_empty(weight.shape[0]))

    def forward(self, weight: Tensor) -> Tensor:
        scale = self.magnitude / torch.linalg.norm(weight + self.change(), dim=1).detach()
        return scale.unsqueeze(1) * (weight + self.change())


class Vera(Adapter):
    """W + s diag(b) B diag(d) A with frozen B and A, shared by all layers of one shape (Kopiczko et al. 2024,
    equation 2). As in the published implementation the diagonals are matrices and the products go from left to right,
    which costs 4 out^2 r + 6 out r^2 + 4 out r in a layer and step."""

    def __init__(self, weight: Tensor, parts: int, rank: int, shared: dict):
        super().__init__(weight, parts, rank)
        shape = (self.rows, self.columns)
        if shape not in shared:
            shared[shape] = (weight.new_empty(rank, self.columns), weight.new_empty(self.rows, rank))
        down, up = shared[shape]
        self.register_buffer("down", down)
        self.register_buffer("up", up)
        self.inner = nn.ParameterList([nn.Parameter(weight.new_empty(rank)) for _ in range(parts)])
        self.outer = nn.ParameterList([nn.Parameter(weight.new_empty(self.rows)) for _ in range(parts)])

    def forward(self, weight: Tensor) -> Tensor:
        pairs = zip(self.outer, self.inner)
        return weight + torch.cat([torch.diag(b) @ self.up @ torch.diag(d) @ self.down for b, d in pairs])


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
        """Extra passes, each as dear as a training step, at the end of a task."""
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


def _attach(kind: type[Adapter], rank: int, module: nn.Module) -> list[str]:
    """Adapters on every residual block of both towers: the fused query, key and value projection and `mlp.c_proj`;
    `mlp.c_fc` is left out, and the adapter on the attention's output projection is there but never used, as in the
    published code. Returns the paths of the adapted layers."""
    shared: dict = {}
    paths = []
    for path, layer in list(module.named_modules()):
        fused = getattr(layer, "in_proj_weight", None)
        if path.endswith(".attn") and isinstance(fused, nn.Parameter):
            parametrize.register_parametrization(layer, "in_proj_weight", kind(fused, 3, rank, shared), unsafe=True)
            layer.out_proj.unused_adapter = kind(layer.out_proj.weight, 1, rank, shared)
            paths.append(path)
        elif path.endswith(".mlp.c_proj"):
            adapter = kind(layer.weight, 1, rank, shared)
            parametrize.register_parametrization(layer, "weight", adapter, unsafe=True)
            paths.append(path)
    return paths
