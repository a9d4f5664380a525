"""What the toy study says of itself to have its claims judged."""

from flopwise.studies.toy.plan import cells

from flopwise.core.io import read_table
from flopwise.core.judge import Context, Planned


def claim_context(settings, tables) -> Context:
    """The tables, and what this scale runs."""
    planned = Planned(settings.preset.toy.defaults.model_dump(), {"final": cells(settings.preset.toy)})
    return Context(
        study="toy", scale=settings.config.scale, tables={"final": read_table(tables / "final.csv")}, axes=("size",),
        planned={settings.config.scale: planned},
    )  # fmt: skip
