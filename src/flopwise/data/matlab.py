"""MATLAB's MAT-files of level 5 (versions 5 to 7.2), as far as data sets need them: numbers, text, cells and structs.

Files come from strangers, and general readers crash on damaged ones. This one takes every size it reads for a claim,
checks it against the bytes that are there, and refuses what it does not know. Format: MathWorks, "MAT-File Format"."""

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure

HEADER = 128  # bytes: a text, the version and the order of bytes
MAX_UNPACKED = 1024**3  # bytes of one compressed variable; SVHN's largest that is read holds 225 MB
MAX_DEPTH = 8  # cells and structs inside one another
NUMBERS = dict(zip((1, 2, 3, 4, 5, 6, 7, 9, 12, 13), ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8")))
TEXTS = {2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
MATRIX, COMPRESSED = 14, 15  # kinds of elements
CELL, STRUCT, TEXT, NUMERIC = 1, 2, 4, range(6, 16)  # classes of matrices
COMPLEX = 0x08


def read_mat(content: bytes, where: Path | str) -> dict:
    """Name -> value of every variable in a MAT-file: an array of numbers in its own shape, a `str`, a list of a cell's
    values or a list of dicts for a struct (both in column order).

    Raises `RunFailure`, one line with `where`, for what is damaged, cut or of another kind (sparse, complex, objects;
    version 7.3 is HDF5)."""
    try:
        order = {b"IM": "<", b"MI": ">"}[content[HEADER - 2 : HEADER]]
        part, found = _Part(memoryview(content)[HEADER:], order), {}
        while part.left > 0:
            name, value = part.variable()
            found[name] = value
        return found
    except (KeyError, ValueError, IndexError, struct.error, zlib.error, OverflowError, MemoryError) as error:
        reason = "no or damaged header" if isinstance(error, KeyError) else error
        raise RunFailure(f"{where} is no MATLAB file (level 5) or is damaged: {reason}") from error


class _Part:
    """A run of elements inside a file: `data`, read from front to back."""

    def __init__(self, data: memoryview, order: str):
        self.data, self.order, self.at = data, order, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def variable(self) -> tuple[str, object]:
        """(name, value) of the next variable."""
        kind, data = self.element()
        if kind == COMPRESSED:
            kind, data = _Part(_unpacked(data, self.order), self.order).element()
        if kind != MATRIX:
            raise ValueError(f"an element of kind {kind} stands where a variable should")
        return _Part(data, self.order).matrix(0)

    def element(self) -> tuple[int, memoryview]:
        """(kind, content) of the next element; a small one has both in eight bytes."""
        kind, size = struct.unpack_from(f"{self.order}II", self.data, self.at)
        start = self.at + 8
        end = start + size + (0 if kind == COMPRESSED else -size % 8)
        if kind >> 16:
            kind, size, start, end = kind & 0xFFFF, kind >> 16, self.at + 4, self.at + 8
        if size > len(self.data) - start or (end == start + 4 and size > 4):
            raise ValueError(f"an element claims {size:,} bytes, {len(self.data) - start:,} are left")
        self.at = end
        return kind, self.data[start : start + size]

    def numbers(self) -> np.ndarray:
        kind, data = self.element()
        if kind not in NUMBERS:
            raise ValueError(f"an element of kind {kind} stands where numbers should")
        return np.frombuffer(data, np.dtype(NUMBERS[kind]).newbyteorder(self.order))

    def matrix(self, depth: int) -> tuple[str, object]:
        """(name, value): flags, sizes and name, then what the class of the matrix asks for."""
        if not self.data:
            return "", np.empty((0, 0))  # an empty place of a cell
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} cells or structs inside one another")
        flags = int(self.numbers()[0])
        kind, shape = flags & 0xFF, tuple(int(n) for n in self.numbers())
        count, name = math.prod(shape), str(bytes(self.element()[1]), "ascii")
        if len(shape) < 2 or min(shape) < 0 or flags >> 8 & COMPLEX:
            raise ValueError(f"variable {name!r} has the shape {shape} or holds complex numbers")
        if kind in NUMERIC:
            values = self.numbers()
            if values.size != count:
                raise ValueError(f"variable {name!r} of shape {shape} holds {values.size} numbers")
            return name, values.reshape(shape, order="F")
        if kind == TEXT:
            return name, self.text(shape)
        if kind == CELL:
            return name, self.values(count, depth)
        if kind == STRUCT:
            fields = self.fields()
            values = iter(self.values(count * len(fields), depth))
            return name, [{field: next(values) for field in fields} for _ in range(count if fields else 0)]
        raise ValueError(f"variable {name!r} is of class {kind}; read are numbers, text, cells and structs")

    def text(self, shape: tuple[int, ...]) -> str:
        kind, data = self.element()
        if kind not in TEXTS or (math.prod(shape) and shape[0] != 1):
            raise ValueError(f"text of kind {kind} and shape {shape}; read is one line")
        coding = TEXTS[kind] + ("" if TEXTS[kind] == "utf-8" else {"<": "-le", ">": "-be"}[self.order])
        return str(bytes(data), coding)

    def fields(self) -> list[str]:
        """The names of a struct's fields, each in the same number of bytes, filled up with zeros."""
        width, data = int(self.numbers()[0]), bytes(self.element()[1])
        if width < 1 or len(data) % width:
            raise ValueError(f"{len(data)} bytes hold no names of {width} bytes")
        return [str(data[i : i + width].split(b"\0")[0], "ascii") for i in range(0, len(data), width)]

    def values(self, count: int, depth: int) -> list:
        """The next `count` matrices."""
        if count > self.left // 8:
            raise ValueError(f"{count:,} values are claimed, {self.left:,} bytes are left")
        found = []
        for _ in range(count):
            kind, data = self.element()
            if kind != MATRIX:
                raise ValueError(f"an element of kind {kind} stands where a matrix should")
            found.append(_Part(data, self.order).matrix(depth + 1)[1])
        return found


def _unpacked(data: memoryview, order: str) -> memoryview:
    """A compressed variable: as many bytes as its own tag says, no more than `MAX_UNPACKED`."""
    stream = zlib.decompressobj()
    head = stream.decompress(data, 8)
    size = struct.unpack(f"{order}II", head)[1]
    if size > MAX_UNPACKED:
        raise ValueError(f"a compressed variable claims {size:,} bytes, allowed are {MAX_UNPACKED:,}")
    return memoryview(head + stream.decompress(stream.unconsumed_tail, size + 1))
