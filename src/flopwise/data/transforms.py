"""Image transforms: on whole batches of tensors of one size, and on single pictures of any size."""

import math

import numpy as np


def random_resized_crop(images, generator, *, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3)):
    """Crop each image at random and resize it back, bicubic.

    `images` float (N, C, H, W), best with the channels last in memory. The crop's share of the area is uniform in
    `scale`, its aspect ratio log-uniform among the values of `ratio` at which the crop fits into the image
    (FoMo-in-Flux, official code: scale 0.9 to 1)."""
    import torch

    n = len(images)
    u = torch.rand(4, n, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * u[0]
    low = torch.log(area).clamp(min=math.log(ratio[0]))
    high = -torch.log(area).clamp(max=0).clamp(min=-math.log(ratio[1]))
    aspect = torch.exp(low + (high - low) * u[1])
    width, height = torch.sqrt(area * aspect).clamp(max=1), torch.sqrt(area / aspect).clamp(max=1)
    rows = bicubic_weights(images.shape[2], height, (1 - height) * (2 * u[3] - 1))
    columns = bicubic_weights(images.shape[3], width, (1 - width) * (2 * u[2] - 1))
    _, channels, high, wide = images.shape
    halfway = torch.bmm(rows, images.permute(0, 2, 3, 1).reshape(n, high, wide * channels))
    halfway = halfway.view(n, high, wide, channels).permute(0, 3, 1, 2).reshape(n, channels * high, wide)
    return torch.bmm(halfway, columns.transpose(1, 2)).view(images.shape)


def bicubic_weights(size: int, share, centre):
    """Matrices (N, size, size) that resize a part of a line of `size` pixels to `size` pixels: out = M @ line.

    The part covers `share` (N,) of the line; its middle lies at `centre` (N,), -1 and 1 being the line's ends. Cubic
    convolution with a = -0.75 (Keys 1981), pixels repeated beyond the ends: torch's `grid_sample` in one dimension."""
    import torch

    pixels = torch.arange(size)
    middle = (2 * pixels + 1) / size - 1  # of the output pixels, in the units of `centre`
    position = ((share[:, None] * middle + centre[:, None] + 1) * size - 1) / 2
    first = position.floor()
    t = (position - first)[:, :, None] + torch.tensor([1.0, 0.0, -1.0, -2.0])  # distance from each of four pixels
    d, a = t.abs(), -0.75
    taps = torch.where(d <= 1, ((a + 2) * d - (a + 3)) * d * d + 1, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)
    source = (first.long()[:, :, None] + torch.arange(-1, 3)).clamp_(0, size - 1)
    return torch.zeros(len(share), size, size).scatter_add_(2, source, taps)


def training_view(image, size: int, draws: np.ndarray, *, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3)) -> np.ndarray:
    """A random crop of a PIL image, resized to uint8 (size, size, 3), bicubic. `draws`: four numbers uniform in [0, 1)."""
    from PIL import Image

    crop = image.crop(crop_box(*image.size, draws, scale=scale, ratio=ratio))
    return np.asarray(crop.resize((size, size), Image.Resampling.BICUBIC))


def crop_box(width: int, height: int, draws: np.ndarray, *, scale, ratio) -> tuple[int, int, int, int]:
    """(left, upper, right, lower) of a random crop in whole pixels.

    Its share of the area is uniform in `scale`, its aspect ratio log-uniform among the values of `ratio` at which it fits
    into the image. Where none fits, it is the largest centred crop of the nearest ratio, as in torchvision."""
    area = width * height * (scale[0] + (scale[1] - scale[0]) * draws[0])
    low, high = max(ratio[0], area / height**2), min(ratio[1], width**2 / area)
    if low > high:
        nearest = min(max(width / height, ratio[0]), ratio[1])
        w, h = min(width, round(height * nearest)), min(height, round(width / nearest))
        left, upper = (width - w) // 2, (height - h) // 2
        return left, upper, left + w, upper + h
    aspect = math.exp(math.log(low) + (math.log(high) - math.log(low)) * draws[1])
    w = min(width, max(1, round(math.sqrt(area * aspect))))
    h = min(height, max(1, round(math.sqrt(area / aspect))))
    left, upper = int(draws[2] * (width - w + 1)), int(draws[3] * (height - h + 1))
    return left, upper, left + w, upper + h


def evaluation_view(image, size: int) -> np.ndarray:
    """uint8 (size, size, 3): a PIL image with its shorter side resized to `size`, bicubic, cut at the centre; equal to
    torchvision's `Resize` and `CenterCrop`."""
    from PIL import Image

    width, height = image.size
    shorter = min(width, height)
    if shorter != size:
        width, height = size * width // shorter, size * height // shorter
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, upper = round((width - size) / 2), round((height - size) / 2)
    return np.asarray(image.crop((left, upper, left + size, upper + size)))
