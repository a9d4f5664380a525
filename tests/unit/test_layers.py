"""Imports go one way, no file imports itself in a circle, no shared file knows a study by name, and what a Snakefile needs
while it is parsed stays light."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from flopwise.core.root import ROOT
from flopwise.provenance.sources import PACKAGE, _file, imported
from flopwise.studies import NAMES

LAYERS = (  # each may import those before it, never those after it, at the top of a file or inside a function
    "core", "models", "data", "methods", "cost", "config", "engine", "provenance", "studies", "report", "planning", "workflow",
    "generate", "commands", "cli", "__main__",
)  # fmt: skip
ALLOWED = {("config", "flopwise.studies"): "the list of studies, which holds names and imports nothing"}
OWN = re.compile(r"(studies|methods|report|models)/({0})/|(config|cost)/({0})\w*\.py".format("|".join(NAMES)))
NAMING = {  # shared files that name a study, each with its reason
    "report/cost.py": "draws that study's published cost table, in its own words for methods",
    "cost/names.py": "lists the architecture of that study among those that can be priced",
    "cost/tables.py": "prices the architecture of that study",
    "cost/subjects.py": "prices training steps of the architecture of that study",
    "models/clip.py": "makes an image tower of that study's architecture for another",
    "models/miniature.py": "makes a small network of that study's architecture for the zoo of another",
    "cost/price.py": "prices the methods of that study's published cost table",
    "methods/deployment.py": "deploys the models of that study's methods",
    "data/catalogue.py": "asks more of the data sets of that study's streams",
    "data/materials/catalogue.py": "says which study a material is for",
}


def layer(path: Path) -> str:
    """Of a file of the package; a file called commands.py belongs to the command line wherever it lies."""
    if path.name == "commands.py":
        return "commands"
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def upward(path: Path, names: tuple[str, ...]) -> list[str]:
    """The modules among `names`, imported by `path`, that lie above it."""
    own, found = LAYERS.index(layer(path)), []
    for name in names:
        if (LAYERS[own], name) in ALLOWED or name == "flopwise":
            continue
        above = "commands" if name.endswith(".commands") else name.split(".")[1]
        if above not in LAYERS or LAYERS.index(above) > own:
            found.append(name)
    return found


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_file_has_a_layer():
    assert {layer(path) for path in FILES} == set(LAYERS)


def test_no_layer_imports_one_above_it():
    found = {str(path.relative_to(PACKAGE)): above for path in FILES if (above := upward(path, imported(path)))}
    assert found == {}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("core/io.py", "flopwise.data.store"), ("data/commands.py", "flopwise.cli"), ("report/theme.py", "flopwise.workflow"),
        ("config/load.py", "flopwise.studies.study"), ("methods/deployment.py", "flopwise.cost.names"),
        ("core/io.py", "flopwise.brand_new"),
    ],
)  # fmt: skip
def test_an_import_upwards_would_be_found(file, name):
    assert upward(PACKAGE / file, (name,)) == [name]


def circle(imports: dict[str, set[str]]) -> list[str]:
    """One way round from a module back to itself, the module first and last; empty where there is none."""
    left = dict(imports)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    way = sorted(left)[:1]  # each module that is left imports another that is left, so this walk comes back
    while way and way[-1] not in way[:-1]:
        way.append(min(left[way[-1]] & set(left)))
    return way[way.index(way[-1]) :] if way else []


def test_no_circle():
    """Modules that import each other, directly or through others, are one thing in two files."""
    modules = {}
    for path in FILES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(("flopwise", *parts)).removesuffix(".__init__")
        modules[name] = {other for other in imported(path) if not name.startswith(f"{other}.") and other != name}
    assert not (found := circle(modules)), "imports run in a circle: " + " -> ".join(found)


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


@cache
def bound(module: str) -> set[str] | None:
    """Every name that the module's file binds anywhere; None where there is no such file."""
    if (path := _file(module)) is None:
        return None
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
    return names


def missing(text: str) -> list[str]:
    """What the text imports of this package that is not there."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flopwise":
            there = bound(node.module)
            for alias in node.names:
                if there is None or (alias.name not in there and not _file(f"{node.module}.{alias.name}")):
                    found.append(f"{node.module}.{alias.name}")
    return found


def test_every_import_of_our_own_is_there():
    """Also those inside functions, which fail only when a user calls them."""
    files = [path for folder in ("src", "tests/unit", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): lost for path in files if (lost := missing(path.read_text(encoding="utf-8")))}
    assert found == {}


def test_a_lost_import_would_be_found():
    text = "def f():\n from flopwise.core.io import read_json, gone\n from flopwise.core import io\n from flopwise.no import x"
    assert missing(text) == ["flopwise.core.io.gone", "flopwise.no.x"]


def test_studies_do_not_import_each_other():
    for path in (PACKAGE / "studies").rglob("*.py"):
        own = path.relative_to(PACKAGE / "studies").parts[0]
        others = [
            name for name in imported(path) if name.startswith("flopwise.studies.") and name.split(".")[2] in NAMES
        ]
        assert not [name for name in others if name.split(".")[2] != own], path


def test_no_shared_file_knows_a_study_by_name():
    """As a word of code: an import, a quoted name or an attribute of the preset."""
    pattern = re.compile(r"""flopwise\.\w+\.({0})\b|["']({0})["']|preset\.({0})\b""".format("|".join(NAMES)))
    shared = [path for path in FILES if not OWN.search(str(path.relative_to(PACKAGE)))]
    found = {str(path.relative_to(PACKAGE)) for path in shared if pattern.search(path.read_text(encoding="utf-8"))}
    assert found <= {"studies/__init__.py", *NAMING}


@pytest.mark.parametrize("module", ["flopwise.workflow", "flopwise.cli"])
def test_parsing_imports_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'open_clip', 'timm', 'pandas', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(PACKAGE).parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
