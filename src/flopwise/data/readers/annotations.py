"""Sets that come with JSON annotations."""

from collections import Counter

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.data.listing import Listing, Row, Source, copied, listing
from flopwise.data.readers.lists import lines_of, load_json
from flopwise.data.readers.skips import Skips
from flopwise.data.readers.splits import every_fifth

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def json_map(tree, dataset, *, file: str, folder: str, classes: dict[str, str]) -> Listing:
    """One object {file name: category}, in its own order; `classes`: category -> class name, others are left out."""
    categories = load_json(tree, file)
    rows, skips = [], Skips()
    for name, label in categories.items():
        if label in classes:
            rows.append(Row(f"{folder}/{name}", label))
        else:
            skips.add("image of a category that is no class", f"{name} ({label})")
    return listing(
        tree,
        dataset,
        {"all": rows},
        classes=classes,
        names=lambda labels: [classes[label] for label in labels],
        split=every_fifth,
        skips=skips,
    )


def json_split(tree, dataset, *, file: str, parts: dict[str, tuple[str, ...]], prefix: str = "", label=None) -> Listing:
    """{train, val, test: [[path, target, class name]]}; `parts`: which of them make a split; `label(path)`: the class as
    the path below the folder `prefix` has it, used instead of target and name; files are copied to its folder."""
    content = load_json(tree, file)
    rows, named = {}, {}
    for key, together in parts.items():
        entries = [entry for part in together for entry in content[part]]
        rows[key] = []
        for path, target, name in entries:
            if type(target) is not int or not isinstance(path, str) or not isinstance(name, str):
                raise RunFailure(f"{tree.where / file}: entry {[path, target, name]!r} is not [path, target, class]")
            if label is None:
                row = Row(path, target)
            else:
                klass = label(path.lstrip("/"))
                copy = f"{key}/{klass}/{path.split('/')[-1]}"
                row, name = copied(tree, copy, f"{prefix}{path.lstrip('/')}", klass), klass.replace("_", " ")
            named.setdefault(row.label, name)
            rows[key].append(row)
    return listing(tree, dataset, rows, names=lambda labels: [named[label] for label in labels])


def scene_json(tree, dataset, *, dropped: frozenset[str]) -> Listing:
    """CLEVR: class = how many cubes, cylinders and spheres a scene shows; training scenes only, sorted by class."""
    scenes = load_json(tree, "CLEVR_v1.0/scenes/CLEVR_train_scenes.json")["scenes"]
    labels = [shapes_of(scene["objects"]) for scene in scenes]
    skips = Skips()
    for scene, label in zip(scenes, labels):
        if label in dropped:
            skips.add("image of a class that is not part of the set", f"{scene['image_filename']} ({label})")
    kept = [i for i, label in enumerate(labels) if label not in dropped]
    order = np.argsort(np.array([labels[i] for i in kept]))  # NumPy's default sort, as in the official code
    rows = [Row(f"CLEVR_v1.0/images/train/{scenes[i]['image_filename']}", labels[i]) for i in (kept[j] for j in order)]
    return listing(tree, dataset, {"all": rows}, split=every_fifth, skips=skips)


def shapes_of(objects: list[dict]) -> str:
    """For example `two cubes, one sphere`."""
    counts = sorted(Counter(item["shape"] for item in objects).items())
    return ", ".join(f"{NUMBERS[count]} {shape}{'s' if count > 1 else ''}" for shape, count in counts)


def bbox_crop_json(tree, dataset, *, base: str, splits: dict[str, str], images: str) -> Listing:
    """Mapillary's traffic signs: class = middle part of the label (`regulatory--stop--g1`: stop), image = the box of the
    sign; panoramas and `other-sign` are left out; only classes that both splits have."""
    rows, skips = {}, Skips()
    for key, split in splits.items():
        rows[key] = []
        for image in lines_of(tree, f"{base}/splits/{split}.txt"):
            annotation = load_json(tree, f"{base}/annotations/{image}.json")
            if annotation["ispano"]:
                skips.add("panorama", image)
                continue
            for item in annotation["objects"]:
                if item["label"] == "other-sign":
                    skips.add("sign of no class (other-sign)", image)
                else:
                    rows[key].append(_crop(item, split, image, images))
        rows[key].sort(key=lambda row: (row.label, row.path))
    classes = sorted({row.label for row in rows["train"]} & {row.label for row in rows["test"]})
    return listing(tree, dataset, rows, classes=classes, skips=skips)


def _crop(item: dict, split: str, image: str, images: str) -> Row:
    label = item["label"].split("--")[1] if "--" in item["label"] else item["label"]
    box = tuple(round(float(item["bbox"][side])) for side in ("xmin", "ymin", "xmax", "ymax"))
    if max(map(abs, box)) >= 2**31:
        raise ValueError(f"the box {box} of {image} lies nowhere in a picture")
    key = f"MTSD/processed/{split}/{label}/{image}__{item['key']}.jpg"
    return Row(key, label, (), Source(f"{images}/{image}.jpg", None, box))
