"""Image-caption pairs out of tar shards: the same samples as the package that defines the format finds, and every hostile
or broken input counted; pictures of strangers."""

import gzip
import io
import struct
import tarfile
import zlib

import numpy as np
import pytest
from PIL import Image

from flopwise.core.errors import RunFailure, UserError
from flopwise.data import loader
from flopwise.data.images import check_header, open_frame, open_image
from flopwise.data.readers import shards
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


def read(path) -> tuple[list[shards.Raw], Skips]:
    skips = Skips()
    return list(shards.read_shard(str(path), skips)), skips


def test_shards_hold_what_the_webdataset_package_finds(pool):
    webdataset = pytest.importorskip("webdataset")
    theirs = list(webdataset.WebDataset(pool, shardshuffle=False))
    mine = [raw for path in pool for raw in read(path)[0]]
    assert [(raw.key, raw.image, raw.caption.encode()) for raw in mine] == [
        (each["__key__"], each["png"], each["txt"]) for each in theirs
    ]


def test_shards_of_the_webdataset_writer_are_read(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    path = tmp_path / "a.tar"
    with webdataset.TarWriter(str(path)) as writer:
        writer.write({"__key__": "dir.v1/one", "jpg": np.zeros((4, 4, 3), np.uint8), "json": {"caption": "é"}})
    ((raw,), _) = read(path)
    assert (raw.key, raw.caption) == ("dir.v1/one", "é")
    assert open_image(raw.image).size == (4, 4)


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
    found, skips = read(path)
    assert [raw.key for raw in found] == ["0008"]
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
    found, skips = read(damaged)
    assert [raw.caption for raw in found] == ["caption 0", "caption 1"]
    assert skips.counts == {"the shard is cut or damaged, its end is lost": 1}


def test_a_cut_gzip_shard_gives_what_is_whole(tmp_path):
    path = tmp_path / "a.tar.gz"
    write_tar(path, [member for n in range(200) for member in sample(n)], "w:gz")
    path.write_bytes(path.read_bytes()[:-4000])
    found, skips = read(path)
    assert 100 < len(found) < 200
    assert skips.counts == {"the shard is cut or damaged, its end is lost": 1}


def test_a_header_that_claims_much_is_not_believed(tmp_path):
    big = tarfile.TarInfo("0001.png")
    big.size = shards.MAX_MEMBER + 1
    extended = tarfile.TarInfo("0002.png")
    extended.type, extended.size = tarfile.XHDTYPE, 8 * 1024**3 - 1
    chain = tarfile.TarInfo("0003.png")
    chain.type = tarfile.XHDTYPE
    for member, times in ((big, 1), (extended, 1), (chain, 2000)):
        path = tmp_path / f"{member.name}.tar"
        path.write_bytes(gzip.compress(member.tobuf(tarfile.USTAR_FORMAT) * times + bytes(2048)))
        found, skips = read(path)
        assert found == []
        assert skips.total() >= 1


def test_captions_are_text_whatever_they_hold(tmp_path):
    captions = ["<script>alert(1)</script> & <b>bold</b>", "a\tb\nc", "𝔘 é", "  "]
    members = [member for n, text in enumerate(captions) for member in sample(n, txt=text.encode())]
    broken = [*sample(10, txt=b"\xff\xfe"), *sample(11)[:1], ("0012.png", png()), ("0012.json", b"[" * 100_000)]
    path = write_tar(tmp_path / "a.tar", [*members, *broken])
    found, skips = read(path)
    assert [raw.caption for raw in found] == captions[:3]
    assert skips.counts == {
        "an empty caption": 1,
        "the caption is not UTF-8, or the JSON is damaged": 2,
        "no caption among files that end in .png": 1,
    }


def members_of(*names: str) -> list[tuple[str, bytes]]:
    return [(name, png() if name.lower().endswith((".png", ".gif")) else b"a caption") for name in names]


APART = "files of one sample not side by side (make the shard with tar --sort=name)"


@pytest.mark.parametrize(
    ("names", "keys", "counts"),
    [
        (["a.txt", "b.png", "b.txt", "c.txt", "a.png", "c.png"], ["b"], {APART: 2}),
        (["a.png", "b.png", "c.png", "a.txt", "b.txt", "c.txt"], [], {APART: 3}),
        (["a.png", "b.png", "b.txt", "c.txt"], ["b"], {
            "no caption among files that end in .png": 1, "no image among files that end in .txt": 1,
        }),
        (["v1/a.left.png", "v1/a.words.txt", "b.png", "b.txt", "b.cls"], ["b"], {
            "no image or caption among files that end in .left.png, .words.txt": 1,
        }),
        (["a.GIF", "a.txt", "b.PNG", "b.TXT"], ["b"], {"no image among files that end in .gif, .txt": 1}),
        (["a.png", "a.txt", "b.png", "b.txt", "a.cls"], ["a", "b"], {
            "more files of a sample apart from it, read without them": 1,
        }),
        (["a.png", "a.this is no kind of file", "._a.png"], [], {
            "no caption among files that end in .png, another ending": 1, "a member without a key": 1,
        }),
    ],
)  # fmt: skip
def test_every_key_is_read_or_counted_under_its_reason(tmp_path, names, keys, counts):
    found, skips = read(write_tar(tmp_path / "a.tar", members_of(*names)))
    assert ([raw.key for raw in found], skips.counts) == (keys, counts)


def test_a_member_that_was_refused_is_not_counted_once_more_as_a_missing_part(tmp_path):
    link = info("a.png", tarfile.SYMTYPE, "b.png")
    found, skips = read(write_tar(tmp_path / "a.tar", [link, *members_of("a.txt", "b.png", "b.txt")]))
    assert [raw.key for raw in found] == ["b"]
    assert skips.counts == {"a member that is no regular file (link, device, ...)": 1}


def test_strangers_cannot_fill_the_list_of_reasons(tmp_path):
    names = [f"{number}.{letter}{number}" for number in range(60) for letter in "abcdefgh"]
    _, skips = read(write_tar(tmp_path / "a.tar", members_of(*names)))
    assert skips.total() == 60
    assert len(skips.counts) <= shards.MAX_REASONS + 1
    assert max(map(len, skips.counts)) < 120


def test_captions_lose_their_mark_and_cut_characters_are_counted(tmp_path):
    texts = {"a.txt": "\ufeffcafé".encode(), "b.json": b'{"caption": "cut \\ud83d"}', "c.txt": "wide".encode("utf-16")}
    members = [member for name, text in texts.items() for member in ((f"{name[0]}.png", png()), (name, text))]
    found, skips = read(write_tar(tmp_path / "a.tar", members))
    assert [raw.caption for raw in found] == ["café"]
    assert skips.counts == {"the caption is not UTF-8, or the JSON is damaged": 2}


def test_the_parts_of_a_sample_may_write_its_key_in_either_form(tmp_path):
    path = write_tar(tmp_path / "a.tar", members_of("caf\u00e9.png", "cafe\u0301.txt"))
    assert [raw.key for raw in read(path)[0]] == ["caf\u00e9"]


def test_a_shard_that_is_missing_or_no_tar_file_is_named(tmp_path):
    (tmp_path / "b.tar").write_bytes(b"no tar")
    found, skips = read(tmp_path / "b.tar")
    assert found == []
    assert "b.tar" in skips.first["the shard is cut or damaged, its end is lost"]
    with pytest.raises(RunFailure, match=r"shard .*c\.tar cannot be read: No such file"):
        read(tmp_path / "c.tar")


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
        (bomb(30_000, 30_000), "more pixels than the 100,000,000 allowed"),
        (png()[:-30], "cannot be read as an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "cannot be read as an image"),
        (b"<svg/>", "cannot be read as an image"),
        (b"", "cannot be read as an image"),
    ],
)
def test_what_is_no_image_is_one_line_however_it_is_opened(tmp_path, content, reason):
    path = tmp_path / "it"
    path.write_bytes(content)
    ways = [lambda: open_image(content, str(path)), lambda: open_frame(path), lambda: loader.load(path, 8, seed=1)]
    if b"IDAT" not in content or "pixels" in reason:  # a header says nothing about what is cut behind it
        ways.append(lambda: check_header(content, str(path)))
    for way in ways:
        with pytest.raises(RunFailure, match=f"{path}: {reason}") as caught:
            way()
        assert "\n" not in str(caught.value)


def test_deep_frames_are_refused_and_palettes_are_converted(tmp_path):
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(RunFailure, match="more than 8 bits"):
        open_frame(tmp_path / "deep.png")
    Image.fromarray(np.full((4, 4, 3), 200, np.uint8)).convert("P").save(tmp_path / "p.gif")
    assert np.asarray(open_frame(tmp_path / "p.gif")).shape == (4, 4, 3)
