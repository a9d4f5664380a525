"""VeRA: W <- W + s diag(b) B diag(d) A with A (r x in) and B (out x r) random, frozen and shared by all layers of one
shape; only d (length r, 0 at the start) and b (length out, 0.1 at the start) train.

Same places as LoRA; query, key and value have vectors of their own. FoMo-in-Flux, official code; Kopiczko et al. 2024
start from b = 0 and d = 0.1 instead."""

from flopwise.methods.continual import ADAPTER, Method


def prepare(model, generator, *, rank: int, scale: float = 1.0, unused: bool = False) -> None:
    from flopwise.models.adapters import Vera, attach

    attach(Vera, model, rank, generator, scale, unused)


METHOD = Method(prepare, **ADAPTER, label="VeRA", vectors=("inner", "outer"))
