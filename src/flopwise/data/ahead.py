"""Batches of real pictures that are made while the model computes."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from flopwise.core.device import Placement

AHEAD = 2  # batches


def decoding_threads(placement: Placement) -> int:
    """How many threads read images while the model computes: where a GPU computes all that the job may use, on a CPU one
    less, and with one thread in all none: images are then read between the steps."""
    import torch

    return torch.get_num_threads() - (placement.device == "cpu")


class Prefetcher:
    """`make(step)` for steps up to `last` - 1, asked for in order: the next `AHEAD` are made by a thread meanwhile;
    where no `threads` read, by the caller when they are asked for. What `make` raises is raised at its own step."""

    def __init__(self, make: Callable, last: int, threads: int):
        self.make, self.last = make, last
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="batches") if threads else None
        self.waiting: dict[int, Future] = {}

    def __getitem__(self, step: int):
        if not self.thread:
            return self.make(step)
        for number in range(step, min(step + AHEAD + 1, self.last)):
            if number not in self.waiting:
                self.waiting[number] = self.thread.submit(self.make, number)
        return self.waiting.pop(step).result()
