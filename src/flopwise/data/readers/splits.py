"""How a list becomes a training and a test split, as FoMo-in-Flux's official code does it."""

from collections.abc import Callable, Sequence

from flopwise.core.seeds import numpy_generator

Split = dict[str, list]


def every_fifth(rows: Sequence) -> Split:
    """Rows 0, 5, 10, ... of the list are test images."""
    return {"train": [row for i, row in enumerate(rows) if i % 5], "test": list(rows[::5])}


def first_seventy_percent(rows: Sequence) -> Split:
    """The first floor(0.7 n) rows of a class are training images."""
    return _per_class(rows, lambda part: (part[: int(len(part) * 0.7)], part[int(len(part) * 0.7) :]))


def last_of_each_class(count: int) -> Callable[[Sequence], Split]:
    """The last `count` rows of each class are test images."""
    return lambda rows: _per_class(rows, lambda part: (part[:-count], part[-count:]))


def drawn_from_each_class(count: int, name: str) -> Callable[[Sequence], Split]:
    """`count` rows of each class, drawn with seed 0, are test images: for sets whose published draw is not known."""

    def halves(part):
        chosen = set(numpy_generator(0, name, part[0].label).permutation(len(part))[:count].tolist())
        return [row for i, row in enumerate(part) if i not in chosen], [part[i] for i in sorted(chosen)]

    return lambda rows: _per_class(rows, halves)


def stratified_sixth(rows: Sequence) -> Split:
    """A sixth of the rows, stratified by class and drawn with random state 123, are test images (arXiv 2310.17653, its
    code); classes need two images or more."""
    from sklearn.model_selection import StratifiedShuffleSplit

    halves = StratifiedShuffleSplit(n_splits=1, test_size=1 / 6, random_state=123)
    train, test = next(halves.split(rows, [row.label for row in rows]))
    return {"train": [rows[i] for i in sorted(train)], "test": [rows[i] for i in sorted(test)]}


def train_only(rows: Sequence) -> Split:
    return {"train": list(rows), "test": []}


def test_only(rows: Sequence) -> Split:
    return {"train": [], "test": list(rows)}


def _per_class(rows: Sequence, halves: Callable) -> Split:
    parts: dict = {}
    for row in rows:
        parts.setdefault(row.label, []).append(row)
    split: Split = {"train": [], "test": []}
    for part in parts.values():
        train, test = halves(part)
        split["train"] += train
        split["test"] += test
    return split
