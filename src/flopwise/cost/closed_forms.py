"""Closed forms of the cost of transformers, beside the counter of `flops` and checked against it. No torch.

n tokens, width D, MLP ratio w, P patch side, 1 multiply-add = 2 FLOPs, no recomputation:

    block      = 2 (4 + 2 w) n D^2 + 4 n^2 D        (24 n D^2 + 4 n^2 D for w = 4)
    embedding  = 2 n_p (3 P^2) D
    training   = 3 forward - embedding              (the first layer has no input gradient)

All results are FLOPs of one sample; a training figure is forward and backward.
"""

import itertools
from dataclasses import dataclass

from flopwise.core.choices import check

OBJECTIVES = ("supervised", "clip", "simclr", "byol", "dino", "mae")


def linear(rows: int, inputs: int, outputs: int) -> int:
    return 2 * rows * inputs * outputs


def block(tokens: int, width: int, mlp_ratio: float = 4) -> int:
    """Pre-norm transformer block: query, key, value and output projections, two attention products, MLP."""
    return round(2 * (4 + 2 * mlp_ratio) * tokens * width**2) + 4 * tokens**2 * width


@dataclass(frozen=True)
class Vit:
    """Vision transformer; `tokens` defaults to all patches and a class token."""

    width: int
    depth: int
    patch: int = 16
    mlp_ratio: float = 4

    def embedding(self, patches: int) -> int:
        return linear(patches, 3 * self.patch**2, self.width)

    def forward(self, patches: int, embedded: int | None = None) -> int:
        """Trunk over `patches` patches and a class token; `embedded` patches go through the embedding (all of them even
        where a masked autoencoder drops most before the blocks)."""
        blocks = self.depth * block(patches + 1, self.width, self.mlp_ratio)
        return blocks + self.embedding(embedded or patches)

    def training(self, patches: int, embedded: int | None = None) -> int:
        return 3 * self.forward(patches, embedded) - self.embedding(embedded or patches)


VIT_B16 = Vit(768, 12)
VIT_L16 = Vit(1024, 24)


def mlp(*widths: int, rows: int = 1) -> int:
    """A chain of linear layers."""
    return sum(linear(rows, inputs, outputs) for inputs, outputs in itertools.pairwise(widths))


def pretraining(
    objective: str,
    vit: Vit,
    patches: int = 196,
    classes: int = 1000,
    text: tuple[int, int, int] = (384, 6, 77),
    local_crops: int = 8,
    local_patches: int = 36,
    kept: float = 0.25,
    decoder: tuple[int, int] = (512, 8),
) -> int:
    """Training FLOPs of one image under an objective of arXiv 2209.15589 with the published recipes' heads.

    objective: one of OBJECTIVES
    text: width, depth, tokens of CLIP's text tower; kept, decoder: MAE's visible share, decoder width and depth;
    local_crops, local_patches: DINO's small crops
    """
    check("objective", objective, OBJECTIVES)
    width, trunk, once = vit.width, vit.training(patches), vit.forward(patches)
    if objective == "supervised":
        return trunk + 3 * linear(1, width, classes)
    if objective == "clip":
        text_width, text_depth, tokens = text
        tower = text_depth * block(tokens, text_width)
        return trunk + 3 * (tower + linear(1, width, 512) + linear(1, text_width, 512))
    if objective == "simclr":
        return 2 * (trunk + 3 * mlp(width, 2048, 2048, 128))
    if objective == "byol":
        projector, predictor = mlp(width, 4096, 256), mlp(256, 4096, 256)
        return 2 * (trunk + 3 * (projector + predictor)) + 2 * (once + projector)
    if objective == "dino":
        head = mlp(width, 2048, 2048, 256, 65536)
        local = vit.training(local_patches) + 3 * head
        return 2 * (trunk + 3 * head) + local_crops * local + 2 * (once + head)
    visible, (decoder_width, depth) = int(patches * kept), decoder
    decode = linear(visible + 1, width, decoder_width) + depth * block(patches + 1, decoder_width)
    decode += linear(patches + 1, decoder_width, 3 * vit.patch**2)
    return vit.training(visible, embedded=patches) + 3 * decode
