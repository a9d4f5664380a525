"""LoRA: W <- W + s B A with A (r x in) Kaiming-uniform with a = sqrt(r), B = 0.

FoMo-in-Flux, official code: in every residual block of both towers the attention's fused input projection (query, key
and value each have a pair of their own) and the second layer of the perceptron carry an adapter; W, everything else and
the temperature are frozen; s = 1; the adapters live on from task to task. Hu et al. 2022."""

import math

import torch
from torch import nn
from torch.nn.utils import parametrize

from flopwise.methods.continual import Method


class LowRank(nn.Module):
    """Adds s B A to a frozen matrix (out, in) of `parts` equal blocks of rows, each block with its own pair A, B."""

    def __init__(self, weight: torch.Tensor, rank: int, parts: int, scale: float, generator: torch.Generator):
        super().__init__()
        rows, columns = weight.shape
        self.scale = scale
        self.a = nn.Parameter(torch.empty(parts, rank, columns, device=weight.device))
        self.b = nn.Parameter(torch.zeros(parts, rows // parts, rank, device=weight.device))
        bound = math.sqrt(6 / ((1 + rank) * columns))  # Kaiming-uniform with a = sqrt(rank)
        with torch.no_grad():
            self.a.uniform_(-bound, bound, generator=None if weight.is_meta else generator)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.scale * (self.b @ self.a).reshape(weight.shape)


def prepare(model, generator, *, rank: int, scale: float = 1.0) -> None:
    """Attach adapters to every residual block of `model`; only they train."""
    model.requires_grad_(False)
    for tower in (model.visual.transformer, model.transformer):
        for block in tower.resblocks:
            for module, name, parts in ((block.attn, "in_proj_weight", 3), (block.mlp.c_proj, "weight", 1)):
                adapter = LowRank(getattr(module, name), rank, parts, scale, generator)
                parametrize.register_parametrization(module, name, adapter)


METHOD = Method(prepare)
