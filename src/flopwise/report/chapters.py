"""Which notebooks there are and what each writes, read from the notebooks themselves without running them."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.config.load import ROOT, read_yaml

FIGURE_FILES, TABLE_FILES = ("svg", "png", "csv"), ("csv", "md", "tex")


@dataclass(frozen=True)
class Notebook:
    """A notebook and the names of the figures and tables that its calls of `show.figure` and `show.table` write."""

    source: Path
    figures: tuple[str, ...]
    tables: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.source.stem

    @property
    def files(self) -> list[str]:
        """File names of everything the notebook writes."""
        named = [(name, FIGURE_FILES) for name in self.figures] + [(name, TABLE_FILES) for name in self.tables]
        return [f"{name}.{end}" for name, ends in named for end in ends]


@cache
def notebook(name: str) -> Notebook:
    """The notebook called `name` in notebooks/."""
    source = ROOT / "notebooks" / f"{name}.py"
    found: dict[str, list[str]] = {"figure": [], "table": []}
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("show.figure", "show.table"):
            found[node.func.attr].append(ast.literal_eval(node.args[2]))
    return Notebook(source, tuple(found["figure"]), tuple(found["table"]))


def outline() -> list[dict]:
    """The chapters in their order from `report/chapters.yaml`: dicts with `notebooks` (names) and the texts of a chapter
    (id, title, source, question, deviations)."""
    return read_yaml(ROOT / "report" / "chapters.yaml")["chapters"]


def notebooks() -> list[Notebook]:
    """All notebooks that a chapter shows, in the report's order."""
    return [notebook(name) for chapter in outline() for name in chapter["notebooks"]]
