"""Names that people give: checked against what is allowed, answered with the nearest ones."""

import difflib
from collections.abc import Iterable

from flopwise.core.errors import UserError


def near(given: str, allowed: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Up to `most` of the allowed names that are like `given`, whatever their case, the most similar first."""
    by_folded = {name.casefold(): name for name in allowed}
    return [by_folded[name] for name in difflib.get_close_matches(given.casefold(), by_folded, most, cutoff)]


def among(given: str, allowed: Iterable[str], most: int = 16) -> str:
    """What a message says is allowed in place of `given`: all names if they are few, else those near it, or the first ones,
    and how many there are."""
    allowed = list(allowed)
    if len(allowed) <= most:
        return f"allowed are {', '.join(allowed) or 'none'}"
    shown = near(given, allowed, 4, 0.5) or allowed[:4]
    return f"there are {len(allowed)}, among them {', '.join(shown)}"


def check(what: str, given: str, allowed: Iterable[str]) -> str:
    """Return `given` if it is one of `allowed`; else raise UserError with the nearest names (all of them if few)."""
    allowed = list(allowed)
    if given in allowed:
        return given
    found = near(given, allowed, 4, 0.5)
    hint = (
        f"did you mean {', '.join(found)}?" if found else f"there are {len(allowed)}, such as {', '.join(allowed[:3])}"
    )
    raise UserError(f"{what} {given!r} is unknown; {hint if len(allowed) > 16 else 'allowed: ' + ', '.join(allowed)}")
