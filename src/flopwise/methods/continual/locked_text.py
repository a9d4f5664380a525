"""Locked text tower: the image tower trains; text tower and temperature are frozen. FoMo-in-Flux, official code."""

from flopwise.methods.continual import Method


def prepare(model, generator) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("visual."))


METHOD = Method(prepare, label="locked text tower", group="selective updates", towers="one")
