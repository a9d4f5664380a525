"""The catalogue of released checkpoints that the larger scales start from."""

import csv
import io
from dataclasses import dataclass
from functools import cache

from flopwise.core.errors import UserError
from flopwise.core.root import ROOT
from flopwise.core.text import read_text

CATALOGUE = ROOT / "config" / "checkpoints.csv"


@dataclass(frozen=True)
class Checkpoint:
    """One row. `file` is the released file that `sha256` (64 digits, or the prefix that a file name carries) belongs
    to; `params_m` counts the model that the library makes, in millions."""

    name: str
    study: str
    library: str
    model: str
    tag: str
    file: str
    params_m: str
    sha256: str
    licence: str
    source: str
    notes: str


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """Name -> row of config/checkpoints.csv."""
    rows = csv.DictReader(io.StringIO(read_text(CATALOGUE, UserError), newline=""))
    return {row["name"]: Checkpoint(**row) for row in rows}
