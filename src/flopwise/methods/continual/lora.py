"""LoRA: W <- W + s B A with A (r x in) Kaiming-uniform with a = sqrt(r), B = 0.

FoMo-in-Flux, official code: in every residual block of both towers the attention's fused input projection (query, key
and value each have a pair of their own) and the second layer of the perceptron carry an adapter; W, everything else and
the temperature are frozen; s = 1; the adapters live on from task to task. Hu et al. 2022."""

from flopwise.methods.continual import ADAPTER, Method


def prepare(model, generator, *, rank: int, scale: float = 1.0, unused: bool = False) -> None:
    from flopwise.models.adapters import Lora, attach

    attach(Lora, model, rank, generator, scale, unused)


METHOD = Method(prepare, **ADAPTER, label="LoRA")
