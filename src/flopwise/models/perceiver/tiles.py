"""Flow of pictures larger than the model's: tiles of its size that overlap, a pixel's weight in a tile its distance from the
tile's edge (arXiv 2107.14795, section 4.2 and its released code)."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

OVERLAP = 20  # pixels, of the published models


def origins(length: int, tile: int, even: bool = False, overlap: int = OVERLAP) -> list[int]:
    """Where tiles begin along a side: every `tile` - `overlap` pixels and the last at the end, as the released code places them
    (which lets some sides have a tile that reaches beyond them; not here); `even`: as few as that, evenly spaced, as the paper
    says."""
    if even:
        count = max(1, -(-(length - overlap) // (tile - overlap)))
        return [round(index * (length - tile) / max(1, count - 1)) for index in range(count)]
    return [*range(0, length - tile, tile - overlap), length - tile]


def tile_weights(height: int, width: int) -> Tensor:
    """float32 (H, W): 1 at the edge of a tile, more towards its middle."""
    rows, columns = (torch.minimum(torch.arange(n) + 1, n - torch.arange(n)) for n in (height, width))
    return torch.minimum(rows[:, None], columns[None]).float()


def tiled_flow(
    predict: Callable[[Tensor], Tensor], size: tuple[int, int], frames: Tensor, batch_size: int, *, even: bool = False,
    overlap: int = OVERLAP,
) -> Tensor:  # fmt: skip
    """Flow (B, H, W, 2) of frames (B, 2, 3, H, W); `predict`: (n, 2, 3, *size) -> (n, *size, 2). Frames smaller than a tile are
    continued by their edge."""
    height, width = size
    below, right = max(0, height - frames.shape[3]), max(0, width - frames.shape[4])
    whole = pad(frames.flatten(0, 1), (0, right, 0, below), mode="replicate").unflatten(0, frames.shape[:2])
    places = [
        (row, y, x)
        for row in range(len(frames))
        for y in origins(whole.shape[3], height, even, overlap)
        for x in origins(whole.shape[4], width, even, overlap)
    ]
    weights = tile_weights(height, width).to(frames.device)[..., None]
    total = frames.new_zeros(len(frames), *whole.shape[3:], 2)
    seen = frames.new_zeros(len(frames), *whole.shape[3:], 1)
    for start in range(0, len(places), batch_size):
        part = places[start : start + batch_size]
        said = predict(torch.stack([whole[row, ..., y : y + height, x : x + width] for row, y, x in part]))
        for (row, y, x), one in zip(part, said):
            total[row, y : y + height, x : x + width] += weights * one
            seen[row, y : y + height, x : x + width] += weights
    return (total / seen)[:, : frames.shape[3], : frames.shape[4]]
