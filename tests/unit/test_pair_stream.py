"""Image-caption pairs out of tar shards and Parquet files: the same samples as the libraries that define the formats
find, in a shuffled order that continues exactly, and every hostile or broken input counted."""

import gzip
import io
import json
import struct
import tarfile
import zlib

import numpy as np
import pytest
from PIL import Image

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.readers import shards
from flopwise.data.readers.images import open_image
from flopwise.data.readers.pair_stream import PairStream
from flopwise.data.readers.parquet import pairs_reader
from flopwise.data.readers.skips import Skips


def png(number: int = 0, size: int = 8) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def write_tar(path, members, mode="w") -> str:
    """`members`: (name, bytes) or a ready `TarInfo` without content."""
    with tarfile.open(path, mode) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return str(path)


def sample(number: int, **parts: bytes) -> list[tuple[str, bytes]]:
    content = {"png": png(number), "txt": f"caption {number}".encode(), **parts}
    return [(f"{number:04d}.{extension}", data) for extension, data in content.items()]


@pytest.fixture
def pool(tmp_path):
    """Four shards of 10, 7, 1 and 12 samples; pictures and captions are numbered."""
    numbers = iter(range(30))
    for shard, size in enumerate((10, 7, 1, 12)):
        members = [member for _ in range(size) for member in sample(next(numbers), json=b'{"width": 8}')]
        write_tar(tmp_path / f"{shard:03d}.tar", members)
    return shards.find_shards("{000..003}.tar", tmp_path)


def take(stream, count: int) -> list[str]:
    return [next(stream)["caption"] for _ in range(count)]


def test_shards_hold_what_the_webdataset_package_finds(pool):
    webdataset = pytest.importorskip("webdataset")
    theirs = list(webdataset.WebDataset(pool, shardshuffle=False))
    mine = [raw for path in pool for raw in shards.read_shard(path, Skips())]
    assert [(raw.key, raw.image, raw.caption.encode()) for raw in mine] == [
        (each["__key__"], each["png"], each["txt"]) for each in theirs
    ]


