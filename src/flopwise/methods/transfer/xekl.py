"""Distillation and labels: lambda KL + (1 - lambda) CE with lambda = 0.5 (`XE-KL-Dist.`)."""

from flopwise.methods.distillation import cross_entropy, kl
from flopwise.methods.transfer import Batch, Loss, Method


def loss(batch: Batch, weight: float = 0.5) -> Loss:
    labelled = cross_entropy(batch.student, batch.labels, batch.as_released)
    return Loss(weight * kl(batch.teacher, batch.student) + (1 - weight) * labelled)


METHOD = Method(loss, "XE-KL")
