"""Data partitioning, the paper's proposal: KL(z_m || student) where each sample's target z_m is the teacher's logits if the
teacher is more confident than the frozen initial student, else that student's (`KL-Dist.+DP`). Confident of the label, or
in `-u` of anything (no labels needed). With several teachers the most confident of all is the target.

gamma weights the samples that stay with the frozen student; 1 in the paper's runs."""

from functools import partial

from flopwise.methods.distillation import kl
from flopwise.methods.masks import choose
from flopwise.methods.transfer import Batch, Loss, Method


def loss(batch: Batch, supervised: bool = True, gamma: float = 1.0) -> Loss:
    import torch

    chosen = choose(batch.frozen, batch.teachers, batch.labels if supervised else None)
    candidates = torch.cat([batch.frozen[None], batch.teachers])
    targets = candidates[chosen, torch.arange(len(chosen), device=chosen.device)]
    taught = chosen > 0
    if gamma == 1:
        return Loss(kl(targets, batch.student), taught)
    kept, share = ~taught, taught.double().mean().item()
    parts = kl(targets[taught], batch.student[taught]), kl(targets[kept], batch.student[kept])
    return Loss(share * parts[0] + gamma * (1 - share) * parts[1], taught)


_several = partial(Method, loss, group="several teachers")
METHODS = {
    "kl-dp": Method(loss, "KL+DP"),
    "kl-dp-u": Method(loss, "KL+DP, unsupervised", options={"supervised": False}),
    **{
        f"kl-dp-gamma{gamma}": Method(loss, f"KL+DP, γ = {gamma}", "ablation", {"gamma": gamma})
        for gamma in (1.5, 2, 5, 10)
    },
    "kl-dp-parallel": _several("parallel", teachers="parallel"),
    "kl-dp-parallel-long": _several("parallel, equal steps", teachers="parallel", stretch=True),
    "kl-dp-up": _several("sequential, weakest first", teachers="sequential"),
    "kl-dp-down": _several("sequential, strongest first", teachers="sequential", descending=True),
    "kl-dp-soup": _several("soup", teachers="soup"),
}
