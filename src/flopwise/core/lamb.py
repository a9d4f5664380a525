"""LAMB (arXiv 1904.00962), for the training step of `core.loop`."""

from flopwise.core.loop import AdamW


class Lamb(AdamW):
    """m, v as in Adam, corrected for their start; u = m / (sqrt(v) + eps) + lambda theta; theta <- theta - lr r u with the trust
    ratio r = |theta| / |u| of each tensor, 1 where one of both is 0. Groups as AdamW takes them."""

    def __init__(self, groups: list[dict], learning_rate: float, betas=(0.9, 0.999), eps: float = 1e-6):
        super().__init__(groups, learning_rate, betas, eps)

    def _update(self, group: dict, parameters: list) -> None:
        import torch

        with torch.no_grad():
            for p in parameters:
                self._change(p, group)

    def _change(self, p, group: dict) -> None:
        import torch

        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state |= {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
        state["step"] += 1
        steps = float(state["step"])
        first = state["exp_avg"].lerp_(p.grad, 1 - beta1) / (1 - beta1**steps)
        second = state["exp_avg_sq"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2) / (1 - beta2**steps)
        change = first / (second.sqrt() + group["eps"]) + group["weight_decay"] * p
        size, norm = p.norm(), change.norm()
        ratio = torch.where((size > 0) & (norm > 0), size / norm, 1.0)
        p -= group["lr"] * ratio * change
