"""Contrastive distillation by similarities: 0.1 CE + 10 KL between the batches' similarity matrices (`CD`)."""

from flopwise.methods.distillation import cross_entropy, similarity_kl
from flopwise.methods.transfer import Batch, Loss, Method


def loss(batch: Batch) -> Loss:
    similar = similarity_kl(batch.teacher_features, batch.features)
    return Loss(0.1 * cross_entropy(batch.student, batch.labels, batch.as_released) + 10 * similar)


METHOD = Method(loss, "CD", features=True)
