"""The catalogue of real data sets: one row of config/datasets.csv each, typed and checked."""

import csv
import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.core.choices import near
from flopwise.core.errors import UserError
from flopwise.core.root import ROOT
from flopwise.core.text import read_text
from flopwise.data.formats import OTHER_FORMATS, READERS

FILE = Path("config") / "datasets.csv"
STREAM_ROLES, TASKS = ("adaptation", "evaluation"), ("classification", "retrieval")
ROLES = (*STREAM_ROLES, "pre-training", "pre-training and evaluation", "transfer")
ACCESS = ("public", "request", "private")


@dataclass(frozen=True)
class DataSet:
    """A row. `reader`: how its own layout is read; `folder`: where it lies under the user's root; `template`: a class
    name goes in at {}; `release_group`: order of release, 1 first; `zero_shot_vit_b_32`: percent, published for
    OpenCLIP ViT-B/32; `n_classes_in_streams`: classes that the published streams use. None or "" where not known."""

    name: str
    title: str
    studies: tuple[str, ...]
    folder: str
    role: str
    task: str
    reader: str
    layout: str
    annotations: str
    split: str
    n_train: int | None
    n_test: int | None
    n_classes: int | None
    n_classes_in_streams: int | None
    domain: str
    licence: str
    captions: str
    template: str
    release_group: int | None
    zero_shot_vit_b_32: float | None
    access: str
    stand_in: str
    source: str
    notes: str

    @property
    def streams(self) -> bool:
        """Whether the continual study adapts to it or is evaluated on it."""
        return "continual" in self.studies and self.role in STREAM_ROLES

    def primer(self, class_name: str) -> str:
        """The caption that the template makes of a class name; the name is put in as it is."""
        return self.template.replace("{}", class_name, 1)


@cache
def catalogue(path: Path | str = ROOT / FILE) -> dict[str, DataSet]:
    """All rows by name, in the file's order. Raises `UserError` that names file, row and what is wrong."""
    path = Path(path)
    try:
        table = csv.DictReader(io.StringIO(read_text(path, UserError), newline=""), strict=True)
        header, lines = table.fieldnames or [], list(table)
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    expected = [field.name for field in dataclasses.fields(DataSet)]
    if header != expected:
        odd = sorted(set(expected) ^ set(header)) or "their order"
        raise UserError(f"{path}: the columns must be {', '.join(expected)}; look at {odd}")
    rows: dict[str, DataSet] = {}
    for line in lines:
        row = _row(line, f"{path}, row {line['name']!r}")
        if row.name in rows:
            raise UserError(f"{path}: data set {row.name!r} is listed twice; names are unique")
        rows[row.name] = row
    return rows


def dataset(name: str) -> DataSet:
    """The row called `name`; an unknown name is answered with the nearest ones."""
    rows = catalogue()
    if name not in rows:
        found = ", ".join(near_names(name))
        hint = (
            f"did you mean {found}?" if found else f"{FILE} lists {len(rows)}, for example {', '.join(list(rows)[:3])}"
        )
        raise UserError(f"data set {name!r} is not in the catalogue; {hint}")
    return rows[name]


def near_names(name: str, more: Iterable[str] = ()) -> list[str]:
    """Up to four names of the catalogue, or of `more`, that are like `name`, whatever its case; titles count too."""
    rows = catalogue()
    known = {row.title: key for key, row in rows.items()} | {key: key for key in (*rows, *more)}
    return list(dict.fromkeys(known[key] for key in near(name, known, 4, 0.5)))


def facts_of_row(name: str) -> dict:
    """The row called `name` as facts for a card."""
    return {**dataclasses.asdict(dataset(name)), "material": "real"}


def _row(line: dict, where: str) -> DataSet:
    if None in line or None in line.values():
        raise UserError(f"{where}: the number of cells differs from the header's")
    values = {}
    for field in dataclasses.fields(DataSet):
        values[field.name] = _value(line[field.name].strip(), field, where)
    row = DataSet(**values)
    unread = ("",) if row.access == "private" else ()
    for key, allowed in (("role", ROLES), ("access", ACCESS), ("reader", (*READERS, *OTHER_FORMATS, *unread))):
        if getattr(row, key) not in allowed:
            raise UserError(f"{where}: {key} is {getattr(row, key)!r}; allowed are {', '.join(allowed)}")
    if row.reader in READERS:
        _check_images(row, where)
    if row.streams:
        _check_stream(row, where)
    return row


def _value(text: str, field: dataclasses.Field, where: str):
    if field.name == "studies":
        return tuple(part for part in text.split(";") if part)
    kind = int if "int" in str(field.type) else float if "float" in str(field.type) else str
    if kind is str:
        return text
    try:
        return kind(text) if text else None
    except ValueError:
        raise UserError(f"{where}: {field.name} is {text!r}; allowed are numbers, or nothing") from None


def _check_images(row: DataSet, where: str) -> None:
    if row.task not in TASKS:
        raise UserError(f"{where}: task is {row.task!r}; allowed are {', '.join(TASKS)}")
    if row.template.count("{}") != 1:
        raise UserError(f"{where}: template is {row.template!r}; it must hold {{}} once, where the class name goes")
    if not row.folder or Path(row.folder).name != row.folder:
        raise UserError(f"{where}: folder is {row.folder!r}; it must be the name of one folder")


def _check_stream(row: DataSet, where: str) -> None:
    if row.n_train is None or row.n_test is None or row.n_classes is None:
        raise UserError(f"{where}: n_train, n_test and n_classes are needed (0 where a set has none)")
