"""The embedded world: data sets that need no download, drawn here or taken from installed packages.

`WORLD` names them; `build_set` makes one, `build_pool` the pre-training pool. Importing this module is cheap: a
Snakefile may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flopwise.core.errors import UserError
from flopwise.data.world.catalogue import POOL_FAMILIES, WORLD, SetSpec

if TYPE_CHECKING:
    from flopwise.data.store import BuiltSet, Split

__all__ = ["POOL_FAMILIES", "WORLD", "SetSpec", "build_pool", "build_set"]


def build_set(name: str, *, train_per_class: int, test_per_class: int, seed: int = 0) -> BuiltSet:
    """Make a data set of `WORLD` in memory; equal arguments give equal bytes.

    Every class gets `train_per_class` training and `test_per_class` test images. Evaluation sets have no training images,
    but `test_per_class` validation images, drawn as training images are. The test captions of a retrieval set are all
    different; a group with fewer distinct ones gets as many as it has."""
    if name not in WORLD:
        raise UserError(f"data set {name!r} is not part of the embedded world; allowed are {', '.join(WORLD)}")
    if min(train_per_class, test_per_class) < 1:
        raise UserError(
            f"images per class must be at least 1, not {train_per_class} (train) and {test_per_class} (test)"
        )
    from flopwise.data.world.build import make_set

    return make_set(WORLD[name], train_per_class, test_per_class, seed)


def build_pool(samples: int, *, seed: int = 0, caption_noise: float = 0.2, families: tuple[str, ...] = ()) -> Split:
    """Make a pre-training pool: `samples` images with captions, `targets` indexing `POOL_FAMILIES`.

    `caption_noise`: share of captions that are spoilt (exchanged with another image's, cut, padded or misspelt);
    `families`: kinds of images it holds, all of `POOL_FAMILIES` unless given."""
    if samples < 1 or not 0 <= caption_noise <= 1:
        raise UserError(f"the pool needs samples >= 1 and 0 <= caption_noise <= 1, not {samples} and {caption_noise}")
    unknown = set(families) - set(POOL_FAMILIES)
    if unknown:
        raise UserError(f"the pool has no family {sorted(unknown)[0]!r}; allowed are {', '.join(POOL_FAMILIES)}")
    from flopwise.data.world.pool import make

    return make(samples, seed, caption_noise, families or POOL_FAMILIES)
