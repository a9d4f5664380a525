"""Training as long without a teacher: towards the frozen student itself (`self-dist`, the null of every other method), and
towards the labels (`ce`; `ce-mcl` with slow weights)."""

from flopwise.methods.distillation import cross_entropy, kl
from flopwise.methods.transfer import Batch, Loss, Method


def stay(batch: Batch) -> Loss:
    return Loss(kl(batch.frozen, batch.student))


def labels(batch: Batch) -> Loss:
    return Loss(cross_entropy(batch.student, batch.labels, batch.as_released))


METHODS = {
    "self-dist": Method(stay, "self-distillation", "control", teachers="none"),
    "ce": Method(labels, "labels only", "control", teachers="none"),
    "ce-mcl": Method(labels, "labels only + MCL", "control", teachers="none", slow=True),
}
