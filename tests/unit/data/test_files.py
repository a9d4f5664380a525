"""Real images: where they are, how they are viewed, what a listing keeps."""

import dataclasses
import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from real_trees import make, put

from flopwise.core.errors import RunFailure, UserError
from flopwise.data import pools, real
from flopwise.data.catalogue import dataset
from flopwise.data.files import ImageFiles
from flopwise.data.manifests import open_listing
from flopwise.data.readers.shards import read_shard
from flopwise.data.readers.skips import Skips
from flopwise.data.store import open_set
from flopwise.data.strings import Strings


def pixels(seed: int, width: int = 30, height: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png(image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def archive(path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_strings_are_what_was_put_in():
    values = ["", "é – 日本", "a\nb", "", "\udcff"]
    packed = Strings.of(values)
    assert list(packed) == values
    assert packed[1] == values[1]
    with pytest.raises(IndexError):
        packed[5]


@pytest.mark.parametrize("name", ["dtd", "cifar100", "ai2diagrams", "clevr", "mtsd", "fscoco", "mscoco", "imagenet_r"])
def test_a_listing_opens_to_the_images_captions_and_targets_of_its_reader(tmp_path, name):
    make(name, tmp_path / "data")
    found = open_listing(name, tmp_path / "data")
    real.build_real(name, tmp_path / "data", tmp_path / "out", allow_subset=True)
    stored = open_set(tmp_path / "out", verify=True, root=tmp_path / "data")
    assert stored.class_names == list(found.class_names)
    assert (stored.train is not None) == (dataset(name).role == "adaptation")
    for split, samples in (("train", found.splits["train"]), ("test", found.splits["test"])):
        part = getattr(stored, split)
        if part is None:
            continue
        assert part.targets.tolist() == [sample.target for sample in samples]
        for index, sample in enumerate(samples):
            assert tuple(part.captions[place] for place in part.captions_of(index)) == found.captions(sample)
            assert np.array_equal(part.images.image(index), found.image(sample))


def test_images_of_an_archive_are_read_in_place_and_its_size_is_checked(tmp_path):
    members = {f"OBJECTNET/datasets/objectnet-1.0-beta/{k}/{i}.png": png(pixels(i)) for k in "ab" for i in range(5)}
    archive(tmp_path / "OBJECTNET.tar", members)
    real.build_real("objectnet", tmp_path, tmp_path / "out", allow_subset=True)
    images = open_set(tmp_path / "out", root=tmp_path).test.images
    assert images.paths[0] == "OBJECTNET.tar"
    assert np.array_equal(
        images.image(0),
        open_listing("objectnet", tmp_path).image(open_listing("objectnet", tmp_path).splits["test"][0]),
    )
    with (tmp_path / "OBJECTNET.tar").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(RunFailure, match=r"OBJECTNET\.tar holds \d+ bytes, \d+ when it was listed"):
        open_set(tmp_path / "out", root=tmp_path)


def test_counts_that_differ_are_named_unless_the_draw_is_our_own_or_a_subset_is_allowed(tmp_path):
    make("dtd", tmp_path)
    with pytest.raises(UserError, match=r"DTD holds \d+ train images, expected 1,880; `flopwise data verify dtd"):
        real.build_real("dtd", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "card.json").exists()
    make("fscoco", tmp_path)
    card = real.build_real("fscoco", tmp_path, tmp_path / "own")
    assert card["membership"] == "own draw"
    assert card["warnings"][0].endswith("train images, expected 7,105")
    with pytest.raises(UserError, match="set `data_root`"):
        real.build_real("dtd", None, tmp_path / "out")


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    listed = make("fscoco", tmp_path)
    for split, items in (("train", listed.train), ("test", listed.test)):
        entries = {key: {"target": target, "classname": "c", "default_caption": "c"} for key, target in items}
        entries |= {f"x{i}.jpg": {"target": 10**6 + i} for i in range(3)} | {"y.jpg": 1, "z.jpg": {"target": "4"}}
        put(tmp_path / f"FSCOCO_{split}.json", json.dumps(entries))
    (tmp_path / "FSCOCO/link.jpg").symlink_to("/etc/hostname")
    card = real.build_real("fscoco", tmp_path, tmp_path / "out", allow_subset=True)
    assert card["left_out"] == {
        "link that leads outside the data set": 1,
        "not an object": 2,
        "target is no class": 6,
        "target is not a whole number from 0": 2,
    }


def test_a_file_that_a_manifest_names_must_be_there(tmp_path):
    listed = make("fscoco", tmp_path)
    for split, items in (("train", listed.train), ("test", listed.test)):
        entries = {key: {"target": target, "classname": "c", "default_caption": "c"} for key, target in items}
        put(tmp_path / f"FSCOCO_{split}.json", json.dumps(entries))
    lost = tmp_path / "FSCOCO" / listed.train[1][0]
    lost.unlink()
    with pytest.raises(UserError, match=f"data set fscoco: 1 files are missing, the first is {lost}"):
        real.build_real("fscoco", tmp_path, tmp_path / "out", allow_subset=True)


def test_a_pool_is_listed_once_and_then_read_at_random_places(tmp_path):
    shards = {}
    for number in range(2):
        shards[number] = {
            f"{i}.{e}": c for i in range(4) for e, c in (("png", png(pixels(10 * number + i))), ("txt", b"n %d" % i))
        }
        shards[number] |= {"late.txt": b"no picture", "bare.png": png(pixels(1))}
        shards[number] |= {"html.png": b"<html>gone</html>", "html.txt": b"a page"}
        archive(tmp_path / "CC3M" / f"{number}.tar", shards[number])
    card = pools.build_pool_listing("mine", "cc3m", tmp_path, tmp_path / "out")
    assert card["counts"]["train"] == 8
    assert card["left_out"] == {
        "no caption among files that end in .png": 2, "no image among files that end in .txt": 2,
        "no image, or one of too many pixels": 2,
    }  # fmt: skip
    pool = open_set(tmp_path / "out", root=tmp_path).train
    raws = [raw for n in range(2) for raw in read_shard(str(tmp_path / f"CC3M/{n}.tar"), Skips()) if raw.key != "html"]
    for index in (5, 0, 7):
        assert pool.captions[index] == raws[index].caption
        assert png(pool.images.image(index)) == raws[index].image


def test_a_broken_picture_ends_a_set_and_is_passed_over_in_a_pool(tmp_path):
    for name, content in (("0.png", b"broken"), ("1.png", b""), ("2.png", png(pixels(2)))):
        put(tmp_path / name, content)
    images = ImageFiles(tmp_path, Strings.of(["0.png", "1.png", "2.png"]), np.arange(3, dtype=np.int32))
    with pytest.raises(RunFailure, match=r"0\.png: cannot be read"):
        images.usable(0, 8, seed=0)
    lenient = dataclasses.replace(images, lenient=True)
    index, view, reason = lenient.usable(0, 8, seed=3)
    assert index == 2
    assert np.array_equal(view, images.view(2, 8, 3))
    assert "0.png: cannot be read" in reason
    assert lenient.usable(2, 8, seed=3)[::2] == (2, None)
    with pytest.raises(RunFailure, match=r"0\.png: .*nor can any of 10 pictures drawn in its place be read"):
        lenient.part(np.array([0, 1])).usable(0, 8, seed=0)
    for open_image in (images.image, lambda index: images.view(index, 8)):
        with pytest.raises(RunFailure, match=r"0\.png"):
            open_image(0)
    with pytest.raises(UserError, match="set it in config"):
        dataclasses.replace(images, root=None).view(0, 8)


def test_what_stands_for_broken_pictures_is_spread_over_the_list(tmp_path):
    for i in range(20):
        put(tmp_path / f"{i}.png", png(pixels(i)) if i >= 5 else b"broken")
    names = Strings.of([f"{i}.png" for i in range(20)])
    pool = ImageFiles(tmp_path, names, np.arange(20, dtype=np.int32), lenient=True)
    taken = [pool.usable(0, 8, seed)[0] for seed in range(300)]
    assert taken == [pool.usable(0, 8, seed)[0] for seed in range(300)]
    counts = np.bincount(taken, minlength=20)
    assert not counts[:5].any()
    assert counts[5:].min() > 5  # 20 each are expected
    assert counts[5:].max() < 45


def test_the_order_does_not_depend_on_threads(tmp_path):
    for i in range(12):
        put(tmp_path / f"{i}.png", png(pixels(i)))
    images = ImageFiles(tmp_path, Strings.of([f"{i}.png" for i in range(12)]), np.arange(12, dtype=np.int32))
    order = [3, 1, 11, 0, 0, 7, 5, 2, 9]
    one, four = (images.load(order, 16, threads) for threads in (1, 4))
    assert np.array_equal(one, four)
    assert np.array_equal(one[2], images.view(11, 16))


@pytest.mark.parametrize("box", [(0, 0, 10**6, 10**6), (9, 9, 9, 12), (12, 0, 3, 9), (-(2**31), 0, 2**31 - 1, 9)])
def test_a_box_that_cannot_be_right_is_one_line(tmp_path, box):
    put(tmp_path / "whole.png", png(pixels(0)))
    places = np.asarray([box], dtype=np.int32)
    images = ImageFiles(tmp_path, Strings.of(["whole.png"]), np.zeros(1, dtype=np.int32), boxes=places)
    for opened in (images.image, lambda index: images.view(index, 8)):
        with pytest.raises(RunFailure, match=r"whole\.png: .*box .* is empty or has more than the 100,000,000 pixels"):
            opened(0)


def test_a_picture_so_narrow_that_its_resized_copy_would_fill_the_memory_is_one_line(tmp_path):
    put(tmp_path / "thin.png", png(Image.new("RGB", (60_000, 1))))
    images = ImageFiles(tmp_path, Strings.of(["thin.png"]), np.zeros(1, dtype=np.int32))
    boxed = dataclasses.replace(images, boxes=np.asarray([[0, 0, 60_000, 1]]))
    for each in (images, boxed):
        with pytest.raises(RunFailure, match=r"thin\.png.*60000 x 1 pixels: too narrow to be resized to 224"):
            each.view(0, 224)
        assert each.view(0, 224, seed=1).shape == (224, 224, 3)


def test_a_part_of_a_picture_and_an_image_of_an_array_are_viewed_like_a_file(tmp_path):
    put(tmp_path / "whole.png", png(pixels(0, 60, 50)))
    put(tmp_path / "part.png", png(pixels(0, 60, 50).crop((10, 5, 50, 45))))
    one = np.zeros(1, dtype=np.int32)
    part = ImageFiles(tmp_path, Strings.of(["part.png"]), one)
    boxed = ImageFiles(tmp_path, Strings.of(["whole.png"]), one, boxes=np.asarray([[10, 5, 50, 45]]))
    for seed in (None, 3):
        assert np.array_equal(part.view(0, 16, seed), boxed.view(0, 16, seed))
