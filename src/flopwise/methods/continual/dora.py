"""DoRA: V = W + s B A, W <- m / |V| * V row by row; A and B as in LoRA, m = |W| at the start, trained; |V| carries no
gradient.

Same places as LoRA; query, key and value have pairs A, B of their own and share one vector m of the fused projection's
length. FoMo-in-Flux, official code; Liu et al. 2024."""

from flopwise.methods.continual import ADAPTER, Method


def prepare(model, generator, *, rank: int, scale: float = 1.0, unused: bool = False) -> None:
    from flopwise.models.adapters import Dora, attach

    attach(Dora, model, rank, generator, scale, unused)


METHOD = Method(prepare, **ADAPTER, label="DoRA")
