"""Which chapters and notebooks there are, and what each notebook reads and writes, read from the files themselves without
running them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.config.load import ROOT, read_yaml
from flopwise.core.errors import UserError

FOLDER = ROOT / "report" / "chapters"
FIGURE_FILES, TABLE_FILES = ("svg", "png", "csv"), ("csv", "md", "tex")


@dataclass(frozen=True)
class Notebook:
    """A notebook of a chapter.

    chapter: id of the chapter that lists it; the name of a study for the study's own. figures, tables: name -> caption of
    what its calls of `show.figure` and `show.table` write. reads: its dictionary `reads`, parameter -> the fact that it is
    given (`continual.tables`, `data.sets` ...); the rule's inputs follow from it."""

    source: Path
    chapter: str
    figures: dict[str, str]
    tables: dict[str, str]
    reads: dict[str, str]

    @property
    def name(self) -> str:
        return self.source.stem

    @property
    def files(self) -> dict[str, str]:
        """File names of everything the notebook writes, each with the name of its figure or table."""
        named = [(name, FIGURE_FILES) for name in self.figures] + [(name, TABLE_FILES) for name in self.tables]
        return {f"{name}.{end}": name for name, ends in named for end in ends}


@cache
def notebook(name: str) -> Notebook:
    """The notebook called `name` in notebooks/."""
    chapter = next((one["id"] for one in outline() if name in one["notebooks"]), "")
    source = ROOT / "notebooks" / f"{name}.py"
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"chapter {chapter} names notebook {name!r}, but there is no {source}") from error
    found: dict[str, dict[str, str]] = {"figure": {}, "table": {}}
    reads = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("show.figure", "show.table"):
            caption = next(word.value for word in node.keywords if word.arg == "caption")
            found[node.func.attr][ast.literal_eval(node.args[2])] = _text(caption)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "reads":
            reads = ast.literal_eval(node.value)
    return Notebook(source, chapter, found["figure"], found["table"], reads)


def _text(node: ast.expr) -> str:
    """The words of a text; three dots for what only a run knows."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = (
        node.values
        if isinstance(node, ast.JoinedStr)
        else [node.left, node.right]
        if isinstance(node, ast.BinOp)
        else ()
    )
    return "".join(map(_text, parts)) if parts else "..."


@cache
def outline() -> tuple[dict, ...]:
    """The chapters in their order, a file each in report/chapters/: dicts with `order`, `notebooks` (names) and the texts
    of a chapter (id, title, source, question, deviations)."""
    return tuple(sorted((read_yaml(path) for path in FOLDER.glob("*.yaml")), key=lambda chapter: chapter["order"]))


def chapters(studies: set[str], known: set[str]) -> Iterator[tuple[dict, list[Notebook]]]:
    """The chapters of a scale with their notebooks: those that read no study of `known` beside the ones in `studies`."""
    for chapter in outline():
        read = [one for one in map(notebook, chapter["notebooks"]) if _asked(one) & known <= studies]
        if read:
            yield chapter, read


def _asked(one: Notebook) -> set[str]:
    return {fact.partition(".")[0] for fact in one.reads.values()}
