"""The one training loop: a step is a loss on a batch, a clipped gradient, an optimiser update at a scheduled rate."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable

from tqdm import tqdm


class Diverged(Exception):
    """The loss became NaN or infinite; `step` says when. A result, not a failure."""

    def __init__(self, step: int):
        super().__init__(f"loss is not finite at step {step}")
        self.step = step


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) on torch's fused kernel, with the two attributes of a torch optimiser that are
    used here: `param_groups` and `state`. The updates are those of `torch.optim.AdamW(fused=True)`; constructing that
    one would import torch's compiler, a second in every process."""

    def __init__(self, groups: list[dict], learning_rate: float, betas=(0.9, 0.999), eps=1e-8):
        """groups: dictionaries with `params` and `weight_decay`."""
        self.param_groups = [{"lr": learning_rate, "betas": betas, "eps": eps, **group} for group in groups]
        self.state: dict = defaultdict(dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._update(group, parameters)

    def _update(self, group: dict, parameters: list) -> None:
        import torch

        for p in parameters:
            if p not in self.state:
                zero = torch.zeros((), dtype=torch.float32, device=p.device)
                self.state[p] = {"step": zero, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        first, second, steps = ([self.state[p][key] for p in parameters] for key in ("exp_avg", "exp_avg_sq", "step"))
        (beta1, beta2), lr, eps, weight_decay = (group[key] for key in ("betas", "lr", "eps", "weight_decay"))
        with torch.no_grad():
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                parameters, [p.grad for p in parameters], first, second, [], steps, lr=lr, beta1=beta1, beta2=beta2,
                weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False,
            )  # fmt: skip


def adamw(parameters: Iterable, learning_rate: float, weight_decay: float, betas=(0.9, 0.999), eps=1e-8) -> AdamW:
    """AdamW with decay on every parameter given."""
    return AdamW([{"params": list(parameters), "weight_decay": weight_decay}], learning_rate, betas, eps)


def run_steps(
    loss_of: Callable[[int], object],
    optimiser,
    rate: Callable[[int], float],
    first: int,
    last: int,
    *,
    clip_norm: float,
    before_update: Callable[[int, float], None] = lambda step, rate: None,
    after: Callable[[int, float], None] = lambda step, loss: None,
    scaler=None,
    label: str = "",
) -> None:
    """Run steps `first` .. `last` - 1.

    `loss_of(step)` draws the batch and returns the scalar loss; `rate(step)` is the learning rate;
    `before_update(step, rate)` is called with the clipped gradients in place, `after(step, loss)` when step + 1 steps are
    done. `scaler`: torch's gradient scaler for fp16; an update whose gradients overflowed is left out, as it does. Raises
    `Diverged` before an update with a loss that is not finite."""
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
        (scaler.scale(loss) if scaler else loss).backward()
        if scaler:
            scaler.unscale_(optimiser)
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        now = rate(step)
        for group in optimiser.param_groups:
            group["lr"] = now
        if scaler is None or norm.isfinite():
            before_update(step, now)
        if scaler:
            scaler.step(optimiser)
            scaler.update()
        else:
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
        parameter = parameters[int(index)]
        optimiser.state[parameter][key] = value.to(parameter.device)
