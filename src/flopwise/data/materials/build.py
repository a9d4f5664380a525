"""Make one material on disk."""

import dataclasses
from importlib import import_module
from pathlib import Path

from flopwise.data.materials.catalogue import MATERIALS, module_of
from flopwise.data.store import write_arrays

VALIDATION = "a random fifth of each class of the training samples, or of whole games, stands for the test samples"


def build_material(name: str, sizes: dict[str, int], out: Path | str, seed: int = 0) -> dict:
    """Write the material `name` with `sizes` samples per split to the folder `out`; returns its card.

    The module's `make(name, sizes, seed)` returns arrays by name, documents (values for JSON) by name, and facts for the
    card; its `FIELDS` says what each array holds. Equal arguments give equal bytes."""
    module = import_module(module_of(name))
    arrays, documents, facts = module.make(name, sizes, seed)
    known = {key: value for key, value in dataclasses.asdict(MATERIALS[name]).items() if key not in ("module", "sizes")}
    named = (*arrays, *documents)
    fields = {key: text for key, text in module.FIELDS.items() if "<" in key or any(n.endswith(key) for n in named)}
    if {"train", "test"} <= set(sizes) or "task_test" in sizes:
        facts = {**facts, "validation": VALIDATION}
    counts = facts.get("counts") or {split: _samples(arrays, split) for split in sizes}
    return write_arrays(out, arrays, documents, {**known, "fields": fields, **facts, "counts": counts})


def _samples(arrays: dict, split: str) -> int:
    return len(next(array for name, array in arrays.items() if name.startswith(split)))
