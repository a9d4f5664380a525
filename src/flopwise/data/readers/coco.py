"""COCO's annotation files: captions and object classes of each picture (`captions_*.json`, `instances_*.json`)."""

from collections import defaultdict
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import json_of


def read_captions(path: Path | str) -> dict[str, list[str]]:
    """File name of the picture -> its captions, in the order of the annotations; the pictures in order of their id."""
    names, annotations, _ = _load(path, "caption", str)
    found = defaultdict(list)
    for entry in annotations:
        found[entry["image_id"]].append(entry["caption"].strip())
    return {name: found[image] for image, name in names.items() if image in found}


def read_classes(path: Path | str) -> tuple[dict[str, list[int]], list[str]]:
    """(file name -> sorted indices of the classes seen in the picture, class names in order of their id). Pictures
    without an object have an empty list."""
    names, annotations, categories = _load(path, "category_id", int)
    order = sorted(categories)
    places = {category: place for place, category in enumerate(order)}
    found = defaultdict(set)
    for entry in annotations:
        if entry["category_id"] not in places:
            raise RunFailure(f"{path}: annotation of an unknown class {entry['category_id']!r}")
        found[entry["image_id"]].add(places[entry["category_id"]])
    return {name: sorted(found[image]) for image, name in names.items()}, [categories[category] for category in order]


def _load(path: Path | str, field: str, kind: type) -> tuple[dict[int, str], list[dict], dict[int, str]]:
    """(picture id -> file name, annotations whose `field` is of `kind`, class id -> name)."""
    try:
        content = json_of(Path(path).read_bytes(), path)
        names = _by_id(content["images"], "file_name")
        categories = _by_id(content.get("categories", []), "name")
        annotations = content["annotations"]
        lost = [
            entry for entry in annotations if entry["image_id"] not in names or not isinstance(entry.get(field), kind)
        ]
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFailure(f"{path} is damaged or no COCO annotation file ({type(error).__name__}: {error})") from error
    if lost:
        raise RunFailure(f"{path}: {len(lost)} annotations without a {field} or of a picture that is not listed")
    odd = [name for name in names.values() if name in ("", ".", "..") or "/" in name or "\0" in name]
    if odd:
        raise RunFailure(f"{path}: {len(odd)} file names that name no file of the folder, the first is {odd[0]!r}")
    return names, annotations, categories


def _by_id(entries: list[dict], field: str) -> dict[int, str]:
    """Id -> string `field`, in order of the ids; no id and no string may occur twice."""
    found = {entry["id"]: entry[field] for entry in sorted(entries, key=lambda entry: entry["id"])}
    if not all(isinstance(key, int) and isinstance(value, str) for key, value in found.items()):
        raise ValueError(f"an id that is no whole number, or a {field} that is no text")
    if len(set(found.values())) < len(entries):
        raise ValueError(f"two entries of one id or {field}")
    return found
