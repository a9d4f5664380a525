"""What the benchmarks share: one CPU thread, CPU time, interleaved repetitions, a table and JSON."""

import json
import time

import numpy as np
import torch

torch.set_num_threads(1)


def seconds_of(function, clock=time.process_time) -> float:
    """Seconds by `clock`; by default CPU seconds of this process, all threads, user and system."""
    start = clock()
    function()
    return clock() - start


def interleaved(functions: dict, repetitions: int, clock=time.process_time) -> dict[str, np.ndarray]:
    """Seconds of every function, run in turn `repetitions` times after one run that is not measured, so that a
    change of the machine's load meets all of them."""
    for function in functions.values():
        function()
    seconds = [[seconds_of(function, clock) for function in functions.values()] for _ in range(repetitions)]
    return dict(zip(functions, np.array(seconds).T))


def quartiles(values) -> list[float]:
    """Median, lower and upper quartile."""
    return [float(q) for q in np.percentile(values, [50, 25, 75])]


def matrix_product_rate(size: int = 1024, repetitions: int = 10) -> float:
    """GFLOP/s of a product of two float32 matrices of `size` x `size`: what this machine gives at best."""
    a = torch.randn(size, size)
    for _ in range(2):
        a @ a
    return 2 * size**3 * repetitions / seconds_of(lambda: [a @ a for _ in range(repetitions)]) / 1e9


def show(rows: list[dict], path: str | None) -> None:
    """Print `rows` as a table (median, quartiles in brackets) and write them as JSON to `path`."""
    cells = [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(rows[0], *cells)]
    for line in (list(rows[0]), *cells):
        print("  ".join(text.rjust(width) for text, width in zip(line, widths)))
    if path:
        with open(path, "w", encoding="utf-8") as stream:
            json.dump({"torch": torch.__version__, "threads": torch.get_num_threads(), "rows": rows}, stream, indent=1)


def _text(value) -> str:
    if isinstance(value, list):
        middle, low, high = value
        return f"{middle:.3g} [{low:.3g}-{high:.3g}]"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
