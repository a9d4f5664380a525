"""BYOL (Grill et al. 2020): p = q(g(f(v))) of the online network, t = g'(f'(v')) of its average, n unit length,

loss = mean[ 4 - 2 cos(p_1, t_2) - 2 cos(p_2, t_1) ],    no gradient into t,    xi <- m xi + (1 - m) theta"""

import copy

from flopwise.methods.efficiency import Batch, Facts, Objective

TWO = {"blur": 1.0}, {"blur": 0.1, "solarise": 0.2}  # of the two views, as published


def similarity_loss(predicted, target):
    """predicted, target: unit-length (2B, d), both views below each other; a prediction is of the other view's target."""
    return 2 * (2 - 2 * (predicted * target.roll(len(target) // 2, 0)).sum(1)).mean()


def follow(average, online, momentum: float) -> None:
    """xi <- m xi + (1 - m) theta, over parameters; batch norm's running statistics are their own."""
    import torch

    with torch.no_grad():
        torch._foreach_lerp_(list(average.parameters()), list(online.parameters()), 1 - momentum)


def learner(trunk, facts: Facts, hidden: int, out: int, smallest: float, colour: float):
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    from flopwise.models.trunk import mlp

    class Byol(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = trunk
            self.projector = mlp(trunk.shape.width, hidden, out, last_norm=True)
            self.predictor = mlp(out, hidden, out)
            self.average = copy.deepcopy(nn.ModuleList([self.trunk, self.projector])).requires_grad_(False)

        def loss(self, batch: Batch):
            views = torch.cat([batch.view(smallest, colour, **more) for more in TWO])
            predicted = self.predictor(self.projector(self.trunk(views).mean(1)))
            with torch.no_grad():
                target = self.average[1](self.average[0](views).mean(1))
            return similarity_loss(normalize(predicted, dim=1), normalize(target, dim=1))

        def after_step(self, momentum: float) -> None:
            follow(self.average, nn.ModuleList([self.trunk, self.projector]), momentum)

    return Byol()


OBJECTIVE = Objective(learner, "BYOL", teacher=True, options={"hidden": 128, "out": 64, "smallest": 0.4, "colour": 0.6})
