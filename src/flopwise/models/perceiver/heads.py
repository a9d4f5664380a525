"""Heads: decoder outputs (B, O, E) -> what is asked for. Each takes the outputs, the input adapter and the wanted points."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopwise.models.perceiver import specs
from flopwise.models.perceiver.attention import linear
from flopwise.models.perceiver.config import Config


class Linear(nn.Module):
    def __init__(self, spec: specs.Linear, config: Config):
        super().__init__()
        self.single = spec.single
        self.linear = linear(config.queries.channels, spec.outputs)

    def forward(self, y: Tensor, adapter: nn.Module, points) -> Tensor:
        """(B, O, outputs), or (B, outputs) of a single query."""
        y = self.linear(y)
        return y[:, 0] if self.single else y


class Tied(nn.Module):
    def __init__(self, spec: specs.Tied, config: Config):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(spec.symbols))

    def forward(self, y: Tensor, adapter: nn.Module, points) -> Tensor:
        """(B, O, symbols): y E^T + bias, E the embedding of the inputs."""
        return functional.linear(y, adapter.embedding.weight, self.bias)


class Flow(nn.Module):
    def __init__(self, spec: specs.Flow, config: Config):
        super().__init__()
        self.spec = spec
        self.linear = linear(config.queries.channels, 2, gain=0)

    def forward(self, y: Tensor, adapter: nn.Module, points) -> Tensor:
        """(B, H, W, 2), or (B, points, 2)."""
        y = self.linear(y) / self.spec.rescale
        return y.unflatten(1, self.spec.size) if points is None else y


class Tasks(nn.Module):
    def __init__(self, spec: specs.Tasks, config: Config):
        super().__init__()
        width = config.queries.channels
        self.parts = nn.ModuleDict(
            {name: nn.Sequential(linear(width, width), nn.Tanh(), linear(width, outputs))
             for name, outputs in spec.outputs.items()}
        )  # fmt: skip

    def forward(self, y: Tensor, adapter: nn.Module, points) -> dict[str, Tensor]:
        """task -> (B, its outputs), for the tasks whose numbers are in `points`, None: all."""
        names = list(self.parts)
        wanted = names if points is None else [names[int(number)] for number in points]
        return {name: self.parts[name](y[:, row]) for row, name in enumerate(wanted)}


class Modalities(nn.Module):
    def __init__(self, spec: specs.Modalities, config: Config):
        super().__init__()
        queries = dict(sorted(config.queries.parts.items()))
        self.counts = {name: math.prod(part.shape) if isinstance(part, specs.PositionQueries) else part.count
                       for name, part in queries.items()}  # fmt: skip
        self.sounds = {name for name, part in config.inputs.parts.items() if isinstance(part, specs.Audio)}
        self.labels = {name for name, part in queries.items() if part == specs.LearnedQueries(1, part.channels)}
        self.linear = linear(config.queries.channels, spec.width)
        self.parts = nn.ModuleDict({name: linear(spec.width, spec.outputs[name]) for name in queries})

    def forward(self, y: Tensor, adapter: nn.Module, points: dict[str, Tensor] | None) -> dict[str, Tensor]:
        """modality -> sound (B, samples), a single learned query's (B, outputs), else (B, its queries, outputs)."""
        wanted = {name: len(rows) for name, rows in (points or {}).items() if rows is not None}
        counts = list((self.counts | wanted).values())
        found = {}
        for (name, part), rows in zip(self.parts.items(), self.linear(y).split(counts, dim=1)):
            rows = part(rows)
            found[name] = rows.flatten(1) if name in self.sounds else rows[:, 0] if name in self.labels else rows
        return found


class Average(nn.Module):
    def __init__(self, spec: specs.Average, config: Config):
        super().__init__()
        self.linear = linear(config.width, spec.classes, gain=0)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, classes) of latents (B, N, D)."""
        return self.linear(latents.mean(dim=1))


HEADS = {
    specs.Linear: Linear, specs.Tied: Tied, specs.Flow: Flow, specs.Tasks: Tasks, specs.Modalities: Modalities,
    specs.Average: Average,
}  # fmt: skip


def build(config: Config) -> nn.Module | None:
    return None if config.head is None else HEADS[type(config.head)](config.head, config)
