"""Array files of strangers: MATLAB's, .npz and HDF5. The same values as the libraries that define the formats read, and
one line that names the file for whatever is damaged or claims more than is there."""

import io
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from real_trees import make
from scipy.io import loadmat, savemat

from flopwise.core.errors import RunFailure
from flopwise.data.arrays import npz
from flopwise.data.manifests import open_listing
from flopwise.data.matlab import read_mat
from flopwise.data.readers import sets
from flopwise.data.tree import Tree
from flopwise.data.verify import verify

SCIPY_DIED = 39, 57, 80  # seeds of `flipped` after which scipy's reader ended the process with a signal


def one_line(function, *arguments) -> str:
    """What the function is refused with; '' if it is not."""
    try:
        function(*arguments)
    except RunFailure as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


# MATLAB


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_files_hold_what_scipy_finds(tmp_path, compressed):
    rng = np.random.default_rng(0)
    arrays = {
        "X": rng.integers(0, 256, (3, 4, 3, 5), dtype=np.uint8),
        "y": rng.normal(size=(5, 1)),
        "e": np.ones((0, 0)),
    }
    cell = np.array([["one", "é – 日", np.arange(3)]], dtype=object)
    people = np.array([(7, "a.jpg"), (300, "b.jpg")], [("class", "O"), ("fname", "O")]).reshape(1, -1)
    savemat(tmp_path / "a.mat", {**arrays, "cell": cell, "people": people}, do_compression=compressed)
    mine, theirs = read_mat((tmp_path / "a.mat").read_bytes(), "a.mat"), loadmat(tmp_path / "a.mat", squeeze_me=False)
    for name in arrays:
        assert np.array_equal(mine[name], theirs[name])
        assert mine[name].dtype == theirs[name].dtype
    assert mine["cell"][:2] == ["one", "é – 日"]
    assert np.array_equal(mine["cell"][2], theirs["cell"][0, 2])
    assert [(int(item["class"].item()), item["fname"]) for item in mine["people"]] == [(7, "a.jpg"), (300, "b.jpg")]


def flipped(content: bytes, seed: int) -> bytes:
    """`content` with three other bytes behind its header."""
    generator, body = random.Random(seed), bytearray(content[128:])
    for _ in range(3):
        body[generator.randrange(len(body))] = generator.randrange(256)
    return content[:128] + bytes(body)


@pytest.mark.parametrize("name", ["flowers102", "cars196", "svhn"])
def test_a_damaged_matlab_file_is_read_or_refused_and_never_ends_the_process(tmp_path, name):
    make(name, tmp_path)
    for path in sorted(tmp_path.rglob("*.mat")):
        content = path.read_bytes()
        damage = [flipped(content, seed) for seed in range(400)] + [content[:n] for n in range(0, len(content), 7)]
        said = [one_line(read_mat, broken, path) for broken in damage]
        assert all(str(path) in line for line in said if line)
        assert sum(map(bool, said)) > 20
        for broken in damage[: max(SCIPY_DIED) + 1 : 3]:
            path.write_bytes(broken)
            one_line(open_listing, name, tmp_path)
        path.write_bytes(content)
    open_listing(name, tmp_path)


@pytest.mark.parametrize("seed", SCIPY_DIED)
def test_files_that_ended_the_process_are_one_line(tmp_path, seed):
    make("flowers102", tmp_path)
    path = tmp_path / "FLOWERS102/flowers-102/setid.mat"
    path.write_bytes(flipped(path.read_bytes(), seed))
    with pytest.raises(RunFailure, match=r"setid\.mat is no MATLAB file .*or is damaged: "):
        open_listing("flowers102", tmp_path)
    assert verify("flowers102", tmp_path)["problems"]["cannot be read as a whole"]["count"] == 1


def test_labels_that_do_not_fit_are_refused(tmp_path):
    make("flowers102", tmp_path)
    folder = tmp_path / "FLOWERS102/flowers-102"
    for places in ([[7]], [[0]]):  # of six images
        savemat(folder / "setid.mat", {"trnid": places, "valid": [[1]], "tstid": [[2]]})
        with pytest.raises(RunFailure, match=r"setid\.mat names image [70]; there are 6 labels"):
            open_listing("flowers102", tmp_path)
    savemat(folder / "setid.mat", {"trnid": "text"})
    with pytest.raises(RunFailure, match=r"setid\.mat has no array of numbers 'tstid'"):
        open_listing("flowers102", tmp_path)


