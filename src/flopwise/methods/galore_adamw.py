"""AdamW in a low-rank subspace of the gradient (GaLore, Zhao et al. 2024): for a matrix W (m x n) with gradient G

R = P^T G (m < n) or G P^T (m >= n), with P the r leading left or right singular vectors of G, renewed every `gap` steps;
Adam's direction N from the moments of R;  W <- W - rate (scale x P N or N P) - rate x decay x W.

Everything that is not a matrix is updated by AdamW itself. Steps, moments and bases are tensors in the optimiser's
state, so that it can be saved and put back."""

import math

import torch
from torch import Tensor


class GaloreAdamW(torch.optim.Optimizer):
    """`parameters`: tensors, or groups of them with a `weight_decay` of their own.

    Moments of matrices have r x n or m x r entries. As in the authors' optimiser decay comes after the step, and eps is
    1e-6, added to the root before the moments are corrected for their start."""

    def __init__(
        self, parameters, learning_rate, weight_decay=0.0, *, rank=8, gap=200, scale=2.0, betas=(0.9, 0.999), eps=1e-6
    ):
        options = {"rank": rank, "gap": gap, "scale": scale, "betas": betas, "eps": eps}
        super().__init__(parameters, {"lr": learning_rate, "weight_decay": weight_decay, **options})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._direction(parameter, group)
                    parameter.add_(update, alpha=-group["lr"])
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])

    def _direction(self, parameter: Tensor, group: dict) -> Tensor:
        """Adam's direction in the parameter's own shape."""
        state, gradient = self.state[parameter], parameter.grad
        done = int(state.get("step", 0))
        matrix = gradient.ndim == 2
        right = matrix and gradient.shape[0] >= gradient.shape[1]
        if matrix:
            if done % group["gap"] == 0:
                state["basis"] = _leading(gradient, group["rank"], right)
            gradient = gradient @ state["basis"].T if right else state["basis"].T @ gradient
        if not done:
            state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
        state["step"] = torch.tensor(done + 1)
        (first, second), step = group["betas"], done + 1
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        correction = math.sqrt(1 - second**step) / (1 - first**step)
        direction = correction * state["mean"] / (state["square"].sqrt() + group["eps"])
        if not matrix:
            return direction
        return group["scale"] * (direction @ state["basis"] if right else state["basis"] @ direction)


def _leading(gradient: Tensor, rank: int, right: bool) -> Tensor:
    """(rank, n) leading right or (m, rank) leading left singular vectors, in the memory layout that a saved and restored
    tensor has: the order of a product's sums depends on it."""
    left_vectors, _, right_vectors = torch.linalg.svd(gradient, full_matrices=False)
    leading = right_vectors[:rank] if right else left_vectors[:, :rank]
    return leading.clone(memory_format=torch.contiguous_format)
