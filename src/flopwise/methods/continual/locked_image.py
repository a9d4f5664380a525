"""Locked image tower: the text tower and the temperature train. FoMo-in-Flux, official code."""

from flopwise.methods.continual import Method


def prepare(model, generator) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("visual."))


METHOD = Method(prepare, label="locked image tower", group="selective updates", towers="one")
