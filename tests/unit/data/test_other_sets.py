"""The catalogue's rows of the sets that are not FoMo-in-Flux's 63, what a copy holds, and running text."""

import csv
import gzip
import json

import pytest

from flopwise.config import ROOT
from flopwise.core.errors import RunFailure, UserError
from flopwise.data.readers.cub import read_cub
from flopwise.data.readers.glue import TASKS
from flopwise.data.readers.inspect import KINDS
from flopwise.data.readers.skips import Skips
from flopwise.data.readers.text import read_documents

CATALOGUE = ROOT / "config" / "datasets.csv"
FOLDERS = ("class_folders", "torchvision_mat")  # kinds of reader that the sets of the continual study have too


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    with CATALOGUE.open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream, strict=True))
    assert len({row["name"] for row in found}) == len(found)
    return {row["name"]: row for row in found}


def test_rows_say_how_a_set_is_read_or_that_it_cannot_be_had(rows):
    own = {"adaptation", "evaluation"}
    others = [row for row in rows.values() if row["role"] not in own or "continual" not in row["studies"]]
    assert len(others) == len(rows) - 63
    for row in others:
        if row["access"] == "private":
            assert row["reader"] == row["folder"] == row["layout"] == ""
            assert "private" in row["notes"] or "not public" in row["notes"]
        else:
            assert row["reader"] in (*KINDS, *FOLDERS)
            assert row["folder"]
            assert row["layout"]
        assert row["source"]
        assert row["stand_in"]
        assert set(row["studies"].split(";")) <= {"continual", "transfer", "efficiency", "perceiver"}
        for column in ("n_train", "n_test", "n_classes"):
            assert row[column] == "" or int(row[column]) >= 0


def test_the_five_pools_of_the_efficiency_study_and_the_eight_tasks_of_glue_are_there(rows):
    assert {"imagenet_1k", "imagenet_21k", "coco", "jft_300m", "align"} <= rows.keys()
    assert {f"glue_{task}" for task in TASKS} == {name for name in rows if name.startswith("glue_")}
    for private in ("jft_300m", "align"):
        named = rows[private]["notes"].split("Public stand-ins")[1]
        assert any(name in named for name in rows)


def cub(root, images: str) -> None:
    (root / "images.txt").write_text(images)
    (root / "image_class_labels.txt").write_text("1 2\n2 1\n3 2\n")
    (root / "train_test_split.txt").write_text("1 1\n2 0\n3 0\n")
    (root / "classes.txt").write_text("1 001.Albatross\n2 002.Auklet\n")
    for name in ("001.Albatross/a b.jpg", "002.Auklet/b.jpg", "002.Auklet/c.jpg"):
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "images" / name).write_bytes(b"x")


def test_cub_in_its_official_folders(tmp_path):
    cub(tmp_path, "1 002.Auklet/b.jpg\n2 001.Albatross/a b.jpg\n3 002.Auklet/c.jpg\n")
    splits, names = read_cub(tmp_path)
    assert names == ["Albatross", "Auklet"]
    assert [(path.name, target) for path, target in splits["train"]] == [("b.jpg", 1)]
    assert [(path.name, target) for path, target in splits["test"]] == [("a b.jpg", 0), ("c.jpg", 1)]
    for images, kind, reason in (
        ("1 002.Auklet/b.jpg\n", RunFailure, "number other images"),
        ("1 ../b.jpg\n2 x\n3 y\n", RunFailure, "points out of the folder"),
        (
            "1 002.Auklet/z.jpg\n2 001.Albatross/a b.jpg\n3 002.Auklet/c.jpg\n",
            UserError,
            r"1 of 3 images are missing.*z\.jpg",
        ),
        ("1\n", RunFailure, "line 1: expected a number and a value"),
    ):
        cub(tmp_path, images)
        with pytest.raises(kind, match=reason):
            read_cub(tmp_path)


def test_documents_are_read_from_every_form_and_bad_lines_counted(tmp_path):
    datasets = pytest.importorskip("datasets")
    documents = ["One.\nTwo.", 'He said "no" <b>é</b>', "three"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    datasets.Dataset.from_dict({"text": documents}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    for name in ("a.jsonl", "a.parquet", "a.json.gz"):
        skips = Skips()
        assert list(read_documents(tmp_path / name, skips)) == documents
        assert skips.total() == 0
    theirs = datasets.load_dataset(
        "json", data_files=str(tmp_path / "a.json.gz"), cache_dir=str(tmp_path), split="train"
    )
    assert list(theirs["text"]) == documents
    broken = b'{"text": "good"}\n{"text": "cut\n[1]\n{"other": 1}\n\xff\n{"text": " "}\n{"text": 3}\n'
    (tmp_path / "b.jsonl").write_bytes(broken + b"[" * 100_000 + b"\n")
    skips = Skips()
    assert list(read_documents(tmp_path / "b.jsonl", skips)) == ["good"]
    assert skips.counts == {"a line that is no JSON object with 'text' in UTF-8": 5, "an empty document, or none": 2}
    (tmp_path / "c.json.gz").write_bytes((tmp_path / "a.json.gz").read_bytes()[:-12])
    skips = Skips()
    list(read_documents(tmp_path / "c.json.gz", skips))
    assert skips.counts == {"the file is cut or damaged, its end is lost": 1}
    marked = b'\xef\xbb\xbf{"text": "first"}\n{"text": "half \\ud83d"}\n'
    for name, content, found, counted in (
        ("d.jsonl", marked, ["first"], {"a document with half a character, which no file can hold": 1}),
        ("d.txt", "\ufeffwhole".encode(), ["whole"], {}),
        ("e.txt", "wide".encode("utf-16-be"), [], {"a file that is not UTF-8": 1}),
    ):
        (tmp_path / name).write_bytes(content)
        skips = Skips()
        assert (list(read_documents(tmp_path / name, skips)), skips.counts) == (found, counted)
    with pytest.raises(UserError, match=r"is no file of text; allowed are \.json"):
        list(read_documents(tmp_path / "a.csv", Skips()))
