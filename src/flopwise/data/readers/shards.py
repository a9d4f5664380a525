"""Webdataset shards: tar files whose members `<key>.<extension>` with one key, side by side, are one sample.

A shard is read in place, front to back; nothing is ever extracted, so that no member can write anywhere. Members that
are no regular files, or whose names point out of the folder, are left out and counted, as is what a cut or damaged
shard has lost.
"""

import gzip
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.readers.skips import Skips
from flopwise.data.tree import Bounded

IMAGES = ("jpg", "jpeg", "png", "webp")
MAX_MEMBER = 64 * 1024**2  # bytes; pools hold pictures of some 30 kB
MAX_PATTERN = 1_000_000  # files that one brace pattern may stand for
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)  # the key ends at the first dot, as in webdataset
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Raw:
    """One sample as stored: `key` names it, `image` is the encoded file; a part that is missing is None. `offset`: where
    the image begins in its shard."""

    key: str
    image: bytes | None
    caption: str | None
    offset: int | None = None


def expand(pattern: str) -> list[str]:
    """The names that a brace pattern stands for: `pool/{000..012}.tar` is thirteen; numbers keep their leading zeros.
    A name without braces stands for itself."""
    found = _BRACES.search(pattern)
    if not found:
        if "{" in pattern or "}" in pattern:
            raise UserError(f"pattern {pattern!r}: braces hold a range of numbers, such as {{000..012}}")
        return [pattern]
    first, last = found.groups()
    if int(last) < int(first) or int(last) - int(first) >= MAX_PATTERN:
        raise UserError(f"pattern {pattern!r}: the range {first}..{last} is empty or longer than {MAX_PATTERN:,}")
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    numbers = [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]
    return [name for number in numbers for name in expand(pattern[: found.start()] + number + pattern[found.end() :])]


def find_shards(patterns: str | list[str], root: Path | str = ".") -> list[str]:
    """Paths of all shards that `patterns` (brace patterns, or `*` for any text) stand for under `root`. Raises
    `UserError` that names the first one missing and how many are."""
    names = [name for pattern in ([patterns] if isinstance(patterns, str) else patterns) for name in expand(pattern)]
    found, missing = [], []
    for name in names:
        matches = sorted(Path(root).glob(name)) if "*" in name else [Path(root) / name]
        existing = [str(path) for path in matches if path.is_file()]
        found += existing
        if not existing:
            missing.append(name)
    if missing:
        raise UserError(f"{len(missing)} of {len(names)} shards are missing in {root}, the first is {missing[0]}")
    return found


def read_shard(path: str, skips: Skips) -> Iterator[Raw]:
    """The samples of one shard (`.tar`, `.tar.gz`) in the order of the file.

    The caption is the member `.txt`, else the string `caption` of the member `.json`; both are UTF-8."""
    key, parts = None, {}
    for name, content, offset in _members(path, skips):
        found = _NAME.fullmatch(name)
        if not found:
            skips.add("a member without a key", f"{path}: {name}")
            continue
        if found[1] != key:
            if parts:
                yield _sample(path, key, parts, skips)
            key, parts = found[1], {}
        extension = found[2].lower()
        if extension in parts:
            skips.add("a second member of the same name", f"{path}: {name}")
            continue
        parts[extension] = (content, offset)
    if parts:
        yield _sample(path, key, parts, skips)


def _sample(path: str, key: str, parts: dict[str, tuple[bytes, int]], skips: Skips) -> Raw:
    image, offset = next((parts[extension] for extension in IMAGES if extension in parts), (None, None))
    try:
        if "txt" in parts:
            caption = parts["txt"][0].decode("utf-8")
        else:
            caption = json.loads(parts["json"][0].decode("utf-8")).get("caption") if "json" in parts else None
    except (ValueError, AttributeError, RecursionError):
        skips.add("the caption is not UTF-8, or the JSON is damaged", f"{path}: {key}")
        caption = None
    return Raw(key, image, caption if isinstance(caption, str) else None, offset)


def _members(path: str, skips: Skips) -> Iterator[tuple[str, bytes, int]]:
    """(name, content, its offset in the unpacked shard) of every member that may be used."""
    try:
        with _open(path) as stream, tarfile.open(fileobj=Bounded(stream, MAX_MEMBER), mode="r:") as archive:
            for member in archive:
                archive.members = []  # the list would hold every header of the shard
                where = f"{path}: {member.name}"
                if member.isdir():
                    continue
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    skips.add("a member that points out of the folder", where)
                elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    skips.add("a member that is no regular file (link, device, ...)", where)
                elif member.size > MAX_MEMBER:
                    skips.add(f"a member of more than {MAX_MEMBER // 1024**2} MiB", where)
                else:
                    content = archive.extractfile(member).read()
                    if len(content) < member.size:  # tarfile gives what there is
                        raise tarfile.ReadError(f"{member.name} is cut")
                    yield member.name, content, member.offset_data
            if not _ended(stream, archive.offset):
                skips.add("the shard is cut or damaged, its end is lost", path)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise RunFailure(f"shard {path} cannot be read: {error.strerror}") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, RecursionError) as error:
        skips.add("the shard is cut or damaged, its end is lost", f"{path} ({error})")


def _open(path: str):
    with open(path, "rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else open(path, "rb")


def _ended(stream, offset: int) -> bool:
    """True where the header at `offset` is the block of zeros that ends an archive (tarfile takes anything for it)."""
    stream.seek(offset)
    return stream.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
