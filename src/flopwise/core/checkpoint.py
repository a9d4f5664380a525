"""Exact resume: the state of a running training in one folder, replaced atomically.

A state is a set of named tensors and a JSON record. Both are written under a new name that holds the position, and a
small pointer file, renamed last, says which pair is valid. A process killed at any moment leaves the older pair valid.
"""

from collections import defaultdict
from pathlib import Path

from flopwise.core.errors import RunFailure
from flopwise.core.io import read_json, sha256_file, write_json, write_tensors

POINTER = "state.json"


class StateFolder:
    """Where one cell keeps its state. `key` is the digest of everything that determines the run: a state with another
    key belongs to another configuration or code and is ignored."""

    def __init__(self, folder: Path | str, key: str):
        self.folder = Path(folder)
        self.key = key

    def save(self, position: int, tensors: dict, record: dict) -> None:
        """Keep `tensors` (name -> tensor) and `record` (JSON) as the state at `position` (steps done)."""
        weights = self.folder / f"{position}.safetensors"
        write_tensors(weights, tensors)
        pointer = {"key": self.key, "position": position, "sha256": sha256_file(weights), "record": record}
        write_json(self.folder / POINTER, pointer)  # from here on the new state counts; only now may older ones go
        for old in self.folder.glob("*.safetensors"):
            if old != weights:
                old.unlink()

    def load(self) -> tuple[int, dict, dict] | None:
        """(position, tensors, record) of the last complete state, or None where there is none for this key."""
        from safetensors.torch import load_file

        if not (self.folder / POINTER).exists():
            return None
        pointer = read_json(self.folder / POINTER)
        if pointer.get("key") != self.key:
            return None
        weights = self.folder / f"{pointer['position']}.safetensors"
        if not weights.exists() or sha256_file(weights) != pointer["sha256"]:
            raise RunFailure(
                f"saved state {weights} is damaged (its hash is not the one recorded); delete {self.folder} to start anew"
            )
        return pointer["position"], load_file(weights), pointer["record"]

    def clear(self) -> None:
        """Remove the state, the pointer first."""
        for path in [self.folder / POINTER, *self.folder.glob("*.safetensors"), *self.folder.glob(".*.part")]:
            path.unlink(missing_ok=True)
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def joined(parts: dict[str, dict]) -> dict:
    """Named tensors of several parts of a run as one dictionary, `part/name` -> tensor."""
    return {f"{part}/{name}": value for part, tensors in parts.items() for name, value in tensors.items()}


def parted(tensors: dict) -> dict[str, dict]:
    """What `joined` was given; a part without tensors is an empty dictionary."""
    parts: dict[str, dict] = defaultdict(dict)
    for path, value in tensors.items():
        part, _, name = path.partition("/")
        parts[part][name] = value
    return parts
