"""How the efficiency study's objectives look and are called, the same in every figure."""

from flopwise.core.errors import UserError
from flopwise.methods.efficiency import load
from flopwise.report.theme import Style, spare

LOOKS = {  # colour, marker, line
    "supervised": ("#c14a00", "o"),
    "clip": ("#0065a3", "s"),
    "simclr": ("#00785a", "^"),
    "byol": ("#882255", "v"),
    "dino": ("#8f6a00", "D"),
    "mae": ("#332288", "P"),
    "mae-tiny": ("#7a6fc0", "X", "--"),
    "scratch": ("#5f6368", "x", ":"),
}
POOLS = {
    "coco": "annotated scenes\n(COCO)", "in1k": "curated\n(ImageNet-1K)", "in1k-large": "curated, large\n(control)",
    "in21k": "long tail\n(ImageNet-21K)", "jft": "machine labels\n(JFT-300M)", "align": "web, alt-text\n(ALIGN)",
    "align-curated": "web, no junk\n(control)",
}  # fmt: skip


def style(method: str) -> Style:
    """Look of a method; one that is not listed gets it from its name."""
    try:
        label = "random encoder" if method == "scratch" else load(method).label
    except UserError:
        label = method
    return Style(label, *LOOKS[method]) if method in LOOKS else spare(method)._replace(label=label)


def order(found) -> list[str]:
    """Methods as they are listed above, then others by name."""
    return [name for name in LOOKS if name in set(found)] + sorted(set(found) - set(LOOKS))


def pool_label(pool: str) -> str:
    return POOLS.get(pool, pool)
