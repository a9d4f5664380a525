import sys

import pytest
import torch

from flopwise.core.loop import AdamW, Diverged, adamw, optimiser_tensors, restore_optimiser, update


def problem():
    """A small regression: parameters, one of which never gets a gradient, and the loss of a step."""
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(5, 3, generator=generator), torch.randn(3, generator=generator), torch.ones(2)]
    parameters = [torch.nn.Parameter(w) for w in weights]
    batches = torch.randn(40, 8, 5, generator=generator)
    return parameters, lambda step: (batches[step] @ parameters[0] + parameters[1]).square().mean()


def rate(step: int) -> float:
    return 0.1 / (step + 1)


def run_steps(loss_of, optimiser, first, last, **options) -> None:
    for step in range(first, last):
        update(loss_of(step), optimiser, rate(step), **options)


def test_updates_are_those_of_torchs_adamw():
    ours, loss_of = problem()
    run_steps(loss_of, adamw(ours, 0.1, 0.2, (0.8, 0.95)), 0, 40, clip_norm=0.5)
    theirs, loss_of = problem()
    optimiser = torch.optim.AdamW(theirs, lr=0.1, weight_decay=0.2, betas=(0.8, 0.95))
    for step in range(40):
        optimiser.zero_grad()
        loss_of(step).backward()
        torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        optimiser.param_groups[0]["lr"] = rate(step)
        optimiser.step()
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def in_groups(parameters) -> AdamW:
    """Matrices decay, vectors do not."""
    matrices, vectors = parameters[:1], parameters[1:]
    return AdamW([{"params": matrices, "weight_decay": 0.2}, {"params": vectors, "weight_decay": 0.0}], 0.1)


def test_groups_are_those_of_torchs_adamw():
    ours, loss_of = problem()
    run_steps(loss_of, in_groups(ours), 0, 40, clip_norm=0.5)
    theirs, loss_of = problem()
    reference = in_groups(theirs)
    optimiser = torch.optim.AdamW(
        [{k: group[k] for k in ("params", "weight_decay")} for group in reference.param_groups]
    )
    run_steps(loss_of, optimiser, 0, 40, clip_norm=0.5)
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("adamw", [lambda p, *numbers: adamw(p, *numbers), lambda p, *numbers: in_groups(p)])
def test_a_run_in_two_parts_is_bit_identical(adamw):
    whole, loss_of = problem()
    run_steps(loss_of, adamw(whole, 0.1, 0.2), 0, 40, clip_norm=1.0)
    parts, loss_of = problem()
    optimiser = adamw(parts, 0.1, 0.2)
    run_steps(loss_of, optimiser, 0, 17, clip_norm=1.0)
    saved = {name: tensor.clone() for name, tensor in optimiser_tensors(optimiser).items()}
    assert set(saved) == {f"{i}/{key}" for i in (0, 1) for key in ("step", "exp_avg", "exp_avg_sq")}
    optimiser = adamw(parts, 0.1, 0.2)
    restore_optimiser(optimiser, saved)
    run_steps(loss_of, optimiser, 17, 40, clip_norm=1.0)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts))


def test_before_update_sees_the_clipped_gradient_and_the_old_weights():
    parameters, loss_of = problem()
    start = parameters[0].detach().clone()
    seen = []

    def before_update(now):
        norm = torch.cat([p.grad.flatten() for p in parameters[:2]]).norm().item()
        seen.append((now, norm, torch.equal(parameters[0], start)))

    run_steps(loss_of, adamw(parameters, 0.1, 0.0), 3, 5, clip_norm=1e-3, before_update=before_update)
    assert [entry[0] for entry in seen] == [rate(3), rate(4)]
    assert [entry[1] for entry in seen] == pytest.approx([1e-3, 1e-3], rel=1e-2)
    assert [entry[2] for entry in seen] == [True, False]


def test_a_loss_that_is_not_finite_ends_the_run_before_its_update():
    parameters, _ = problem()
    start = parameters[0].detach().clone()
    with pytest.raises(Diverged):
        update(parameters[0].sum() * float("nan"), adamw(parameters, 0.1, 0), 0.1, clip_norm=1.0)
    assert torch.equal(parameters[0], start)


@pytest.mark.slow
def test_training_does_not_import_torchs_compiler():
    import subprocess

    code = (
        "import torch, sys; from flopwise.core.loop import adamw, update; p = torch.nn.Parameter(torch.ones(2)); "
        "update(p.sum(), adamw([p], 0.1, 0), 0.1, clip_norm=1.0); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
