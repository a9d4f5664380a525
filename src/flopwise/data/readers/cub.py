"""CUB-200-2011 in its official folders: `images.txt`, `image_class_labels.txt`, `train_test_split.txt`, `classes.txt`."""

import os
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, on_disk, read_text


def read_cub(root: Path | str) -> tuple[dict[str, list[tuple[Path, int]]], list[str]]:
    """({"train", "test"} -> (path of the image, class index from 0), class names). Raises `UserError` for a missing file
    and `RunFailure` where the lists do not belong together."""
    root = Path(root)
    images, labels, training, classes = (
        _numbered(root / f"{name}.txt") for name in ("images", "image_class_labels", "train_test_split", "classes")
    )
    if not images.keys() == labels.keys() == training.keys():
        raise RunFailure(f"{root}: images.txt, image_class_labels.txt and train_test_split.txt number other images")
    order = {number: index for index, number in enumerate(classes)}
    if not set(labels.values()) <= order.keys() or not set(training.values()) <= {"0", "1"}:
        raise RunFailure(
            f"{root}: a class is not in classes.txt, or train_test_split.txt holds other values than 0 and 1"
        )
    splits: dict[str, list[tuple[Path, int]]] = {"train": [], "test": []}
    for number, name in images.items():
        if ".." in name.split("/") or name.startswith("/"):
            raise RunFailure(f"{root / 'images.txt'}: {name[:80]!r} points out of the folder")
        path = on_disk(root / "images" / name)
        splits["train" if training[number] == "1" else "test"].append((path, order[labels[number]]))
    missing = [path for part in splits.values() for path, _ in part if not os.path.isfile(path)]
    if missing:
        raise UserError(f"{len(missing)} of {len(images)} images are missing, the first is {missing[0]}")
    return splits, [name.partition(".")[2] or name for name in classes.values()]


def _numbered(path: Path) -> dict[str, str]:
    """Number -> rest of the line, in the file's order."""
    try:
        lines = [line.split(maxsplit=1) for line in composed(read_text(path)).splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    odd = next((number for number, line in enumerate(lines, start=1) if len(line) != 2), None)
    if odd:
        raise RunFailure(f"{path}, line {odd}: expected a number and a value")
    return {number: value.strip() for number, value in lines}
