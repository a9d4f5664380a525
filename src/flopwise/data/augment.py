"""Random views of a batch of small pictures, on tensors, all pictures at once."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample


def view(
    pictures: Tensor, generator: Generator, smallest: float = 0.4, colour: float = 0.6, size: int | None = None, *,
    largest: float = 1.0, blur: float = 0.0, solarise: float = 0.0,
) -> Tensor:  # fmt: skip
    """A view of each picture, float32 (B, 3, size, size).

    pictures: float32 (B, 3, S, S), about zero mean and spread 1. smallest, largest: share of the area that a crop keeps.
    blur, solarise: probabilities, which pictures as small as these have no use for; `data.views.view` heeds them.
    colour: strength of gains (spread 0.5 x colour per channel), shifts (0.4 x colour) and greying (of 20 % x colour of the
    pictures); half of the pictures are mirrored."""
    n, _, side, _ = pictures.shape
    size = size or side
    draw = lambda *shape: torch.rand(shape, generator=generator)  # noqa: E731
    scale = (smallest + (largest - smallest) * draw(n)).sqrt()
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = scale * torch.where(draw(n) < 0.5, -1.0, 1.0), scale
    theta[:, :, 2] = (2 * draw(n, 2) - 1) * (1 - scale)[:, None]
    grid = affine_grid(theta, [n, 3, size, size], align_corners=False)
    out = grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    if colour:
        normal = lambda: torch.randn((n, 3, 1, 1), generator=generator)  # noqa: E731
        mean = out.mean((2, 3), keepdim=True)
        out = (out - mean) * (1 + 0.5 * colour * normal()).clamp(0.2, 2) + mean + 0.4 * colour * normal()
        grey = draw(n, 1, 1, 1) < 0.2 * colour
        out = torch.where(grey, out.mean(1, keepdim=True), out)
    return out
