"""What models say of views of pictures, kept on disk under a name made of everything that decides it.

The name of an entry is the hash of the model's weights, of the data, of which samples, and of the view. So a teacher is
asked once for each view, however many students and methods learn from it, and what changes is asked again. An entry is
verified when it is read: its own hash is part of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from flopwise.core.errors import RunFailure
from flopwise.core.io import atomic_path, read_json, sha256_file, sha256_json, write_json


class View(NamedTuple):
    """One seeded view of the transfer set: its name in the configuration, its number, what it does."""

    name: str
    index: int
    distort: tuple[str, ...]

    @property
    def seed(self) -> tuple:
        """Names under which its uniform numbers are drawn, the same for every model, run and share of the data."""
        return ("view", self.index)


class Said(NamedTuple):
    """Logits float32 (n, C) and features float32 (n, d) of n samples; indices int64 (n,): which ones."""

    logits: object
    features: object


def key_of(weights: str, data: str, samples: str, view: View) -> str:
    """Name of an entry. weights, data: hashes of the files; samples: hash of the indices."""
    return sha256_json([weights, data, samples, list(view.distort), view.index if view.distort else 0])[:40]


@dataclass(frozen=True)
class LogitCache:
    """Entries in `folder`: `<key>.safetensors` and, written last, `<key>.json` with size and hash."""

    folder: Path

    def has(self, key: str) -> bool:
        return (self.folder / f"{key}.json").is_file()

    def put(self, key: str, said: Said, facts: dict) -> None:
        from safetensors.torch import save

        path = self.folder / f"{key}.safetensors"
        with atomic_path(path) as temporary:
            temporary.write_bytes(save({"logits": said.logits.contiguous(), "features": said.features.contiguous()}))
        write_json(path.with_suffix(".json"), {**facts, "sha256": sha256_file(path), "bytes": path.stat().st_size})

    def get(self, key: str) -> Said:
        """The entry. Raises `RunFailure` where it is missing, cut or changed."""
        from safetensors.torch import load_file

        path = self.folder / f"{key}.safetensors"
        if not self.has(key):
            raise RunFailure(
                f"{path} is missing: no logits are kept of this model, data and view; delete {self.folder} to make them"
            )
        facts = read_json(path.with_suffix(".json"))
        if not path.is_file() or sha256_file(path) != facts["sha256"]:
            raise RunFailure(
                f"{path} is damaged (its hash is not the one recorded); delete {self.folder} and run again"
            )
        found = load_file(path)
        return Said(found["logits"], found["features"])
