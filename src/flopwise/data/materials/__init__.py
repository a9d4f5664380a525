"""Material of the embedded world beyond labelled images: pre-training pools, scenes with masks, image pairs with optical
flow, clips with sound, battles, English text. `MATERIALS` names it, `build_material` makes one.

Importing this package is cheap: a Snakefile may."""

from flopwise.data.materials.catalogue import MATERIALS, Material

__all__ = ["MATERIALS", "Material"]
