"""The one training loop: a step is a loss on a batch, a clipped gradient, an optimiser update at a scheduled rate."""

import sys
from collections.abc import Callable, Iterable

from tqdm import tqdm


class Diverged(Exception):
    """The loss became NaN or infinite; `step` says when. A result, not a failure."""

    def __init__(self, step: int):
        super().__init__(f"loss is not finite at step {step}")
        self.step = step


def adamw(parameters: Iterable, learning_rate: float, weight_decay: float, betas=(0.9, 0.999)):
    """torch's AdamW, fused, with decay on every parameter given (official code of FoMo-in-Flux)."""
    import torch

    return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, betas=betas, fused=True)


def run_steps(
    loss_of: Callable[[int], object],
    optimiser,
    rate: Callable[[int], float],
    first: int,
    last: int,
    *,
    clip_norm: float,
    after: Callable[[int, float], None] = lambda step, loss: None,
    before_update: Callable[[float], None] = lambda rate: None,
    label: str = "",
) -> None:
    """Run steps `first` .. `last` - 1.

    `loss_of(step)` draws the batch and returns the scalar loss; `rate(step)` is the learning rate; `after(step, loss)`
    is called when step + 1 steps are done, `before_update(rate)` between clipping and the update. Raises `Diverged`
    before an update with a loss that is not finite."""
    import math

    import torch

    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for step in tqdm(
        range(first, last), label, initial=first, total=last, leave=False, disable=not sys.stderr.isatty()
    ):
        loss = loss_of(step)
        value = loss.item()
        if not math.isfinite(value):
            raise Diverged(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        before_update(rate(step))
        optimiser.step()
        after(step, value)


def optimiser_tensors(optimiser) -> dict:
    """The optimiser's state as named tensors."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    return {f"{i}/{key}": value for i, p in enumerate(parameters) for key, value in optimiser.state.get(p, {}).items()}


def restore_optimiser(optimiser, tensors: dict) -> None:
    """Put back what `optimiser_tensors` returned."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, value in tensors.items():
        index, key = name.split("/")
        optimiser.state[parameters[int(index)]][key] = value
