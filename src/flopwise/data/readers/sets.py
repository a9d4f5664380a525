"""What is special to one set, as data for its reader: folders, split rules, names and filters (FoMo-in-Flux, official
code, MIT licence). Class names that no file of a set holds are in `names.json`, as its class lists have them."""

import json
from functools import cache
from pathlib import Path

from flopwise.core.errors import RunFailure
from flopwise.data.readers import tables
from flopwise.data.readers.splits import (
    drawn_from_each_class,
    every_fifth,
    first_seventy_percent,
    last_of_each_class,
    stratified_sixth,
    test_only,
    train_only,
)

NAMES = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
SPLITS_OF_MANIFESTS = {"inaturalist2021": {"train": "train_mini", "test": "val"}, "mtsd": {"test": "val"}}
CLASSES_OF_LISTS = {"clevr": 247, "mitstates": 1962}  # classes in the official code, where its tables print others
OLD_TO_NEW_IMAGENET = {27: "eft", 638: "maillot", 744: "projectile", 836: "sunglass"}  # where open_clip's list differs


def spaces(labels: list[str]) -> list[str]:
    return [label.replace("_", " ") for label in labels]


def in_order(name: str):
    """Written names, one per folder in sorted order."""

    def names(labels: list[str]) -> list[str]:
        written = NAMES[name]
        if len(labels) != len(written):
            raise RunFailure(f"{name}: {len(labels)} class folders were found; there must be {len(written)}")
        return list(written)

    return names


def written(name: str):
    """Written names by folder; a folder without one keeps its own."""
    return lambda labels: [NAMES[name].get(label, label) for label in labels]


@cache
def imagenet_classes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(WordNet ids, names) of the 1,000 classes; from timm and open_clip."""
    from flopwise.models.compat import import_open_clip, import_timm

    identifiers = import_timm().data.ImageNetInfo("imagenet-1k").label_names()
    import_open_clip()
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES

    names = [OLD_TO_NEW_IMAGENET.get(i, name) for i, name in enumerate(IMAGENET_CLASSNAMES)]
    return tuple(identifiers), tuple(names)


def imagenet_names(variant: str):
    def names(labels: list[str]) -> list[str]:
        known = dict(zip(*imagenet_classes())) | NAMES.get(variant, {})
        return [known.get(label, label) for label in labels]

    return names


def imagenet_21k_names(labels: list[str]) -> list[str]:
    """The first word that WordNet has for each id (timm's list)."""
    from flopwise.models.compat import import_timm

    known = import_timm().data.ImageNetInfo("imagenet-21k").label_descriptions(as_dict=True)
    return [known.get(label, label).split(", ")[0] for label in labels]


def imagenet_v2_label(parts: list[str]) -> str | None:
    """Folders are class numbers as released, or class names as the official set-up copies them."""
    if len(parts) != 2:
        return None
    return imagenet_classes()[1][int(parts[0])].replace("/", "-") if parts[0].isdecimal() else parts[0]


def imagenet_v2_names(labels: list[str]) -> list[str]:
    known = {name.replace("/", "-"): name for name in imagenet_classes()[1]}
    return [known.get(label, label) for label in labels]


def caltech256_names(labels: list[str]) -> list[str]:
    return [label.partition(".")[2].replace("-", " ").replace("_", " ").replace(" 101", "") for label in labels]


def fault_names(labels: list[str]) -> list[str]:
    """`bottle-broken_large` -> `bottle with large break`; `bottle-good` -> `bottle`."""
    names = []
    for label in labels:
        name = label.replace("-good", "").replace("-", " with ").replace("_", " ")
        for old, new in NAMES["mvtecad_eval"]:
            name = name.replace(old, new)
        names.append(name)
    return names


def monkey_names(labels: list[str], tree) -> list[str]:
    """Common names, from the set's own label file."""
    named = {}
    for line in tree.text("monkeys10/monkey_labels.txt").splitlines()[1:]:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) > 2:
            named[cells[0]] = cells[2].replace("_", " ")
    return [named.get(label, label) for label in labels]


