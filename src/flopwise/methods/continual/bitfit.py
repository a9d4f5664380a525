"""BitFit: only biases train, in both towers, those of layer normalisations included; the temperature is frozen.

FoMo-in-Flux, official code: the parameters whose name contains `bias`."""

from flopwise.methods.continual import Method


def prepare(model, generator) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("bias" in name)


METHOD = Method(prepare, label="BitFit", group="selective updates", trains="biases")
