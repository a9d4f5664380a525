"""Weight-space retention: XE-KL on fast weights that slow weights follow, theta_slow <- tau theta_slow + (1 - tau) theta_fast
every N steps; the slow ones are what counts (`XE-KL-Dist.+MCL`; momentum interpolation of arXiv 2211.03186).

lambda = 0.68, and the KL term leaves out samples that the teacher has wrong and the current student right."""

from flopwise.methods.distillation import cross_entropy, kl
from flopwise.methods.masks import flips
from flopwise.methods.transfer import Batch, Loss, Method


def loss(batch: Batch, weight: float = 0.68) -> Loss:
    _, negative = flips(batch.teacher, batch.student.detach(), batch.labels)
    distilled = kl(batch.teacher[~negative], batch.student[~negative])
    labelled = cross_entropy(batch.student, batch.labels, batch.as_released)
    return Loss(weight * distilled + (1 - weight) * labelled, ~negative)


METHOD = Method(loss, "XE-KL+MCL", slow=True)
