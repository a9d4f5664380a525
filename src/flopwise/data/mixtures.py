"""What a training batch is made of: pre-training pool P, update pool D_t, buffer B (FoMo-in-Flux, official code)."""

import math
from typing import NamedTuple

import numpy as np

from flopwise.core.errors import UserError
from flopwise.core.seeds import numpy_generator


class Composition(NamedTuple):
    """Samples per batch from each pool."""

    pretraining: int
    update: int
    buffer: int


def are_shares(shares: tuple[float, ...]) -> bool:
    """Whether all are >= 0 and they sum to 1 within 1e-6; not-a-number is not."""
    return all(share >= 0 for share in shares) and abs(sum(shares) - 1) <= 1e-6


def composition(batch_size: int, shares: tuple[float, float, float], *, first_task: bool = False) -> Composition:
    """Samples of (pretraining, update, buffer) in a batch of `batch_size` for `shares` = (lambda_P, lambda_D, lambda_B).

    floor(b x lambda) each, the remainder handed out one by one in the same order to the pools with a share above 0. In
    the first task the buffer is still empty: its part goes half to the update pool (which gets the odd one) and half to
    the pre-training pool; all to the pre-training pool where no update data is used, all to the update pool where no
    pre-training data is. Raises `UserError` unless the shares are >= 0 and sum to 1."""
    if not are_shares(shares):
        raise UserError(f"mixture {tuple(shares)} must be three shares >= 0 that sum to 1; they sum to {sum(shares):g}")
    parts = [math.floor(batch_size * share) for share in shares]
    used = [index for index, share in enumerate(shares) if share > 0]
    for turn in range(batch_size - sum(parts)):
        parts[used[turn % len(used)]] += 1
    if first_task:
        buffer, parts[2] = parts[2], 0
        to_pretraining = 0 if shares[0] == 0 else buffer if shares[1] == 0 else buffer // 2
        parts[0] += to_pretraining
        parts[1] += buffer - to_pretraining
    return Composition(*parts)


def sample_order(pool: np.ndarray, draws: int, seed: int, name: str, task: int | str) -> np.ndarray:
    """`draws` members of `pool` (indices, shape (n,)) in random order, each as often as any other up to one; the order
    depends on the seed, the pool's name and the task.

    A pool smaller than `draws` is extended virtually: a permutation of `draws` positions, taken modulo its length.
    Raises `UserError` where the pool is empty."""
    if draws and len(pool) == 0:
        raise UserError(
            f"the {name} pool of task {task} (counted from 0) is empty: no class of it has a training image"
        )
    positions = numpy_generator(seed, "order", name, task).permutation(max(draws, len(pool)))[:draws]
    return np.asarray(pool)[positions % len(pool)]
