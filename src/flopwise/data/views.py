"""Random views of real pictures as pre-training recipes make them, on a batch of tensors on the device that trains.

    crop of a share of the area, ratio 3/4 to 4/3 -> size x size -> mirrored in half of the cases -> colours moved in 80 %,
    grey in 20 % -> blurred, solarised

Pictures come as squares, the middle of the whole (`studies.efficiency.pools`), so a crop is one of that square."""

import math

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

from flopwise.data.distort import USES, coloured, greyed

RATIO = (3 / 4, 4 / 3)  # of a crop
SIGMA, REACH = (0.1, 2.0), 3  # of blur in pixels at 224; standard deviations that its kernel reaches


def view(
    pictures: Tensor, generator: Generator, smallest: float, colour: float, size: int | None = None, *,
    largest: float = 1.0, blur: float = 0.0, solarise: float = 0.0,
) -> Tensor:  # fmt: skip
    """A view of each picture, float32 (B, 3, size, size) in [0, 1].

    pictures: float32 (B, 3, S, S) in [0, 1]. generator: on the CPU, so that a step draws the same on any device. smallest,
    largest: share of the area. colour: strength of the jitter, 1 as in SimCLR; 0: none, and nothing grey. blur, solarise:
    probabilities."""
    with torch.no_grad(), torch.autocast(pictures.device.type, enabled=False):
        return _viewed(pictures, generator, (smallest, largest), colour, size or pictures.shape[-1], blur, solarise)


def _viewed(
    pictures, generator, area: tuple[float, float], colour: float, size: int, blur: float, solarise: float
) -> Tensor:
    n, device = len(pictures), pictures.device
    out = _cropped(pictures, torch.rand((n, 6), generator=generator).to(device), area, size)
    if colour:
        numbers = torch.rand((n, USES), generator=generator).to(device)
        out = greyed(coloured(out, numbers, colour), numbers, 0.2)
    if blur or solarise:
        chosen = torch.rand((n, 3), generator=generator).to(device)
        if blur:
            out = _blurred(out, chosen[:, 0]).where((chosen[:, 1] < blur)[:, None, None, None], out)
        if solarise:
            out = (1 - out).where((out >= 0.5) & (chosen[:, 2] < solarise)[:, None, None, None], out)
    return out


def _cropped(pictures: Tensor, u: Tensor, share: tuple[float, float], size: int) -> Tensor:
    """u (B, 6): area, ratio, place in both directions, mirrored or not. A ratio at which the crop would not fit is moved to the
    nearest that does."""
    area = share[0] + (share[1] - share[0]) * u[:, 0]
    low = area.log().clamp(min=math.log(RATIO[0]))  # width and height below 1: area <= ratio <= 1 / area
    high = (-area.log()).clamp(max=math.log(RATIO[1]))
    ratio = (low + (high - low) * u[:, 1]).exp()
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    theta = pictures.new_zeros(len(pictures), 2, 3)
    theta[:, 0, 0] = wide * torch.where(u[:, 4] < 0.5, -1.0, 1.0)
    theta[:, 1, 1] = high
    theta[:, 0, 2], theta[:, 1, 2] = (2 * u[:, 2] - 1) * (1 - wide), (2 * u[:, 3] - 1) * (1 - high)
    grid = affine_grid(theta, [len(pictures), 3, size, size], align_corners=False)
    return grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _blurred(pictures: Tensor, u: Tensor) -> Tensor:
    """Gaussian blur of each picture with its own deviation, edges mirrored."""
    n, _, _, side = pictures.shape
    sigma = (SIGMA[0] + (SIGMA[1] - SIGMA[0]) * u) * side / 224
    reach = min(side - 1, max(1, math.ceil(REACH * SIGMA[1] * side / 224)))
    place = torch.arange(-reach, reach + 1, device=pictures.device)
    kernel = (-(place**2) / (2 * sigma[:, None] ** 2)).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(pictures.dtype).repeat_interleave(3, 0)
    rows = pad(pictures, (reach,) * 4, mode="reflect").view(1, 3 * n, side + 2 * reach, -1)
    across = conv2d(rows, kernel[:, None, None], groups=3 * n)
    return conv2d(across, kernel[:, None, :, None], groups=3 * n).view(pictures.shape)
