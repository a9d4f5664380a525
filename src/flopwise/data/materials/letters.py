"""Texts as arrays of bytes."""

import numpy as np

from flopwise.core.seeds import numpy_generator


def pack(texts: list[str], length: int) -> np.ndarray:
    """ASCII texts of at most `length` characters as uint8 (n, length), padded with 0."""
    rows = np.zeros((len(texts), length), np.uint8)
    for row, text in zip(rows, texts):
        row[: len(text)] = np.frombuffer(text.encode("ascii"), np.uint8)
    return rows


def unpack(row: np.ndarray) -> str:
    """The text of one row."""
    return bytes(row[row > 0]).decode("ascii")


def packed_tasks(tasks: dict, length: int, seed: int, name: str) -> dict[str, np.ndarray]:
    """Arrays of tasks in random order; `tasks`: (task, split) -> list of (first text, second text or None, label)."""
    arrays = {}
    for (task, split), samples in tasks.items():
        order = numpy_generator(seed, name, task, split, "order").permutation(len(samples))
        first, second, labels = zip(*(samples[k] for k in order))
        arrays[f"{task}_{split}_first"] = pack(first, length)
        if second[0] is not None:
            arrays[f"{task}_{split}_second"] = pack(second, length)
        arrays[f"{task}_{split}_labels"] = np.array(labels, np.float32 if isinstance(labels[0], float) else np.int64)
    return arrays
