"""Every set of the catalogue is read from a small tree in its own layout, as published."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from real_trees import DRAWS, MAKERS, WORDNET, in_folders, make, put

from flopwise.data.catalogue import catalogue, dataset
from flopwise.data.formats import READERS
from flopwise.data.manifests import open_listing
from flopwise.data.readers import sets


@pytest.fixture(autouse=True)
def small_draws(monkeypatch):
    """The sizes of random draws are options of a set; small trees need small ones."""
    for name, changed in DRAWS.items():
        monkeypatch.setitem(sets.OPTIONS, name, sets.OPTIONS[name] | changed)


def items(listing, split):
    return [(sample.key, sample.target) for sample in listing.splits[split]]


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


FOLDERS = [name for name in MAKERS if "folders" in sets.OPTIONS.get(name, {}) and "lists" not in sets.OPTIONS[name]]


@pytest.mark.parametrize("name", FOLDERS)
def test_every_file_of_a_class_folder_is_listed_or_counted(tmp_path, name):
    make(name, tmp_path)
    base, options = tmp_path / dataset(name).folder, sets.OPTIONS[name]
    for folder in options["folders"].values():
        put(base / folder / "readme.txt", "x")
    listing = open_listing(name, tmp_path)
    files = [path for folder in options["folders"].values() for path in (base / folder).rglob("*") if path.is_file()]
    there = [path for path in files if not any(part.startswith(".") for part in path.relative_to(base).parts)]
    assert len(there) == sum(map(len, listing.splits.values())) + listing.skips.total()
    assert listing.problems == ()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ai2diagrams", {"image of a category that is no class": 2}),
        ("artbench10", {"image of an artist with fewer than 5 works": 4}),
        ("df20mini", {"line without a species": 2}),
        ("fscoco", {"sketch whose caption names no class": 1}),
        ("mtsd", {
            "panorama": 1, "sign of no class (other-sign)": 1, "image of a class that is not part of the set": 1,
        }),
        ("snake_clef", {"listed image that is not there": 1, "image of a class that is not part of the set": 1}),
    ],
)  # fmt: skip
def test_what_the_rule_of_a_set_drops_is_counted(tmp_path, name, counts):
    make(name, tmp_path)
    assert open_listing(name, tmp_path).skips.counts == counts


def test_a_sketch_without_a_text_and_a_text_without_a_sketch_are_problems(tmp_path):
    make("fscoco", tmp_path)
    put(tmp_path / "FSCOCO/fscoco/text/1/alone.txt", "a cat")
    put(tmp_path / "FSCOCO/fscoco/raster_sketches/1/bare.jpg")
    assert [(problem.path, problem.what) for problem in open_listing("fscoco", tmp_path).problems] == [
        ("fscoco/raster_sketches/1/bare.jpg", "sketch without a text beside it"),
        ("fscoco/text/1/alone.txt", "text without a sketch beside it"),
    ]


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
