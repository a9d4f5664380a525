"""Which entries of a stream name a data set or a class that is known here."""

from collections.abc import Sequence
from functools import cache

from flopwise.data.catalogue import catalogue
from flopwise.data.readers.sets import NAMES
from flopwise.data.streams import class_of, dataset_of
from flopwise.data.world import WORLD

WRITTEN = (  # sets of the catalogue whose whole class list this package holds
    "ai2diagrams", "country211", "dsprites", "eurosat", "fashionmnist", "flowers102", "fscoco", "gtsrb", "plantvillage",
)  # fmt: skip
EXAMPLES = 5


def unknown_entries(stream: Sequence[str]) -> dict:
    """`data_set`, `class`: entries whose data set, or whose class, is not known here, each a count and up to five examples;
    `not_compared`: data sets that are known, but whose class list lies with the set alone."""
    found: dict = {what: {"count": 0, "examples": []} for what in ("data_set", "class")}
    not_compared: dict[str, None] = {}
    names = _names()
    for item in stream:
        given = dataset_of(item)
        name = names.get(given.casefold())
        classes = _classes(name) if name else None
        if name and classes is None:
            not_compared[given] = None
        elif not name or class_of(item) not in classes:
            part = found["class" if name else "data_set"]
            part["count"] += 1
            part["examples"] += [item] if len(part["examples"]) < EXAMPLES else []
    return {**found, "not_compared": list(not_compared)}


@cache
def _names() -> dict[str, str]:
    """Case-folded name in a stream file (a set's name or, in the published files, its folder) -> name here."""
    rows = [row for row in catalogue().values() if row.streams]
    folders = {row.folder.casefold(): row.name for row in rows}
    return folders | {row.name.casefold(): row.name for row in rows} | {name.casefold(): name for name in WORLD}


@cache
def _classes(name: str) -> frozenset[str] | None:
    if name in WORLD:
        from flopwise.data.world.build import family

        return frozenset(family(name)[0])
    if name not in WRITTEN:
        return None
    names = NAMES[name]
    return frozenset(names.values() if isinstance(names, dict) else names)
