"""What torchvision and `datasets` make of the same small trees: files, targets, pixels."""

from pathlib import Path

import numpy as np
import pytest
from real_trees import in_folders, make, put

from flopwise.data.catalogue import dataset
from flopwise.data.manifests import open_listing
from flopwise.data.readers.glue import TASKS, read_parquet

# torchvision's checksums of the official files cannot hold for small ones

IMAGES = {  # name -> (torchvision class, arguments by split, attribute with the samples)
    "fgvcaircraft": ("FGVCAircraft", {"train": {"split": "train"}, "test": {"split": "test"}}),
    "flowers102": ("Flowers102", {"train": {"split": "test"}, "test": {"split": "train"}}),
    "food101": ("Food101", {"train": {"split": "train"}, "test": {"split": "test"}}),
    "oxford_pets": ("OxfordIIITPet", {"train": {"split": "trainval"}, "test": {"split": "test"}}),
    "cars196": ("StanfordCars", {"train": {"split": "train"}, "test": {"split": "test"}}),
    "dtd": ("DTD", {"train": {"split": "train"}, "test": {"split": "test"}}),
    "country211": ("Country211", {"train": {"split": "train"}, "test": {"split": "test"}}),
    "eurosat": ("EuroSAT", {"union": {}}),
    "sun397": ("SUN397", {"union": {}}),
    "gtsrb": ("GTSRB", {"union": {"split": "train"}}),
}
ARRAYS = {
    "cifar10": ("CIFAR10", {"train": {"train": True}, "test": {"train": False}}),
    "cifar100": ("CIFAR100", {"train": {"train": True}, "test": {"train": False}}),
    "mnist": ("MNIST", {"train": {"train": True}, "test": {"train": False}}),
    "fashionmnist": ("FashionMNIST", {"train": {"train": True}, "test": {"train": False}}),
    "stl10": ("STL10", {"train": {"split": "train"}, "test": {"split": "test"}}),
    "svhn": ("SVHN", {"train": {"split": "train"}, "test": {"split": "test"}}),
}


@pytest.fixture
def torchvision(monkeypatch):
    from flopwise.models.compat import prepare_torchvision

    prepare_torchvision()
    import torchvision.datasets as datasets

    for module in (datasets.cifar, datasets.flowers102, datasets.places365, datasets.stl10, datasets.svhn):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: True)
    return datasets


def items(listing, split):
    return [(sample.key, sample.target) for sample in listing.splits[split]]


def files(listing, split):
    return [(sample.source.path, sample.target) for sample in listing.splits[split]]


def theirs(data, base):
    """(path below `base`, target) of torchvision's samples."""
    if hasattr(data, "samples") or hasattr(data, "_samples"):
        pairs = getattr(data, "samples", None) or data._samples
    else:
        pairs = zip(getattr(data, "_image_files", None) or data._images, data._labels)
    return [(str(path).removeprefix(f"{base}/"), int(target)) for path, target in pairs]


@pytest.mark.parametrize("name", IMAGES)
def test_torchvision_lists_the_same_files(tmp_path, torchvision, name):
    make(name, tmp_path)
    listing, root = open_listing(name, tmp_path), tmp_path / dataset(name).folder
    if name == "gtsrb":  # torchvision wants one more folder
        (tmp_path / "gtsrb").symlink_to(root)
        root, base = tmp_path, tmp_path / "gtsrb"
    else:
        base = root
    if name == "sun397":
        put(root / "SUN397/ClassName.txt", "/a/abbey\n/a/apse/indoor\n/a/apse_old\n")
        for path in root.rglob("sun_val*"):
            path.unlink()
    kind, arguments = IMAGES[name]
    for split, options in arguments.items():
        data = getattr(torchvision, kind)(str(root), download=False, **options)
        if split == "union":
            assert sorted(files(listing, "train") + files(listing, "test")) == sorted(theirs(data, base))
        else:
            assert files(listing, split) == theirs(data, base)
        np.testing.assert_array_equal(
            np.asarray(data[0][0]), np.asarray(listing.image(listing.splits["test" if split == "test" else "train"][0]))
        )


