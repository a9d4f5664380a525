"""The regime of a study: the quantities that decide how its runs behave, the paper's value beside this scale's.

A miniature is to keep these, not the counts. A quantity is kept where it is within a factor of two of the paper's."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2
from pathlib import Path

NOT_SOURCED = "not sourced"
KEPT_WITHIN = 2.0
CAPTION = (
    "What decides how a run at the default point behaves: the paper's value and the one here, computed by the same formulas. "
    "Factor: here over paper; kept: within a factor of two."
)


@dataclass(frozen=True)
class Quantity:
    """One quantity. quantity: what it is, with its unit where it has one. paper: None where no source gives it. source:
    what the paper's value is computed from, parts joined by "; ". here: None where it is not known (yet)."""

    quantity: str
    paper: float | None
    source: str
    here: float | None

    @classmethod
    def of(cls, row: dict) -> "Quantity":
        """The quantity that `row` was made of."""
        return cls(row["quantity"], row["paper"], row["source"], row["here"])

    @property
    def factor(self) -> float | None:
        """here / paper; None where either is not known or the paper's value is 0."""
        return self.here / self.paper if self.paper and self.here is not None else None

    @property
    def kept(self) -> bool | None:
        """Whether the factor is between 1/2 and 2; None where it is not defined."""
        return None if self.factor is None else 1 / KEPT_WITHIN <= self.factor <= KEPT_WITHIN

    def row(self) -> dict:
        """The quantity as a row of tables/regime.csv; log2_factor: None also where the factor is not above 0."""
        factor = self.factor
        log2_factor = log2(factor) if factor is not None and factor > 0 else None
        return {**vars(self), "factor": factor, "log2_factor": log2_factor, "kept": self.kept}

    def texts(self) -> dict[str, str]:
        """The quantity as a reader sees it: quantity, paper, here, factor, and whether it is kept or why that is open."""
        unknown = NOT_SOURCED if self.paper is None else "not known here"
        kept = {True: "kept", False: "not kept", None: unknown}[self.kept]
        numbers = {name: _number(getattr(self, name)) for name in ("paper", "here", "factor")}
        return {"quantity": self.quantity, **numbers, "kept": kept}


def _number(value: float | None) -> str:
    """Three digits, whole numbers from 100 on; a dash for None."""
    if value is None:
        return "–"
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")


def lines(quantities: Iterable[dict]) -> list[str]:
    """The quantities, given as rows, for a terminal: one a line in columns, without their sources; nothing for none."""
    names = ("quantity", "paper", "here", "factor", "kept")
    rows = [Quantity.of(row).texts() for row in quantities]
    if not rows:
        return []
    rows = [{name: name for name in names}, *rows]
    widths = {name: max(len(row[name]) for row in rows) for name in names}
    return [
        f"{row['quantity']:<{widths['quantity']}}"
        + "".join(f"  {row[name]:>{widths[name]}}" for name in ("paper", "here", "factor"))
        + f"  {row['kept']}"
        for row in rows
    ]


def shown(quantities: Iterable[Quantity]) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of a table for readers, each with the numbers (from 1) of its sources, and these sources."""
    rows, sources = [], {}
    for one in quantities:
        parts = [] if one.source == NOT_SOURCED else one.source.split("; ")
        numbers = [str(sources.setdefault(part, len(sources) + 1)) for part in parts]
        rows.append({**one.texts(), "sources": ", ".join(numbers) or "–"})
    return rows, list(sources)


def read(path: Path) -> list[Quantity]:
    """The quantities that `tables/regime.csv` holds."""
    from flopwise.core.io import read_table

    table = read_table(path)
    return [Quantity.of(row) for row in table.astype(object).where(table.notna(), None).to_dict("records")]
