"""Contrastive representation distillation: CE + 0.8 CRD (Tian, Krishnan and Isola 2020; settings of the official code of
arXiv 2310.17653: width 128, 4096 negatives, temperature 0.07, memory momentum 0.5).

Student and teacher features go through a linear layer each to the unit sphere. Either is contrasted with the other's
entry for the same sample in a memory of the whole transfer set, against entries of negatives, by noise-contrastive
estimation: -log h(positive) - sum log(1 - h(negative)), h = P / (P + K / n + e), P = exp(u.v / T) / Z. Z is set by the
first batch. Negatives are drawn from the other samples; there are no more of them than these."""

from flopwise.methods.distillation import cross_entropy
from flopwise.methods.transfer import Batch, Loss, Method

WIDTH, NEGATIVES, TEMPERATURE, MOMENTUM, EPSILON = 128, 4096, 0.07, 0.5, 1e-7


class Memory:
    """Projections and the two banks of unit vectors, (n, 128) each. dims: feature widths (student, teacher)."""

    def __init__(self, samples: int, dims: tuple[int, int], seed: int, device: str = "cpu"):
        import torch

        from flopwise.core.seeds import torch_generator

        generator = torch_generator(seed, "memory")
        self.layers, self.banks = [], []
        for dim in dims:
            layer = torch.nn.Linear(dim, WIDTH)
            torch.nn.init.uniform_(layer.weight, -(dim**-0.5), dim**-0.5, generator=generator)
            torch.nn.init.zeros_(layer.bias)
            self.layers.append(layer.to(device))
            bank = torch.randn(samples, WIDTH, generator=generator)
            self.banks.append(torch.nn.functional.normalize(bank, dim=1).to(device))
        self.constants: list[float | None] = [None, None]
        self.negatives = min(NEGATIVES, samples - 1)

    def parameters(self) -> list:
        return [p for layer in self.layers for p in layer.parameters()]

    def contrast(self, features, indices, generator):
        """Sum of both directions' losses; `features`: (student, teacher), (B, d) each. Then the banks move."""
        import torch

        n, batch = len(self.banks[0]), len(indices)
        projected = [torch.nn.functional.normalize(layer(part), dim=1) for layer, part in zip(self.layers, features)]
        others = torch.randint(1, n, (batch, self.negatives), generator=generator).to(indices.device)
        drawn = torch.cat([indices[:, None], (indices[:, None] + others) % n], 1)  # the positive stands first
        total = sum(self._nce(own, self.banks[1 - side][drawn], side, n) for side, own in enumerate(projected))
        with torch.no_grad():
            for bank, own in zip(self.banks, projected):
                moved = MOMENTUM * bank[indices] + (1 - MOMENTUM) * own.detach()
                bank[indices] = torch.nn.functional.normalize(moved, dim=1)
        return total

    def _nce(self, own, entries, side: int, n: int):
        """own (B, d) against entries (B, 1 + K, d)."""
        import torch

        scores = torch.exp(torch.einsum("bd,bkd->bk", own, entries) / TEMPERATURE)
        if self.constants[side] is None:
            self.constants[side] = scores.mean().item() * n
        probability = scores / self.constants[side]
        noise = self.negatives / n
        positive = (probability[:, 0] / (probability[:, 0] + noise + EPSILON)).log()
        negative = (noise / (probability[:, 1:] + noise + EPSILON)).log()
        return -(positive.sum() + negative.sum()) / len(own)


def memory_cost(samples: int) -> tuple[float, int]:
    """(FLOPs for each picture of a batch, numbers kept) of the contrast: products with 1 + K entries in both directions, forward
    and back into the picture's own vector; two banks. The projections are left out."""
    return 2 * 2 * (2 * WIDTH * (1 + min(NEGATIVES, samples - 1))), 2 * WIDTH * samples


def loss(batch: Batch, memory: Memory) -> Loss:
    labelled = cross_entropy(batch.student, batch.labels, batch.as_released)
    features = batch.features, batch.teacher_features
    return Loss(labelled + 0.8 * memory.contrast(features, batch.indices, batch.generator))


METHOD = Method(loss, "CRD", features=True, memory=Memory, memory_cost=memory_cost)
