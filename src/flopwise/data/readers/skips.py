"""What a reader left out, and why: counted, never silent."""

import re
from dataclasses import dataclass, field

ENDING = re.compile(r"(\.[a-z0-9_-]{1,12}){1,3}", re.ASCII)  # of names of strangers; anything longer is no kind of file


def ending(name: str) -> str:
    """What the name of a file ends in, from its first dot, as a reason may name it: `.jpg`, `.input.png`, `another ending`
    where it is none that a kind of file has."""
    found = "." + name.lower().partition(".")[2]
    return found if ENDING.fullmatch(found) else "another ending"


@dataclass
class Skips:
    """`counts`: reason -> number of times; `first`: reason -> where it was met first."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.first.setdefault(reason, where)

    def total(self) -> int:
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """One line per reason, for a log."""
        return [
            f"skipped {count} x: {reason} (first: {self.first[reason]!r})"
            for reason, count in sorted(self.counts.items())
        ]

    def state(self) -> dict:
        return {"counts": dict(self.counts), "first": dict(self.first)}
