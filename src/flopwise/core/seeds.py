"""Seeds as a tree: every use of randomness derives its own seed from the run's seed and the name of the use.

Nothing is drawn from a global generator, so no use can disturb another, and a step can be replayed without its past."""

import hashlib
from contextlib import contextmanager


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the use called `names` under `seed`; the same on every machine and in every Python version."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *names: str | int):
    import numpy

    return numpy.random.Generator(numpy.random.PCG64(derive(seed, *names)))


def torch_generator(seed: int, *names: str | int):
    import torch

    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def drawn_inside(seed: int, device: str):
    """What models draw by themselves, such as dropout, is drawn under `seed`; on a CPU the global generator then goes on as if
    nothing had been drawn."""
    import torch

    with torch.random.fork_rng(devices=[], enabled=device == "cpu"):
        # `torch.manual_seed` also writes down its caller for every kind of card, 0.4 ms a call
        (torch.default_generator if device == "cpu" else torch).manual_seed(seed)
        yield
