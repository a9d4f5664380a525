"""What the CUDA caching allocator asks of the driver for a given sequence of tensors: the memory that nvidia-smi sees.

Freed blocks stay with the process and serve later requests of other sizes only in part, so this "reserved" memory
exceeds the sum of the living tensors by a few per cent. Rules and constants of PyTorch's default allocator
(c10/cuda/CUDACachingAllocator.cpp: kMinBlockSize, kSmallSize, kSmallBuffer, kLargeBuffer, kMinLargeAlloc, kRoundLarge):

- sizes are rounded up to 512 bytes; requests up to 1 MiB and larger ones have pools of their own;
- the smallest free block that is large enough serves a request; what is left over becomes a free block if it has at
  least 512 bytes (small pool) or more than 1 MiB (large pool);
- where none fits, the driver gives a segment: 2 MiB for a small request, 20 MiB below 10 MiB, else the size rounded up
  to 2 MiB;
- a freed block joins free neighbours of its segment.
"""

import bisect
from dataclasses import dataclass, field

KIB, MIB, GIB = 2**10, 2**20, 2**30
_ROUND = 512
_SMALL = MIB
_SMALL_SEGMENT = 2 * MIB
_LARGE_SEGMENT = 20 * MIB
_LARGE_ALONE = 10 * MIB
_LARGE_ROUND = 2 * MIB

Block = tuple[int, int, int]  # size, segment, offset


def _up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


@dataclass
class CachingAllocator:
    """`reserved`: bytes held from the driver, which never fall; `allocated` and `peak_allocated`: bytes in use."""

    reserved: int = 0
    allocated: int = 0
    peak_allocated: int = 0
    _segments: int = 0
    _free: dict[bool, list[Block]] = field(default_factory=lambda: {True: [], False: []})

    def take(self, size: int) -> tuple[bool, Block]:
        """Serve a request of `size` bytes; returns what `give_back` wants."""
        size = max(_ROUND, _up(size, _ROUND))
        small = size <= _SMALL
        free = self._free[small]
        place = bisect.bisect_left(free, (size, 0, 0))
        if place < len(free):
            length, segment, offset = free.pop(place)
        else:
            length, segment, offset = self._new_segment(size), self._segments, 0
        rest = length - size
        if rest >= _ROUND if small else rest > _SMALL:
            bisect.insort(free, (rest, segment, offset + size))
            length = size
        self.allocated += length
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        return small, (length, segment, offset)

    def _new_segment(self, size: int) -> int:
        if size <= _SMALL:
            length = _SMALL_SEGMENT
        else:
            length = _LARGE_SEGMENT if size < _LARGE_ALONE else _up(size, _LARGE_ROUND)
        self._segments += 1
        self.reserved += length
        return length

    def give_back(self, small: bool, block: Block) -> None:
        length, segment, offset = block
        self.allocated -= length
        free = self._free[small]
        neighbours = [
            other for other in free if other[1] == segment and offset in (other[2] + other[0], other[2] - length)
        ]
        for other in neighbours:
            free.remove(other)
            offset, length = min(offset, other[2]), length + other[0]
        bisect.insort(free, (length, segment, offset))
