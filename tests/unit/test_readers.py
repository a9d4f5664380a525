"""Every set of the catalogue is read from a small tree in its own layout, and as torchvision reads it."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from real_trees import DRAWS, MAKERS, WORDNET, in_folders, make, put

from flopwise.data.catalogue import catalogue, dataset
from flopwise.data.manifests import open_listing
from flopwise.data.readers import READERS, sets


@pytest.fixture(autouse=True)
def small_draws(monkeypatch):
    """The sizes of random draws are options of a set; small trees need small ones."""
    for name, changed in DRAWS.items():
        monkeypatch.setitem(sets.OPTIONS, name, sets.OPTIONS[name] | changed)


def items(listing, split):
    return [(sample.key, sample.target) for sample in listing.splits[split]]


def files(listing, split):
    return [(sample.source.path, sample.target) for sample in listing.splits[split]]


with (Path(__file__).parent / "fomo_facts.csv").open(encoding="utf-8", newline="") as stream:
    FACTS = {line["name"]: line for line in csv.DictReader(stream)}  # what is published, apart from the catalogue
FACTS |= {  # and of the other studies' sets that the same readers read
    "imagenet_1k": {"template": "This is a photo of {}", "captions": "generated"},
    "imagenet_21k": {"template": "This is a photo of {}", "captions": "generated"},
    "caltech256_transfer": {"template": "A photo of a {}.", "captions": "generated"},
    "stanford_cars_transfer": {"template": "A photo of a {}, a type of car.", "captions": "generated"},
}
WHOLE = (  # small trees with all classes of the set
    "ai2diagrams", "cifar10", "cifar100", "dsprites", "eurosat", "fashionmnist", "flowers102", "fscoco", "gtsrb",
    "mnist", "plantvillage", "shapes3d", "stl10", "svhn",
)  # fmt: skip
CLASS_LISTS = {  # SHA-256 of the official class lists (MIT licence), a name a line, where this package writes the names
    "ai2diagrams": "142917945ca9c83d871cb0729b92abda269222d7b9b8223854c5187376b9d9a6",
    "country211": "027b30d283f3a15306e903a533f20d65bbc6fc977970113980b45f517b0e1b28",
    "dsprites": "bcd4c3234d7db646f8c21e24655fb67d3820787b7fdb91762f8d3062b5881117",
    "eurosat": "ee2e41b9973e7206862cbcded186c61be7b413418248f678e1bf80179da28d9c",
    "fashionmnist": "39a730d3fc82d69808279f2d613827ba0f1ac9e908e1ae8a552cd2ee22e3758f",
    "flowers102": "f7af32ec6960f4b5370bbf94da5bbcde93fad65679cfde634e67466e2242b6c0",
    "fscoco": "5655cf1674e70d6e69e614c75edf5bf58c8273cd45ed8db260e265bf0afc5f15",
    "gtsrb": "953036bc5aedbe6ba1f4f38a3d09da17e8e062ca3e4bfed6a8074e9f03f884c6",
    "imagenet": "3f33991cc57a5c65c4361866171b6fad1a49d93385c7e1948a351d6ed2daaf07",
    "plantvillage": "1578e8a947688c0cbdac10dc6473a237f76a96611d963feb9dc403edcc40e50b",
    "shapes3d": "781f5d9b6704d342cee80bd1af8d9e5d25c75458707760a7d544e2f73f5e6e46",
}


def hash_of(names) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def test_every_row_that_a_general_reader_reads_and_every_reader_is_tried():
    rows = [row for row in catalogue().values() if row.reader in READERS]
    assert {row.name for row in rows} == set(MAKERS) == set(FACTS)
    assert {row.reader for row in rows} == set(READERS)


def test_written_class_names_are_those_of_the_official_lists():
    names = {"country211": sets.NAMES["country211"].values(), "imagenet": sets.imagenet_classes()[1]}
    names |= {"ai2diagrams": sets.NAMES["ai2diagrams"].values()}
    assert {name: hash_of(listed) for name, listed in names.items()} == {name: CLASS_LISTS[name] for name in names}


@pytest.mark.parametrize("name", MAKERS)
def test_a_tree_in_its_own_layout_is_read_as_published(tmp_path, name):
    expected = make(name, tmp_path)
    listing = open_listing(name, tmp_path)
    assert len(listing.class_names) == len(expected.class_names)
    if name in WHOLE:
        assert len(listing.class_names) == int(FACTS[name]["n_classes"])
    if name in WHOLE and name in CLASS_LISTS:
        assert hash_of(listing.class_names) == CLASS_LISTS[name]
    assert (expected.captions is not None) == (FACTS[name]["captions"] == "available")
    for found, written in zip(listing.class_names, expected.class_names):
        assert written is None or found == written
    assert not listing.problems
    for split, wanted in (("train", expected.train), ("test", expected.test)):
        found = items(listing, split)
        if expected.any_membership:
            assert len(found) == len(wanted)
        else:
            assert found == wanted
    everything = items(listing, "train") + items(listing, "test")
    assert len(dict(everything)) == len(everything)
    if expected.any_membership and listing.dataset.reader == "class_folders":
        assert sorted(everything) == sorted(expected.train + expected.test)
    for sample in listing.splits["train"] + listing.splits["test"]:
        if expected.captions is None:
            template = FACTS[name]["template"]
            assert listing.captions(sample) == (template.replace("{}", listing.class_names[sample.target]),)
        else:
            assert listing.captions(sample) == expected.captions[sample.key]
    for split in ("train", "test"):
        for sample in listing.splits[split][-1:]:
            assert listing.image(sample).mode == "RGB"
    again = open_listing(name, tmp_path)
    assert (items(again, "train"), items(again, "test")) == (items(listing, "train"), items(listing, "test"))


def test_shapes_have_the_published_classes(tmp_path):
    make("shapes3d", tmp_path)
    listing = open_listing("shapes3d", tmp_path)
    wanted = {index: target for index, target in _shapes_targets()}
    for split in ("train", "test"):
        for key, target in items(listing, split):
            assert target == wanted[key.split("/")[1].removesuffix(".png")]


def _shapes_targets():
    hues = [0, 1, 2, 3, 3, 4, 4, 4, 5, 5]
    rng = np.random.default_rng(5)
    columns = [rng.integers(0, n, 60) for n in (10, 10, 10, 8, 4, 15)]
    for i, (floor, wall, thing, _, solid, _) in enumerate(zip(*columns)):
        yield str(i), hues[floor] + 6 * hues[wall] + 36 * hues[thing] + 216 * solid


def test_copied_folders_of_the_official_set_up_are_read_too(tmp_path):
    for name, folders in (("mvtecad_eval", ["bottle-good", "carpet-color"]), ("zappos50k", ["Boots_Ankle_ALDO"])):
        wanted = in_folders(tmp_path / dataset(name).folder, "data", folders, 5)
        listing = open_listing(name, tmp_path)
        assert sorted(items(listing, "train") + items(listing, "test")) == sorted(wanted)
    assert open_listing("mvtecad_eval", tmp_path).class_names == ("bottle", "carpet with colored spots")


def test_numbered_folders_of_imagenet_v2_get_the_order_of_their_names(tmp_path):
    in_folders(tmp_path / "IMAGENET_V2", "test", ["0", "1", "398"], 1)  # tench, goldfish, abacus
    listing = open_listing("imagenet_v2", tmp_path)
    assert listing.class_names == ("abacus", "goldfish", "tench")
    assert [key.split("/")[1] for key, _ in items(listing, "test")] == ["398", "1", "0"]
    assert set(WORDNET.values()) <= set(sets.imagenet_classes()[1])


def test_a_crop_is_the_box_of_its_sign(tmp_path):
    make("mtsd", tmp_path)
    listing = open_listing("mtsd", tmp_path)
    assert listing.splits["train"][0].source.box == (1, 2, 8, 7)
    assert listing.image(listing.splits["train"][0]).size == (7, 5)


# What torchvision makes of the same tree. Its checksums of the official files cannot hold for small ones.

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

    for module in (datasets.cifar, datasets.flowers102, datasets.stl10, datasets.svhn):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: True)
    return datasets


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


def test_torchvision_walks_class_folders_in_the_same_order(tmp_path, torchvision):
    make("objectnet", tmp_path)
    base = tmp_path / "OBJECTNET"
    data = torchvision.ImageFolder(str(base / "datasets/objectnet-1.0-beta"))
    listing = open_listing("objectnet", tmp_path)
    wanted = [(path.removeprefix(f"{base}/"), target) for path, target in data.samples]
    assert items(listing, "test") == wanted[::5]
    assert items(listing, "train") == [pair for i, pair in enumerate(wanted) if i % 5]
