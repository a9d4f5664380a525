"""Make one data set of the embedded world on disk; flopwise.data.real lists real ones."""

import dataclasses
from pathlib import Path

from flopwise.core.choices import near
from flopwise.core.errors import UserError
from flopwise.data.catalogue import facts_of_row
from flopwise.data.store import write_set
from flopwise.data.world import POOL_FAMILIES, WORLD, build_pool, build_set

POOL_FACTS = {
    "name": "pool", "title": "Pre-training pool", "role": "pre-training", "task": "image-text pairs", "material": "mixed",
    "split": "no test split; shares no image with any test set", "source": "the embedded world",
    "licence": "see the data sets it draws from",
}  # fmt: skip


def facts_of(data, name: str) -> dict:
    """What the catalogue knows about the data set called `name`."""
    allowed = (*data.adaptation, *data.evaluation, *data.pools)
    if name not in allowed:
        found = near(name, allowed)
        hint = f" (did you mean {', '.join(found)}?)" if found else ""
        raise UserError(f"data set {name!r} is none of this scale's{hint}; allowed are {', '.join(allowed)}")
    if data.kind == "catalogue":
        return facts_of_row(name)
    return dataclasses.asdict(WORLD[name])


def build_to(data, name: str, out: Path) -> None:
    """Write the embedded data set `name`, or one of the pools made here, to the folder `out`."""
    if name in data.pools:
        recipe = data.pools[name]
        facts = {**POOL_FACTS, "name": name, "families": list(recipe.families or POOL_FAMILIES)}
        pool = build_pool(recipe.samples, caption_noise=recipe.caption_noise, families=recipe.families)
        write_set(out, pool, {**facts, "caption_noise": recipe.caption_noise})
        return
    facts = facts_of(data, name)
    write_set(out, build_set(name, train_per_class=data.train_per_class, test_per_class=data.test_per_class), facts)
