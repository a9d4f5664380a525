"""Webdataset shards: tar files whose members `<key>.<extension>` with one key, side by side, are one sample.

A shard is read in place, front to back; nothing is ever extracted, so that no member can write anywhere. Members that
are no regular files, or whose names point out of the folder, are left out and counted, as is what a cut or damaged
shard has lost. Every key is either read or counted once, under the reason why it is no sample.
"""

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, decoded, json_of
from flopwise.data.readers.skips import Skips, ending
from flopwise.data.tree import Bounded

IMAGES = ("jpg", "jpeg", "png", "webp")
MAX_MEMBER = 64 * 1024**2  # bytes; pools hold pictures of some 30 kB
MAX_PATTERN = 1_000_000  # files that one brace pattern may stand for
MAX_REASONS, MAX_ENDINGS = 50, 5  # kinds of incomplete samples that are told apart, by so many endings of their files
APART = "files of one sample not side by side (make the shard with tar --sort=name)"
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)  # the key ends at the first dot, as in webdataset
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Raw:
    """One sample as stored: `key` names it, `image` is the encoded file. `offset`: where the image begins in its shard."""

    key: str
    image: bytes
    caption: str
    offset: int


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
    """The samples of one shard (`.tar`, `.tar.gz`) that have an image and a caption, in the order of the file.

    The caption is the member `.txt`, else the string `caption` of the member `.json`; both are UTF-8. Files of a sample
    with other endings are not looked at."""
    whole, rest = set(), {}  # keys that are read; key -> why each of its runs of members is no sample
    for key, parts in _runs(path, skips):
        found = _sample(f"{path}: {key}", key, parts)
        if isinstance(found, Raw):
            whole.add(key)
            yield found
        else:
            rest.setdefault(key, []).append(found)
    for key, reasons in rest.items():
        if key in whole:
            skips.add("more files of a sample apart from it, read without them", f"{path}: {key}")
        elif len(reasons) > 1:
            skips.add(APART, f"{path}: {key}")
        elif reasons[0]:
            kind, _, which = reasons[0].partition(" among ")
            skips.add(reasons[0] if len(skips.counts) < MAX_REASONS or not which else kind, f"{path}: {key}")


def _runs(path: str, skips: Skips) -> Iterator[tuple[str, dict]]:
    """(key, its members: extension -> (content, offset)) for each run of members with one key."""
    key, parts = None, {}
    for name, content, offset in _members(path, skips):
        found = _NAME.fullmatch(composed(name))
        if not found:
            if content is not None:
                skips.add("a member without a key", f"{path}: {name}")
            continue
        if found[1] != key:
            if parts:
                yield key, parts
            key, parts = found[1], {}
        extension = found[2].lower()
        if extension in parts:
            skips.add("a second member of the same name", f"{path}: {name}")
            continue
        parts[extension] = (content, offset)
    if parts:
        yield key, parts


def _sample(where: str, key: str, parts: dict[str, tuple[bytes | None, int]]) -> Raw | str:
    """The sample, or why it is none; nothing is said where a member that was counted already is to blame."""
    contents = {extension: content for extension, (content, _) in parts.items()}
    image, offset = next((parts[extension] for extension in IMAGES if extension in parts), (None, 0))
    try:
        caption = _caption(where, contents)
    except RunFailure:
        return "the caption is not UTF-8, or the JSON is damaged"
    if image is not None and caption is not None:
        return Raw(key, image, caption, offset) if caption.strip() else "an empty caption"
    if None in contents.values():
        return ""
    lacking = " or ".join(name for name, part in (("image", image), ("caption", caption)) if part is None)
    endings = sorted({ending(f"x.{extension}") for extension in parts})
    return f"no {lacking} among files that end in {', '.join(endings[:MAX_ENDINGS])}"


def _caption(where: str, contents: dict[str, bytes | None]) -> str | None:
    """The caption, None where there is none. Raises `RunFailure` where it is damaged."""
    if contents.get("txt") is not None:
        return decoded(contents["txt"], where)
    found = json_of(contents["json"], where) if contents.get("json") is not None else {}
    if not isinstance(found, dict):
        raise RunFailure(f"{where} is no JSON object")
    caption = found.get("caption")
    return caption if isinstance(caption, str) else None


def _members(path: str, skips: Skips) -> Iterator[tuple[str, bytes | None, int]]:
    """(name, content, its offset in the unpacked shard) of every member; None for the content of one that may not be used,
    which is counted."""
    try:
        with _open(path) as stream, tarfile.open(fileobj=Bounded(stream, MAX_MEMBER), mode="r:") as archive:
            for member in archive:
                archive.members = []  # the list would hold every header of the shard
                where = f"{path}: {member.name}"
                if member.isdir():
                    continue
                if fault := _fault(member):
                    skips.add(fault, where)
                    yield member.name, None, member.offset_data
                    continue
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


def _fault(member: tarfile.TarInfo) -> str | None:
    """Why a member may not be used."""
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return "a member that points out of the folder"
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return "a member that is no regular file (link, device, ...)"
    return f"a member of more than {MAX_MEMBER // 1024**2} MiB" if member.size > MAX_MEMBER else None


def _open(path: str):
    with open(path, "rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else open(path, "rb")


def _ended(stream, offset: int) -> bool:
    """True where the header at `offset` is the block of zeros that ends an archive (tarfile takes anything for it)."""
    stream.seek(offset)
    return stream.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
