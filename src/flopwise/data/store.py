"""Data sets on disk: plain arrays and JSON in one folder, complete when its card is there.

A folder holds `<split>_images.npy`, `<split>_targets.npy`, `<split>_captions.json` for each of its splits,
`classes.json` and, written last, `card.json` with the facts about the set, its counts, and size and SHA-256 of every
other file.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.core.io import atomic_path, read_json, sha256_file, write_json

CARD, CLASSES = "card.json", "classes.json"


@dataclass(frozen=True)
class Split:
    """N samples: `images` uint8 (N, 32, 32, 3), `targets` int64 (N,), `captions` N strings."""

    images: np.ndarray
    targets: np.ndarray
    captions: list[str]

    def __post_init__(self):
        assert self.images.ndim == 4
        assert self.images.shape[3] == 3
        assert self.images.dtype == np.uint8
        assert self.targets.dtype == np.int64
        assert len(self.images) == len(self.targets) == len(self.captions)


@dataclass(frozen=True)
class BuiltSet:
    """A data set in memory; `targets` index `class_names`. Evaluation sets have no training split."""

    train: Split | None
    test: Split
    class_names: list[str]


@dataclass(frozen=True)
class StoredSet:
    """A data set on disk; the arrays are memory-mapped, read-only. `None` where the set has no such split."""

    card: dict
    train: Split | None
    test: Split | None
    class_names: list[str]


def write_set(directory: Path | str, built: BuiltSet | Split, facts: dict) -> dict:
    """Write a data set, or one split alone (as `train`), to `directory`; returns the card.

    The card is `facts` with `counts` (classes, train, test), `counts_per_class` (split -> list), `chance` (percent:
    top-1, or recall at 5 where `facts["task"]` is retrieval; None without a test split) and `files` (name -> bytes,
    sha256)."""
    directory = Path(directory)
    if isinstance(built, Split):
        splits, names = {"train": built}, list(facts.get("classes", []))
    else:
        splits = {key: part for key, part in (("train", built.train), ("test", built.test)) if part is not None}
        names = list(built.class_names)
    (directory / CARD).unlink(missing_ok=True)
    for key, part in splits.items():
        _write_array(directory / f"{key}_images.npy", part.images)
        _write_array(directory / f"{key}_targets.npy", part.targets)
        write_json(directory / f"{key}_captions.json", list(part.captions))
    write_json(directory / CLASSES, names)
    files = sorted([CLASSES, *(name for key in splits for name in _names(key))])
    card = {
        **facts,
        "counts": {"classes": len(names), **{key: len(part.targets) for key, part in splits.items()}},
        "counts_per_class": {
            key: np.bincount(part.targets, minlength=len(names)).tolist() for key, part in splits.items()
        },
        "chance": _chance(splits.get("test"), len(names), facts.get("task")),
        "files": {
            name: {"bytes": (directory / name).stat().st_size, "sha256": sha256_file(directory / name)}
            for name in files
        },
    }
    write_json(directory / CARD, card)
    return card


def open_set(directory: Path | str, verify: bool = False) -> StoredSet:
    """Open the data set that `write_set` wrote to `directory`.

    The size of every file is compared with the card; with `verify` its SHA-256 too. Raises `RunFailure` that names the
    file which is missing, cut or changed."""
    directory = Path(directory)
    if not (directory / CARD).is_file():
        raise RunFailure(f"{directory / CARD} is missing: the data set is not complete; {_remedy(directory)}")
    card = read_json(directory / CARD)
    for name, expected in card["files"].items():
        _check(directory / name, expected, verify)
    train, test = (
        _open_split(directory, key) if f"{key}_images.npy" in card["files"] else None for key in ("train", "test")
    )
    return StoredSet(card, train, test, read_json(directory / CLASSES))


def _names(split: str) -> list[str]:
    return [f"{split}_images.npy", f"{split}_targets.npy", f"{split}_captions.json"]


def _write_array(path: Path, array: np.ndarray) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def _chance(test: Split | None, classes: int, task: str | None) -> float | None:
    if test is None:
        return None
    return 100 * min(1.0, 5 / len(test.targets)) if task == "retrieval" else 100 / classes


def _check(path: Path, expected: dict, verify: bool) -> None:
    found = path.stat().st_size if path.is_file() else None
    if found != expected["bytes"]:
        what = "is missing" if found is None else f"holds {found} bytes"
        raise RunFailure(f"{path} {what}, expected {expected['bytes']} bytes; {_remedy(path.parent)}")
    if verify and sha256_file(path) != expected["sha256"]:
        raise RunFailure(
            f"{path} holds {found} bytes as expected, but other ones than were written; {_remedy(path.parent)}"
        )


def _remedy(directory: Path) -> str:
    return f"delete the folder {directory} and run snakemake again to re-make it"


def _open_split(directory: Path, split: str) -> Split:
    images, targets, captions = (directory / name for name in _names(split))
    return Split(np.load(images, mmap_mode="r"), np.load(targets, mmap_mode="r"), read_json(captions))
