"""Image transforms on whole batches of tensors."""

import math


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
