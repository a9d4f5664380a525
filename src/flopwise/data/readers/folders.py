"""Sets whose folders are their classes."""

from collections import Counter
from functools import partial

from flopwise.core.errors import RunFailure
from flopwise.core.text import composed
from flopwise.data.listing import Listing, Row, copied, listing
from flopwise.data.readers.skips import Skips, ending

STANDARD = {"train": "train", "test": "test"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def parent(parts: list[str]) -> str | None:
    """A file directly inside a folder belongs to it; other files belong to no class."""
    return parts[0] if len(parts) == 2 else None


def class_folders(
    tree,
    dataset,
    *,
    folders: dict[str, str] = STANDARD,
    label=parent,
    copied_to: str = "",
    names=list,
    names_from_tree=None,
    order=lambda label: label,
    every: int = 1,
    minimum: int = 1,
    drop: tuple[int, ...] = (),
    split=None,
    membership: str = "rule",
) -> Listing:
    """`folders`: by split, or one under `all`; `label(parts)`: the class of a file from its path below that folder, or
    None; `copied_to`: where the official set-up copies the files to, one folder per class, read instead if it is there;
    `names_from_tree(labels, tree)`: class names that a file of the set holds; `order`: sort key of the classes;
    `every`: keep every n-th class; `minimum` images a class must have; `drop`: places in the sorted list that are
    left out. Files outside the folders of classes, and those whose names are not those of pictures, are passed over."""
    if copied_to and tree.files(copied_to):
        folders, label = {"all": copied_to}, parent

    def rank(klass: str):
        return order(klass), klass

    rows: dict[str, list[Row]] = {}
    skips = Skips()
    for key, folder in folders.items():
        found = []
        for path in tree.files(folder):
            parts = path[len(folder) + 1 if folder else 0 :].split("/")
            klass = composed(label(parts))
            if klass is None:
                skips.add("file outside the folders of the set's classes", path)
            elif not parts[-1].lower().endswith(SUFFIXES):
                skips.add(f"file that is no picture by its name ({ending(parts[-1])})", path)
            else:
                copy = f"{copied_to}/{klass}/{parts[-1]}" if copied_to else path
                found.append(copied(tree, copy, path, klass))
        rows[key] = sorted(found, key=lambda row: (rank(row.label), row.path.split("/")))
    counts = Counter(row.label for part in rows.values() for row in part)
    classes = sorted((klass for klass, count in counts.items() if count >= minimum), key=rank)[::every]
    if "all" in rows:
        rows["all"] = _of_classes(rows["all"], set(classes), drop, skips)
    return listing(
        tree,
        dataset,
        rows,
        classes=classes,
        names=partial(names_from_tree, tree=tree) if names_from_tree else names,
        split=split,
        membership=membership,
        skips=skips,
    )


def _of_classes(rows: list[Row], classes: set[str], drop: tuple[int, ...], skips: Skips) -> list[Row]:
    """The rows of `classes`, but those at the places `drop`."""
    kept = [row for row in rows if row.label in classes]
    for row in [row for row in rows if row.label not in classes] + [kept[i] for i in drop if i < len(kept)]:
        skips.add("image that the rule of the set leaves out", row.path)
    return [row for i, row in enumerate(kept) if i not in drop]


def torchvision_folder(tree, dataset, *, lists: dict[str, str] | None = None, **options) -> Listing:
    """Torchvision's folder layouts; with `lists`, the files of a split are those that its list names."""
    if lists is None:
        return class_folders(tree, dataset, **options)
    folder = options["folders"]["all"]
    rows = {}
    for key, path in lists.items():
        lines = [line.strip() for line in tree.text(path).splitlines() if line.strip()]
        odd = next((line for line in lines if line.count("/") != 1), None)
        if odd is not None:
            raise RunFailure(f"{tree.where / path}: line {odd!r} is not <class>/<file>")
        rows[key] = [Row(f"{folder}/{line}", line.split("/")[0]) for line in lines]
    return listing(tree, dataset, rows, names=options["names"])
