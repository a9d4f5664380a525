"""Data on disk: plain arrays and JSON in one folder, complete when its card is there.

A folder holds named arrays (`<name>.npy`), named documents (`<name>.json`) and, written last, `card.json` with the facts
about it, and size and SHA-256 of every other file. In the folder of an image set the arrays are `<split>_images` and
`<split>_targets`, the documents `<split>_captions` and `classes`. A set whose images stay where the user has them holds
their places instead of the images, and its captions as arrays (`storage` of its card is `files`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.core.io import atomic_path, read_json, sha256_file, write_json
from flopwise.core.paths import making
from flopwise.data.files import ImageFiles
from flopwise.data.strings import Strings

CARD, CLASSES = "card.json", "classes.json"
SPLITS = ("train", "test", "validation")


@dataclass(frozen=True)
class Split:
    """N samples: `images` uint8 (N, 32, 32, 3) or files, `targets` int64 (N,), `captions` N strings; where samples have
    several, `caption_ends` int64 (N,) says where those of each sample end."""

    images: np.ndarray | ImageFiles
    targets: np.ndarray
    captions: Sequence[str]
    caption_ends: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.images, ImageFiles):
            assert self.images.ndim == 4
            assert self.images.shape[3] == 3
            assert self.images.dtype == np.uint8
        assert self.targets.dtype == np.int64
        each = self.captions if self.caption_ends is None else self.caption_ends
        assert len(self.images) == len(self.targets) == len(each)

    def captions_of(self, index: int) -> range:
        """The places in `captions` of those of sample `index`."""
        if self.caption_ends is None:
            return range(index, index + 1)
        return range(int(self.caption_ends[index - 1]) if index else 0, int(self.caption_ends[index]))


@dataclass(frozen=True)
class BuiltSet:
    """A data set in memory; `targets` index `class_names`. Evaluation sets have no training split; `validation`: used
    in place of their test split while settings are tuned, or None."""

    train: Split | None
    test: Split
    class_names: list[str]
    validation: Split | None = None


@dataclass(frozen=True)
class StoredSet:
    """A data set on disk; the arrays are memory-mapped, read-only. `None` where the set has no such split."""

    card: dict
    train: Split | None
    test: Split | None
    class_names: list[str]
    validation: Split | None = None


@dataclass(frozen=True)
class StoredArrays:
    """A folder of named arrays: memory-mapped, read-only `arrays`, JSON values `documents`, and its `card`."""

    card: dict
    arrays: dict[str, np.ndarray]
    documents: dict


def write_arrays(directory: Path | str, arrays: dict[str, np.ndarray], documents: dict, facts: dict) -> dict:
    """Write named arrays and JSON-able documents to `directory`; returns the card.

    The card is `facts` with `arrays` (name -> shape, dtype) and `files` (name -> bytes, sha256)."""
    directory = Path(directory)
    shapes = {name: {"shape": list(array.shape), "dtype": str(array.dtype)} for name, array in arrays.items()}
    return _write_folder(directory, arrays, documents, {**facts, "arrays": shapes})


def open_arrays(directory: Path | str, verify: bool = False) -> StoredArrays:
    """Open the folder that `write_arrays` wrote, with the checks of `open_set`."""
    directory = Path(directory)
    card = _open_card(directory, verify)
    found = {
        suffix: [Path(name).stem for name in card["files"] if name.endswith(suffix)] for suffix in (".npy", ".json")
    }
    arrays = {name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in found[".npy"]}
    return StoredArrays(card, arrays, {name: read_json(directory / f"{name}.json") for name in found[".json"]})


def write_set(directory: Path | str, built: BuiltSet | Split, facts: dict) -> dict:
    """Write an image set, or one split alone (as `train`), to `directory`; returns the card.

    The card is `facts` with `counts` (classes, train, test), `counts_per_class` (split -> list), `chance` (percent:
    top-1, or recall at 5 where `facts["task"]` is retrieval; None without a test split) and `files` (name -> bytes,
    sha256)."""
    if isinstance(built, Split):
        splits, names = {"train": built}, list(facts.get("classes", []))
    else:
        splits = {key: getattr(built, key) for key in SPLITS if getattr(built, key) is not None}
        names = list(built.class_names)
    arrays, documents = {}, {"classes": names}
    for key, part in splits.items():
        if isinstance(part.images, ImageFiles):
            arrays |= _file_arrays(key, part)
        else:
            arrays |= {f"{key}_images": part.images}
            documents[f"{key}_captions"] = list(part.captions)
        arrays[f"{key}_targets"] = part.targets
    lists = any(isinstance(part.images, ImageFiles) for part in splits.values())
    counted = {
        **({"storage": "files"} if lists else {}),
        "counts": {"classes": len(names), **{key: len(part.targets) for key, part in splits.items()}},
        "counts_per_class": {
            key: np.bincount(part.targets, minlength=len(names)).tolist() for key, part in splits.items()
        },
        "chance": _chance(splits.get("test"), len(names), facts.get("task")),
    }
    return _write_folder(Path(directory), arrays, documents, {**facts, **counted})


def open_set(directory: Path | str, verify: bool = False, root: Path | str | None = None) -> StoredSet:
    """Open the image set that `write_set` wrote to `directory`; `root`: folder of the user's copies, below which the
    images of a real set are.

    The size of every file is compared with the card; with `verify` its SHA-256 too; with `root` the size of every
    archive. Raises `RunFailure` that names the file which is missing, cut or changed."""
    directory = Path(directory)
    card = _open_card(directory, verify)
    found = [key for key in SPLITS if f"{key}_targets.npy" in card["files"]]
    if card.get("storage") == "files":
        splits = {key: _open_files(directory, key, card, root) for key in found}
    else:
        splits = {key: _open_split(directory, key) for key in found}
    return StoredSet(
        card, *map(splits.get, ("train", "test")), read_json(directory / CLASSES), splits.get("validation")
    )


def _write_folder(directory: Path, arrays: dict[str, np.ndarray], documents: dict, facts: dict) -> dict:
    """Write arrays and documents, then the card: `facts` with `files`."""
    # the card vouches for the files: without this, a job killed half-way would leave the old card beside new files
    (directory / CARD).unlink(missing_ok=True)
    for name, array in arrays.items():
        with atomic_path(directory / f"{name}.npy") as temporary, temporary.open("wb") as stream:
            np.save(stream, array)
    for name, value in documents.items():
        write_json(directory / f"{name}.json", value)
    files = sorted([*(f"{name}.npy" for name in arrays), *(f"{name}.json" for name in documents)])
    paths = {name: directory / name for name in files}
    sizes = {name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for name, path in paths.items()}
    card = {**facts, "files": sizes}
    write_json(directory / CARD, card)
    return card


def _open_card(directory: Path, verify: bool) -> dict:
    if not directory.is_dir():
        raise RunFailure(f"{directory} is not made yet; `{making(directory)}` makes it")
    if not (directory / CARD).is_file():
        raise RunFailure(f"{directory / CARD} is missing: the data set is not complete; {_remedy(directory)}")
    card = read_json(directory / CARD)
    for name, expected in card["files"].items():
        _check(directory / name, expected, verify)
    return card


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
        raise RunFailure(f"{path} has the right size, {found} bytes, but different content; {_remedy(path.parent)}")


def _remedy(directory: Path) -> str:
    return f"delete the folder {directory}; `{making(directory)}` makes it again"


def _open_split(directory: Path, split: str) -> Split:
    images, targets = (np.load(directory / f"{split}_{kind}.npy", mmap_mode="r") for kind in ("images", "targets"))
    return Split(images, targets, read_json(directory / f"{split}_captions.json"))


_PLACES = ("file_of", "spans", "numbers", "boxes", "sizes")  # arrays of an `ImageFiles`


def _file_arrays(key: str, part: Split) -> dict[str, np.ndarray]:
    """The arrays of a split whose images are files."""
    held = {name: getattr(part.images, name) for name in _PLACES}
    arrays = {f"{key}_{name}": array for name, array in held.items() if array is not None}
    if part.caption_ends is not None:
        arrays[f"{key}_caption_ends"] = part.caption_ends
    return arrays | part.images.paths.arrays(f"{key}_paths") | Strings.of(part.captions).arrays(f"{key}_captions")


def _open_files(directory: Path, key: str, card: dict, root: Path | str | None) -> Split:
    prefix = f"{key}_"
    names = [Path(name).stem for name in card["files"] if name.startswith(prefix) and name.endswith(".npy")]
    arrays = {name.removeprefix(prefix): np.load(directory / f"{name}.npy", mmap_mode="r") for name in names}
    places = {name: arrays.get(name) for name in _PLACES}
    lenient = card.get("role") == "pre-training"
    images = ImageFiles(Path(root) if root else None, Strings.opened(arrays, "paths"), **places, lenient=lenient)
    if root:
        images.check()
    return Split(images, arrays["targets"], Strings.opened(arrays, "captions"), arrays.get("caption_ends"))
