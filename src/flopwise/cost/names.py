"""Names that the command line shows and checks; free of torch, so that `--help` and errors come at once."""

import difflib
from collections.abc import Iterable

from flopwise.core.errors import UserError

METHODS = (
    "full-ft",
    "locked-text",
    "locked-image",
    "lnfit",
    "bitfit",
    "lora-r4",
    "lora-r64",
    "dora-r4",
    "dora-r64",
    "vera-r4",
    "vera-r64",
    "ewc",
    "si",
    "zs-merge",
    "ft-merge",
    "ema-merge",
)
TABLES = ("methods", "steps", "open_clip", "timm", "perceiver", "objectives", "scales")  # that the rule of cost writes
LIBRARIES = ("open_clip", "timm", "perceiver")
CONVENTIONS = ("model", "hardware")
PRECISIONS = ("fp16", "bf16", "fp32")
ACCOUNTINGS = ("published", "per-task-once")


def check(kind: str, given: str, allowed: Iterable[str]) -> str:
    """Return `given` if it is one of `allowed`; else raise UserError with the nearest names (all of them if few)."""
    allowed = list(allowed)
    if given in allowed:
        return given
    by_folded = {name.casefold(): name for name in allowed}
    near = [by_folded[name] for name in difflib.get_close_matches(given.casefold(), by_folded, n=4, cutoff=0.5)]
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {len(allowed)}"
    raise UserError(f"{kind} {given!r} is unknown; {hint if len(allowed) > 16 else 'allowed: ' + ', '.join(allowed)}")
