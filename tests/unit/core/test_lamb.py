"""LAMB against timm's, and by hand."""

import pytest
import torch

from flopwise.core.lamb import Lamb
from flopwise.models.compat import import_timm


def test_updates_are_those_of_timm():
    import_timm()
    from timm.optim import Lamb as Theirs

    generator = torch.Generator().manual_seed(0)
    ours, theirs = ([torch.nn.Parameter(torch.full((3, 4), 0.5)), torch.nn.Parameter(torch.zeros(5))] for _ in range(2))
    mine = Lamb([{"params": ours, "weight_decay": 0.01}], 0.1)
    other = Theirs(theirs, lr=0.1, weight_decay=0.01, max_grad_norm=None)
    for _ in range(6):
        for a, b in zip(ours, theirs):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        mine.step()
        other.step()
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs))


def test_the_first_step_is_as_long_as_the_rate_says():
    """r u is as long as theta itself."""
    weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimiser = Lamb([{"params": [weight], "weight_decay": 0.0}], 0.1)
    weight.grad = torch.tensor([1.0, -2.0])
    optimiser.step()
    assert torch.dist(weight, torch.tensor([3.0, 4.0])).item() == pytest.approx(0.5, rel=1e-5)
