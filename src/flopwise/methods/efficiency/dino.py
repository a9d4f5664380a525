"""DINO (Caron et al. 2021) with several crops: P_t = softmax((g_t(v) - c) / tau_t) of the average on two large views, P_s =
softmax(g_s(v) / tau_s) on all,

    loss = mean over pairs (a large, b != a) of -sum P_t(a) log P_s(b),    c <- 0.9 c + 0.1 mean g_t"""

import copy

from flopwise.methods.efficiency import Batch, Facts, Objective
from flopwise.methods.efficiency.byol import TWO, follow


def self_distillation(teacher, student, centre, teacher_temperature: float, student_temperature: float):
    """teacher (2, B, K), student (2 + local, B, K): prototype scores; the first two of the student are the teacher's views."""
    target = ((teacher - centre) / teacher_temperature).softmax(2)
    # unbound: one gradient for all, not one of this size for each term
    logs = (student / student_temperature).log_softmax(2).unbind(0)
    terms = [-(target[a] * logs[b]).sum(1).mean() for a in range(2) for b in range(len(logs)) if a != b]
    return sum(terms) / len(terms)


def learner(
    trunk, facts: Facts, hidden: int, layers: int, out: int, prototypes: int, local: int, local_side: int,
    local_smallest: float, local_largest: float, temperature: float, student_temperature: float, smallest: float, colour: float,
):  # fmt: skip
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    from flopwise.models.trunk import mlp

    class Dino(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.projector = trunk, mlp(trunk.shape.width, *[hidden] * (layers - 1), out)
            self.last = nn.Linear(out, prototypes, bias=False)
            self.average = copy.deepcopy(self._parts()).requires_grad_(False)
            self.register_buffer("centre", torch.zeros(prototypes))

        def _parts(self):
            return nn.ModuleList([self.trunk, self.projector, self.last])

        def _scores(self, parts, views):
            hidden = normalize(parts[1](parts[0](views).mean(1)), dim=1)
            return hidden @ normalize(parts[2].weight, dim=1).T

        def loss(self, batch: Batch):
            large = torch.cat([batch.view(smallest, colour, **more) for more in TWO])
            crop = lambda: batch.view(local_smallest, colour, local_side, largest=local_largest, blur=0.5)  # noqa: E731
            small = [crop() for _ in range(local)]
            with torch.no_grad():
                teacher = self._scores(self.average, large)
                centre = self.centre.clone()
                self.centre.lerp_(teacher.mean(0).float(), 0.1)
            scores = [self._scores(self._parts(), views) for views in [large, *([torch.cat(small)] if small else [])]]
            split = lambda x: x.view(-1, len(batch.pictures), x.shape[1])  # noqa: E731
            student = torch.cat([split(x) for x in scores])
            return self_distillation(split(teacher), student, centre, temperature, student_temperature)

        def after_step(self, momentum: float) -> None:
            follow(self.average, self._parts(), momentum)

    return Dino()


OBJECTIVE = Objective(
    learner, "DINO", teacher=True,
    options={"hidden": 128, "layers": 2, "out": 64, "prototypes": 128, "local": 4, "local_side": 16, "local_smallest": 0.15,
             "local_largest": 1.0, "temperature": 0.04, "student_temperature": 0.1, "smallest": 0.4, "colour": 0.6},
)  # fmt: skip
