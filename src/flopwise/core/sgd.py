"""SGD with momentum, for the training step of `core.loop`."""

from collections import defaultdict
from collections.abc import Iterable


class SGD:
    """v <- m v + g + w theta, theta <- theta - lr v: the updates of `torch.optim.SGD(momentum=m, weight_decay=w)`, whose first
    step would import torch's compiler. `param_groups` and `state` as in a torch optimiser."""

    def __init__(self, parameters: Iterable, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0):
        group = {"params": list(parameters), "lr": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
        self.param_groups, self.state = [group], defaultdict(dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.param_groups[0]["params"]:
            p.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        import torch

        group = self.param_groups[0]
        parameters = [p for p in group["params"] if p.grad is not None]
        for p in parameters:
            if p not in self.state:
                self.state[p]["momentum_buffer"] = torch.zeros_like(p)
        moved, gradients = [self.state[p]["momentum_buffer"] for p in parameters], [p.grad for p in parameters]
        with torch.no_grad():
            if group["weight_decay"]:
                gradients = torch._foreach_add(gradients, parameters, alpha=group["weight_decay"])
            torch._foreach_mul_(moved, group["momentum"])
            torch._foreach_add_(moved, gradients)
            torch._foreach_add_(parameters, moved, alpha=-group["lr"])
