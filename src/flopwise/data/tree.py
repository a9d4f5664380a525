"""The files of one data set: the folder <root>/<FOLDER>, and the members of <root>/<FOLDER>.tar, read in place.

Only regular files inside that folder or archive can be listed or opened. Whatever else is there (links that lead
outside, members that climb out of the folder, names that are not UTF-8, devices) is left out and kept in `problems`.
Files and folders whose names begin with a dot are not part of a set. Names are composed, however the disk or the archive
has them (see flopwise.core.text), and a file is found by its name in either form.
"""

import io
import os
import re
import tarfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, decoded, is_utf8

MAX_HEADER = 1024**2  # bytes of one header of an archive; a long name needs a few hundred


class Problem(NamedTuple):
    """One thing that was left out, or `kept` though something is wrong with it: where, and what. Details of `what` stand
    behind a colon or semicolon."""

    path: str
    what: str
    kept: bool = False


class Tree:
    """Read-only view of a data set's files; paths are relative to its folder, with `/`."""

    def __init__(self, root: Path | str, folder: str):
        root = Path(root)
        if not root.is_dir():
            raise UserError(f"{root} is not a folder; --root is the folder that holds {folder}/ or {folder}.tar")
        self.root, self.folder = root, folder
        self.problems: list[Problem] = []
        self.arrays: dict = {}  # opened array files, see flopwise.data.arrays
        self._members: dict[
            str, tuple[int, int] | None
        ] = {}  # path -> (offset, size) in the archive, None: in the folder
        self._stored: dict[str, str] = {}  # path -> how the disk writes it, where that differs
        base, archive = root / folder, root / f"{folder}.tar"
        if not base.is_dir() and not archive.is_file():
            raise RunFailure(f"{root} holds neither the folder {folder} nor the archive {folder}.tar")
        if archive.is_file():
            self._scan_archive(archive)
        if base.is_dir():
            self._scan_folder(base)
        self._compose()
        self._sorted = sorted(self._members, key=lambda path: path.split("/"))

    def __contains__(self, path: str) -> bool:
        return self._name(path) in self._members

    def __getstate__(self) -> dict:
        # a listing may be sent to a worker process, which opens array files again by itself
        return {**self.__dict__, "arrays": {}}

    @property
    def where(self) -> Path:
        return self.root / self.folder

    def files(self, under: str = "") -> list[str]:
        """All files below the folder `under`, folders and files in sorted order; pre-resized copies are left out."""
        prefix = f"{under}/" if under else ""
        copies = re.compile(rf"{re.escape(self.folder)}_\w+_224/")
        return [path for path in self._sorted if path.startswith(prefix) and not copies.match(path)]

    def place(self, path: str) -> tuple[int, int] | None:
        """(offset, size) of a file inside <root>/<FOLDER>.tar; None for one in the folder."""
        return self._members[self._name(path)]

    def stored(self, path: str) -> str:
        """The path of a file as the disk writes it."""
        name = self._name(path)
        return self._stored.get(name, name)

    def open(self, path: str) -> BinaryIO:
        if path not in self:
            raise RunFailure(f"{self.where / path} is missing")
        place = self.place(path)
        try:
            if place is None:
                return (self.where / self.stored(path)).open("rb")
            return io.BufferedReader(_Window(self.root / f"{self.folder}.tar", *place))
        except OSError as error:
            raise RunFailure(f"{self.where / path} cannot be read: {error.strerror or error}") from error

    def read(self, path: str) -> bytes:
        with self.open(path) as stream:
            return stream.read()

    def text(self, path: str) -> str:
        """A text file, composed. Raises `RunFailure` where it is not UTF-8."""
        return composed(decoded(self.read(path), self.where / path))

    def _name(self, path: str) -> str:
        return path if path in self._members else composed(path)

    def _compose(self) -> None:
        """Give each file its composed name; of two that differ in form alone the second keeps its own, so that none hides
        the other."""
        for path in sorted(path for path in self._members if composed(path) != path):
            if (name := composed(path)) not in self._members:
                self._members[name], self._stored[name] = self._members.pop(path), path

    def _scan_folder(self, base: Path) -> None:
        real = os.path.realpath(base)
        todo = [""]
        while todo:
            inside = todo.pop()
            try:
                with os.scandir(base / inside) as entries:
                    found = list(entries)
            except OSError as error:
                self._refuse(inside, f"cannot be listed: {error.strerror}")
                continue
            for entry in found:
                path = f"{inside}/{entry.name}" if inside else entry.name
                if entry.name.startswith("."):
                    continue
                if not is_utf8(path):
                    self._refuse(path, "name is not UTF-8")
                elif entry.is_symlink() and not os.path.realpath(entry.path).startswith(real + os.sep):
                    self._refuse(path, "link that leads outside the data set")
                elif entry.is_symlink() and entry.is_dir():
                    self._refuse(path, "link to a folder")
                elif entry.is_dir():
                    todo.append(path)
                elif entry.is_file():
                    self._members[path] = None
                else:
                    self._refuse(path, "neither a file nor a folder")

    def _scan_archive(self, archive: Path) -> None:
        size, end = archive.stat().st_size, 0
        try:
            with (
                archive.open("rb") as stream,
                tarfile.open(
                    fileobj=Bounded(stream, MAX_HEADER), mode="r:", encoding="utf-8", errors="surrogateescape"
                ) as members,
            ):
                for member in members:
                    # archives fill up each content to blocks of 512 bytes, and end with at least one block of zeros
                    end = member.offset_data + (-(-member.size // 512) * 512 if member.isreg() else 0)
                    self._take(member, size)
        except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError, RecursionError) as error:
            self._refuse(archive.name, f"archive is damaged or cut, or compressed: {error}")
            return
        if size < end + 512:
            self._refuse(archive.name, f"archive is cut: it ends at byte {size}, before its end mark")

    def _take(self, member: tarfile.TarInfo, size: int) -> None:
        parts = member.name.split("/")
        path = "/".join(part for part in parts if part not in ("", "."))
        if member.isdir() or any(part.startswith(".") and part not in (".", "..") for part in parts):
            return
        if not is_utf8(member.name):
            self._refuse(member.name, "name is not UTF-8")
        elif member.name.startswith("/") or ".." in parts:
            self._refuse(member.name, "member that climbs out of the folder")
        elif not member.isreg() or member.issparse():
            self._refuse(member.name, "link, device or sparse member")
        elif not path.startswith(f"{self.folder}/"):
            self._refuse(member.name, f"member outside {self.folder}/")
        elif member.offset_data + member.size > size:
            self._refuse(member.name, "member is cut")
        else:
            inner = path.removeprefix(f"{self.folder}/")
            if inner in self._members:
                self._refuse(member.name, "member occurs twice; the last one counts")
            self._members[inner] = (member.offset_data, member.size)

    def _refuse(self, path: str, what: str) -> None:
        self.problems.append(Problem(path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), what))


class Bounded:
    """A binary stream for `tarfile` that never reads more than `limit` bytes at once: headers can claim any size."""

    def __init__(self, stream, limit: int):
        self.seek, self.tell, self._read, self.limit = stream.seek, stream.tell, stream.read, limit

    def read(self, size: int) -> bytes:
        if size > self.limit:
            raise tarfile.ReadError(f"a header asks for {size:,} bytes")
        return self._read(size)


class _Window(io.RawIOBase):
    """`size` bytes of a file from `offset` on, as a file of its own."""

    def __init__(self, path: Path, offset: int, size: int):
        self._stream, self._offset, self._size, self._at = path.open("rb"), offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:
        wanted = min(len(buffer), max(0, self._size - self._at))
        self._stream.seek(self._offset + self._at)
        content = self._stream.read(wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        self._stream.close()
        super().close()
