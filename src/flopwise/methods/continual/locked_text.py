"""Locked text tower: the image tower trains; text tower and temperature are frozen. FoMo-in-Flux, official code."""

from flopwise.methods.continual import Method
from flopwise.models.selection import train_tower


def prepare(model, generator) -> None:
    train_tower(model, "image")


METHOD = Method(prepare, label="locked text tower", group="selective updates")
