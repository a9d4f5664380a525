"""What the command line does with a material."""

from pathlib import Path

from flopwise.core.errors import UserError
from flopwise.data.materials.catalogue import module_of


def modules(name: str) -> tuple[str, ...]:
    """Modules that make the material `name`."""
    return "flopwise.data.materials.build", module_of(name)


def build_recorded(settings, name: str, out: Path, lineage: Path) -> None:
    """Make a material of the scale in the folder `out` and write its lineage record."""
    from flopwise.data.materials.build import build_material
    from flopwise.provenance.lineage import write

    allowed = settings.preset.data.materials
    if name not in allowed:
        raise UserError(
            f"scale {settings.config.scale} makes no material {name!r}; allowed are {', '.join(allowed) or 'none'}"
        )
    build_material(name, allowed[name], out)
    write(lineage, rule="data_material", job=name, inputs=[], outputs=[out], modules=modules(name))
