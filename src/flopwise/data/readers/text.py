"""Running text for language modelling: JSON lines (plain or gzip), Parquet, or plain files, one document at a time."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import is_utf8, read_text
from flopwise.data.readers.parquet import batches
from flopwise.data.readers.skips import Skips

MAX_LINE = 64 * 1024**2  # bytes of one JSON line
ENDINGS = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".parquet", ".txt")


def read_documents(path: Path | str, skips: Skips, column: str = "text") -> Iterator[str]:
    """The documents of one file: the string `column` of each JSON line or Parquet row, or a whole `.txt` file. Lines that
    are damaged, and documents that are empty or no strings, are left out and counted."""
    path = Path(path)
    if path.suffix == ".parquet":
        rows = _rows(path, column)
    elif path.suffix == ".txt":
        rows = _whole(path, skips)
    elif path.name.endswith(ENDINGS):
        rows = _lines(path, column, skips)
    else:
        raise UserError(f"{path} is no file of text; allowed are {', '.join(ENDINGS)}")
    for number, text in rows:
        if isinstance(text, str) and not is_utf8(text):
            skips.add("a document with half a character, which no file can hold", f"{path}, {number}")
        elif isinstance(text, str) and text.strip():
            yield text
        elif text is not None:
            skips.add("an empty document, or none", f"{path}, {number}")


def _rows(path: Path, column: str):
    number = 0
    for batch in batches(str(path), [column], lambda schema: None):
        for text in batch[column]:
            yield number, text if text is not None else ""
            number += 1


def _whole(path: Path, skips: Skips):
    try:
        yield 0, read_text(path)
    except FileNotFoundError as error:
        raise RunFailure(f"{path} is missing") from error
    except RunFailure as error:
        skips.add("a file that is not UTF-8", str(error))


def _lines(path: Path, column: str, skips: Skips):
    """(line number, value); None where the line was counted as damaged."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE), b""), start=1):
                try:
                    yield number, json.loads(line.decode("utf-8-sig"))[column]
                except (ValueError, KeyError, TypeError, RecursionError):
                    skips.add(f"a line that is no JSON object with {column!r} in UTF-8", f"{path}, line {number}")
    except FileNotFoundError as error:
        raise RunFailure(f"{path} is missing") from error
    except (EOFError, zlib.error, OSError) as error:
        skips.add("the file is cut or damaged, its end is lost", f"{path} ({error})")
