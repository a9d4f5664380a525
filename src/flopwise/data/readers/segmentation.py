"""Pictures with a class per pixel: label maps as grey or palette PNG, and the folders of ADE20K's scene-parsing set."""

from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.images import decode, open_frame

IGNORE = 255  # pixels without a class


def read_labels(path: Path | str, n_classes: int, reduce_zero_label: bool = False) -> np.ndarray:
    """uint8 (H, W): class indices from 0 to `n_classes` - 1 and `IGNORE`.

    Grey PNG: the values; palette PNG: the indices, not the colours. `reduce_zero_label` (ADE20K): 0 means no class and
    class k is stored as k + 1. Raises `RunFailure` for any other value: the map belongs to another set of classes."""
    stored = decode(path, None, _indices)
    labels = np.where(stored == 0, IGNORE, stored - 1).astype(np.uint8) if reduce_zero_label else stored
    if reduce_zero_label:
        labels[stored == IGNORE] = IGNORE
    wrong = labels[(labels >= n_classes) & (labels != IGNORE)]
    if wrong.size:
        raise RunFailure(f"{path}: value {wrong[0] + reduce_zero_label} is no class, the set has {n_classes}")
    return labels


def read_scene(image: Path, labels: Path, n_classes: int, reduce_zero_label: bool = False):
    """(RGB `PIL.Image`, label map) of equal size."""
    picture, classes = open_frame(image), read_labels(labels, n_classes, reduce_zero_label)
    if picture.size != classes.shape[::-1]:
        raise RunFailure(f"{labels}: {classes.shape[1]} x {classes.shape[0]} pixels, its image has {picture.size}")
    return picture, classes


def ade20k_scenes(root: Path | str, split: str) -> list[tuple[Path, Path]]:
    """(image, label map) pairs of `<root>/{images,annotations}/{training,validation}`, in the order of their names."""
    if split not in ("training", "validation"):
        raise UserError(f"ADE20K has the splits training and validation, not {split!r}")
    base = Path(root)
    images, maps = base / "images" / split, base / "annotations" / split
    names = sorted({path.stem for path in (*images.glob("*.jpg"), *maps.glob("*.png"))})
    pairs = [(images / f"{name}.jpg", maps / f"{name}.png") for name in names]
    for place, what in enumerate(("images", "label maps")):
        missing = [pair[place] for pair in pairs if not pair[place].is_file()]
        if missing:
            raise UserError(f"{len(missing)} of {len(pairs)} {what} are missing, the first is {missing[0]}")
    if not pairs:
        raise UserError(f"no image in {base / 'images' / split}")
    return pairs


def _indices(image) -> np.ndarray:
    if image.mode not in ("L", "P"):
        raise ValueError(f"mode {image.mode}; a label map is a grey or palette picture of 8 bits")
    return np.array(image)
