"""Locked image tower: the text tower and the temperature train. FoMo-in-Flux, official code."""

from flopwise.methods.continual import Method
from flopwise.models.selection import train_tower


def prepare(model, generator) -> None:
    train_tower(model, "text")


METHOD = Method(prepare, label="locked image tower", group="selective updates")
