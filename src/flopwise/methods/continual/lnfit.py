"""LNFit: only the weights and biases of the layer normalisations of both towers train; the temperature is frozen.

FoMo-in-Flux, official code: the parameters whose name contains `ln_` (ln_pre, ln_1, ln_2, ln_post, ln_final)."""

from flopwise.methods.continual import Method
from flopwise.models.selection import train_only


def prepare(model, generator) -> None:
    train_only(model, lambda name: "ln_" in name, "LayerNorms (parameters named ln_*)")


METHOD = Method(prepare, label="LNFit", group="selective updates")
