"""SimCLR (Chen et al. 2020): for the 2B views z = n(g(f(v))) with partner p(i),

l_i = -log( exp(<z_i, z_p(i)> / tau) / sum_{k != i} exp(<z_i, z_k> / tau) ),    loss = mean over the 2B views"""

from flopwise.methods.efficiency import Batch, Facts, Objective, full_precision


def nt_xent(z, temperature: float):
    """z: unit-length (2B, d), the second views of all pictures below the first ones."""
    import torch
    from torch.nn.functional import cross_entropy

    with full_precision(z):
        logits = z.float() @ z.float().T / temperature
    logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
    return cross_entropy(logits, torch.arange(len(z), device=z.device).roll(len(z) // 2))


def learner(
    trunk, facts: Facts, temperature: float, hidden: int, layers: int, out: int, smallest: float, colour: float
):
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    from flopwise.models.trunk import mlp

    class SimClr(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.projector = trunk, mlp(trunk.shape.width, *[hidden] * (layers - 1), out)

        def loss(self, batch: Batch):
            views = torch.cat([batch.view(smallest, colour, blur=0.5) for _ in range(2)])
            return nt_xent(normalize(self.projector(self.trunk(views).mean(1)), dim=1), temperature)

    return SimClr()


OBJECTIVE = Objective(
    learner, "SimCLR",
    options={"temperature": 0.2, "hidden": 128, "layers": 2, "out": 64, "smallest": 0.4, "colour": 0.6},
)  # fmt: skip
