"""Small trees in the layouts of the real data sets, and what a right reader finds in them.

`make(name, root)` writes <root>/<FOLDER>/... and returns an `Expected`. Nothing here uses the readers; the split rules
are written out once more, from the published description of the sets."""

import io
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from flopwise.data.catalogue import dataset

Items = list[tuple[str, int]]  # (key, target)
DRAWS = {  # numbers of images that are drawn, made small
    "dsprites": {"draw": (30, 10)},
    "shapes3d": {"draw": (30, 10)},
    "isicmelanoma": {"unknown": 4, "nevus": 3},
    "quilt": {"draw": 24},
}


@dataclass
class Expected:
    class_names: list[str]
    train: Items
    test: Items
    captions: dict[str, tuple[str, ...]] | None = None  # key -> captions, where a set brings its own
    any_membership: bool = False  # the published draw is not known: only sizes and classes are


@cache
def picture(suffix: str = ".jpg", size: tuple[int, int] = (12, 9)) -> bytes:
    stream = io.BytesIO()
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".ppm": "PPM"}[suffix.lower()]
    Image.new("RGB", size, (200, 30, 60)).save(stream, kind)
    return stream.getvalue()


def put(path: Path, content: bytes | str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = picture(path.suffix)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def fifth(items: list) -> tuple[list, list]:
    return [item for i, item in enumerate(items) if i % 5 != 0], [item for i, item in enumerate(items) if i % 5 == 0]


def by_class(items: Items, cut: Callable[[int], int]) -> tuple[Items, Items]:
    """The first `cut(n)` of the n items of a class are training items."""
    train, test = [], []
    for target in dict.fromkeys(target for _, target in items):
        part = [item for item in items if item[1] == target]
        train += part[: cut(len(part))]
        test += part[cut(len(part)) :]
    return train, test


def seventy(items: Items) -> tuple[Items, Items]:
    return by_class(items, lambda n: n * 7 // 10)


def only_test(items: Items) -> tuple[Items, Items]:
    return [], items


def only_train(items: Items) -> tuple[Items, Items]:
    return items, []


def stratified_sixth(items: Items) -> tuple[Items, Items]:
    from sklearn.model_selection import train_test_split

    targets = [target for _, target in items]
    train, test = train_test_split(items, test_size=1 / 6, stratify=targets, random_state=123)
    in_order = items.index
    return sorted(train, key=in_order), sorted(test, key=in_order)


def in_folders(base: Path, prefix: str, folders: list[str], per_class: int = 7, file: str = "img {:02d}.jpg") -> Items:
    """Files of class folders, written from the last to the first; the items in sorted order."""
    items = []
    for target, folder in enumerate(folders):
        for number in reversed(range(per_class)):
            key = "/".join(part for part in (prefix, folder, file.format(number)) if part)
            put(base / key)
            items.append((key, target))
    return sorted(items, key=lambda item: (item[1], item[0].split("/")))


def plain(prefix: str, folders: dict[str, str], rule, extra=lambda base: None, **more):
    """A set with one folder per class, {folder: class name}, folders in the order of their targets."""

    def make(base: Path) -> Expected:
        extra(base)
        train, test = rule(in_folders(base, prefix, list(folders), **more))
        return Expected(list(folders.values()), train, test)

    return make


def two_folders(train: str, test: str, folders: dict[str, str], extra=lambda base: None):
    def make(base: Path) -> Expected:
        extra(base)
        return Expected(
            list(folders.values()), in_folders(base, train, list(folders), 4), in_folders(base, test, list(folders), 2)
        )

    return make


def unknown_draw(prefix: str, folders: list[str], test_per_class: int, per_class: int):
    def make(base: Path) -> Expected:
        train, test = by_class(in_folders(base, prefix, folders, per_class), lambda n: n - test_per_class)
        return Expected(folders, train, test, any_membership=True)

    return make


def inaturalist(base: Path) -> Expected:
    folders = [f"{i:05d}_Animalia_Chordata_species {i}" for i in range(9)]
    made = {split: in_folders(base, split, folders, count) for split, count in (("train_mini", 3), ("val", 2))}
    kept = {split: [(key, target // 4) for key, target in items if target % 4 == 0] for split, items in made.items()}
    return Expected([f"Animalia Chordata species {i}" for i in (0, 4, 8)], kept["train_mini"], kept["val"])


def mvtec(fault: bool):
    def make(base: Path) -> Expected:
        items = []
        if fault:
            classes = [
                ("bottle", "broken_large"),
                ("bottle", "good"),
                ("cable", "cable_swap"),
                ("toothbrush", "defective"),
            ]
            names = ["bottle with large break", "bottle", "cable with inner cable swap", "defective toothbrush"]
            folders = [f"{thing}/test/{kind}" for thing, kind in classes]
            copies = [f"{thing}-{kind}" for thing, kind in classes]
        else:
            names = ["bottle", "metal_nut"]
            folders, copies = [f"{name}/train/good" for name in names], names
        for target, folder in enumerate(folders):
            for number in range(6):
                put(base / folder / f"{number:03d}.png")
                items.append((f"data/{copies[target]}/{number:03d}.png", target))
            put(base / folder.split("/")[0] / "ground_truth" / "x" / "000_mask.png")
        return Expected(names, *fifth(items))

    return make


def zappos(base: Path) -> Expected:
    items = []
    for target, folder in enumerate(["Boots/Ankle/ALDO", "Boots/Ankle/Ahnu Two"]):
        for number in range(6):
            put(base / "ut-zap50k-images" / folder / f"{number}.jpg")
            items.append((f"data/{folder.replace('/', '_')}/{number}.jpg", target))
    for number in range(4):
        put(base / "ut-zap50k-images/Boots/Ankle/Few" / f"{number}.jpg")
    return Expected(["Boots Ankle ALDO", "Boots Ankle Ahnu Two"], *fifth(items))


def dtd(base: Path) -> Expected:
    items = in_folders(base, "dtd/dtd/images", ["banded", "lacelike"], 6)
    splits = {"train": items[0::3], "val": items[1::3], "test": items[2::3]}
    for split, part in splits.items():
        put(base / f"dtd/dtd/labels/{split}1.txt", "".join(f"{'/'.join(k.split('/')[-2:])}\n" for k, _ in part))
    return Expected(["banded", "lacelike"], splits["train"], splits["test"])


def ai2(base: Path) -> Expected:
    kinds = {"volcano": "volcano diagram", "circuits": "circuits diagram", "rockStrata": "diagram of rock strata"}
    order = ["atomStructure", "circuits", "eclipses", "faultsEarthquakes", "foodChainsWebs", "lifeCycles"]
    order += ["moonPhaseEquinox", "partsOfTheEarth", "photosynthesisRespiration", "rockCycle", "rockStrata"]
    order += ["solarSystem", "typesOf", "volcano", "waterCNPCycle"]
    categories, items = {}, []
    for number in (9, 10, 1, 4, 3, 2, 77, 5, 6, 8, 7):
        kind = [*kinds, "notUsed"][number % 4]
        categories[f"{number}.png"] = kind
        put(base / f"ai2d/images/{number}.png")
        if kind in kinds:
            items.append((f"ai2d/images/{number}.png", order.index(kind)))
    put(base / "ai2d/categories.json", json.dumps(categories))
    names = {order.index(kind): name for kind, name in kinds.items()}
    return Expected([names.get(i) for i in range(15)], *fifth(items))


def artbench(base: Path) -> Expected:
    lines, kept = ["name,artist,label,split"], []
    artists = ["zoe-lerman", "abidin-dino", "few-works"]
    for number in range(14):
        artist = artists[number % 3]
        path = f"artbench-10-imagefolder-split/{'train' if number % 2 else 'test'}/baroque/{number}.jpg"
        lines.append(f"{number}.jpg,{artist},baroque,{path.split('/')[1]}")
        put(base / path)
        if number % 3 != 2:
            kept.append((path, 1 - number % 3))
    put(base / "metadata.csv", "\n".join(lines) + "\n")
    assert sum(target == 0 for _, target in kept) >= 5
    assert sum(line.count("few-works") for line in lines) == 4
    return Expected(["abidin dino", "zoe lerman"], *fifth(kept))


def fungi(base: Path) -> Expected:
    splits = {}
    for split, file in (("train", "DF20M-train_metadata_PROD.csv"), ("test", "DF20M-public_test_metadata_PROD.csv")):
        lines, splits[split] = ["x,image_path,species"], []
        for number, species in enumerate(["Russula viscida", "Agaricus bisporus", "", "Russula viscida"]):
            lines.append(f"0,{split}-{number}.JPG,{species}")
            put(base / f"DF20M/{split}-{number}.JPG", picture())
            if species:
                splits[split].append((f"{split}/{species}/{split}-{number}.JPG", int(species.startswith("R"))))
        put(base / file, "\n".join(lines) + "\n")
    return Expected(["Agaricus bisporus", "Russula viscida"], splits["train"], splits["test"])


def dollar(base: Path) -> Expected:
    content = {
        "train": [("a", "Nepal", "['stove', 'range']"), ("b", "China", "['stove']"), ("c", "Peru", "['bed', 'x']")],
        "test": [("d", "Nepal", "['stove', 'other']"), ("e", "Peru", "['bed']"), ("f", "Peru", "['sofa']")],
    }
    names, splits = ["bed from Peru", "stove from Nepal"], {}
    for split, entries in content.items():
        lines, splits[split] = ["id,country.name,imageRelPath,imagenet_synonyms"], []
        for image, country, synonyms in entries:
            path = f"assets/{image}/{image}.jpg"
            lines.append(f'1,{country},{path},"{synonyms}"')
            put(base / "dataset_dollarstreet" / path)
            name = f"{synonyms.split(chr(39))[1]} from {country}"
            if name in names:
                splits[split].append((f"dataset_dollarstreet/{path}", names.index(name)))
        put(base / f"dataset_dollarstreet/images_v2_imagenet_{split}.csv", "\n".join(lines) + "\n")
    return Expected(names, splits["train"], splits["test"])


def domainnet(domain: str, suffix: str = ".jpg", gap: bool = False, half: bool = False):
    def make(base: Path) -> Expected:
        folders = {0: "aircraft_carrier", 1: "alarm_clock"} | ({3: "t-shirt"} if gap else {2: "t-shirt"})
        splits = {}
        for split, count in (("train", 5), ("test", 3)):
            lines, splits[split] = [], []
            for target, folder in folders.items():
                paths = [f"{domain}/{folder}/{split}_{number}{suffix}" for number in range(count)]
                for path in reversed(paths):
                    put(base / path)
                    lines.append(f"{path} {target}\n")
                    if not half or path in paths[: count // 2]:
                        splits[split].append((path, min(target, 2)))
            put(base / f"{domain}_{split}.txt", "".join(lines))
        return Expected(["aircraft carrier", "alarm clock", "t shirt"], splits["train"], splits["test"])

    return make


def vegfru(folder: str, offset: int):
    """Official lists are swapped; targets of the other half of the set come in between."""

    def make(base: Path) -> Expected:
        other = "veg200_images" if folder == "fru92_images" else "fru92_images"
        splits = {}
        for split, file in (("train", "vegfru_test.txt"), ("test", "vegfru_train.txt")):
            lines, splits[split] = [], []
            for target, klass in enumerate(["Hami_melon", "winter-jujube"]):
                for number in range(3):
                    path = f"{folder}/{klass}/{split}{number}.jpg"
                    put(base / "processed" / path)
                    lines.append(f"{path} {target + offset}\n{other}/x/{number}.jpg {300 - offset}\n")
                    splits[split].append((f"processed/{path}", target))
            put(base / "processed/vegfru_list" / file, "".join(lines))
        return Expected(["Hami melon", "winter-jujube"], splits["train"], splits["test"])

    return make


def places(base: Path) -> Expected:
    folders = ["airfield", "apartment_building/outdoor"]
    lines, train, test = [], [], []
    for number in range(40):
        folder = folders[number // 20]
        lines.append(f"/a/{folder}/{number:08d}.jpg {number // 20}\n")
        path = f"train/{folder.replace('/', '-')}/{number:08d}.jpg"
        put(base / path)
        if number in (1, 16, 31):
            train.append((f"PLACES365_subset_{path}", number // 20))
    put(base / "places365_train_standard.txt", "".join(lines))
    for number in range(5):
        put(base / f"val/{number}.jpg")
        test.append((f"val/{number}.jpg", number % 2))
    put(base / "places365_val.txt", "".join(f"{key[4:]} {target}\n" for key, target in test))
    return Expected(["airfield", "apartment building outdoor"], train, test[1:])


def resisc(base: Path) -> Expected:
    splits = {"train": [], "test": []}
    for target, folder in enumerate(["airplane", "baseball_diamond"]):
        for number in range(6):
            file = f"{folder}_{number:03d}.jpg"
            put(base / "NWPU-RESISC45" / folder / file)
            splits["test" if number % 3 == 0 else "train"].append((f"NWPU-RESISC45/{folder}/{file}", target))
    for split, items in splits.items():
        put(base / f"resisc45-{split}.txt", "".join(f"{key.split('/')[-1]}\n" for key, _ in reversed(items)))
    return Expected(["airplane", "baseball diamond"], splits["train"], splits["test"])


def isic(base: Path) -> Expected:
    kinds = ["melanoma", "nevus", "unknown", "cafe-au-lait macule", "lentigo NOS", "atypical melanocytic proliferation"]
    diagnosis = [kinds[number % 6] for number in range(60)]
    lines = [f"ISIC_{i},male,{kind}\n" for i, kind in enumerate(diagnosis)]
    put(base / "labels.csv", "image_name,sex,diagnosis\n" + "".join(lines))
    draw = np.random.RandomState(0)
    gone = {i for i, kind in enumerate(diagnosis) if kind in (kinds[3], kinds[5])}
    gone |= set(draw.choice([i for i in range(60) if diagnosis[i] == "unknown"], 4, replace=False))
    gone |= set(draw.choice([i for i in range(60) if diagnosis[i] == "nevus"], 3, replace=False))
    classes = ["lentigo NOS", "melanoma", "nevus", "unknown"]
    kept = [(f"train/ISIC_{i}.jpg", classes.index(diagnosis[i])) for i in range(60) if i not in gone]
    for key, _ in kept:
        put(base / key)
    return Expected([*classes[:3], "unknown symptoms"], *fifth(kept))


def quilt(base: Path) -> Expected:
    pathologies = {"['Renal', 'Bone', 'Cardiac']": "Bone and Cardiac", "['Gastro']": "Gastro", "['Unknown']": None}
    lines, eligible = ["image_path,subset,split,caption,pathology,corrected_text"], []
    for number in range(40):
        pathology = list(pathologies)[number % 3]
        subset, split = ("quilt", "train") if number % 4 else ("openpath", "train")
        caption = f"Slide {number} <b>bold</b> " + "x" * 200 if number % 2 else f"Slide {number}."
        lines.append(f'{number}.jpg,{subset},{split},{caption},"{pathology}",y')
        if subset == "quilt":
            eligible.append(len(lines) - 2)
        put(base / f"quilt1m_data/{number}.jpg")
    lines.append("5.jpg,quilt,train,a second line of the same image,\"['Gastro']\",y")
    put(base / "quilt_1M_lookup.csv", "\n".join(lines) + "\n")
    kept, captions = [], {}
    for number in sorted(np.random.RandomState(0).choice(eligible, 24, replace=False)):
        name = list(pathologies.values())[number % 3]
        if name:
            key = f"quilt1m_data/{number}.jpg"
            kept.append((key, ["Bone and Cardiac", "Gastro"].index(name)))
            full = f"Slide {number} <b>bold</b> " + "x" * 200
            captions[key] = (full[:180] if number % 2 else f"Slide {number}",)
    return Expected(["Bone and Cardiac", "Gastro"], *fifth(kept), captions)


def snakes(base: Path) -> Expected:
    content = {
        "train": ["Zamenis situla", "Vipera aspis", "Boa only", "Vipera aspis"],
        "val": ["Vipera aspis", "Zamenis situla"],
    }
    names, splits = ["Vipera aspis", "Zamenis situla"], {}
    for split, species in content.items():
        lines, splits[split] = ["binomial_name,class_id,image_path"], []
        for number, name in enumerate(species):
            path = f"{split}/{number}.jpg"
            lines.append(f"{name},{number},{path}")
            if (split, number) != ("train", 3):  # named, but not there
                put(base / "SnakeCLEF2023-medium_size" / path)
                if name in names:
                    splits[split].append((f"SnakeCLEF2023-medium_size/{path}", names.index(name)))
        put(base / f"{split}.csv", "\n".join(lines) + "\n")
    return Expected(names, splits["train"], splits["val"])


def obscure(base: Path) -> Expected:
    names, split = ["aardwolf", "aye aye"], {}
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        split[part] = []
        for target, name in enumerate(names):
            for number in range(count):
                path = f"{name}/kandinsky-2-1_{part}_{number}.JPEG"
                put(base / path, picture())
                split[part].append([path, target, name])
    put(base / "split.json", json.dumps(split))
    items = {part: [(path, target) for path, target, _ in entries] for part, entries in split.items()}
    return Expected(names, items["train"] + items["val"], items["test"])


def sun(base: Path) -> Expected:
    folders, split = ["a/abbey", "a/apse/indoor", "a/apse_old"], {"train": [], "val": [], "test": []}
    for target, folder in enumerate(folders):
        for part in split:
            path = f"{folder}/sun_{part}{target}.jpg"
            put(base / "SUN397" / path)
            split[part].append([path, 2 - target, "other words"])
    put(base / "split_zhou_sun397.json", json.dumps(split))
    copies = ["abbey", "apse_indoor", "apse_old"]
    items = {p: [(f"{p}/{copies[t]}/sun_{p}{t}.jpg", t) for t in range(3)] for p in split}
    return Expected(["abbey", "apse indoor", "apse old"], items["train"], items["test"])


def clevr(base: Path) -> Expected:
    scenes, items = [], []
    counts = [(2, 0, 1), (0, 3, 0), (2, 0, 1), (8, 0, 0), (0, 3, 0), (1, 1, 1), (2, 0, 1)]
    names = ["one cube, one cylinder, one sphere", "three cylinders", "two cubes, one sphere"]
    said = {(2, 0, 1): names[2], (0, 3, 0): names[1], (1, 1, 1): names[0]}
    for number, (cubes, cylinders, spheres) in enumerate(counts):
        file = f"CLEVR_train_{number:06d}.png"
        shapes = ["sphere"] * spheres + ["cube"] * cubes + ["cylinder"] * cylinders
        scenes.append({"image_filename": file, "objects": [{"shape": s, "color": "red"} for s in shapes]})
        put(base / "CLEVR_v1.0/images/train" / file)
        if counts[number] in said:  # eight cubes are too rare
            items.append((f"CLEVR_v1.0/images/train/{file}", names.index(said[counts[number]])))
    put(base / "CLEVR_v1.0/scenes/CLEVR_train_scenes.json", json.dumps({"scenes": scenes}))
    return Expected(names, *fifth(sorted(items, key=lambda item: item[1])))


def mtsd(base: Path) -> Expected:
    signs = {
        "p1": [("regulatory--stop--g1", "k1"), ("warning--y-roads--g2", "k2"), ("other-sign", "k3")],
        "p2": [("warning--only-train--g1", "k4"), ("regulatory--stop--g2", "k5")],
        "pano": [("regulatory--stop--g1", "k6")],
        "v1": [("warning--y-roads--g1", "k7"), ("regulatory--stop--g1", "k8")],
    }
    names, items = ["stop", "y-roads"], {"train": [], "val": []}
    for image, objects in signs.items():
        split = "val" if image == "v1" else "train"
        box = {"xmin": 1.2, "ymin": 2.0, "xmax": 7.6, "ymax": 6.9}
        content = [{"label": label, "key": key, "bbox": box} for label, key in objects]
        annotation = {"ispano": image == "pano", "objects": content}
        put(base / f"MTSD/mtsd_v2_fully_annotated/annotations/{image}.json", json.dumps(annotation))
        put(base / f"MTSD/images/{image}.jpg")
        for label, key in objects:
            name = label.split("--")[1] if "--" in label else label
            if name in names and image != "pano":
                items[split].append((f"MTSD/processed/{split}/{name}/{image}__{key}.jpg", names.index(name)))
    for split, images in (("train", "p1\np2\npano\n"), ("val", "v1\n")):
        put(base / f"MTSD/mtsd_v2_fully_annotated/splits/{split}.txt", images)
    ordered = {split: sorted(part, key=lambda item: (item[1], item[0])) for split, part in items.items()}
    return Expected(names, ordered["train"], ordered["val"])


def cifar(number: int):
    folder = {10: "cifar-10-batches-py", 100: "cifar-100-python"}[number]
    labels = {10: "labels", 100: "fine_labels"}[number]
    files = {10: {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}}
    files[100] = {"train": ["train"], "test": ["test"]}
    names = [f"class_{i}" for i in range(number)]

    def make(base: Path) -> Expected:
        rng, splits = np.random.default_rng(number), {}
        for split, batches in files[number].items():
            splits[split] = []
            for batch in batches:
                targets = rng.integers(0, number, 4).tolist()
                data = rng.integers(0, 256, (4, 3072), dtype=np.uint8)
                put(
                    base / folder / batch, pickle.dumps({"data": data, labels: targets, "filenames": ["a"]}, protocol=2)
                )
                for target in targets:
                    splits[split].append((f"cifar-{number}-images-{split}/{len(splits[split])}.png", target))
        key, file = {10: ("label_names", "batches.meta"), 100: ("fine_label_names", "meta")}[number]
        put(base / folder / file, pickle.dumps({key: names}, protocol=2))
        return Expected(names, splits["train"], splits["test"])

    return make


def idx(folder: str, names: list[str]):
    def make(base: Path) -> Expected:
        rng, splits = np.random.default_rng(1), {}
        for split, stem, count in (("train", "train", 6), ("test", "t10k", 4)):
            targets = rng.integers(0, 10, count).astype(np.uint8)
            images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
            put(
                base / f"{folder}/raw/{stem}-images-idx3-ubyte",
                struct.pack(">4I", 0x803, count, 28, 28) + images.tobytes(),
            )
            put(base / f"{folder}/raw/{stem}-labels-idx1-ubyte", struct.pack(">2I", 0x801, count) + targets.tobytes())
            stem = f"{folder.lower()}-images-{split}"
            splits[split] = [(f"{stem}/{target}-{i}.png", int(target)) for i, target in enumerate(targets)]
        return Expected(names, splits["train"], splits["test"])

    return make


def stl(base: Path) -> Expected:
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    rng, splits = np.random.default_rng(2), {}
    for split in ("train", "test"):
        targets = rng.integers(1, 11, 3).astype(np.uint8)
        put(base / f"stl10_binary/{split}_X.bin", rng.integers(0, 256, (3, 3, 96, 96), dtype=np.uint8).tobytes())
        put(base / f"stl10_binary/{split}_y.bin", targets.tobytes())
        splits[split] = [(f"stl10-images-{split}/{t - 1}-{i}.png", int(t) - 1) for i, t in enumerate(targets)]
    put(base / "stl10_binary/class_names.txt", "\n".join(names) + "\n")
    return Expected(names, splits["train"], splits["test"])


def svhn(base: Path) -> Expected:
    rng, splits = np.random.default_rng(3), {}
    for split in ("train", "test"):
        labels = np.array([[10], [3], [1], [10]], np.uint8)
        images = rng.integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
        savemat(base / f"{split}_32x32.mat", {"X": images, "y": labels})
        splits[split] = [(f"svhn-images-{split}/{t}-{i}.png", t) for i, t in enumerate((0, 3, 1, 0))]
    return Expected([str(i) for i in range(10)], splits["train"], splits["test"])


def food(base: Path) -> Expected:
    items = in_folders(base, "food-101/images", ["apple_pie", "waffles"], 5)
    train, test = items[0::2], items[1::2]
    for split, part in (("train", train), ("test", test)):
        content = {"waffles": [], "apple_pie": []}
        for key, _ in part:
            content[key.split("/")[2]].append("/".join(key.split("/")[2:]).removesuffix(".jpg"))
        put(base / f"food-101/meta/{split}.json", json.dumps(content))
    return Expected(["apple pie", "waffles"], sorted(train, key=lambda i: -i[1]), sorted(test, key=lambda i: -i[1]))


def aircraft(base: Path) -> Expected:
    data, variants = base / "fgvc-aircraft-2013b/data", ["707-320", "Yak-42", "A310 MRTT"]
    splits = {}
    for split in ("train", "test"):
        splits[split] = []
        for number in range(5):
            put(data / f"images/{split}{number}.jpg")
            splits[split].append((f"fgvc-aircraft-2013b/data/images/{split}{number}.jpg", number % 3))
        lines = [f"{key.split('/')[-1][:-4]} {variants[target]}\n" for key, target in splits[split]]
        put(data / f"images_variant_{split}.txt", "".join(lines))
    put(data / "variants.txt", "\n".join(variants) + "\n")
    return Expected(variants, splits["train"], splits["test"])


def pets(base: Path) -> Expected:
    names, splits = ["Abyssinian", "american_bulldog", "yorkshire_terrier"], {}
    for split, file in (("train", "trainval.txt"), ("test", "test.txt")):
        splits[split], lines = [], []
        for number in range(6):
            image = f"{names[number % 3]}_{number}{split[:2]}"
            put(base / f"oxford-iiit-pet/images/{image}.jpg")
            lines.append(f"{image} {number % 3 + 1} 1 1\n")
            splits[split].append((f"oxford-iiit-pet/images/{image}.jpg", number % 3))
        put(base / "oxford-iiit-pet/annotations" / file, "".join(lines))
    return Expected(["Abyssinian", "American Bulldog", "Yorkshire Terrier"], splits["train"], splits["test"])


def flowers(base: Path) -> Expected:
    labels = np.array([[1, 102, 60, 1, 78, 5]])
    setid = {"trnid": [[3, 1]], "valid": [[2]], "tstid": [[6, 4, 5]]}
    folder = base / "flowers-102"
    for number in range(1, 7):
        put(folder / f"jpg/image_{number:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": labels})
    savemat(folder / "setid.mat", {key: np.array(value) for key, value in setid.items()})
    items = {
        key: [(f"flowers-102/jpg/image_{i:05d}.jpg", int(labels[0, i - 1]) - 1) for i in v[0]]
        for key, v in setid.items()
    }
    names = [None] * 102
    for place, name in (
        (0, "pink primrose"),
        (101, "blackberry lily"),
        (59, "pink-yellow dahlia"),
        (77, "lotus lotus"),
    ):
        names[place] = name
    return Expected(names, items["tstid"], items["trnid"])


def cars(base: Path) -> Expected:
    folder, names, splits = base / "stanford_cars", ["AM General Hummer SUV 2000", "Acura RL Sedan 2012"], {}
    (folder / "devkit").mkdir(parents=True)
    savemat(folder / "devkit/cars_meta.mat", {"class_names": np.array([names], dtype=object)})
    for split, file in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        kind = np.dtype([("class", "O"), ("fname", "O")])
        annotations = np.array([(i % 2 + 1, f"{i:05d}.jpg") for i in range(1, 5)], kind)
        savemat(folder / file, {"annotations": annotations.reshape(1, -1)})
        splits[split] = [(f"stanford_cars/cars_{split}/{i:05d}.jpg", i % 2) for i in range(1, 5)]
        for key, _ in splits[split]:
            put(base / key)
    return Expected(names, splits["train"], splits["test"])


def cub(base: Path) -> Expected:
    rng, splits = np.random.default_rng(4), {}
    classes = np.array([[1, "Black_footed_Albatross"], [2, "Groove-billed_Ani"]], dtype=object)
    base.mkdir(exist_ok=True)
    for split in ("train", "test"):
        targets, data = np.array([1, 0, 1]), rng.integers(0, 256, (3, 9, 8, 3), dtype=np.uint8)
        np.savez(base / f"{split}_data.npz", data=data, targets=targets, classes=classes)
        splits[split] = [(f"cub-200-images-{split}/{i}.png", int(t)) for i, t in enumerate(targets)]
    return Expected(["Black footed Albatross", "Groove billed Ani"], splits["train"], splits["test"])


def dsprites(base: Path) -> Expected:
    positions = np.arange(32) / 31
    latents = np.array([(1, s, x, y) for s, x, y in product((1, 2, 3), positions, positions)])
    base.mkdir(exist_ok=True)
    np.savez(base / "dsprites.npz", imgs=np.ones((len(latents), 4, 4), np.uint8), latents_values=latents)
    left = [i for i in range(32) if i not in (9, 10, 11, 21, 22)]  # nine of each third
    assert len(left) == 27
    kept = [
        (s * 9 + left.index(x) // 9 * 3 + left.index(y) // 9)
        for s, x, y in product(range(3), range(32), range(32))
        if x in left and y in left
    ]
    draw = np.random.RandomState(0)
    train = draw.choice(len(kept), 30, replace=False)
    rest = np.setdiff1d(np.arange(len(kept)), train)
    test = draw.choice(rest, 10, replace=False)
    items = [
        [(f"dsprites-images-{s}/{i}.png", kept[i]) for i in sorted(part)]
        for s, part in (("train", train), ("test", test))
    ]
    names = [None] * 27
    names[0], names[22] = "square located in the top left", "heart located in the center area"
    return Expected(names, *items)


def shapes3d(base: Path) -> Expected:
    import h5py

    hues = {0: 0, 1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 4, 7: 4, 8: 5, 9: 5}
    rng = np.random.default_rng(5)
    latents = np.stack([rng.integers(0, n, 60) for n in (10, 10, 10, 8, 4, 15)], axis=1)
    values = latents * np.array([0.1, 0.1, 0.1, 0.0714, 1, 4.2857])
    base.mkdir(exist_ok=True)
    with h5py.File(base / "shapes3d.h5", "w") as content:
        content["images"] = rng.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
        content["labels"] = values
    items = [
        (str(i), hues[f] + 6 * hues[w] + 36 * hues[o] + 216 * s)
        for i, (f, w, o, _, s, _) in enumerate(latents.tolist())
    ]
    names = [None] * 864
    names[1], names[863] = "red cube on a orange floor with a red wall", "pink pill on a pink floor with a pink wall"
    return Expected(names, items[:30], items[30:40], any_membership=True)


def sketches(base: Path) -> Expected:
    texts = ["A giraffe eats.", "Two zebras run <i>fast</i>", "Nothing known here", "An aeroplane", "A giraffe again"]
    names = {"giraffe": 51, "zebra": 113, "airplane": 1}
    classes = [names["giraffe"], names["zebra"], None, names["airplane"], names["giraffe"]]
    items, captions = [], {}
    for number, (text, target) in enumerate(zip(texts, classes)):
        group = 1 + number // 3
        put(base / f"fscoco/raster_sketches/{group}/{number:012d}.jpg")
        put(base / f"fscoco/text/{group}/{number:012d}.txt", text + "\n")
        if target is not None:
            items.append((f"fscoco/raster_sketches/{group}/{number:012d}.jpg", target))
            captions[items[-1][0]] = (f"A sketch of {text}",)
    classes = [None] * 115
    for name, place in names.items():
        classes[place] = name
    return Expected(classes, *fifth(items), captions)


def retrieval(folder: str):
    def make(base: Path) -> Expected:
        lines, items, captions = ["raw,filename,split"], [], {}
        for number in range(6):
            said = [f"caption {number}, with a comma", 'it\'s "quoted" <script>x</script>']
            split = "test" if number % 2 == 0 else "train"
            cell = str(said).replace('"', '""')
            lines.append(f'"{cell}",{number}.jpg,{split}')
            put(base / folder / f"{number}.jpg")
            if split == "test":
                items.append((f"{folder}/{number}.jpg", len(items)))
                captions[items[-1][0]] = tuple(said)
        put(base / "annotations.csv", "\n".join(lines) + "\n")
        return Expected([], [], items, captions)

    return make


def manifest_entry(name: str | None, target: int, **captions) -> dict:
    empty = dict.fromkeys(("default_caption", "primer_caption", "synthetic_caption", "synthetic_merged_caption"))
    return {"classname": name, **empty, **captions, "target": target}


def openimages(base: Path) -> Expected:
    splits = {}
    for split, count in (("train", 4), ("test", 2)):
        entries = {}
        for number in range(count):
            key, target = f"images/{split}{number}.jpg", number % 2
            put(base / key)
            name = ["Accordion", "Zebra"][target]
            entries[key] = manifest_entry(name, target, default_caption=f"own {number}")
        put(base.parent / f"OPENIMAGES_{split}.json", json.dumps(entries))
        splits[split] = [(key, entry["target"]) for key, entry in entries.items()]
    captions = {key: (f"own {key[-5]}",) for part in splits.values() for key, _ in part}
    return Expected(["Accordion", "Zebra"], splits["train"], splits["test"], captions)


def named(count: int, **known: str) -> list[str | None]:
    return [known.get(f"n{i}") for i in range(count)]


def numbered(folders: list[str], known: dict[int, str]) -> dict[str, str | None]:
    return {folder: known.get(i) for i, folder in enumerate(folders)}


WORDNET = {"n01440764": "tench", "n01443537": "goldfish", "n15075141": "toilet paper"}
MONKEYS = (
    "Label, Latin Name, Common Name\nn0  , alouatta, mantled_howler   , 131\nn1, erythrocebus, patas_monkey, 139\n"
)
MAKERS: dict[str, Callable[[Path], Expected]] = {
    "ai2diagrams": ai2,
    "artbench10": artbench,
    "clevr": clevr,
    "cub200": cub,
    "df20mini": fungi,
    "dollarstreet": dollar,
    "birdsnap": plain(
        "birdsnap/download/images",
        {"Acadian_Flycatcher": "Acadian Flycatcher", "Zone_tailed_Hawk": "Zone tailed Hawk"},
        fifth,
    ),
    "cifar100": cifar(100),
    "cifar10": cifar(10),
    "clrs": unknown_draw("CLRS/CLRS", ["bare-land", "storage-tank"], 59, 64),
    "country211": two_folders(
        "country211/train",
        "country211/test",
        {"AD": "Andorra", "CD": "DR Congo", "ZW": "Zimbabwe"},
        lambda b: put(b / "country211/valid/AD/x.jpg"),
    ),
    "domainnet_clipart": domainnet("clipart"),
    "domainnet_infograph": domainnet("infograph"),
    "domainnet_sketch": domainnet("sketch"),
    "domainnet_painting": domainnet("painting", gap=True),
    "domainnet_quickdraw": domainnet("quickdraw", ".png", half=True),
    "dsprites": dsprites,
    "dtd": dtd,
    "fgvcaircraft": aircraft,
    "flowers102": flowers,
    "fru92": vegfru("fru92_images", 200),
    "veg200": vegfru("veg200_images", 0),
    "inaturalist2021": inaturalist,
    "isicmelanoma": isic,
    "mitstates": plain(
        "data/images",
        {"ancient castle": "ancient castle", "young tiger": "young tiger"},
        fifth,
        lambda b: put(b / "data/images/adj old/x.jpg"),
    ),
    "mtsd": mtsd,
    "mvtecad_adapt": mvtec(False),
    "mvtecad_eval": mvtec(True),
    "objectnet": plain(
        "datasets/objectnet-1.0-beta",
        {"air_freshener": "air freshener", "t-shirt": "t-shirt"},
        fifth,
        file="{:02d}.png",
    ),
    "obsc_animals": obscure,
    "obsc_things": obscure,
    "openimages": openimages,
    "patternnet": plain(
        "PatternNet/images",
        {"baseball_field": "baseball_field", "beach": "beach"},
        lambda i: by_class(i, lambda n: n - 100),
        per_class=102,
        file="x{:03d}.jpg",
    ),
    "places365": places,
    "plantvillage": plain(
        "",
        numbered(
            [f"Plant{i:02d}___x" for i in range(38)],
            {0: "apple leaf with apple scab", 18: "bell pepper leaf with bacterial spot", 37: "healthy tomato leaf"},
        ),
        fifth,
        per_class=2,
    ),
    "quilt": quilt,
    "resisc45": resisc,
    "shapes3d": shapes3d,
    "snake_clef": snakes,
    "sun397": sun,
    "synthclip106": unknown_draw("images", ["crag", "rowboat"], 131, 133),
    "zappos50k": zappos,
    "fscoco": sketches,
    "caltech101": plain(
        "caltech101/101_ObjectCategories",
        {"Faces": "Faces", "Faces_easy": "Faces easy", "yin_yang": "yin yang"},
        seventy,
        lambda b: put(b / "caltech101/101_ObjectCategories/BACKGROUND_Google/image_0001.jpg"),
        file="image_{:04d}.jpg",
    ),
    "caltech256": plain(
        "caltech256/256_ObjectCategories",
        {"001.ak47": "ak47", "224.touring-bike": "touring bike", "251.airplanes-101": "airplanes"},
        seventy,
        lambda b: put(b / "caltech256/256_ObjectCategories/001.ak47/notes.txt", "x"),
    ),
    "cars196": cars,
    "eurosat": plain(
        "eurosat/2750",
        numbered(
            [
                "AnnualCrop",
                "Forest",
                "HerbaceousVegetation",
                "Highway",
                "Industrial",
                "Pasture",
                "PermanentCrop",
                "Residential",
                "River",
                "SeaLake",
            ],
            {0: "annual crop land", 9: "lake or sea"},
        ),
        seventy,
        per_class=4,
    ),
    "fashionmnist": idx(
        "FashionMNIST",
        ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
    ),
    "food101": food,
    "gtsrb": plain(
        "GTSRB/Training",
        numbered([f"{i:05d}" for i in range(43)], {0: "red and white circle 20 kph speed limit", 14: "stop"}),
        seventy,
        lambda b: put(b / "GTSRB/Training/00000/GT-00000.csv", "x"),
        per_class=3,
        file="{:05d}.ppm",
    ),
    "imagenet": plain("val", WORDNET, only_test),
    "imagenet_s": plain("sketch", WORDNET, only_test),
    "imagenet_a": plain(
        "imagenet-a",
        {"n01498041": "stingray", "n01631663": "newt"},
        only_test,
        lambda b: put(b / "imagenet-a/README.txt", "x"),
    ),
    "imagenet_r": plain("imagenet-r", {"n01443537": "goldfish", "n02114367": "timber wolf"}, only_test),
    "imagenet_d": plain(
        "ImageNet-D/merged", {"alarm_clock": "alarm_clock", "wok": "wok"}, only_test, file="{:02d}.png"
    ),
    "imagenet_v2": plain(
        "test",
        {
            "abacus": "abacus",
            "African bush elephant": "African bush elephant",
            "baluster - handrail": "baluster / handrail",
        },
        only_test,
    ),
    "mnist": idx("MNIST", [str(i) for i in range(10)]),
    "monkeys10": two_folders(
        "monkeys10/training/training",
        "monkeys10/validation/validation",
        {"n0": "mantled howler", "n1": "patas monkey"},
        lambda b: put(b / "monkeys10/monkey_labels.txt", MONKEYS),
    ),
    "oxford_pets": pets,
    "stl10": stl,
    "svhn": svhn,
    "mscoco": retrieval("images_mscoco_2014_5k_test"),
    "flickr30k": retrieval("flickr30k-images"),
    "imagenet_1k": two_folders("train", "val", WORDNET),
    "imagenet_21k": plain("", {"n00004475": "organism", "n01440764": "tench", "own": "own"}, only_train),
    "caltech256_transfer": plain(
        "caltech256/256_ObjectCategories", {"001.ak47": "ak47", "002.american-flag": "american flag"}, stratified_sixth
    ),
    "stanford_cars_transfer": cars,
}


def make(name: str, root: Path) -> Expected:
    base = root / dataset(name).folder
    base.mkdir(parents=True)
    return MAKERS[name](base)
