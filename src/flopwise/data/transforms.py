"""Image transforms on whole batches of tensors."""

import math


def random_resized_crop(images, generator, *, scale=(0.9, 1.0), ratio=(3 / 4, 4 / 3)):
    """Crop each image at random and resize it back, bicubic.

    `images` float (N, C, H, W). The crop's share of the area is uniform in `scale`, its aspect ratio log-uniform among
    the values of `ratio` at which the crop fits into the image (FoMo-in-Flux, official code: scale 0.9 to 1)."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    n = len(images)
    u = torch.rand(4, n, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * u[0]
    low = torch.log(area).clamp(min=math.log(ratio[0]))
    high = -torch.log(area).clamp(max=0).clamp(min=-math.log(ratio[1]))
    aspect = torch.exp(low + (high - low) * u[1])
    width, height = torch.sqrt(area * aspect).clamp(max=1), torch.sqrt(area / aspect).clamp(max=1)
    transform = torch.zeros(n, 2, 3)
    transform[:, 0, 0], transform[:, 1, 1] = width, height
    transform[:, 0, 2], transform[:, 1, 2] = (1 - width) * (2 * u[2] - 1), (1 - height) * (2 * u[3] - 1)
    grid = affine_grid(transform, list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
