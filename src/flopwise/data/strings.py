"""Many strings in two arrays, so that millions of them open at once and stay on disk until they are asked for."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np


class Strings(Sequence):
    """A read-only sequence of N strings: `text` uint8 (bytes of all strings, one after the other, UTF-8), `ends` int64
    (N,), where each ends."""

    def __init__(self, text: np.ndarray, ends: np.ndarray):
        self.text, self.ends = text, ends

    @classmethod
    def of(cls, values: Iterable[str]) -> "Strings":
        parts = [value.encode("utf-8", "surrogateescape") for value in values]
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return cls(np.frombuffer(b"".join(parts), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self.ends):
            raise IndexError(f"string {index} of {len(self.ends)}")
        start = int(self.ends[index - 1]) if index else 0
        return self.text[start : int(self.ends[index])].tobytes().decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The two arrays under the names that `opened` looks for."""
        return {name: self.text, f"{name}_stops": self.ends}

    @classmethod
    def opened(cls, arrays: dict[str, np.ndarray], name: str) -> "Strings":
        return cls(arrays[name], arrays[f"{name}_stops"])
