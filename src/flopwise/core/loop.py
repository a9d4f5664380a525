"""One training step: from the loss of a batch to a clipped gradient and an optimiser update at a scheduled rate."""

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable

from tqdm import tqdm

LEAST_SCALE = 1e-3  # of losses in fp16; each update whose gradients overflow halves it


class Diverged(Exception):
    """The loss became NaN or infinite. A result, not a failure."""


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) on torch's fused kernel, with the two attributes of a torch optimiser that are
    used here: `param_groups` and `state`. The updates are those of `torch.optim.AdamW(fused=True)`, bit by bit; the first
    step of that one would import torch's compiler, 2.5 s in every process."""

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


def update(
    loss,
    optimiser,
    rate: float,
    *,
    clip_norm: float,
    before_update: Callable[[float], None] | None = None,
    scaler=None,
) -> float:
    """One optimiser update that lowers the scalar tensor `loss`; returns its value.

    clip_norm: of the gradient; infinite: as it is. rate: learning rate; a group of parameters with a `share` gets that part of
    it. before_update(rate): called with the clipped gradients in place. scaler: torch's gradient scaler for fp16; an update
    whose gradients overflowed is left out, as it does. Raises `Diverged`, before any weight changes, where the loss is not
    finite."""
    import torch

    value = loss.item()
    if not math.isfinite(value):
        raise Diverged(f"loss is {value}")
    optimiser.zero_grad(set_to_none=True)
    (scaler.scale(loss) if scaler else loss).backward()
    if scaler:
        scaler.unscale_(optimiser)  # clip the norm of the true gradient, not of the scaled one
    norm = None
    if scaler or clip_norm < math.inf:
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("share", 1.0)
    if before_update and (scaler is None or norm.isfinite()):  # the scaler leaves out an update that overflowed
        before_update(rate)
    if scaler:
        scaler.step(optimiser)
        scaler.update()
        if scaler.get_scale() < LEAST_SCALE:
            raise Diverged("gradients are not finite at any scale of the loss")
    else:
        optimiser.step()
    return value


def progress_bar(first: int, last: int, label: str = "") -> Iterable[int]:
    """The steps `first` .. `last` - 1, with a progress bar where a person watches."""
    hidden = not sys.stderr.isatty()
    return tqdm(range(first, last), label, initial=first, total=last, leave=False, disable=hidden)


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
