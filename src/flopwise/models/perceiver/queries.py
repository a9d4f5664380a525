"""Output queries: one vector per wanted output (arXiv 2107.14795, section 3.2 and table 6). Each module returns (1 or B,
O, E); `points` says which outputs are wanted, None: all. An output does not depend on which others are decoded."""

import math

import torch
from torch import Tensor, nn

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.models.perceiver import positions, specs
from flopwise.models.perceiver.attention import table
from flopwise.models.perceiver.inputs import pad_channels


def check_points(what: str, points: Tensor, count: int) -> Tensor:
    """Raise `UserError` unless `points` is a list (n,) of numbers from 0 to `count` - 1."""
    if points.ndim != 1 or points.dtype != torch.int64:
        raise UserError(f"{what}: points are {points.dtype} of shape {tuple(points.shape)}; expected int64 of one axis")
    if points.device.type != "meta" and len(points) and not 0 <= int(points.min()) <= int(points.max()) < count:
        raise UserError(f"{what}: points reach from {int(points.min())} to {int(points.max())}; there are {count}")
    return points


class LearnedQueries(nn.Module):
    def __init__(self, spec: specs.LearnedQueries):
        super().__init__()
        self.table = table(spec.count, spec.channels)

    def forward(self, inputs: Tensor | None, points: Tensor | None) -> Tensor:
        rows = self.table if points is None else self.table[check_points("learned queries", points, len(self.table))]
        return rows[None]


class PositionQueries(nn.Module):
    """All points are placed by the rule of `positions.point_positions`, so that a point's query is the same whether it is
    decoded alone or with all others."""

    def __init__(self, spec: specs.PositionQueries):
        super().__init__()
        self.spec = spec

    def forward(self, inputs: Tensor, points: Tensor | None) -> Tensor:
        shape = self.spec.shape
        if points is None:
            points = torch.arange(math.prod(shape), device=inputs.device)
        placed = positions.point_positions(check_points("position queries", points, math.prod(shape)), shape)
        return positions.fourier_features(placed, self.spec.positions).to(inputs.dtype)[None]


class InputQueries(nn.Module):
    def __init__(self, spec: specs.InputQueries):
        super().__init__()
        self.count = spec.count

    def forward(self, inputs: Tensor, points: Tensor | None) -> Tensor:
        first = inputs[:, : self.count]
        return first if points is None else first[:, check_points("input queries", points, first.shape[1])]


class MultimodalQueries(nn.Module):
    def __init__(self, spec: specs.MultimodalQueries):
        super().__init__()
        names = sorted(spec.parts)
        self.parts = nn.ModuleDict({name: build(spec.parts[name]) for name in names})
        self.padding = nn.ParameterDict({name: table(1, spec.channels - spec.parts[name].channels) for name in names})

    def forward(self, inputs: Tensor, points: dict[str, Tensor] | None) -> Tensor:
        """points: modality -> its points; one of which nothing is said, or None, is decoded as a whole."""
        points = points or {}
        for name in points:
            check("modality to decode", name, self.parts)
        each = [pad_channels(part(inputs, points.get(name)), self.padding[name]) for name, part in self.parts.items()]
        return torch.cat(each, dim=1)


BUILDERS = {
    specs.LearnedQueries: LearnedQueries, specs.PositionQueries: PositionQueries, specs.InputQueries: InputQueries,
    specs.MultimodalQueries: MultimodalQueries,
}  # fmt: skip


def build(spec) -> nn.Module:
    return BUILDERS[type(spec)](spec)
