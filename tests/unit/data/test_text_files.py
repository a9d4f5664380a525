"""Every text file of every layout: with a byte order mark it is read alike, in another encoding it is named; names match
in whatever form of Unicode disk, archive and lists write them."""

import io
import json
import tarfile
import unicodedata

import numpy as np
import pytest
from real_trees import DRAWS, MAKERS, make, picture, put

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.root import ROOT
from flopwise.data import real
from flopwise.data.catalogue import catalogue, dataset
from flopwise.data.manifests import open_listing
from flopwise.data.prepare import prepare
from flopwise.data.readers import sets
from flopwise.data.store import open_set
from flopwise.data.verify import verify, verify_text

TEXTS = (".csv", ".json", ".txt")
READERS = (  # those that read text
    "filelist_txt", "torchvision_filelist", "csv_table", "json_map", "json_split", "scene_json", "bbox_crop_json",
    "image_text_pairs", "retrieval_csv",
)  # fmt: skip
WITH_TEXT = [name for name in MAKERS if dataset(name).reader in READERS or name in ("dtd", "monkeys10", "stl10")]


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@pytest.fixture(autouse=True)
def small_draws(monkeypatch):
    for name, changed in DRAWS.items():
        monkeypatch.setitem(sets.OPTIONS, name, sets.OPTIONS[name] | changed)


@pytest.mark.parametrize("name", WITH_TEXT)
def test_text_of_a_layout(tmp_path, name):
    make(name, tmp_path)
    before, named = open_listing(name, tmp_path), 0
    for path in sorted(p for p in (tmp_path / dataset(name).folder).rglob("*") if p.suffix in TEXTS):
        content = path.read_bytes()
        path.write_bytes(b"\xef\xbb\xbf" + content)
        assert open_listing(name, tmp_path).splits == before.splits
        path.write_bytes(content.decode().encode("utf-16"))
        try:
            assert open_listing(name, tmp_path).splits == before.splits  # a file that is not read
        except RunFailure as error:
            named += 1
            assert f"{path} is not UTF-8 (byte 0xff in line 1; it looks like UTF-16)" in str(error)
            assert str(path) in verify_text(verify(name, tmp_path))
            with pytest.raises(RunFailure, match="is not UTF-8"):
                prepare(name, tmp_path)
        path.write_bytes(content)
    assert named


@pytest.mark.parametrize("form", [str, nfd])
@pytest.mark.parametrize("other", [str, nfd])
def test_an_annotation_table_names_files_in_either_form(tmp_path, form, other):
    base, lines = tmp_path / "ARTBENCH10", ["name,artist,label,split"]
    for number in range(6):
        lines.append(f"toilé_{number}.jpg,andré-d'ørsay,fauvisme,train")
        put(base / form(f"artbench-10-imagefolder-split/train/fauvisme/toilé_{number}.jpg"))
    put(base / "metadata.csv", other("\n".join(lines)))
    found = open_listing("artbench10", tmp_path)
    assert found.class_names == ("andré d'ørsay",)
    assert all(sample.source.path in found.tree for part in found.splits.values() for sample in part)
    assert found.image(found.splits["test"][0]).mode == "RGB"
    assert "missing file" not in verify("artbench10", tmp_path)["problems"]
    real.build_real("artbench10", tmp_path, tmp_path / "out", allow_subset=True)
    stored = open_set(tmp_path / "out", root=tmp_path)
    assert stored.test.images.image(0).size == (12, 9)
    assert prepare("artbench10", tmp_path)["counts"] == {"train": 4, "test": 2}
    assert open_listing("artbench10", tmp_path).prepared


@pytest.mark.parametrize("archived", [False, True])
def test_class_folders_that_differ_in_form_alone_are_one_class(tmp_path, archived):
    base = "datasets/objectnet-1.0-beta"
    files = [
        f"{base}/{form('crème brûlée')}/{start}{i}.png" for start, form in (("a", str), ("b", nfd)) for i in range(4)
    ]
    files += [f"{base}/{form('crème brûlée')}/both.png" for form in (str, nfd)]
    if archived:
        with tarfile.open(tmp_path / "OBJECTNET.tar", "w") as archive:
            for name in files:
                member = tarfile.TarInfo(f"OBJECTNET/{name}")
                member.size = len(picture(".png"))
                archive.addfile(member, io.BytesIO(picture(".png")))
    for name in [] if archived else files:
        put(tmp_path / "OBJECTNET" / name)
    found = open_listing("objectnet", tmp_path)
    samples = found.splits["train"] + found.splits["test"]
    assert found.class_names == ("crème brûlée",)
    assert len({sample.key for sample in samples}) == 10, "two files of one name in two forms are two files"
    for sample in samples:
        assert found.image(sample).mode == "RGB"
    images = real.image_files(found.tree, samples)
    assert all(np.asarray(images.image(index)).shape == (9, 12, 3) for index in range(10))