def test_shards_of_the_webdataset_writer_are_read(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    path = tmp_path / "a.tar"
    with webdataset.TarWriter(str(path)) as writer:
        writer.write({"__key__": "dir.v1/one", "jpg": np.zeros((4, 4, 3), np.uint8), "json": {"caption": "é"}})
    (raw,) = shards.read_shard(str(path), Skips())
    assert (raw.key, raw.caption) == ("dir.v1/one", "é")
    assert open_image(raw.image).size == (4, 4)


@pytest.mark.parametrize("buffer", [1, 4, 7, 30, 100])
def test_every_epoch_holds_each_pair_once_in_another_order(pool, buffer):
    stream = PairStream(pool, shards.read_shard, seed=3, buffer=buffer)
    epochs = [take(stream, 30) for _ in range(3)]
    assert all(sorted(epoch) == sorted(f"caption {n}" for n in range(30)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert take(PairStream(list(reversed(pool)), shards.read_shard, seed=3, buffer=buffer), 30) == epochs[0]
    assert take(PairStream(pool, shards.read_shard, seed=4, buffer=buffer), 30) != epochs[0]


def test_a_picture_stays_with_its_caption(pool):
    pair = next(PairStream(pool, shards.read_shard, seed=0))
    expected = np.asarray(Image.open(io.BytesIO(png(int(pair["caption"].split()[1])))))
    np.testing.assert_array_equal(np.asarray(pair["image"]), expected)
    assert pair["image"].mode == "RGB"


@pytest.mark.parametrize("buffer", [1, 4, 30])
def test_a_restored_stream_continues_exactly(pool, tmp_path, buffer):
    members = [*sample(90, txt=b"\xff"), *sample(91), *sample(92, png=b"no"), *sample(93)]
    files = [*pool, write_tar(tmp_path / "bad.tar", members)]
    make = lambda: PairStream(files, shards.read_shard, seed=1, buffer=buffer)  # noqa: E731
    whole = make()
    for _ in range(70):
        saved = json.loads(json.dumps(whole.state()))
        continued = make()
        continued.restore(saved)
        caption = next(whole)["caption"]
        assert next(continued)["caption"] == caption
        assert continued.state() == whole.state()
    assert whole.skips.counts["the image cannot be read"] == whole.skips.counts["no caption"] == 2


def test_a_position_belongs_to_its_files_seed_and_buffer(pool):
    state = PairStream(pool, shards.read_shard, seed=0, buffer=4).state()
    for files, seed, buffer in ((pool[:3], 0, 4), (pool, 1, 4), (pool, 0, 5)):
        with pytest.raises(UserError, match="other files, another seed or another buffer"):
            PairStream(files, shards.read_shard, seed=seed, buffer=buffer).restore(state)


def test_parquet_tables_give_the_same_pairs_as_the_datasets_package(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {
        "image": [{"bytes": png(n), "path": f"{n}.png"} for n in range(150)],
        "caption": [f"c {n}" for n in range(150)],
    }
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    path = str(tmp_path / "a.parquet")
    datasets.Dataset.from_dict(rows, features=features).to_parquet(path)
    mine = list(pairs_reader()(path, Skips()))
    theirs = datasets.Dataset.from_parquet(path, cache_dir=str(tmp_path)).cast_column(
        "image", datasets.Image(decode=False)
    )
    assert [(raw.image, raw.caption) for raw in mine] == [(each["image"]["bytes"], each["caption"]) for each in theirs]
    stream = PairStream([path], pairs_reader(), seed=0, buffer=20)
    assert sorted(take(stream, 150)) == sorted(rows["caption"])


def table(path, **columns) -> str:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return str(path)


def test_parquet_with_other_columns_is_refused_by_name(tmp_path):
    path = table(tmp_path / "a.parquet", url=["x"], caption=["y"])
    with pytest.raises(UserError, match=r"no column 'image'; its columns are url, caption"):
        list(pairs_reader()(path, Skips()))
    with pytest.raises(UserError, match="column 'url' holds string, allowed are encoded images"):
        list(pairs_reader("url")(path, Skips()))
    path = table(tmp_path / "b.parquet", image=[b"x"], caption=[1])
    with pytest.raises(UserError, match="column 'caption' holds int64, allowed is string"):
        list(pairs_reader()(path, Skips()))


def test_empty_cells_are_counted_and_damage_is_one_line(tmp_path):
    path = table(tmp_path / "a.parquet", image=[png(), None, png()], caption=["one", "two", None])
    stream = PairStream([path], pairs_reader(), seed=0)
    assert take(stream, 1) == ["one"]
    next(stream)
    assert stream.skips.counts.keys() == {"no image", "no caption"}
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(RunFailure, match=r"b\.parquet is damaged or no Parquet file") as caught:
        list(pairs_reader()(str(tmp_path / "b.parquet"), Skips()))
    assert "\n" not in str(caught.value)


def info(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def test_members_that_could_do_harm_are_left_out_and_counted(tmp_path):
    hostile = [
        ("../0001.png", png()),
        ("/etc/0002.png", png()),
        ("a/../../0003.txt", b"x"),
        info("0004.png", tarfile.SYMTYPE, "/etc/passwd"),
        info("0005.png", tarfile.LNKTYPE, "0001.png"),
        info("0006.png", tarfile.CHRTYPE),
        info("0007.png", tarfile.FIFOTYPE),
        ("no extension", b"x"),
    ]
    path = write_tar(tmp_path / "a.tar", [*hostile, *sample(8)])
    skips = Skips()
    assert [raw.key for raw in shards.read_shard(path, skips)] == ["0008"]
    assert sorted(skips.counts.values()) == [1, 3, 4]
    assert [path.name for path in tmp_path.rglob("*")] == ["a.tar"]
    assert "'" + path + ": ../0001.png'" in "".join(skips.lines())


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
@pytest.mark.parametrize("place", ["data", "header", "border", "rubbish"])
def test_a_damaged_shard_gives_what_is_whole_and_says_so(tmp_path, suffix, place):
    path = tmp_path / "a.tar"
    write_tar(path, [member for n in range(5) for member in sample(n)])
    with tarfile.open(path) as archive:
        third = archive.getmembers()[4].offset
    content = path.read_bytes()
    cut = {"data": third + 700, "header": third + 100, "border": third}.get(place)
    content = content[:cut] if cut else content[:third] + b"\x07" * 512 + content[third + 512 :]
    damaged = tmp_path / f"b.{suffix}"
    damaged.write_bytes(gzip.compress(content) if suffix == "tar.gz" else content)
    stream = PairStream([str(damaged)], shards.read_shard, seed=0)
    assert sorted(take(stream, 2)) == ["caption 0", "caption 1"]
    assert stream.skips.counts["the shard is cut or damaged, its end is lost"] == 1


def test_a_cut_gzip_shard_gives_what_is_whole(tmp_path):
    path = tmp_path / "a.tar.gz"
    write_tar(path, [member for n in range(200) for member in sample(n)], "w:gz")
    path.write_bytes(path.read_bytes()[:-4000])
    skips = Skips()
    read = list(shards.read_shard(str(path), skips))
    assert 100 < len(read) < 200
    assert skips.counts == {"the shard is cut or damaged, its end is lost": 1}


def test_a_header_that_claims_much_is_not_believed(tmp_path):
    big = tarfile.TarInfo("0001.png")
    big.size = shards.MAX_MEMBER + 1
    extended = tarfile.TarInfo("0002.png")
    extended.type, extended.size = tarfile.XHDTYPE, 8 * 1024**3 - 1
    for member in (big, extended):
        path = tmp_path / f"{member.name}.tar"
        path.write_bytes(gzip.compress(member.tobuf(tarfile.USTAR_FORMAT) + bytes(2048)))
        skips = Skips()
        assert list(shards.read_shard(str(path), skips)) == []
        assert skips.total() >= 1


def test_captions_are_text_whatever_they_hold(tmp_path):
    captions = ["<script>alert(1)</script> & <b>bold</b>", "a\tb\nc", "𝔘 é", "  "]
    members = [member for n, text in enumerate(captions) for member in sample(n, txt=text.encode())]
    broken = [*sample(10, txt=b"\xff\xfe"), *sample(11)[:1], ("0012.png", png()), ("0012.json", b"[" * 100_000)]
    path = write_tar(tmp_path / "a.tar", [*members, *broken])
    stream = PairStream([path], shards.read_shard, seed=0)
    assert sorted(take(stream, 3)) == sorted(captions[:3])
    next(stream)
    assert stream.skips.counts == {"no caption": 4, "the caption is not UTF-8, or the JSON is damaged": 4}


def test_a_pool_without_a_pair_ends_instead_of_turning_for_ever(tmp_path):
    path = write_tar(tmp_path / "a.tar", sample(0, png=b"GIF89a no image"))
    with pytest.raises(RunFailure, match=r"no image-caption pair in 1 files .* the image cannot be read"):
        next(PairStream([path], shards.read_shard, seed=0))
    (tmp_path / "b.tar").write_bytes(b"no tar")
    with pytest.raises(RunFailure, match=r"shard .*c\.tar cannot be read: No such file"):
        next(PairStream([str(tmp_path / "c.tar")], shards.read_shard, seed=0))
    with pytest.raises(RunFailure, match="cut or damaged"):
        next(PairStream([str(tmp_path / "b.tar")], shards.read_shard, seed=0))


def test_brace_patterns_and_missing_shards(tmp_path):
    assert shards.expand("p/{008..011}.tar") == ["p/008.tar", "p/009.tar", "p/010.tar", "p/011.tar"]
    assert shards.expand("{0..1}/{9..10}.tar") == ["0/9.tar", "0/10.tar", "1/9.tar", "1/10.tar"]
    assert shards.expand("a.tar") == ["a.tar"]
    for pattern in ("{a,b}.tar", "{3..1}.tar", "{0..99999999}.tar"):
        with pytest.raises(UserError, match="pattern"):
            shards.expand(pattern)
    write_tar(tmp_path / "0.tar", [])
    with pytest.raises(UserError, match=r"2 of 3 shards are missing in .*, the first is 1\.tar"):
        shards.find_shards("{0..2}.tar", tmp_path)
    assert shards.find_shards("*.tar", tmp_path) == [str(tmp_path / "0.tar")]


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims this size in a header with a right checksum."""
    content = bytearray(png(size=1))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bomb(20_000, 5_001), "20000 x 5001 pixels, more than the 100,000,000 allowed"),
        (bomb(30_000, 30_000), "cannot be read as an image .*decompression bomb"),
        (png()[:-30], "cannot be read as an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read as an image"),
        (b"<svg/>", "cannot be read as an image"),
        (b"", "cannot be read as an image"),
    ],
)
def test_what_is_no_image_is_one_line(content, reason):
    with pytest.raises(RunFailure, match=f"it: {reason}") as caught:
        open_image(content, "it")
    assert "\n" not in str(caught.value)


def test_deep_samples_are_refused_and_palettes_are_converted(tmp_path):
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(RunFailure, match="more than 8 bits"):
        open_image(tmp_path / "deep.png")
    Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).convert("P").save(tmp_path / "p.gif")
    assert np.asarray(open_image(tmp_path / "p.gif")).shape == (4, 4, 3)
