"""Which source files a piece of the package depends on, read from the import statements. Imports nothing of them."""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# settings reach a job as values, which enter its digest; their code does not count, and this file changes no result
IMPORT = re.compile(
    r"^[ \t]*(?:from (flopwise[\w.]*) import (\([^)]*\)|[^\n#]+)|import (flopwise[\w.]*))", re.MULTILINE
)
VALUES = ("flopwise.config", "flopwise.provenance")


@cache
def _file(module: str) -> Path | None:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Modules of this package that the file imports, at its top or inside functions. Statements are found by their words:
    parsing every file takes a second of each start of Snakemake, and a line of a docstring that looks like an import
    only adds a source."""
    names = []
    for module, members, plain in IMPORT.findall(path.read_text(encoding="utf-8")):
        words = (member.split(" as ")[0].strip() for member in members.strip("()").split(","))
        names += [plain or module, *(f"{module}.{word}" for word in words if module and word)]
    return tuple(name for name in names if _file(name))


@cache
def closure(*modules: str) -> tuple[Path, ...]:
    """All files of this package that `modules` import, directly or through others, sorted; packages' `__init__`
    files included."""
    return tuple(sorted({path for module in modules for path in _closure(module)}))


@cache
def _closure(module: str) -> frozenset[Path]:
    found: dict[str, Path] = {}
    todo = [module]
    while todo:
        module = todo.pop()
        if module in found or module.startswith(VALUES):
            continue
        path = _file(module)
        if path is None:
            raise ValueError(f"{module} is no module of this package")
        found[module] = path
        todo += imported(path)
        if "." in module:
            todo.append(module.rpartition(".")[0])
    return frozenset(found.values())


def digest(files: Iterable[Path]) -> str:
    """Hash of the contents of `files`, of their names without folders, and of nothing else."""
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@cache
def code_digest(*modules: str) -> str:
    """Hash of the closure of `modules`; read once in a process."""
    return digest(closure(*modules))[:16]
