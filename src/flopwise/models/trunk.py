"""The trunk that all objectives of the efficiency study share: a vision transformer on small pictures, mean-pooled.

    pictures (B, 3, S, S) -> stem -> n tokens of width D, + fixed sine-cosine positions -> L pre-norm blocks -> LayerNorm

Its stem is either one patch layer or three convolutions with batch norm that end at the same P x P patches; on two cores only the
latter learns to see anything in minutes (docs/efficiency.md)."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

CHANNELS = (24, 48)  # of the two inner convolutions of a stem
POSITION = 0.15  # scale of the positions beside tokens, whose entries are about 1


@dataclass(frozen=True)
class Shape:
    """width D, depth L, heads; patch P: pixels of a token's side; stem: `convolutions` or `patches`; image S: pixels."""

    width: int = 64
    depth: int = 2
    heads: int = 4
    patch: int = 8
    stem: str = "convolutions"
    image: int = 32

    def tokens(self, image: int | None = None) -> int:
        return ((image or self.image) // self.patch) ** 2


class Block(nn.Module):
    """Pre-norm transformer block with an MLP four times as wide."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, n, D); mask bool (B, 1, 1, n): which tokens may be attended to."""
        batch, n, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, n, width))
        return x + self.mlp(self.norm2(x))


@cache
def positions(width: int, side: int) -> Tensor:
    """Sine-cosine code of a side x side grid, float32 (side * side, width); width a multiple of four."""
    rates = 100.0 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * rates
    code = torch.cat([angles.sin(), angles.cos()], 1)
    rows, columns = code[:, None].expand(side, side, -1), code[None].expand(side, side, -1)
    return torch.cat([rows, columns], 2).reshape(side * side, width)


class Trunk(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape, width, (first, second) = shape, shape.width, CHANNELS
        if shape.stem == "patches":
            self.stem = nn.Sequential(nn.Conv2d(3, width, shape.patch, shape.patch))
        else:
            last = shape.patch // 4
            self.stem = nn.Sequential(
                nn.Conv2d(3, first, 3, 2, 1), nn.BatchNorm2d(first), nn.GELU(),
                nn.Conv2d(first, second, 3, 2, 1), nn.BatchNorm2d(second), nn.GELU(),
                nn.Conv2d(second, width, last, last),
            )  # fmt: skip
        self.blocks = nn.ModuleList(Block(width, shape.heads) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width)
        for module in self.stem.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))

    def embed(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S), about zero mean and spread 1 -> tokens (B, n, D) with positions."""
        tokens = self.stem(pictures).flatten(2).transpose(1, 2)
        side = pictures.shape[-1] // self.shape.patch
        return tokens + POSITION * positions(self.shape.width, side).to(tokens)

    def run(self, tokens: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) -> tokens (B, n, D)."""
        return self.run(self.embed(pictures))


def scaled(images: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) -> float32 (B, 3, S, S), about zero mean and spread 1."""
    return images.permute(0, 3, 1, 2).float().div_(64).sub_(2)


def mlp(*widths: int, last_norm: bool = False) -> nn.Sequential:
    """Linear layers with batch norm and GELU between them, as projection heads have; `last_norm`: batch norm without a
    scale at the end."""
    layers: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(inputs, outputs))
        if index < len(widths) - 2:
            layers += [nn.BatchNorm1d(outputs), nn.GELU()]
    return nn.Sequential(*layers, *([nn.BatchNorm1d(widths[-1], affine=False)] if last_norm else []))
