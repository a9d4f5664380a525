import torch
from torch.nn.functional import affine_grid, grid_sample

from flopwise.data.transforms import bicubic_weights, random_resized_crop


def test_crop_is_grid_samples_bicubic_interpolation():
    generator = torch.Generator().manual_seed(0)
    n, height, width = 50, 20, 32
    images = torch.rand(n, 3, height, width, generator=generator)
    share = 0.3 + 0.7 * torch.rand(2, n, generator=generator)
    middle = (1 - share) * (2 * torch.rand(2, n, generator=generator) - 1)
    transform = torch.zeros(n, 2, 3)
    transform[:, 0, 0], transform[:, 1, 1] = share
    transform[:, :, 2] = middle.T
    grid = affine_grid(transform, list(images.shape), align_corners=False)
    expected = grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    columns, rows = (bicubic_weights(*arguments) for arguments in zip((width, height), share, middle))
    torch.testing.assert_close(rows[:, None] @ images @ columns[:, None].mT, expected, rtol=1e-4, atol=2e-5)


def test_crops_depend_on_the_generator_alone_and_keep_a_constant_image():
    images = torch.rand(6, 3, 32, 32)
    first, again, other = (random_resized_crop(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    constant = torch.full((6, 3, 32, 32), 0.7)
    crop = random_resized_crop(constant, torch.Generator().manual_seed(0), scale=(0.2, 1.0))
    torch.testing.assert_close(crop, constant)


def test_the_whole_image_is_left_as_it_is():
    line = torch.rand(1, 32)
    weights = bicubic_weights(32, torch.ones(1), torch.zeros(1))
    torch.testing.assert_close(weights[0] @ line[0], line[0])
