"""BitFit: only biases train, in both towers, those of layer normalisations included; the temperature is frozen.

FoMo-in-Flux, official code: the parameters whose name contains `bias`."""

from flopwise.methods.continual import Method
from flopwise.models.selection import train_only


def prepare(model, generator) -> None:
    train_only(model, lambda name: "bias" in name, "biases (parameters named *bias*)")


METHOD = Method(prepare, label="BitFit", group="selective updates")