def test_order_and_split_do_not_depend_on_the_form_of_the_disk(tmp_path):
    keys = {}
    for form in (str, nfd):
        for name in ("zebra", "éclair", "apple"):
            for number in range(5):
                put(tmp_path / form.__name__ / "OBJECTNET" / form(f"datasets/objectnet-1.0-beta/{name}/{number}.png"))
        found = open_listing("objectnet", tmp_path / form.__name__)
        keys[form] = found.class_names, [sample.key for split in ("train", "test") for sample in found.splits[split]]
    assert keys[str] == keys[nfd]


@pytest.mark.parametrize("form", [str, nfd])
def test_manifests_and_class_lists_name_in_either_form(tmp_path, form):
    for number in range(4):
        put(tmp_path / "OBJECTNET" / nfd(f"é{number}.png"))
    for split, numbers in (("train", (0, 1)), ("test", (2, 3))):
        entries = {
            form(f"é{n}.png"): {"target": n % 2, "classname": (str, nfd)[n // 2](f"né {n % 2}")} for n in numbers
        }
        put(tmp_path / f"OBJECTNET_{split}.json", "\ufeff" + json.dumps(entries, ensure_ascii=form is str))
    found = open_listing("objectnet", tmp_path)
    assert found.class_names == ("né 0", "né 1")
    assert not [problem for problem in found.problems if "differ" in problem.what]
    assert [found.image(sample).size for sample in found.splits["test"]] == [(12, 9)] * 2
    put(tmp_path / "OBJECTNET_classnames.json", json.dumps([nfd("ü"), "b"]))
    assert open_listing("objectnet", tmp_path).class_names == ("ü", "b")


@pytest.mark.parametrize("file", ["OBJECTNET_train.json", "OBJECTNET_classnames.json"])
def test_manifests_and_class_lists_in_another_encoding_are_named(tmp_path, file):
    put(tmp_path / "OBJECTNET/a.png")
    for split in ("train", "test"):
        put(tmp_path / f"OBJECTNET_{split}.json", json.dumps({"a.png": {"target": 0, "classname": "á"}}))
    put(tmp_path / file, '{"a.png": "Zürich"}'.encode("latin-1"))
    with pytest.raises(RunFailure, match=rf"{file} is not UTF-8 \(byte 0xfc in line 1"):
        open_listing("objectnet", tmp_path)
    assert "is not UTF-8" in verify_text(verify("objectnet", tmp_path))


def test_half_a_character_in_a_manifest_is_left_out(tmp_path):
    put(tmp_path / "OBJECTNET/a.png")
    entries = {
        name: {"target": 0, "classname": of} for name, of in (("a.png", "a"), ("\ud83d.png", "a"), ("b.png", "\udc00"))
    }
    for split in ("train", "test"):
        put(tmp_path / f"OBJECTNET_{split}.json", json.dumps(entries))
    found = open_listing("objectnet", tmp_path)
    assert [sample.key for sample in found.splits["train"]] == ["a.png"]
    assert [p.what for p in found.problems].count("left out: half a character, which no file can hold") == 4
    verify_text(verify("objectnet", tmp_path)).encode()


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_catalogue_saved_by_a_spreadsheet(tmp_path, encoding):
    content = (ROOT / "config/datasets.csv").read_text(encoding="utf-8")
    copy = tmp_path / "datasets.csv"
    copy.write_text(content, encoding="utf-8-sig")
    assert catalogue(copy).keys() == catalogue().keys()
    other = tmp_path / "saved.csv"
    other.write_bytes(content.replace(",", ",é", 1).encode(encoding, "replace"))
    with pytest.raises(UserError, match=r"saved\.csv is not UTF-8"):
        catalogue(other)
