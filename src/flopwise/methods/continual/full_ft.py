"""Full fine-tuning: every parameter of both towers and the temperature train; the trained weights are deployed."""

from flopwise.methods.continual import Method


def prepare(model, generator) -> None:
    model.requires_grad_(True)


METHOD = Method(prepare, label="full fine-tuning", group=None)
