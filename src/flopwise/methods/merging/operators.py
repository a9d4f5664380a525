"""Operators of exactly two models, tensor by tensor, and LiNeS.

Equations: official code of FoMo-in-Flux; theta_0 is `base`, delta_i = theta_i - theta_0."""

import math
import re

import torch
from torch import Tensor

from flopwise.core.errors import UserError
from flopwise.methods.merging.flat import Layout

_BLOCK = re.compile(r"resblocks\.(\d+)\.")
_SHAPES = {"linear": lambda depth: depth, "quadratic": lambda depth: depth**2, "sqrt": math.sqrt}
_PARALLEL = 0.9995  # above this cosine slerp is linear


def merge_pair(operator, layout: Layout, first: Tensor, second: Tensor, base: Tensor, options: dict) -> Tensor:
    """The merge of two flat vectors, tensor by tensor, as a new vector."""
    merged = torch.empty_like(base)
    for out, *tensors in zip(*map(layout.split, (merged, first, second, base))):
        out.copy_(operator(*tensors, **options))
    return merged


def slerp(first: Tensor, second: Tensor, base: Tensor, *, coefficients: list[float] | None) -> Tensor:
    """sin(w_1 a) / sin(a) theta_1 + sin(w_2 a) / sin(a) theta_2, a the angle between the weights of the two models
    (not between their deltas); linear where |cos a| > 0.9995 or where a tensor is zero and has no direction."""
    shares = coefficients or [0.5, 0.5]
    norms = torch.linalg.vector_norm(first) * torch.linalg.vector_norm(second)
    cosine = ((first * second).sum() / norms).item() if norms > 0 else 1.0
    if abs(cosine) > _PARALLEL:
        return torch.lerp(second, first, shares[0])
    angle = math.acos(cosine)
    near, far = (math.sin(share * angle) / math.sin(angle) for share in shares)
    return near * first + far * second


def model_stock(first: Tensor, second: Tensor, base: Tensor, *, eps: float, as_released: bool = False) -> Tensor:
    """r (theta_1 + theta_2) / 2 + (1 - r) theta_0 with r = 2 c / (1 + c + eps), c the cosine between the deltas.

    Changes that point apart (c < 0) have nothing in common: r = 0, and so it is where a delta is zero and has no
    direction. As released, r follows the formula below zero too and grows without bound towards c = -1, which is where
    every single number stands whose changes have opposite signs."""
    one, other = first - base, second - base
    norms = [torch.linalg.vector_norm(change) for change in (one, other)]
    cosine = (one / norms[0] * (other / norms[1])).sum().item() if min(norms) > 0 else 0.0
    if cosine < 0 and not as_released:  # where 1 + c nears zero, rounding alone would decide the weights
        return base.clone()
    return torch.lerp(base, (first + second) / 2, 2 * cosine / (1 + cosine + eps))


PAIRS = {"slerp": slerp, "model-stock": model_stock}


def layer_factors(names, *, start: float = 0.5, slope: float = 0.5, shape: str = "linear") -> list[float]:
    """LiNeS: factor start + slope (l / (L - 1)) of block l = 0 .. L - 1 (`quadratic`: squared, `sqrt`: its root); `start`
    for every tensor outside the blocks. Raises `UserError` where there are none, as the official code does."""
    blocks = [int(found[1]) if (found := _BLOCK.search(name)) else None for name in names]
    if all(block is None for block in blocks):
        raise UserError("LiNeS scales by depth, but there are no residual blocks (tensors named *resblocks.<number>.*)")
    last = max(block for block in blocks if block is not None)
    return [start if not block else start + slope * _SHAPES[shape](block / last) for block in blocks]


def scale_layers(merged: Tensor, base: Tensor, layout: Layout, lines: dict, as_released: bool) -> None:
    """LiNeS, in place: delta <- factor x delta; as released, theta <- factor x theta."""
    factors = layer_factors(layout.like, **lines)
    for part, origin, factor in zip(layout.split(merged), layout.split(base), factors):
        part.copy_(part * factor if as_released else torch.lerp(origin, part, factor))
