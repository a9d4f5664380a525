"""Sets whose text files list images, one a line."""

from flopwise.core.errors import RunFailure
from flopwise.core.text import json_of
from flopwise.data.listing import Listing, Row, copied, listing


def lines_of(tree, path: str) -> list[str]:
    return [line.strip() for line in tree.text(path).splitlines() if line.strip()]


def path_and_target(tree, path: str) -> list[tuple[str, int]]:
    """Lines "<path> <target>"."""
    pairs = []
    for line in lines_of(tree, path):
        name, _, target = line.rpartition(" ")
        if not name or not target.isdecimal():
            raise RunFailure(f"{tree.where / path}: line {line[:120]!r} is not <path> <target>")
        pairs.append((name, int(target)))
    return pairs


def filelist_txt(
    tree,
    dataset,
    *,
    lists: dict[str, str],
    place=lambda key, path: (path, path),
    only: str = "",
    name=lambda path: path.split("/")[1].replace("_", " ").replace("-", " "),
    choose=None,
    bare: str = "",
) -> Listing:
    """`lists`: file of a split; `place(key, path)`: where the official set-up copies the image, and where it comes from;
    `only`: paths without it are left out; `choose(key, pairs)`: which lines of a split are used. Targets are renumbered
    from 0 without gaps; the name of a class comes from a path, of the training list if it can. With `bare`, lines are
    file names alone, for that folder."""
    if bare:
        return _class_in_file_name(tree, dataset, lists=lists, folder=bare)
    pairs = {key: [pair for pair in path_and_target(tree, path) if only in pair[0]] for key, path in lists.items()}
    labels = sorted({target for part in pairs.values() for _, target in part})
    named: dict[int, str] = {}
    for path, target in pairs["train"] + pairs["test"]:
        named.setdefault(target, name(path))
    rows = {
        key: [copied(tree, *place(key, path), target) for path, target in (choose(key, part) if choose else part)]
        for key, part in pairs.items()
    }
    return listing(
        tree,
        dataset,
        rows,
        classes=labels,
        names=lambda found: [named[target] for target in found],
    )


def _class_in_file_name(tree, dataset, *, lists: dict[str, str], folder: str) -> Listing:
    """Lists of bare file names "<class>_<number>.<suffix>" (RESISC45)."""
    rows = {}
    for key, path in lists.items():
        files = sorted(line.split(" ")[0] for line in lines_of(tree, path))
        rows[key] = [Row(f"{folder}/{file.rpartition('_')[0]}/{file}", file.rpartition("_")[0]) for file in files]
    return listing(tree, dataset, rows, names=lambda labels: [label.replace("_", " ") for label in labels])


def torchvision_filelist(tree, dataset, *, style: str) -> Listing:
    """Food-101's JSON lists, FGVC-Aircraft's and Oxford-IIIT Pet's text lists."""
    return {"food101": _food101, "aircraft": _aircraft, "pets": _pets}[style](tree, dataset)


def _food101(tree, dataset) -> Listing:
    rows = {}
    for key in ("train", "test"):
        path = f"food-101/meta/{key}.json"
        content = load_json(tree, path)
        rows[key] = [Row(f"food-101/images/{file}.jpg", klass) for klass, files in content.items() for file in files]
    return listing(tree, dataset, rows, names=lambda labels: [label.replace("_", " ") for label in labels])


def _aircraft(tree, dataset) -> Listing:
    base, rows = "fgvc-aircraft-2013b/data", {}
    for key in ("train", "test"):
        found = [line.partition(" ") for line in lines_of(tree, f"{base}/images_variant_{key}.txt")]
        rows[key] = [Row(f"{base}/images/{image}.jpg", variant) for image, _, variant in found]
    classes = lines_of(tree, f"{base}/variants.txt")
    return listing(
        tree,
        dataset,
        rows,
        classes=classes,
        names=lambda labels: [label.replace("_", " ") for label in labels],
    )


def _pets(tree, dataset) -> Listing:
    base, rows, named = "oxford-iiit-pet", {}, {}
    for key, file in (("train", "trainval.txt"), ("test", "test.txt")):
        rows[key] = []
        for line in lines_of(tree, f"{base}/annotations/{file}"):
            image, target, *_ = line.split()
            rows[key].append(Row(f"{base}/images/{image}.jpg", int(target)))
            named[int(target)] = " ".join(part.title() for part in image.rpartition("_")[0].split("_"))
    return listing(tree, dataset, rows, names=lambda labels: [named[label] for label in labels])


def load_json(tree, path: str):
    return json_of(tree.read(path), tree.where / path)