@pytest.mark.parametrize("name", ARRAYS)
def test_torchvision_reads_the_same_arrays(tmp_path, torchvision, name):
    make(name, tmp_path)
    listing = open_listing(name, tmp_path)
    kind, arguments = ARRAYS[name]
    for split, options in arguments.items():
        data = getattr(torchvision, kind)(str(tmp_path / dataset(name).folder), download=False, **options)
        assert len(data) == len(listing.splits[split])
        for sample, (image, target) in zip(listing.splits[split], data):
            assert sample.target == target
            np.testing.assert_array_equal(np.asarray(listing.image(sample)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("name", "kind"), [("caltech101", "Caltech101"), ("caltech256", "Caltech256")])
def test_torchvision_numbers_the_same_caltech_images(tmp_path, torchvision, name, kind):
    base = tmp_path / dataset(name).folder / name
    if name == "caltech101":
        put(base / "101_ObjectCategories/BACKGROUND_Google/image_0001.jpg")
        for number, klass in enumerate(("Faces", "yin_yang")):
            for place in range(1, 8 + number):
                put(base / f"101_ObjectCategories/{klass}/image_{place:04d}.jpg")
    else:
        for number, klass in enumerate(("001.ak47", "002.american-flag"), 1):
            for place in range(1, 8 + number):
                put(base / f"256_ObjectCategories/{klass}/{number:03d}_{place:04d}.jpg")
    data = getattr(torchvision, kind)(str(base.parent), download=False)
    listing = open_listing(name, tmp_path)
    for target in (0, 1):
        count = data.y.count(target)
        mine = [sum(t == target for _, t in items(listing, split)) for split in ("train", "test")]
        assert mine == [count * 7 // 10, count - count * 7 // 10]
        ours = [key for split in ("train", "test") for key, t in items(listing, split) if t == target]
        assert [int(key[-8:-4]) for key in ours] == [i for i, t in zip(data.index, data.y) if t == target]


CLASS_FOLDERS = {  # set -> folder, or folders by split, whose folders are the classes
    "birdsnap": "birdsnap/download/images",
    "clrs": "CLRS/CLRS",
    "imagenet": "val",
    "imagenet_1k": {"train": "train", "test": "val"},
    "imagenet_21k": "",
    "imagenet_a": "imagenet-a",
    "imagenet_d": "ImageNet-D/merged",
    "imagenet_r": "imagenet-r",
    "imagenet_s": "sketch",
    "monkeys10": {"train": "monkeys10/training/training", "test": "monkeys10/validation/validation"},
    "objectnet": "datasets/objectnet-1.0-beta",
    "patternnet": "PatternNet/images",
    "plantvillage": "",
    "synthclip106": "images",
}


@pytest.mark.parametrize("name", CLASS_FOLDERS)
def test_torchvision_walks_class_folders_in_the_same_order(tmp_path, torchvision, name):
    make(name, tmp_path)
    base, folders = tmp_path / dataset(name).folder, CLASS_FOLDERS[name]
    listing = open_listing(name, tmp_path)
    for split, folder in folders.items() if isinstance(folders, dict) else [("union", folders)]:
        data = torchvision.ImageFolder(str(base / folder))
        wanted = [(str(Path(path).relative_to(base)), target) for path, target in data.samples]
        mine = items(listing, "train") + items(listing, "test") if split == "union" else items(listing, split)
        assert sorted(mine) == sorted(wanted)
        if name == "objectnet":
            assert items(listing, "test") == wanted[::5]


def test_torchvision_lists_the_same_places(tmp_path, torchvision):
    make("places365", tmp_path)
    base = tmp_path / "PLACES365"
    put(base / "categories_places365.txt", "/a/airfield 0\n/a/apartment_building/outdoor 1\n")
    listing = open_listing("places365", tmp_path)
    for split, kind, chosen in (("train", "train-standard", slice(1, None, 15)), ("test", "val", slice(1, None))):
        data = torchvision.Places365(str(base), split=kind)  # the official code of the study skips the first line
        wanted = [(Path(path).name, target) for path, target in data.imgs][chosen]
        assert [(key.split("/")[-1], target) for key, target in items(listing, split)] == wanted


def test_torchvision_lists_the_same_species(tmp_path, torchvision):
    names = [f"{i:05d}_Animalia_Chordata_Aves_Order_Family_Genus_species{i}" for i in range(9)]
    base = tmp_path / "iNATURALIST2021"
    for folder, version, count in (("train_mini", "2021_train_mini", 3), ("val", "2021_valid", 2)):
        in_folders(base, folder, names, count)
        (tmp_path / version).symlink_to(base / folder)
    listing = open_listing("inaturalist2021", tmp_path)
    for split, version in (("train", "2021_train_mini"), ("test", "2021_valid")):
        data = torchvision.INaturalist(str(tmp_path), version=version)
        every_fourth = [(f"{data.all_categories[c]}/{file}", c // 4) for c, file in data.index if c % 4 == 0]
        assert [(key.split("/", 1)[1], target) for key, target in items(listing, split)] == sorted(every_fourth)
    assert listing.class_names[1] == "Animalia Chordata Aves Order Family Genus species4"


def test_torchvision_counts_as_many_solids(tmp_path, torchvision):
    make("clevr", tmp_path)
    (tmp_path / "clevr").symlink_to(tmp_path / "CLEVR")
    data = torchvision.CLEVRClassification(str(tmp_path), split="train")
    counts = {path.name: label for path, label in zip(data._image_files, data._labels)}
    listing = open_listing("clevr", tmp_path)
    words = {"one": 1, "two": 2, "three": 3}
    for key, target in items(listing, "train") + items(listing, "test"):
        said = sum(words[part.split()[0]] for part in listing.class_names[target].split(", "))
        assert counts.pop(key.split("/")[-1]) == said
    assert list(counts.values()) == [8]  # eight cubes are a class too rare


def test_datasets_reads_the_same_class_folders(tmp_path):
    datasets = pytest.importorskip("datasets")
    make("birdsnap", tmp_path)
    folder = tmp_path / "BIRDSNAP/birdsnap/download/images"
    data = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"), split="train")
    assert data.features["label"].names == [path.name for path in sorted(folder.iterdir())]
    paths = data.cast_column("image", datasets.Image(decode=False))
    wanted = [(str(Path(row["image"]["path"]).relative_to(tmp_path / "BIRDSNAP")), row["label"]) for row in paths]
    listing = open_listing("birdsnap", tmp_path)
    assert sorted(items(listing, "train") + items(listing, "test")) == sorted(wanted)


@pytest.mark.parametrize("task", TASKS)
def test_datasets_reads_the_same_glue_tables(tmp_path, task):
    datasets = pytest.importorskip("datasets")
    spec, count = TASKS[task], 5
    labels = [n % len(spec.names) for n in range(count)] if spec.names else [0.0, 1.25, 5.0, 2.5, 3.8]
    texts = {column: [f'{column} {n} "quoted"\tand é' for n in range(count)] for column in spec.columns}
    kind = datasets.ClassLabel(names=list(spec.names)) if spec.names else datasets.Value("float32")
    features = datasets.Features({**{column: datasets.Value("string") for column in texts}, "label": kind})
    path = str(tmp_path / "train-00000-of-00001.parquet")
    datasets.Dataset.from_dict({**texts, "label": labels}, features=features).to_parquet(path)
    data = datasets.load_dataset("parquet", data_files=path, cache_dir=str(tmp_path / "cache"), split="train")
    found = read_parquet([path], task, "train")
    assert found.texts == list(zip(*(data[column] for column in spec.columns)))
    if spec.names:
        mine = [spec.names[label] for label in found.labels]
        assert mine == [data.features["label"].int2str(label) for label in data["label"]]
    else:
        np.testing.assert_array_equal(found.labels, np.asarray(data["label"], np.float32))