def first_half(key: str, pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The first half of the sorted files of each class, in the order of the list."""
    by_class: dict[int, list[str]] = {}
    for path, target in pairs:
        by_class.setdefault(target, []).append(path)
    kept = {path for paths in by_class.values() for path in sorted(paths)[: len(paths) // 2]}
    return [pair for pair in pairs if pair[0] in kept]


def places(key: str, pairs: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The official code takes the first line of both lists for a header, then every 15th training line."""
    return pairs[1::15] if key == "train" else pairs[1:]


def places_folder(key: str, path: str) -> tuple[str, str]:
    if key == "test":
        return f"val/{path}", f"val/{path}"
    *folders, file = path.split("/")[2:]
    below = f"{'-'.join(folders)}/{file}"
    return f"PLACES365_subset_train/{below}", f"train/{below}"


def _domainnet(domain: str, **more) -> dict:
    return {"lists": {"train": f"{domain}_train.txt", "test": f"{domain}_test.txt"}, **more}


def _vegfru(folder: str) -> dict:
    lists = "processed/vegfru_list/vegfru_{}.txt"
    return {
        "lists": {"train": lists.format("test"), "test": lists.format("train")},
        "place": lambda key, path: (f"processed/{path}", f"processed/{path}"),
        "only": folder,
        "name": lambda path: path.split("/")[1].replace("_", " "),
    }


def _cifar(number: int) -> dict:
    if number == 100:
        return {
            "folder": "cifar-100-python", "batches": {"train": ["train"], "test": ["test"]}, "meta": "meta",
            "labels": "fine_labels", "names": "fine_label_names", "key": "cifar-100-images-{}/{}.png",
        }  # fmt: skip
    return {
        "folder": "cifar-10-batches-py",
        "batches": {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]},
        "meta": "batches.meta", "labels": "labels", "names": "label_names", "key": "cifar-10-images-{}/{}.png",
    }  # fmt: skip


def _one_folder(folder: str, names=spaces, split=every_fifth, **more) -> dict:
    return {"folders": {"all": folder}, "names": names, "split": split, **more}


