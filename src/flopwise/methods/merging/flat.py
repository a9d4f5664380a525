"""State dicts as flat vectors and back."""

from collections.abc import Collection
from functools import reduce

import torch
from torch import Tensor

from flopwise.models.buffers import STATISTICS


class Layout:
    """Names, shapes and types of the weights in `base`, in its order: its floating-point tensors, but for running
    statistics and what `buffers` names besides."""

    def __init__(self, base: dict[str, Tensor], buffers: Collection[str] = ()):
        self.like = {
            name: value for name, value in base.items()
            if value.is_floating_point() and name not in buffers and name.rpartition(".")[2] not in STATISTICS
        }  # fmt: skip
        self.sizes = [value.numel() for value in self.like.values()]
        self.dtype = reduce(torch.promote_types, (value.dtype for value in self.like.values()), torch.float32)

    def flatten(self, state: dict[str, Tensor]) -> Tensor:
        """(n,): the tensors of `state` one after another, in float32 (float64 where some are)."""
        return torch.cat([state[name].detach().reshape(-1).to(self.dtype) for name in self.like])

    def split(self, vector: Tensor) -> list[Tensor]:
        """Views of the vector, one for each tensor, of its shape."""
        return [part.view(like.shape) for part, like in zip(vector.split(self.sizes), self.like.values())]

    def unflatten(self, vector: Tensor, rest: dict[str, Tensor]) -> dict[str, Tensor]:
        """Name -> view of the vector, or a copy where the type differs; what is no weight is copied from `rest`."""
        parts = {name: part.to(self.like[name].dtype) for name, part in zip(self.like, self.split(vector))}
        return {name: parts[name] if name in parts else value.clone() for name, value in rest.items()}
