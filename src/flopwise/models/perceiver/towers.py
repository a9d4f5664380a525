"""Perceiver IO in the place of other networks: one query reads a picture out of the latents."""

import torch
from torch import Tensor, nn

from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.model import Perceiver
from flopwise.models.perceiver.specs import Fourier, Image, LearnedQueries


def reader(side: int, patch: int, width: int, latents: int, layers: int, heads: int) -> Perceiver:
    """Pictures (B, 3, side, side) -> (B, 1, width): patches with Fourier positions are read, one query is written."""
    inputs = Image((side, side), Fourier(4, (side // patch, side // patch)), patch=patch, features=width)
    return Perceiver(
        Config(inputs, LearnedQueries(1, width), None, latents, width, layers, heads=heads, query_residual=True)
    )


class ImageTower(nn.Module):
    """An image tower for open_clip's CLIP. image_size: pixels of a side; embed_dim: of its features; the rest as in `reader`."""

    def __init__(self, image_size: int, embed_dim: int, **shape: int):
        super().__init__()
        self.image_size, self.perceiver = (image_size, image_size), reader(image_size, **shape)
        self.proj = nn.Parameter(shape["width"] ** -0.5 * torch.randn(shape["width"], embed_dim))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> features (B, embed_dim), not normalised."""
        return self.perceiver(images)[:, 0] @ self.proj
