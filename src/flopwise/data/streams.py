"""Streams: in which order the classes of all data sets arrive, and how a stream is cut into tasks.

A stream is a JSON list of unique strings "<data set>+++<class name>", FoMo-in-Flux's own file format."""

import json
from pathlib import Path

import numpy as np

from flopwise.core.errors import UserError
from flopwise.core.io import write_text
from flopwise.core.seeds import numpy_generator

SEPARATOR = "+++"


def entry(dataset: str, class_name: str) -> str:
    return f"{dataset}{SEPARATOR}{class_name}"


def random_stream(entries: list[str], seed: int) -> list[str]:
    """A uniform shuffle of all entries."""
    order = numpy_generator(seed, "stream", "random").permutation(len(entries))
    return [entries[i] for i in order]


def similarity_stream(entries: list[str], embeddings: np.ndarray, seed: int) -> list[str]:
    """A greedy walk from one class name to the most similar one not yet visited.

    `embeddings` (K, d): unit-length text features of the entries, in their order, under the initial model. The first
    entry is drawn with `seed`; ties go to the lower index."""
    current = int(numpy_generator(seed, "stream", "similarity").integers(len(entries)))
    unused = np.ones(len(entries), dtype=bool)
    walk = []
    while True:
        walk.append(entries[current])
        unused[current] = False
        if not unused.any():
            return walk
        current = int(np.argmax(np.where(unused, embeddings @ embeddings[current], -np.inf)))


def chunks(stream: list[str], tasks: int) -> list[list[str]]:
    """Cut a stream of K entries into `tasks` contiguous chunks of floor(K / T) entries; the first K mod T get one more."""
    if not 1 <= tasks <= len(stream):
        raise UserError(
            f"a stream of {len(stream)} entries cannot be cut into {tasks} tasks; allowed are 1 to {len(stream)}"
        )
    quotient, larger = divmod(len(stream), tasks)
    bounds = [t * quotient + min(t, larger) for t in range(tasks + 1)]
    return [stream[a:b] for a, b in zip(bounds, bounds[1:])]


def read_stream(path: Path | str, known: set[str] | None = None) -> list[str]:
    """Read a stream file; with `known`, an entry outside it is an error that names the entry."""
    try:
        stream = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"stream file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"stream file {path} is not JSON: {error}") from error
    if not isinstance(stream, list) or not all(isinstance(item, str) and SEPARATOR in item for item in stream):
        raise UserError(f'stream file {path} must be a JSON list of strings "<data set>{SEPARATOR}<class name>"')
    repeated = next((item for item, count in _counts(stream).items() if count > 1), None)
    if repeated is not None:
        raise UserError(f"stream file {path} holds the entry {repeated!r} more than once; entries must be unique")
    stranger = next((item for item in stream if known is not None and item not in known), None)
    if stranger is not None:
        raise UserError(f"stream file {path} names {stranger!r}, which no data set of this scale has")
    return stream


def write_stream(path: Path | str, stream: list[str]) -> None:
    """Write a stream as the published files are: one JSON list."""
    write_text(path, json.dumps(stream))


def _counts(items: list[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts
