"""Distillation and smoothed labels: lambda KL + (1 - lambda) CE with the target (1 - eps) y + eps / C, lambda = 0.5, eps = 0.1.

`as_released`: the official code smooths what the student says and not the target."""

from flopwise.methods.distillation import cross_entropy, kl
from flopwise.methods.transfer import Batch, Loss, Method


def loss(batch: Batch, weight: float = 0.5, smoothing: float = 0.1) -> Loss:
    from torch.nn import functional

    if batch.as_released:
        said = (1 - smoothing) * batch.student.softmax(1) + smoothing / batch.student.shape[1]
        labelled = cross_entropy(said, batch.labels)  # probabilities taken for logits
    else:
        labelled = functional.cross_entropy(batch.student, batch.labels, label_smoothing=smoothing)
    return Loss(weight * kl(batch.teacher, batch.student) + (1 - weight) * labelled)


METHOD = Method(loss, "XE-KL, smoothed labels", "ablation")
