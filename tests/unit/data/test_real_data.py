"""A user's copy of a real data set: manifests, archives, prepare, verify, and input that is broken or hostile."""

import dataclasses
import errno
import gzip
import io
import json
import os
import pickle
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_trees import in_folders, make, manifest_entry, picture, put
from typer.testing import CliRunner

from flopwise.core.errors import RunFailure, UserError
from flopwise.data import verify as verify_module
from flopwise.data.arrays import restricted_pickle
from flopwise.data.catalogue import dataset
from flopwise.data.commands import app
from flopwise.data.manifests import open_listing
from flopwise.data.prepare import prepare
from flopwise.data.real import build_real
from flopwise.data.tree import Tree
from flopwise.data.verify import verify, verify_text

NAME, FOLDER = "objectnet", "OBJECTNET"
CLASSES = ["air_freshener", "t-shirt"]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A small ObjectNet, which the catalogue takes for the whole: 14 images, 11 of them training images."""
    in_folders(tmp_path / FOLDER, "datasets/objectnet-1.0-beta", CLASSES, file="{:02d}.png")
    small = dataclasses.replace(dataset(NAME), n_train=11, n_test=3, n_classes=2)
    for module in ("flopwise.data.manifests", "flopwise.data.verify"):
        monkeypatch.setattr(f"{module}.dataset", lambda name: small if name == NAME else dataset(name))
    return tmp_path


def images(root):
    return sorted((root / FOLDER).rglob("*.png"))


def kinds(result):
    return {kind: problem["count"] for kind, problem in result["problems"].items()}


def write_manifests(root, train: dict, test: dict, folder=FOLDER, suffix=""):
    for split, entries in (("train", train), ("test", test)):
        put(root / f"{folder}_{split}{suffix}.json", json.dumps(entries))


def keys_of(root):
    return [str(path.relative_to(root / FOLDER)) for path in images(root)]


# Verify and the command line


def test_a_right_copy_is_right(copy):
    result = verify(NAME, copy)
    assert result["ok"]
    assert result["counts"] == {"train": {"expected": 11, "found": 11}, "test": {"expected": 3, "found": 3}}
    assert result["per_class"]["train"]["counts"] == [5, 6]
    assert verify_text(result).startswith("ObjectNet in")


def test_what_is_wrong_is_named(copy):
    images(copy)[0].write_bytes(b"<html>not found</html>")
    images(copy)[1].write_bytes(picture(".png")[:45])
    images(copy)[13].unlink()
    result = verify(NAME, copy)
    assert kinds(result) == {"wrong number of images": 1, "image that cannot be read": 2}
    assert "train: 10 found, 11 expected" in result["problems"]["wrong number of images"]["examples"]
    assert images(copy)[0].name in " ".join(result["problems"]["image that cannot be read"]["examples"])
    assert "image that cannot be read" not in kinds(verify(NAME, copy, quick=True))


def test_exit_status_is_0_1_or_2(copy):
    def status(*arguments):
        result = CliRunner().invoke(app, ["verify", *arguments])
        return 2 if isinstance(result.exception, UserError) else result.exit_code

    assert status(NAME, "--root", str(copy), "--json") == 0
    assert status("objectnett", "--root", str(copy)) == 2
    assert status(NAME, "--root", str(copy / "nowhere")) == 2
    images(copy)[3].unlink()
    assert status(NAME, "--root", str(copy)) == 1
    assert status("cifar10", "--root", str(copy)) == 1  # not there at all


def test_json_of_verify_names_the_missing_folder(copy):
    result = CliRunner().invoke(app, ["verify", "cifar10", "--root", str(copy), "--json"])
    assert "CIFAR10.tar" in json.loads(result.stdout)["problems"]["cannot be read as a whole"]["examples"][0]


def test_published_file_lists_are_compared_when_manifests_are_read(copy, monkeypatch):
    keys = keys_of(copy)
    entries = {key: manifest_entry(CLASSES[i // 7], i // 7) for i, key in enumerate(keys)}
    test = {key: entries[key] for key in keys[:3]}
    write_manifests(copy, {key: entries[key] for key in keys[3:]}, test)
    right = verify(NAME, copy)["file_lists"]["test"]["sha256"]
    monkeypatch.setattr(verify_module, "published_lists", lambda: {(NAME, "test"): right})
    assert verify(NAME, copy)["ok"]
    monkeypatch.setattr(verify_module, "published_lists", lambda: {(NAME, "test"): "0" * 64})
    assert kinds(verify(NAME, copy)) == {"file list differs from the published one": 1}


def test_own_membership_stays_a_note_after_prepare(copy, monkeypatch):
    monkeypatch.setattr(verify_module, "published_lists", lambda: {(NAME, "test"): "0" * 64})
    before = verify(NAME, copy)
    prepare(NAME, copy)
    after = verify(NAME, copy)
    assert before["ok"]
    assert after["ok"]
    assert [note for note in after["notes"] if "differs from the published" in note] == before["notes"]


def test_the_published_lists_have_as_many_images_as_the_rows():
    for line in verify_module.PUBLISHED.read_text().splitlines()[1:]:
        name, split, count, digest, _ = line.split(",", 4)
        assert int(count) == getattr(dataset(name), f"n_{split}")
        assert len(bytes.fromhex(digest)) == 32


@pytest.mark.parametrize("arguments", [["list", "--catalogue", "--json"], ["list", "--json"]])
def test_list_knows_the_catalogue(arguments):
    from flopwise.config import load

    result = CliRunner().invoke(app, arguments, obj=lambda: load(scale="paper"))
    assert result.exit_code == 0, result
    assert {"cifar100", "flickr30k"} <= {row["name"] for row in json.loads(result.stdout)}


@pytest.mark.parametrize("scale", ["smoke", "paper"])
def test_describe_knows_catalogue_and_scale(scale):
    from flopwise.config import load

    result = CliRunner().invoke(app, ["describe", "cub200", "--json"], obj=lambda: load(scale=scale))
    assert json.loads(result.stdout)["n_train"] == 5994
    if scale == "smoke":
        result = CliRunner().invoke(app, ["describe", "digits"], obj=lambda: load(scale=scale))
        assert "Handwritten digits" in result.stdout


# Manifests


def test_manifests_in_the_root_decide_who_is_a_member(copy):
    keys = keys_of(copy)
    html = '<script>alert(1)</script> & "co"'
    train = {keys[3]: manifest_entry("shirt", 1, default_caption=html), keys[5]: manifest_entry("freshener", 0)}
    test = {keys[0]: manifest_entry("shirt", 1, synthetic_caption=["no"], synthetic_merged_caption=["a", "b"])}
    write_manifests(copy, train, test)
    listing = open_listing(NAME, copy)
    assert listing.membership == "manifest"
    assert listing.class_names == ("freshener", "shirt")
    assert [(s.key, s.target, listing.captions(s)) for s in listing.splits["train"]] == [
        (keys[3], 1, (html,)),
        (keys[5], 0, ("A photo of a freshener.",)),
    ]
    assert listing.captions(listing.splits["test"][0]) == ("a", "b")
    put(copy / f"{FOLDER}_classnames.json", json.dumps(["air freshener", "t-shirt", "third"]))
    assert open_listing(NAME, copy).class_names == ("air freshener", "t-shirt", "third")


def test_one_manifest_without_the_other_is_refused(copy):
    put(copy / f"{FOLDER}_train.json", "{}")
    with pytest.raises(RunFailure, match=rf"{FOLDER}_test\.json is missing"):
        open_listing(NAME, copy)


def test_manifests_of_arrays_find_their_images_in_the_raw_files(tmp_path):
    make("cifar10", tmp_path)
    raw = open_listing("cifar10", tmp_path)
    content = [
        {s.key: manifest_entry(raw.class_names[s.target], s.target) for s in reversed(raw.splits[split])}
        for split in ("train", "test")
    ]
    write_manifests(tmp_path, *content, folder="CIFAR10")
    listing = open_listing("cifar10", tmp_path)
    assert listing.membership == "manifest"
    np.testing.assert_array_equal(listing.image(listing.splits["train"][-1]), raw.image(raw.splits["train"][0]))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"classname": "a"}, "whole number from 0: None"),
        (manifest_entry("a", 0) | {"target": "0"}, "whole number from 0: '0'"),
        (manifest_entry("a", 0) | {"target": True}, "whole number from 0: True"),
        (manifest_entry("a", -1), "whole number from 0: -1"),
        (manifest_entry("a", 0) | {"classname": 7}, "classname is not a string: 7"),
        (manifest_entry("a", 0) | {"default_caption": [1]}, "default_caption"),
        ("text", "not an object"),
    ],
)
def test_bad_entries_are_left_out_and_counted(copy, entry, said):
    keys = keys_of(copy)
    train = {keys[0]: manifest_entry("a", 0), keys[1]: manifest_entry("b", 1), keys[2]: entry}
    write_manifests(copy, train, {keys[3]: manifest_entry("a", 0)})
    listing = open_listing(NAME, copy)
    assert [sample.key for sample in listing.splits["train"]] == keys[:2]
    assert any(problem.path.endswith(keys[2]) and said in problem.what for problem in listing.problems)
    result = verify(NAME, copy)
    assert not result["ok"]
    assert any("left out" in kind for kind in kinds(result))


def test_an_image_listed_twice_is_counted_and_the_first_entry_holds(copy):
    keys = keys_of(copy)
    one, two = json.dumps(manifest_entry("a", 0)), json.dumps(manifest_entry("b", 1))
    put(copy / f"{FOLDER}_train.json", f'{{"{keys[0]}": {one}, "{keys[1]}": {two}, "{keys[0]}": {two}}}')
    put(copy / f"{FOLDER}_test.json", f'{{"{keys[1]}": {two}}}')
    listing = open_listing(NAME, copy)
    assert [sample.target for sample in listing.splits["train"]] == [0, 1]
    assert kinds(verify(NAME, copy)).keys() >= {"key occurs twice", "image listed twice"}


@pytest.mark.parametrize("target", [2, 10**7, 10**9, 10**30])
def test_targets_beyond_the_classes_of_the_row_are_left_out_before_names_are_listed(copy, target):
    keys = keys_of(copy)
    train = {keys[0]: manifest_entry("a", 0), keys[1]: manifest_entry("b", 1), keys[2]: manifest_entry("c", target)}
    write_manifests(copy, train, {keys[3]: manifest_entry("a", 0)})
    listing = open_listing(NAME, copy)
    assert listing.class_names == ("a", "b")
    assert [sample.key for sample in listing.splits["train"]] == keys[:2]
    assert [problem.what for problem in listing.problems] == [f"left out: target is no class: {target} of 2"]
    put(copy / f"{FOLDER}_classnames.json", json.dumps(["a", "b", "third"]))
    assert (len(open_listing(NAME, copy).splits["train"]) == 3) == (target == 2)


def test_targets_of_a_retrieval_set_number_its_images(tmp_path):
    make("flickr30k", tmp_path)
    keys = [sample.key for sample in open_listing("flickr30k", tmp_path).splits["test"]][:2]
    entries = {key: manifest_entry(None, 10**9 * place) for place, key in enumerate(keys)}
    put(tmp_path / "FLICKR30K_test.json", json.dumps(entries))
    assert [sample.key for sample in open_listing("flickr30k", tmp_path).splits["test"]] == keys[:1]


@pytest.mark.parametrize("key", ["../secret.png", "/etc/passwd", "a/../../secret.png"])
def test_manifest_paths_cannot_climb_out(copy, key):
    put(copy / "secret.png")
    write_manifests(copy, {key: manifest_entry("a", 0)}, {keys_of(copy)[0]: manifest_entry("a", 0)})
    listing = open_listing(NAME, copy)
    assert listing.splits["train"] == []
    assert "climbs out" in listing.problems[0].what


@pytest.mark.parametrize("content", ["[1, 2]", "{", "[" * 100_000, '"x"'])
def test_what_is_no_manifest_is_one_line(copy, content):
    put(copy / f"{FOLDER}_train.json", content)
    put(copy / f"{FOLDER}_test.json", "{}")
    with pytest.raises(RunFailure, match=rf"{FOLDER}_train\.json is not a manifest"):
        open_listing(NAME, copy)


# Prepare


def big(root):
    for path in images(root):
        Image.effect_noise((448, 300), 50).convert("RGB").save(path)


def test_prepare_writes_small_copies_and_manifests_that_verify(copy, tmp_path):
    big(copy)
    before = open_listing(NAME, copy)
    facts = prepare(NAME, copy)
    assert facts["copies_made"] == 14
    listing = open_listing(NAME, copy)
    assert listing.prepared
    for split in ("train", "test"):
        wanted = [(f"{FOLDER}_{split}_224/{s.key}", s.target, before.captions(s)) for s in before.splits[split]]
        assert [(s.key, s.target, listing.captions(s)) for s in listing.splits[split]] == wanted
        for sample in listing.splits[split]:
            assert listing.image(sample).size == (224 * 448 // 300, 224)
            content = (copy / FOLDER / sample.key).read_bytes()
            assert content[:2] == b"\xff\xd8"  # JPEG
    assert verify(NAME, copy)["ok"]
    entry = next(iter(json.loads((copy / f"{FOLDER}_train.json").read_text()).values()))
    assert list(entry) == list(manifest_entry("", 0))
    assert entry["primer_caption"] == "A photo of a air freshener."


def test_small_images_are_kept_without_loss(copy):
    noise = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    for path in images(copy):
        Image.fromarray(noise).save(path)
    prepare(NAME, copy, copy / "out")
    listing = open_listing(NAME, copy / "out")
    np.testing.assert_array_equal(listing.image(listing.splits["test"][0]), noise)


def test_an_interrupted_prepare_goes_on_where_it_stopped(copy):
    big(copy)
    broken = images(copy)[6]
    content = broken.read_bytes()
    broken.write_bytes(content[:500])
    asked = []

    def captioner(image, name):
        assert image.mode == "RGB"
        asked.append(name)
        return f"seen: {name}"

    def broken_off(image, name):
        if len(asked) == 4:
            raise KeyboardInterrupt
        return captioner(image, name)

    with pytest.raises(KeyboardInterrupt):
        prepare(NAME, copy, captioner=broken_off)
    assert not (copy / f"{FOLDER}_train_224.json").exists()
    asked.clear()
    facts = prepare(NAME, copy, captioner=captioner)
    assert facts["copies_made"] == 8
    assert facts["left_out"]["image that cannot be read"]["count"] == 1
    assert broken.name in facts["left_out"]["image that cannot be read"]["first"]
    assert len(asked) == 13
    assert kinds(verify(NAME, copy)) == {"image that cannot be read": 1, "wrong number of images": 1}
    broken.write_bytes(content)
    assert prepare(NAME, copy, captioner=captioner)["copies_made"] == 1
    assert len(asked) == 14
    assert verify(NAME, copy)["ok"]
    listing = open_listing(NAME, copy)
    assert {listing.captions(s) for s in listing.splits["train"]} == {("seen: air freshener",), ("seen: t-shirt",)}
    assert prepare(NAME, copy)["copies_made"] == 0
    assert not list(copy.rglob("*.part"))


def test_one_picture_that_cannot_be_copied_stops_no_other(packed, monkeypatch):
    """A name that an archive can hold and no disk; a picture too long for a JPEG; one that is no picture."""
    stream = io.BytesIO()
    Image.new("L", (90_000, 300)).save(stream, "PNG")
    prefix = f"{FOLDER}/datasets/objectnet-1.0-beta/{CLASSES[0]}"
    with tarfile.open(packed / f"{FOLDER}.tar", "a") as archive:
        for name, content in (
            (f"{'n' * 256}.png", picture(".png")),
            ("long.png", stream.getvalue()),
            ("no.png", b"text"),
        ):
            add(archive, f"{prefix}/{name}", content)
    facts = prepare(NAME, packed)
    assert (facts["copies_made"], sum(facts["counts"].values())) == (14, 14)
    assert {kind: lost["count"] for kind, lost in facts["left_out"].items()} == {
        "copy that cannot be written": 2, "image that cannot be read": 1,
    }  # fmt: skip
    found = open_listing(NAME, packed)
    assert (found.prepared, sum(map(len, found.splits.values()))) == (True, 14)
    assert sorted(problem.what.partition(":")[0] for problem in found.problems) == [
        "copy that cannot be written", "copy that cannot be written", "image that cannot be read",
    ]  # fmt: skip
    row = dataclasses.replace(dataset(NAME), n_train=99, n_test=99)
    monkeypatch.setattr("flopwise.data.manifests.dataset", lambda name: row)
    card = build_real(NAME, packed, packed / "out", allow_subset=True)
    assert card["left_out"] == {"copy that cannot be written": 2, "image that cannot be read": 1}
    again = prepare(NAME, packed)
    assert (again["copies_made"], again["left_out"]) == (0, facts["left_out"])
    assert not list(packed.rglob("*.part"))


@pytest.mark.parametrize("letter", ["n", "é", "字"])
def test_names_up_to_the_limit_of_the_disk(copy, letter):
    name = letter * (251 // len(letter.encode()))
    name += "x" * (251 - len(name.encode())) + ".png"
    images(copy)[2].rename(images(copy)[2].with_name(name))
    assert verify(NAME, copy)["ok"]
    facts = prepare(NAME, copy)
    assert (facts["copies_made"], facts["left_out"]) == (14, {})
    assert verify(NAME, copy)["ok"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_stops_a_preparation(copy, monkeypatch, number):
    def full(self, content):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunFailure, match=f"cannot write .*: {os.strerror(number)}"):
        prepare(NAME, copy)
    assert not list(copy.glob("*.json"))


def test_a_set_without_any_picture_is_refused(copy):
    for path in images(copy):
        path.write_bytes(b"text")
    with pytest.raises(
        RunFailure, match=r"none of 14 images can be copied; the first: .* image that cannot be read: .*unknown"
    ):
        prepare(NAME, copy)
    assert not list(copy.glob("*.json"))


def test_the_command_says_what_is_left_out_and_its_status_is_1(copy):
    images(copy)[4].write_bytes(b"text")
    result = CliRunner().invoke(app, ["prepare", NAME, "--root", str(copy)])
    assert result.exit_code == 1
    assert "  left out 1 x image that cannot be read: datasets/objectnet-1.0-beta/" in result.stdout
    result = CliRunner().invoke(app, ["prepare", NAME, "--root", str(copy), "--json"])
    assert (result.exit_code, list(json.loads(result.stdout)["left_out"])) == (1, ["image that cannot be read"])


def test_a_changed_list_differs_from_the_recorded_one(copy):
    prepare(NAME, copy)
    path = copy / f"{FOLDER}_test_224.json"
    entries = json.loads(path.read_text())
    next(iter(entries.values()))["target"] = 1
    path.write_text(json.dumps(entries))
    assert "file list differs from the recorded one" in kinds(verify(NAME, copy))


def test_prepare_of_arrays_and_retrieval_sets(tmp_path):
    for name in ("svhn", "flickr30k"):
        make(name, tmp_path)
        before = open_listing(name, tmp_path)
        prepare(name, tmp_path)
        after = open_listing(name, tmp_path)
        assert after.prepared
        for one, two in zip(before.splits["test"], after.splits["test"]):
            assert (one.target, one.captions) == (two.target, two.captions)
            np.testing.assert_array_equal(before.image(one), after.image(two)) if name == "svhn" else None


# Archives


def add(archive, name, content=b"", **facts):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in facts.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


@pytest.fixture
def packed(copy):
    """The same set inside an archive, its folder gone."""
    with tarfile.open(copy / f"{FOLDER}.tar", "w") as archive:
        for path in images(copy):
            add(archive, str(path.relative_to(copy)), path.read_bytes())
    loose = copy / FOLDER
    loose.rename(copy / "elsewhere")
    return copy


def test_members_are_read_in_place(packed):
    listing = open_listing(NAME, packed)
    assert verify(NAME, packed)["ok"]
    (packed / "elsewhere").rename(packed / FOLDER)
    (packed / f"{FOLDER}.tar").unlink()
    loose = open_listing(NAME, packed)
    assert listing.splits == loose.splits


def test_a_listing_can_be_sent_to_a_worker(packed):
    listing = open_listing(NAME, packed)
    sent = pickle.loads(pickle.dumps(listing))
    assert sent.splits == listing.splits
    assert sent.image(sent.splits["test"][0]).mode == "RGB"


def test_a_set_can_be_prepared_from_its_archive(packed):
    assert prepare(NAME, packed)["copies_made"] == 14
    assert open_listing(NAME, packed).prepared
    assert verify(NAME, packed)["ok"]


def test_hostile_members_are_left_out_and_counted(packed):
    with tarfile.open(packed / f"{FOLDER}.tar", "a") as archive:
        prefix = f"{FOLDER}/datasets/objectnet-1.0-beta/t-shirt"
        add(archive, f"{FOLDER}/../../escape.png", picture(".png"))
        add(archive, "/tmp/absolute.png", picture(".png"))
        add(archive, f"{prefix}/link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, f"{prefix}/hard.png", type=tarfile.LNKTYPE, linkname="../../etc/passwd")
        add(archive, f"{prefix}/pipe.png", type=tarfile.FIFOTYPE)
        add(archive, "OTHER/x.png", picture(".png"))
        add(archive, f"{prefix}/\udcff.png", picture(".png"))
    listing = open_listing(NAME, packed)
    assert sum(map(len, listing.splits.values())) == 14
    found = sorted(problem.what for problem in listing.problems)
    climbs, links = "member that climbs out of the folder", "link, device or sparse member"
    assert found == sorted([climbs] * 2 + [links] * 3 + [f"member outside {FOLDER}/", "name is not UTF-8"])
    assert kinds(verify(NAME, packed))[links] == 3
    assert not verify(NAME, packed)["ok"]


@pytest.mark.parametrize("cut", [700, 1500, 0.5, 0.99])
def test_a_cut_archive_is_named(packed, cut):
    path = packed / f"{FOLDER}.tar"
    content = path.read_bytes()
    end = 512 * 2 * 14  # a header and one block for each picture
    path.write_bytes(content[: cut if isinstance(cut, int) else int(end * cut)])
    result = verify(NAME, packed)
    assert not result["ok"]
    assert "cut" in verify_text(result)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_an_archive_that_claims_much_is_not_believed(packed, kind):
    path = packed / f"{FOLDER}.tar"
    whole = path.read_bytes()[: 1024 * 14]  # a header and one block for each picture
    header = tarfile.TarInfo(f"{FOLDER}/x")
    header.type, header.size = kind, 8 * 1024**3 - 1
    path.write_bytes(whole + header.tobuf(tarfile.USTAR_FORMAT) + bytes(2048))
    tracemalloc.start()
    result = verify(NAME, packed)
    assert tracemalloc.get_traced_memory()[1] < 50 * 1024**2
    tracemalloc.stop()
    assert "a header asks for 8,589,93" in verify_text(result)
    assert result["counts"]["train"]["found"] == 11
    path.write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2048))
    with pytest.raises(RunFailure, match=r"no image of objectnet was found; .*; left out: OBJECTNET\.tar: .* asks for"):
        open_listing(NAME, packed)
    header.size = 0
    path.write_bytes(whole + header.tobuf(tarfile.USTAR_FORMAT) * 2000 + bytes(2048))
    assert not verify(NAME, packed)["ok"] or kind == tarfile.XGLTYPE


def test_a_compressed_archive_is_refused_in_one_line(packed):
    path = packed / f"{FOLDER}.tar"
    content = path.read_bytes()
    path.write_bytes(gzip.compress(content))
    assert "compressed" in verify_text(verify(NAME, packed))


# Folders


def test_links_that_lead_outside_are_left_out(copy):
    put(copy / "secret/secret.png")
    folder = copy / FOLDER / "datasets/objectnet-1.0-beta" / CLASSES[0]
    (folder / "zz.png").symlink_to(copy / "secret/secret.png")
    (folder.parent / "secret").symlink_to(copy / "secret")
    (folder.parent / "twin").symlink_to(folder)
    (folder / "99.png").symlink_to("00.png")  # inside: fine
    listing = open_listing(NAME, copy)
    assert sorted(problem.what for problem in listing.problems) == [
        "link that leads outside the data set",
        "link that leads outside the data set",
        "link to a folder",
    ]
    assert sum(map(len, listing.splits.values())) == 15
    assert not any("zz" in sample.key for part in listing.splits.values() for sample in part)


def test_names_that_are_not_utf8_are_left_out(copy):
    folder = os.fsencode(copy / FOLDER / "datasets/objectnet-1.0-beta" / CLASSES[0])
    with open(folder + b"/caf\xe9.png", "wb") as stream:
        stream.write(picture(".png"))
    result = verify(NAME, copy)
    assert kinds(result) == {"name is not UTF-8": 1}
    assert "caf\\xe9.png" in verify_text(result)
    json.dumps(result).encode()


def test_control_characters_are_escaped_where_shown(copy):
    put(copy / FOLDER / "datasets/objectnet-1.0-beta" / CLASSES[0] / "x\x1b[31m\nfake: right.png", b"no image")
    text = verify_text(verify(NAME, copy))
    assert "\x1b" not in text
    assert "\nfake" not in text


def test_a_decompression_bomb_is_refused(copy, monkeypatch):
    monkeypatch.setattr("flopwise.data.images.MAX_PIXELS", 100)
    Image.new("RGB", (11, 11)).save(images(copy)[0])  # over the limit
    Image.new("RGB", (99, 99)).save(images(copy)[1])  # far over it
    for path in images(copy)[2:]:
        Image.new("RGB", (9, 9)).save(path)
    result = verify(NAME, copy)
    assert kinds(result) == {"image that cannot be read": 2}
    assert all(
        "more than the 100 allowed" in line for line in result["problems"]["image that cannot be read"]["examples"]
    )


def test_formats_that_start_programs_are_not_opened(copy):
    images(copy)[0].write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    assert "cannot be read as an image (unknown format)" in verify_text(verify(NAME, copy))


def test_what_the_rule_of_a_set_passes_over_is_a_note(copy):
    folder = copy / FOLDER / "datasets/objectnet-1.0-beta"
    for name in ("readme.md", f"{CLASSES[0]}/deeper/1.png", f"{CLASSES[0]}/scan.heic", f"{CLASSES[1]}/Thumbs.db"):
        put(folder / name, "x")
    result = verify(NAME, copy)
    assert result["ok"]
    assert [note.partition(" (first")[0] for note in result["notes"]] == [
        "skipped 2 x: file outside the folders of the set's classes",
        "skipped 1 x: file that is no picture by its name (.db)",
        "skipped 1 x: file that is no picture by its name (.heic)",
    ]


# Pickles and annotations


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


class Eval:
    def __reduce__(self):
        return eval, ("open('pwned', 'w')",)


@pytest.mark.parametrize("content", [Evil(), {"data": Eval()}, np.array([Evil()], dtype=object)])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_that_name_anything_else_are_refused(tmp_path, monkeypatch, content, protocol):
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "CIFAR10/x", pickle.dumps(content, protocol))
    with pytest.raises(RunFailure, match="refused or damaged: it names"):
        restricted_pickle(Tree(tmp_path, "CIFAR10"), "x")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles_of_arrays_and_containers_are_read(tmp_path, protocol):
    content = {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 2], b"b": ["é", b"x"]}
    put(tmp_path / "CIFAR10/x", pickle.dumps(content, protocol))
    found = restricted_pickle(Tree(tmp_path, "CIFAR10"), "x")
    np.testing.assert_array_equal(found.pop("data"), content.pop("data"))
    assert found == content


def test_object_arrays_in_npz_go_the_same_way(tmp_path):
    make("cub200", tmp_path)
    evil = np.array([[1, Evil()]], dtype=object)
    np.savez(
        tmp_path / "CUB200/train_data.npz", data=np.zeros((1, 4, 4, 3), np.uint8), targets=np.array([0]), classes=evil
    )
    with pytest.raises(RunFailure, match="refused or damaged: it names"):
        open_listing("cub200", tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("artbench10", "metadata.csv", "name,artist\nx,y\n"),
        ("artbench10", "metadata.csv", "name,artist,label,split\nx,y\n"),
        ("ai2diagrams", "ai2d/categories.json", "[]"),
        ("ai2diagrams", "ai2d/categories.json", "{" * 10),
        ("clevr", "CLEVR_v1.0/scenes/CLEVR_train_scenes.json", '{"scenes": [{"objects": 3}]}'),
        ("domainnet_clipart", "clipart_train.txt", "clipart/a/b.jpg one\n"),
        ("obsc_animals", "split.json", '{"train": [["a.jpg", "0", "x"]], "val": [], "test": []}'),
        ("mtsd", "MTSD/mtsd_v2_fully_annotated/annotations/p1.json", '{"ispano": false}'),
        ("mnist", "MNIST/raw/train-images-idx3-ubyte", "\0\0\x08\x03cut"),
        ("svhn", "train_32x32.mat", "MATLAB 5.0 MAT-file, not"),
        ("cub200", "train_data.npz", "PK no"),
        ("shapes3d", "shapes3d.h5", "\x89HDF no"),
        ("stl10", "stl10_binary/train_y.bin", "\1"),
        ("cifar10", "cifar-10-batches-py/data_batch_3", "no pickle"),
        ("flickr30k", "annotations.csv", "raw,filename,split\n__import__('os').mkdir('pwned'),1.jpg,test\n"),
        (
            "dollarstreet", "dataset_dollarstreet/images_v2_imagenet_train.csv",
            "country.name,imageRelPath,imagenet_synonyms\nPeru,a,exit()\n",
        ),
        ("eurosat", "eurosat/2750/Extra/x.jpg", None),
    ],
)  # fmt: skip
def test_damaged_annotations_are_one_line_that_names_the_set(tmp_path, monkeypatch, name, file, content):
    monkeypatch.chdir(tmp_path)
    make(name, tmp_path)
    put(tmp_path / dataset(name).folder / file, content)
    with pytest.raises(RunFailure) as caught:
        open_listing(name, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert dataset(name).folder in message or name in message
    assert not (tmp_path / "pwned").exists()
    assert not verify(name, tmp_path)["ok"]


def test_paths_of_annotations_cannot_leave_the_set(tmp_path):
    make("domainnet_clipart", tmp_path)
    put(tmp_path / "secret.jpg")
    path = tmp_path / "DOMAINNET_CLIPART/clipart_train.txt"
    path.write_text(path.read_text() + "../secret.jpg 0\nclipart/../../secret.jpg 0\n")
    listing = open_listing("domainnet_clipart", tmp_path)
    with pytest.raises(RunFailure, match="is missing"):
        listing.image(next(s for s in listing.splits["train"] if s.key == "../secret.jpg"))
    assert kinds(verify("domainnet_clipart", tmp_path))["path that climbs out of the folder"] == 2
    facts = prepare("domainnet_clipart", tmp_path, tmp_path / "out")
    assert facts["left_out"]["path that climbs out of the folder"]["count"] == 2
    assert not (tmp_path / "out/secret.jpg").exists()


def test_a_key_of_a_crop_cannot_leave_the_folder_of_copies(tmp_path):
    make("mtsd", tmp_path)
    path = tmp_path / "MTSD/MTSD/mtsd_v2_fully_annotated/annotations/p1.json"
    path.write_text(path.read_text().replace('"k1"', '"/../../../../../../../escape"'))
    assert "path that climbs out of the folder" in prepare("mtsd", tmp_path, tmp_path / "out")["left_out"]
    assert not list(tmp_path.rglob("*escape*"))


@pytest.mark.parametrize("side", ["1e400", "1e12", "NaN"])
def test_boxes_outside_every_picture_are_one_line(tmp_path, side):
    make("mtsd", tmp_path)
    path = tmp_path / "MTSD/MTSD/mtsd_v2_fully_annotated/annotations/p1.json"
    content = json.loads(path.read_text())
    for item in content["objects"]:
        item["bbox"]["xmax"] = 0
    path.write_text(json.dumps(content).replace('"xmax": 0', f'"xmax": {side}'))
    with pytest.raises(RunFailure, match="is not in the layout of mtsd"):
        open_listing("mtsd", tmp_path)


def test_links_inside_hdf5_are_refused(tmp_path):
    import h5py

    make("shapes3d", tmp_path)
    with h5py.File(tmp_path / "SHAPES3D/shapes3d.h5", "a") as content:
        del content["images"]
        content["images"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(RunFailure, match="without links"):
        open_listing("shapes3d", tmp_path)


def test_a_new_set_needs_one_row(tmp_path, monkeypatch):
    row = dataclasses.replace(dataset(NAME), name="mine", folder="MINE", reader="class_folders", n_train=4, n_test=2)
    monkeypatch.setattr("flopwise.data.manifests.dataset", lambda name: row)
    train = in_folders(tmp_path / "MINE", "train", ["ant", "bee"], 2)
    test = in_folders(tmp_path / "MINE", "test", ["ant", "bee"], 1)
    listing = open_listing("mine", tmp_path)
    assert listing.class_names == ("ant", "bee")
    assert [[(s.key, s.target) for s in listing.splits[split]] for split in ("train", "test")] == [train, test]