OBSCURE = {"file": "split.json", "parts": {"train": ("train", "val"), "test": ("test",)}}
OPTIONS: dict[str, dict] = {
    "ai2diagrams": {"file": "ai2d/categories.json", "folder": "ai2d/images", "classes": NAMES["ai2diagrams"]},
    "artbench10": {"rows": tables.artbench},
    "birdsnap": _one_folder("birdsnap/download/images", drop=(23182,)),
    "cifar100": {"style": "cifar", **_cifar(100)},
    "cifar10": {"style": "cifar", **_cifar(10)},
    "clevr": {"dropped": frozenset(NAMES["clevr_dropped"])},
    "clrs": _one_folder("CLRS/CLRS", list, drawn_from_each_class(59, "clrs"), membership="own draw"),
    "country211": {
        "folders": {"train": "country211/train", "test": "country211/test"}, "names": written("country211"),
    },
    "cub200": {"style": "cub"},
    "df20mini": {"rows": tables.danish_fungi},
    "dollarstreet": {"rows": tables.dollar_street},
    "domainnet_clipart": _domainnet("clipart"),
    "domainnet_infograph": _domainnet("infograph"),
    "domainnet_painting": _domainnet("painting"),
    "domainnet_sketch": _domainnet("sketch"),
    "domainnet_quickdraw": _domainnet("quickdraw", choose=first_half),
    "dsprites": {
        "style": "dsprites", "draw": (75_000, 25_000), "removed": (9, 10, 11, 21, 22), "names": NAMES["dsprites"],
    },
    "dtd": {
        "folders": {"all": "dtd/dtd/images"}, "names": spaces,
        "lists": {"train": "dtd/dtd/labels/train1.txt", "test": "dtd/dtd/labels/test1.txt"},
    },
    "fgvcaircraft": {"style": "aircraft"},
    "flowers102": {"style": "flowers", "splits": {"train": "tstid", "test": "trnid"}, "names": NAMES["flowers102"]},
    "fru92": _vegfru("fru92_images"),
    "veg200": _vegfru("veg200_images"),
    "inaturalist2021": {
        "folders": {"train": "train_mini", "test": "val"}, "every": 4,
        "names": lambda labels: [" ".join(label.split("_")[1:]) for label in labels],
    },
    "isicmelanoma": {
        "rows": tables.melanoma, "unknown": 26_124, "nevus": 4_193,
        "dropped": ("atypical melanocytic proliferation", "cafe-au-lait macule"),
    },
    "mitstates": _one_folder(
        "data/images", list, label=lambda parts: parts[0] if len(parts) == 2 and "adj " not in parts[0] else None
    ),
    "mtsd": {
        "base": "MTSD/mtsd_v2_fully_annotated", "splits": {"train": "train", "test": "val"}, "images": "MTSD/images",
    },
    "mvtecad_adapt": _one_folder(
        "", list, copied_to="data", label=lambda parts: parts[0] if parts[1:-1] == ["train", "good"] else None
    ),
    "mvtecad_eval": _one_folder(
        "", fault_names, copied_to="data",
        label=lambda parts: f"{parts[0]}-{parts[2]}" if len(parts) == 4 and parts[1] == "test" else None,
    ),
    "objectnet": _one_folder("datasets/objectnet-1.0-beta"),
    "obsc_animals": OBSCURE,
    "obsc_things": OBSCURE,
    "patternnet": _one_folder("PatternNet/images", list, last_of_each_class(100)),
    "places365": {
        "lists": {"train": "places365_train_standard.txt", "test": "places365_val.txt"}, "choose": places,
        "place": places_folder, "name": lambda path: " ".join(path.split("/")[2:-1]).replace("_", " "),
    },
    "plantvillage": _one_folder("", in_order("plantvillage")),
    "quilt": {"rows": tables.quilt, "draw": 120_000, "dropped": frozenset(NAMES["quilt_dropped"])},
    "resisc45": {"lists": {"train": "resisc45-train.txt", "test": "resisc45-test.txt"}, "bare": "NWPU-RESISC45"},
    "shapes3d": {"draw": (75_000, 25_000)},
    "snake_clef": {"rows": tables.snakes},
    "sun397": {
        "file": "split_zhou_sun397.json", "parts": {"train": ("train",), "test": ("test",)}, "prefix": "SUN397/",
        "label": lambda path: "_".join(path.split("/")[1:-1]),
    },
    "synthclip106": _one_folder("images", list, drawn_from_each_class(131, "synthclip106"), membership="own draw"),
    "zappos50k": _one_folder(
        "ut-zap50k-images", copied_to="data", minimum=5, label=lambda parts: "_".join(parts[:3]) if len(parts) == 4 else None
    ),
    "fscoco": {
        "images": "fscoco/raster_sketches", "texts": "fscoco/text", "classes": tuple(NAMES["fscoco"]),
        "same": NAMES["fscoco_same"],
    },
    "caltech101": _one_folder(
        "caltech101/101_ObjectCategories", spaces, first_seventy_percent,
        label=lambda parts: parts[0] if len(parts) == 2 and parts[0] != "BACKGROUND_Google" else None,
    ),
    "caltech256": _one_folder("caltech256/256_ObjectCategories", caltech256_names, first_seventy_percent),
    "caltech256_transfer": _one_folder("caltech256/256_ObjectCategories", caltech256_names, stratified_sixth),
    "cars196": {"style": "cars"},
    "stanford_cars_transfer": {"style": "cars"},
    "eurosat": _one_folder("eurosat/2750", in_order("eurosat"), first_seventy_percent),
    "fashionmnist": {"style": "idx", "folder": "FashionMNIST", "names": NAMES["fashionmnist"]},
    "food101": {"style": "food101"},
    "gtsrb": _one_folder("GTSRB/Training", in_order("gtsrb"), first_seventy_percent),
    "imagenet_1k": {"folders": {"train": "train", "test": "val"}, "names": imagenet_names("")},
    "imagenet_21k": _one_folder("", imagenet_21k_names, train_only),
    "imagenet": _one_folder("val", imagenet_names(""), test_only),
    "imagenet_a": _one_folder("imagenet-a", imagenet_names("imagenet_a"), test_only),
    "imagenet_d": _one_folder("ImageNet-D/merged", list, test_only),
    "imagenet_r": _one_folder("imagenet-r", imagenet_names("imagenet_r"), test_only),
    "imagenet_s": _one_folder("sketch", imagenet_names(""), test_only),
    "imagenet_v2": _one_folder("test", imagenet_v2_names, test_only, label=imagenet_v2_label, order=str.lower),
    "mnist": {"style": "idx", "folder": "MNIST", "names": tuple("0123456789")},
    "monkeys10": {
        "folders": {"train": "monkeys10/training/training", "test": "monkeys10/validation/validation"},
        "names_from_tree": monkey_names,
    },
    "oxford_pets": {"style": "pets"},
    "stl10": {"style": "stl10"},
    "svhn": {"style": "svhn"},
    "mscoco": {"folder": "images_mscoco_2014_5k_test"},
    "flickr30k": {"folder": "flickr30k-images"},
}  # fmt: skip
