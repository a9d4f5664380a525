"""UPerNet (arXiv 1807.10221) on the levels of a plain vision transformer, as public code builds it for MAE's encoder.

    blocks 1/3, 1/2, 2/3 and last -> rescaled by 4, 2, 1, 1/2 -> pyramid pooling on the coarsest, lateral 1 x 1 convolutions on
    the others -> top-down sums -> 3 x 3 convolutions -> all at the finest, joined -> 3 x 3 -> dropout -> classes

and beside it, while training, one convolution on the third level that tells the classes, too (weight 0.4)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

POOLS, DROPOUT, SIDE_CHANNELS, SIDE_WEIGHT, SIDE_LEVEL = (1, 2, 3, 6), 0.1, 256, 0.4, 2


def levels_of(depth: int) -> list[int]:
    """Blocks (from 0) whose tokens are the four levels: 3, 5, 7, 11 of twelve."""
    return [depth // 3 - 1, depth // 2 - 1, 2 * depth // 3 - 1, depth - 1]


def convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """k x k without bias, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def up(x: Tensor, size) -> Tensor:
    return interpolate(x, size=size, mode="bilinear", align_corners=False)


class Pyramid(nn.Module):
    """Tokens of one grid at four sizes: 4, 2, 1 and 1/2 times it."""

    def __init__(self, width: int):
        super().__init__()
        self.four = nn.Sequential(
            nn.ConvTranspose2d(width, width, 2, 2),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.ConvTranspose2d(width, width, 2, 2),
        )
        self.two = nn.ConvTranspose2d(width, width, 2, 2)
        self.halved = nn.MaxPool2d(2)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        first, second, third, fourth = levels
        return [self.four(first), self.two(second), third, self.halved(fourth)]


class UperNet(nn.Module):
    """levels: four (B, width, h_i, w_i), finest first -> logits (B, classes, h_0, w_0)."""

    def __init__(self, width: int, classes: int, channels: int):
        super().__init__()
        self.pooled = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), convolution(width, channels, 1)) for size in POOLS
        )
        self.coarsest = convolution(width + len(POOLS) * channels, channels, 3)
        self.lateral = nn.ModuleList(convolution(width, channels, 1) for _ in range(3))
        self.smooth = nn.ModuleList(convolution(channels, channels, 3) for _ in range(3))
        self.joined = convolution(4 * channels, channels, 3)
        self.classify = nn.Sequential(nn.Dropout2d(DROPOUT), nn.Conv2d(channels, classes, 1))

    def forward(self, levels: list[Tensor]) -> Tensor:
        *fine, coarse = levels
        pooled = [up(pool(coarse), coarse.shape[-2:]) for pool in self.pooled]
        maps = [one(x) for one, x in zip(self.lateral, fine)]
        maps.append(self.coarsest(torch.cat([coarse, *pooled], 1)))
        for i in (2, 1, 0):
            maps[i] = maps[i] + up(maps[i + 1], maps[i].shape[-2:])
        maps = [*(one(x) for one, x in zip(self.smooth, maps)), maps[3]]
        size = maps[0].shape[-2:]
        return self.classify(self.joined(torch.cat([maps[0], *(up(x, size) for x in maps[1:])], 1)))


class SideHead(nn.Module):
    """The classes from one level, to help training."""

    def __init__(self, width: int, classes: int):
        super().__init__()
        self.layers = nn.Sequential(
            convolution(width, SIDE_CHANNELS, 3), nn.Dropout2d(DROPOUT), nn.Conv2d(SIDE_CHANNELS, classes, 1)
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        return self.layers(levels[SIDE_LEVEL])
