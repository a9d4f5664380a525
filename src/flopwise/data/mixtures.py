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


def composition(batch_size: int, shares: tuple[float, float, float], *, first_task: bool = False) -> Composition:
    """Samples of (pretraining, update, buffer) in a batch of `batch_size` for `shares` = (lambda_P, lambda_D, lambda_B).

    floor(b x lambda) each, the remainder handed out one by one in the same order. In the first task the buffer is still
    empty: its part goes half to the update pool (which gets the odd one) and half to the pre-training pool, or all to
    the update pool where no pre-training data is used. Raises `UserError` unless the shares are >= 0 and sum to 1."""
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise UserError(f"mixture {tuple(shares)} must be three shares >= 0 that sum to 1; they sum to {sum(shares):g}")
    parts = [math.floor(batch_size * share) for share in shares]
    for i in range(batch_size - sum(parts)):
        parts[i % 3] += 1
    if first_task:
        buffer, parts[2] = parts[2], 0
        to_pretraining = buffer // 2 if shares[0] > 0 else 0
        parts[0] += to_pretraining
        parts[1] += buffer - to_pretraining
    return Composition(*parts)


def sample_order(pool: np.ndarray, draws: int, seed: int, *names: str | int) -> np.ndarray:
    """`draws` members of `pool` (indices, shape (n,)) in random order, each as often as any other up to one.

    A pool smaller than `draws` is extended virtually: a permutation of `draws` positions, taken modulo its length."""
    positions = numpy_generator(seed, *names).permutation(max(draws, len(pool)))[:draws]
    return np.asarray(pool)[positions % len(pool)]