def test_a_small_matlab_file_that_claims_much_is_refused():
    claim = b"\x78\x9c" + b"\0" * 8
    element = struct.pack("<II", 15, len(claim)) + claim
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    assert "is damaged" in one_line(read_mat, header + element, "f.mat")
    assert "claims 4,294,967,288 bytes" in one_line(read_mat, header + struct.pack("<II", 14, 2**32 - 8), "f.mat")
    assert "no or damaged header" in one_line(read_mat, b"\x89HDF\r\n\x1a\n" + bytes(600), "f.mat")


# .npz


@pytest.fixture
def cub(tmp_path):
    """(root, the file with the training images)."""
    make("cub200", tmp_path)
    return tmp_path, tmp_path / "CUB200/train_data.npz"


def headers(content: bytes):
    """Places of the local and of the central headers of a zip file, and of the flags in each."""
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(mark)
        while start >= 0:
            yield start, flags
            start = content.find(mark, start + 4)


@pytest.mark.parametrize("damage", ["encrypted", "unknown compression", "other name", "bad data"])
def test_a_damaged_npz_is_one_line(cub, damage):
    root, path = cub
    arrays = dict(np.load(path, allow_pickle=True))
    np.savez_compressed(path, **{**arrays, "targets": np.random.default_rng(0).integers(0, 2, len(arrays["targets"]))})
    content = bytearray(path.read_bytes())
    for start, flags in headers(bytes(content)):
        if damage == "encrypted":
            content[start + flags] |= 1
        if damage == "unknown compression":
            content[start + flags + 2 : start + flags + 4] = struct.pack("<H", 99)
        if damage == "other name" and flags == 6:
            content[start + 30] ^= 1
        if damage == "bad data" and flags == 6:
            size = struct.unpack_from("<HH", content, start + 26)
            content[start + 30 + sum(size) + 3] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(RunFailure, match=r"train_data\.npz.* is damaged: ") as caught:
        open_listing("cub200", root)
    assert "\n" not in str(caught.value)
    assert verify("cub200", root)["problems"]["cannot be read as a whole"]["count"] == 1


def test_no_more_of_an_npz_is_unpacked_than_its_shape_asks_for(cub):
    root, path = cub
    stream = io.BytesIO()
    np.save(stream, np.array([0, 1, 0]))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("targets.npy", "w") as member:
        member.write(stream.getvalue())
        for _ in range(200):
            member.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(RunFailure, match=r"targets\] is damaged: more than the 24 bytes of shape \(3,\) and int64"):
        npz(Tree(root, "CUB200"), "train_data.npz", ("targets",))
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_an_array_that_claims_more_than_there_is_is_refused(cub):
    root, path = cub
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    claim = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4000000000, 32, 32, 3), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", header + claim + bytes(100))
    assert "is damaged" in one_line(npz, Tree(root, "CUB200"), "train_data.npz", ("data",))


def test_images_of_another_kind_are_refused(cub):
    root, path = cub
    arrays = dict(np.load(path, allow_pickle=True))
    np.savez(path, **{**arrays, "data": arrays["data"].astype(np.float64)})
    listing = open_listing("cub200", root)
    with pytest.raises(RunFailure, match="images are float64 of shape"):
        listing.image(listing.splits["train"][0])


# HDF5


def test_damaged_hdf5_is_read_or_one_line(tmp_path, monkeypatch):
    make("shapes3d", tmp_path)
    monkeypatch.setitem(sets.OPTIONS, "shapes3d", {"draw": (30, 10)})
    path = tmp_path / "SHAPES3D/shapes3d.h5"
    content, generator, refused = path.read_bytes(), random.Random(0), 0
    assert not one_line(open_listing, "shapes3d", tmp_path)
    for number in range(120):
        broken = bytearray(content[: generator.randrange(len(content))] if number % 3 == 0 else content)
        for _ in range((0, 1, 30)[number % 3]):
            broken[generator.randrange(3000)] = generator.randrange(256)
        path.write_bytes(bytes(broken))
        result = verify("shapes3d", tmp_path)  # opens the listing and every image
        refused += "cannot be read as a whole" in result["problems"]
    assert refused > 40
