"""Plain distillation: KL(teacher || student) on every sample (`KL-Dist.`)."""

from flopwise.methods.distillation import kl
from flopwise.methods.transfer import Batch, Loss, Method


def loss(batch: Batch, temperature: float = 1.0) -> Loss:
    return Loss(kl(batch.teacher, batch.student, temperature))


METHOD = Method(loss, "KL")
