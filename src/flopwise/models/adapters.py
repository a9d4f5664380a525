"""Low-rank adapters: modules that compute an adapted weight from a frozen one, for `torch.nn.utils.parametrize`.

A weight of shape (out, in) is stacked from `parts` equal blocks of rows (3 for a fused query, key and value projection),
each block with factors of its own. The adapted weight is formed in full and then used by the layer: its gradient is a
full weight gradient, which is why adapters save little arithmetic here. Order and number of the products are those of
FoMo-in-Flux's official code, whose published FLOPs they give."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from flopwise.models.selection import check_selected

KINDS = {  # name of the adapted weight -> what messages call its layers
    "in_proj_weight": "fused attention projections (*.attn.in_proj_weight)",
    "weight": "second layers of perceptrons (*.mlp.c_proj)",
}


def uniform(like: Tensor, shape: tuple[int, ...], rank: int, generator: torch.Generator | None) -> Tensor:
    """Kaiming-uniform values with a = sqrt(rank): bound sqrt(6 / ((1 + rank) x fan-in)), fan-in the last dimension."""
    bound = (6 / ((1 + rank) * shape[-1])) ** 0.5
    return like.detach().new_empty(shape).uniform_(-bound, bound, generator=None if like.is_meta else generator)


class Lora(nn.Module):
    """W + s B A (Hu et al. 2022, equation 3) with A (rank x in) Kaiming-uniform and B = 0."""

    def __init__(self, weight: Tensor, parts: int, rank: int, generator, shared: dict, scale: float = 1.0):
        super().__init__()
        rows, columns = weight.shape
        self.scale = scale
        self.a = nn.Parameter(uniform(weight, (parts, rank, columns), rank, generator))
        self.b = nn.Parameter(weight.detach().new_zeros(parts, rows // parts, rank))

    def change(self, weight: Tensor) -> Tensor:
        return self.scale * (self.b @ self.a).reshape(weight.shape)

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.change(weight)


class Dora(Lora):
    """m / |V| * V by rows, V = W + s B A, |V| left out of the gradient, m = |W| at the start (Liu et al. 2024, DoRA).
    The norm takes an evaluation of B A of its own: the published FLOPs exceed LoRA's by exactly that. A row of zeros (a
    pruned or dead unit) has no direction to scale: there the row stays V itself times m, zero, and not 0 / 0."""

    def __init__(self, weight: Tensor, parts: int, rank: int, generator, shared: dict, scale: float = 1.0):
        super().__init__(weight, parts, rank, generator, shared, scale)
        self.magnitude = nn.Parameter(torch.linalg.vector_norm(weight.detach(), dim=1))

    def forward(self, weight: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(weight + self.change(weight), dim=1).detach()
        norm.masked_fill_(norm == 0, 1)
        return (self.magnitude / norm).unsqueeze(1) * (weight + self.change(weight))


class Vera(nn.Module):
    """W + s diag(b) B diag(d) A with frozen random B and A, shared by all layers of one shape (`shared`), b = 0.1 and
    d = 0 at the start (Kopiczko et al. 2024, equation 2). The diagonals are matrices and the products go from left to
    right, which costs 4 out^2 r + 6 out r^2 + 4 out r in a layer and step."""

    def __init__(self, weight: Tensor, parts: int, rank: int, generator, shared: dict, scale: float = 1.0):
        super().__init__()
        rows, columns = weight.shape[0] // parts, weight.shape[1]
        self.scale = scale
        if (rows, columns) not in shared:
            shapes = ((rank, columns), (rows, rank))
            shared[rows, columns] = [uniform(weight, shape, rank, generator) for shape in shapes]
        a, b = shared[rows, columns]
        self.register_buffer("a", a, persistent=False)
        self.register_buffer("b", b, persistent=False)
        self.inner = nn.Parameter(weight.detach().new_zeros(parts, rank))
        self.outer = nn.Parameter(weight.detach().new_full((parts, rows), 0.1))

    def forward(self, weight: Tensor) -> Tensor:
        change = torch.diag_embed(self.outer) @ self.b @ torch.diag_embed(self.inner) @ self.a
        return weight + self.scale * change.reshape(weight.shape)


def places(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, int]]:
    """(path, layer, name of its weight, parts) of what adapters change: in every residual block the attention's fused
    input projection and the second layer of the perceptron."""
    for path, layer in list(model.named_modules()):
        if path.endswith(".attn") and isinstance(getattr(layer, "in_proj_weight", None), nn.Parameter):
            yield path, layer, "in_proj_weight", 3
        elif path.endswith(".mlp.c_proj"):
            yield path, layer, "weight", 1


def attach(
    kind: type[nn.Module], model: nn.Module, rank: int, generator, scale: float = 1.0, unused: bool = False
) -> None:
    """Adapt `model` in place; only the adapters train. `unused`: attach the adapter on the attention's output projection
    too that the published code holds and never uses. Raises `UserError` where a tower lacks one of the two kinds of
    layers."""
    found = list(places(model))
    for weight, layers in KINDS.items():
        check_selected(model, [path for path, _, name, _ in found if name == weight], layers)
    model.requires_grad_(False)
    shared: dict = {}
    for _, layer, name, parts in found:
        adapter = kind(getattr(layer, name), parts, rank, generator, shared, scale)
        parametrize.register_parametrization(layer, name, adapter, unsafe=True)  # no trial of an adapter that fits
        if unused and parts == 3:
            layer.out_proj.unused_adapter = kind(layer.out_proj.weight, 1, rank, generator, shared, scale)
