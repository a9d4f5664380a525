"""LNFit: only the weights and biases of the layer normalisations of both towers train; the temperature is frozen.

FoMo-in-Flux, official code: the parameters whose name contains `ln_` (ln_pre, ln_1, ln_2, ln_post, ln_final)."""

from flopwise.methods.continual import Method


def prepare(model, generator) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("ln_" in name)


METHOD = Method(prepare, label="LNFit", group="selective updates", trains="LayerNorms named ln_*")
