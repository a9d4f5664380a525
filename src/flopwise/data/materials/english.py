"""English prose that ships with Python: the topics of help() and the docstrings of the standard library.

Nothing is imported or run: docstrings are read from the source files. The text depends on the Python version, which the
card records together with a hash of what was read.
"""

import ast
import hashlib
import platform
import re
import sysconfig
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flopwise.core.errors import RunFailure
from flopwise.core.seeds import derive

LEFT_OUT = (
    "test",
    "tests",
    "site-packages",
    "dist-packages",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "ensurepip",
    "__phello__",
)
HELD_OUT = 5  # one document in so many is for validation and test
WINDOW = 8  # words in a row that a training passage may not share with a held-out one


@dataclass(frozen=True)
class Passage:
    """A paragraph; `document` is `topic:<name>` or `module:<name>`."""

    document: str
    text: str


@cache
def read() -> tuple[dict[str, list[Passage]], dict]:
    """Passages of the splits `train` and `validation`, and facts for the card.

    A document is in one split; paragraphs that occur twice are kept once; training passages that share `WINDOW` words in
    a row with validation are left out. Raises `RunFailure` where this Python ships without its sources."""
    documents = {**_topics(), **_docstrings()}
    total = hashlib.sha256()
    for name, blocks in documents.items():
        total.update("\0".join([name, *blocks, ""]).encode("utf-8", "replace"))
    seen, splits = set(), {"train": [], "validation": []}
    for name, blocks in documents.items():
        part = splits["validation" if is_held_out(name) else "train"]
        for text in filter(None, map(prose, (piece for block in blocks for piece in re.split(r"\n\s*\n", block)))):
            if text.lower() not in seen:
                seen.add(text.lower())
                part.append(Passage(name, text))
    held = set().union(*(windows(passage.text) for passage in splits["validation"]))
    clean = [passage for passage in splits["train"] if not windows(passage.text) & held]
    facts = {
        "python": platform.python_version(), "read_sha256": total.hexdigest(), "documents": len(documents),
        "shares": {"training passages left out for overlap": round(1 - len(clean) / len(splits["train"]), 4)},
    }  # fmt: skip
    return {"train": clean, "validation": splits["validation"]}, facts


def is_held_out(document: str) -> bool:
    return derive(0, "english", document) % HELD_OUT == 0


def windows(text: str) -> set[tuple[str, ...]]:
    """All runs of `WINDOW` words, in lower case and without punctuation."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[k : k + WINDOW]) for k in range(len(words) - WINDOW + 1)}


def prose(block: str) -> str | None:
    """A paragraph as one line of plain ASCII, or None if it is code, a list, a heading or no sentence."""
    lines = block.strip("\n").splitlines()
    if not lines or any(mark in block for mark in (">>>", "::=", "...  ", "\n- ", "\n* ", "|", "http", "=", "<", "{")):
        return None
    indents = {len(line) - len(line.lstrip()) for line in lines[1:]}
    if len(indents) > 1 or re.match(r"\s*([-*\d+o]\s|[-=*~^]{3,})", block):
        return None
    text = unicodedata.normalize("NFKD", re.sub(r"\s+", " ", " ".join(lines)).strip())
    text = re.sub(r":[a-z:]+:`|[`*]|\(R\)", "", text)
    letters = sum(character.isalpha() or character == " " for character in text)
    sentence = re.match(r"[A-Z][^\n]*[.!?]$", text) and len(text.split()) >= 6 and letters >= 0.88 * len(text)
    return text if sentence and text.isascii() and text.isprintable() else None


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph that begin with a capital letter and end with a full stop."""
    parts = re.split(r"(?<=[a-z)]\.)\s+(?=[A-Z])", text)
    return [part for part in parts if part[0].isupper() and part.endswith(".")]


def _topics() -> dict[str, list[str]]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise RunFailure("this Python ships without pydoc_data; install the full standard library") from error
    return {f"topic:{name}": [text] for name, text in sorted(topics.items())}


def _docstrings() -> dict[str, list[str]]:
    """Module -> its docstrings, in the order of the source."""
    root = Path(sysconfig.get_path("stdlib"))
    found = {}
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).parts):
        parts = path.relative_to(root).parts
        if not any(part in LEFT_OUT or part.startswith(("config-", "_sysconfigdata")) for part in parts):
            name = ".".join(parts).removesuffix(".py").removesuffix(".__init__")
            found[f"module:{name}"] = _of_source(path)
    if len(found) < 100:
        raise RunFailure(f"{root} holds {len(found)} source files; the text needs a Python with its standard library")
    return found


def _of_source(path: Path) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = (ast.get_docstring(node) for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, kinds))
    return [text for text in texts if text]
