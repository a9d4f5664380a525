"""Where an element lies, as features: Fourier features of coordinates (arXiv 2107.14795, section G) and learned tables."""

import math

import torch
from torch import Tensor, nn

from flopwise.core.errors import UserError
from flopwise.models.perceiver.attention import linear, table
from flopwise.models.perceiver.specs import Fourier, Learned


def fourier_features(position: Tensor, spec: Fourier) -> Tensor:
    """(n, d + 2 d K) of `position` (n, d) in [-1, 1]:

    [x_i, sin(pi f_ik x_i), cos(pi f_ik x_i)],  f_i1 .. f_iK evenly from 1 to resolution_i / 2
    """
    ends = [side / 2 for side in spec.resolution]
    bands = torch.stack([torch.linspace(1.0, end, spec.bands, device=position.device) for end in ends])
    phase = math.pi * (position[:, :, None] * bands).flatten(1)
    return torch.cat([position, phase.sin(), phase.cos()], dim=1)


def grid_positions(shape: tuple[int, ...], device=None) -> Tensor:
    """(product of `shape`, d): coordinates of a grid's points, both ends -1 and 1 included, row by row."""
    sides = [torch.linspace(-1.0, 1.0, side, device=device) for side in shape]
    return torch.stack(torch.meshgrid(*sides, indexing="ij"), dim=-1).flatten(0, -2)


def point_positions(points: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(n, d): coordinates -1 + 2 i / side of the points with flat numbers `points` (n,) int64.

    Not those of `grid_positions`: the last point lies at 1 - 2 / side. The released weights were trained so.
    """
    coordinates = []
    for side in reversed(shape):
        coordinates.append(-1 + 2 * (points % side) / side)
        points = points // side
    return torch.stack(coordinates[::-1], dim=1)


class FourierPositions(nn.Module):
    """Features of all elements of a grid, kept from one call to the next."""

    def __init__(self, spec: Fourier):
        super().__init__()
        self.spec, self._kept = spec, (None, None)

    def forward(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """(1, elements, channels), in the precision and on the device of `like`."""
        key = (tuple(shape), like.device, like.dtype)
        if self._kept[0] != key:
            with torch.inference_mode(False):  # kept for training too
                features = fourier_features(grid_positions(shape, like.device), self.spec)
                self._kept = key, features.to(like.dtype)[None]
        return self._kept[1]


class LearnedPositions(nn.Module):
    """A table of vectors, behind it a linear map where the spec says so."""

    def __init__(self, spec: Learned):
        super().__init__()
        self.table = table(spec.positions, spec.channels)
        self.projection = linear(spec.channels, spec.channels) if spec.projected else None

    def forward(self, shape: tuple[int, ...], like: Tensor | None = None) -> Tensor:
        """(1, elements, channels): the first rows of the table for a text, all of them for a picture."""
        elements = math.prod(shape)
        if elements > len(self.table) or (len(shape) > 1 and elements < len(self.table)):
            raise UserError(
                f"inputs of {' x '.join(map(str, shape))} have {elements} elements; the table of learned positions is for "
                f"{'at most ' if len(shape) == 1 else ''}{len(self.table)}"
            )
        rows = self.table[:elements]
        return (rows if self.projection is None else self.projection(rows))[None]


def build(spec: Fourier | Learned) -> nn.Module:
    return FourierPositions(spec) if isinstance(spec, Fourier) else LearnedPositions(spec)
