"""Sets that come with a CSV of their images; one function per set turns its lines into rows."""

import ast
import csv
import io
from collections import Counter
from collections.abc import Callable

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.data.listing import Listing, Row, copied, listing
from flopwise.data.readers.skips import Skips
from flopwise.data.readers.splits import every_fifth


def csv_table(tree, dataset, *, rows: Callable, **options) -> Listing:
    """`rows(tree, skips, **options) -> (rows by split or under `all`, class labels in order, their names)`."""
    skips = Skips()
    found, classes, names = rows(tree, skips, **options)
    return listing(tree, dataset, found, classes=classes, names=lambda _: names, split=every_fifth, skips=skips)


def table(tree, path: str, *columns: str) -> list[dict[str, str]]:
    """The lines of a CSV; the file must have these columns."""
    csv.field_size_limit(10_000_000)
    try:
        reader = csv.DictReader(io.StringIO(tree.text(path), newline=""))
        lines = list(reader)
    except csv.Error as error:
        raise RunFailure(f"{tree.where / path} is not CSV: {error}") from error
    absent = [column for column in columns if column not in (reader.fieldnames or [])]
    if absent:
        raise RunFailure(
            f"{tree.where / path} has no column {absent[0]!r}; it has {', '.join(reader.fieldnames or ['none'])}"
        )
    short = next((i for i, line in enumerate(lines, 2) if any(line[column] is None for column in columns)), None)
    if short is not None:
        raise RunFailure(f"{tree.where / path}: line {short} has too few cells")
    return lines


def python_list(text: str) -> list[str]:
    """A list of strings written as Python or JSON writes it; parsed, never evaluated. Empty if it is none."""
    try:
        value = ast.literal_eval(text.strip()) if len(text) < 100_000 else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    return [str(item) for item in value] if isinstance(value, list | tuple) else []


def artbench(tree, skips: Skips, minimum: int = 5):
    """Class = artist with at least `minimum` works, whatever the style and the official split."""
    lines = table(tree, "metadata.csv", "name", "artist", "label", "split")
    counts = Counter(line["artist"] for line in lines)
    classes = sorted(artist for artist, count in counts.items() if count >= minimum)
    base, rows = "artbench-10-imagefolder-split", []
    for line in lines:
        if counts[line["artist"]] >= minimum:
            rows.append(Row(f"{base}/{line['split']}/{line['label']}/{line['name']}", line["artist"]))
        else:
            skips.add(f"image of an artist with fewer than {minimum} works", line["name"])
    return {"all": rows}, classes, [artist.replace("-", " ") for artist in classes]


def danish_fungi(tree, skips: Skips):
    """Official split; a line without a species is left out."""
    rows = {}
    for key, file in (("train", "DF20M-train_metadata_PROD.csv"), ("test", "DF20M-public_test_metadata_PROD.csv")):
        lines = table(tree, file, "image_path", "species")
        rows[key] = []
        for path, species in ((line["image_path"], line["species"]) for line in lines):
            if species:
                copy = f"{key}/{species}/{path.split('/')[-1]}"
                rows[key].append(copied(tree, copy, f"DF20M/{path}", species))
            else:
                skips.add("line without a species", f"{file}: {path}")
    classes = sorted({row.label for row in rows["train"]})
    return rows, classes, classes


def dollar_street(tree, skips: Skips):
    """Class = first ImageNet synonym and country; only classes that both splits have."""
    rows = {}
    for key in ("train", "test"):
        path = f"dataset_dollarstreet/images_v2_imagenet_{key}.csv"
        rows[key] = []
        for line in table(tree, path, "imageRelPath", "country.name", "imagenet_synonyms"):
            synonyms = python_list(line["imagenet_synonyms"])
            if not synonyms:
                raise RunFailure(f"{tree.where / path}: {line['imageRelPath']} has no list of synonyms")
            rows[key].append(
                Row(f"dataset_dollarstreet/{line['imageRelPath']}", f"{synonyms[0]} from {line['country.name']}")
            )
    classes = sorted({row.label for row in rows["train"]} & {row.label for row in rows["test"]})
    return rows, classes, classes


def snakes(tree, skips: Skips):
    """Species of both official splits; images that are not there are left out, as the official code does."""
    rows = {}
    for key, file in (("train", "train.csv"), ("test", "val.csv")):
        lines = table(tree, file, "binomial_name", "image_path")
        rows[key] = [Row(f"SnakeCLEF2023-medium_size/{line['image_path']}", line["binomial_name"]) for line in lines]
    classes = sorted({row.label for row in rows["train"]} & {row.label for row in rows["test"]})
    for row in rows["train"] + rows["test"]:
        if row.path not in tree:
            skips.add("listed image that is not there", row.path)
    rows = {key: [row for row in part if row.path in tree] for key, part in rows.items()}
    return rows, classes, classes


def melanoma(tree, skips: Skips, unknown: int, nevus: int, dropped: tuple[str, ...]):
    """Two diagnoses go; `unknown` and `nevus` images of these two diagnoses are drawn (NumPy's old generator, seed 0,
    in this order) and go as well."""
    lines = table(tree, "labels.csv", "image_name", "diagnosis")
    diagnosis = np.array([line["diagnosis"] for line in lines])
    draw = np.random.RandomState(0)
    gone = set(np.flatnonzero(np.isin(diagnosis, dropped)).tolist())
    for name, count in (("unknown", unknown), ("nevus", nevus)):
        places = np.flatnonzero(diagnosis == name)
        if len(places) < count:
            raise RunFailure(f"{tree.where / 'labels.csv'} has {len(places)} images of {name!r}; needed are {count}")
        gone |= set(draw.choice(places, count, replace=False).tolist())
    for place in sorted(gone):
        skips.add("image that the rule of the set leaves out", lines[place]["image_name"])
    rows = [Row(f"train/{line['image_name']}.jpg", line["diagnosis"]) for i, line in enumerate(lines) if i not in gone]
    classes = sorted({row.label for row in rows})
    return {"all": rows}, classes, ["unknown symptoms" if label == "unknown" else label for label in classes]


def quilt(tree, skips: Skips, draw: int, dropped: frozenset[str]):
    """`draw` of the training lines of the subset quilt (NumPy's old generator, seed 0); class = the first two of the
    sorted pathologies; captions cut at 180 characters, without a full stop at the end."""
    file = "quilt_1M_lookup.csv"
    lines = table(tree, file, "image_path", "subset", "split", "caption", "pathology")
    first: dict[str, dict] = {}
    for line in lines:
        first.setdefault(line["image_path"], line)
    lines = list(first.values())
    places = [i for i, line in enumerate(lines) if (line["subset"], line["split"]) == ("quilt", "train")]
    if len(places) < draw:
        raise RunFailure(f"{tree.where / file} has {len(places)} training lines of quilt; needed are {draw}")
    rows = []
    for place in sorted(np.random.RandomState(0).choice(places, draw, replace=False).tolist()):
        line = lines[place]
        pathologies = sorted(python_list(line["pathology"]))
        label = " and ".join(pathologies[:2])
        if label and label not in dropped:
            caption = line["caption"][:180].removesuffix(".")
            rows.append(Row(f"quilt1m_data/{line['image_path']}", label, (caption,) if caption else ()))
        else:
            skips.add("image without a pathology that is a class", line["image_path"])
    classes = sorted({row.label for row in rows})
    return {"all": rows}, classes, classes
