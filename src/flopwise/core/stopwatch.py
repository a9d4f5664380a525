"""Where the time of a job went, and how much memory it took."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Stopwatch:
    """Seconds by kind of work. Work inside other work counts once, for the inner kind: an evaluation in the middle of a
    training is no training time. `clock`: returns seconds, for instance `Placement.clock`."""

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.seconds: dict[str, float] = {}
        self._running, self._since = "", 0.0

    @contextmanager
    def measure(self, kind: str) -> Iterator[None]:
        outer = self._change(kind)
        try:
            yield
        finally:
            self._change(outer)

    def _change(self, kind: str) -> str:
        """Book what has passed so far, so that a state saved inside holds it, and go on with `kind`."""
        now, before = self.clock(), self._running
        if before:
            self.seconds[before] = self.seconds.get(before, 0.0) + now - self._since
        self._running, self._since = kind, now
        return before


def peak_resident() -> int:
    """Bytes. The system's usual figure, ru_maxrss, survives exec on Linux: it would show the larger process that this one was
    forked from."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
