"""Sets of units (StarCraft II's stand-in): which enemy would the expert attack? Behaviour cloning from games, then games are
played (arXiv 2107.14795, section B). Units have no order; queries are the units themselves. Beside it a transformer over units
with 3.5 times the FLOPs, and a network that looks at each unit alone."""

from typing import ClassVar

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.data.materials import battles
from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import InputQueries, Linear, Units

WIDTH, FEATURES = 48, len(battles.FEATURES)
CONFIG = Config(
    Units(battles.SLOTS, FEATURES, WIDTH),
    InputQueries(battles.SLOTS, WIDTH),
    Linear(1),
    6,
    WIDTH,
    3,
    heads=4,
    query_residual=True,
)
GAMES = 200


class Work(Base):
    title, stands_for, material, score, unit = "unit sets", "StarCraft II", "battles", "win_rate", "%"
    arms: ClassVar = {
        "perceiver": Arm("Perceiver IO"), "transformer": Arm("transformer over units", "baseline"),
        "alone": Arm("each unit alone", "baseline"), "trivial": Arm("a random enemy", "trivial"),
    }  # fmt: skip

    def model(self, arm):
        import torch
        from torch import nn

        from flopwise.models.trunk import Block

        if arm == "perceiver":
            return create(CONFIG, seed=int(torch.randint(2**31, ())))

        class Encoder(nn.Module):
            def __init__(self, layers: int):
                super().__init__()
                self.embed = nn.Linear(FEATURES, WIDTH)
                self.layers = nn.ModuleList(Block(WIDTH, 2) for _ in range(layers))
                self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 1))

            def forward(self, units, mask):
                x = self.embed(units)
                for layer in self.layers:
                    x = layer(x, mask[:, None, None])
                return self.head(x)

        return Encoder(3 if arm == "transformer" else 0)

    def _logits(self, model, units, mask):
        """(B, slots), minus infinity where there is no living enemy."""
        enemy = mask & (units[..., battles.FEATURES.index("enemy")] > 0.5)
        return model(units, mask)[..., 0].masked_fill(~enemy, -1e9)

    def _states(self, split, rows=slice(None)):
        import torch

        return tuple(
            torch.from_numpy(np.array(self.arrays[f"{split}_{name}"][rows])) for name in ("units", "mask", "target")
        )

    def loss(self, model, arm, batch_size, rng):
        from torch.nn.functional import cross_entropy

        units, mask, target = self._states("train", rng.integers(0, len(self.arrays["train_target"]), batch_size))
        return cross_entropy(self._logits(model, units, mask), target)

    def scores(self, model, arm, seed):
        import torch

        draw = numpy_generator(0, "perceiver", "policy", arm)

        def policy(state):
            if model is None:
                return np.where(
                    state.alive[:, battles.UNITS :], draw.random((len(state.kind), battles.UNITS)), -1
                ).argmax(1)
            units = torch.from_numpy(battles.features(state))
            alive = torch.from_numpy(np.ascontiguousarray(state.alive))
            alive[~alive.any(1), 0] = True  # a finished game must leave something to read
            with torch.no_grad():
                return self._logits(model, units, alive)[:, battles.UNITS :].argmax(1).numpy()

        won = battles.play(policy, numpy_generator(0, "perceiver", "games"), GAMES)
        found = {"win_rate": 100 * float(won.mean())}
        if model is not None:
            units, mask, target = self._states("test")
            with torch.no_grad():
                found["imitation"] = 100 * float((self._logits(model, units, mask).argmax(1) == target).float().mean())
        return found

    def once(self, model, arm):
        import torch

        self._logits(model, torch.zeros(1, battles.SLOTS, FEATURES), torch.ones(1, battles.SLOTS, dtype=torch.bool))
