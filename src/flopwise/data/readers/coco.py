"""COCO's annotation files: captions and object classes of each picture (`captions_*.json`, `instances_*.json`)."""

import json
from collections import defaultdict
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError


def read_captions(path: Path | str) -> dict[str, list[str]]:
    """File name of the picture -> its captions, in the order of the annotations; the pictures in order of their id."""
    names, annotations, _ = _load(path, "caption")
    found = defaultdict(list)
    for entry in annotations:
        found[entry["image_id"]].append(entry["caption"].strip())
    return {name: found[image] for image, name in names.items() if image in found}


def read_classes(path: Path | str) -> tuple[dict[str, list[int]], list[str]]:
    """(file name -> sorted indices of the classes seen in the picture, class names in order of their id). Pictures
    without an object have an empty list."""
    names, annotations, categories = _load(path, "category_id")
    order = sorted(categories)
    places = {category: place for place, category in enumerate(order)}
    found = defaultdict(set)
    for entry in annotations:
        if entry["category_id"] not in places:
            raise RunFailure(f"{path}: annotation of an unknown class {entry['category_id']!r}")
        found[entry["image_id"]].add(places[entry["category_id"]])
    return {name: sorted(found[image]) for image, name in names.items()}, [categories[category] for category in order]


def _load(path: Path | str, field: str) -> tuple[dict[int, str], list[dict], dict[int, str]]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        names = {entry["id"]: entry["file_name"] for entry in sorted(content["images"], key=lambda entry: entry["id"])}
        categories = {entry["id"]: entry["name"] for entry in content.get("categories", [])}
        annotations = content["annotations"]
        lost = [entry for entry in annotations if entry["image_id"] not in names or field not in entry]
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFailure(f"{path} is damaged or no COCO annotation file ({type(error).__name__}: {error})") from error
    if lost:
        raise RunFailure(f"{path}: {len(lost)} annotations without a {field} or of a picture that is not listed")
    return names, annotations, categories
