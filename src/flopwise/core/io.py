"""Files at the edge: every write is atomic, every read of a damaged file says so in one line."""

import contextlib
import csv
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from flopwise.core.errors import RunFailure
from flopwise.core.paths import making
from flopwise.core.text import read_text


@contextlib.contextmanager
def atomic_path(path: Path | str, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`, on any error it is
    removed and `path` is left as it was. Without `flush`, many small files are written many times faster; a machine
    that loses power may then lose what it wrote last."""
    path = Path(path)
    temporary = (
        path.parent / f".{secrets.token_hex(8)}.part"
    )  # not `path.name` again: a name may be as long as is allowed
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # the mode is left to the umask: a chmod would be refused on file systems that have no modes
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise RunFailure(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield temporary
        if flush:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise RunFailure(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value) -> None:
    """Write `value` as indented JSON with sorted keys: equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str):
    path = Path(path)
    try:
        return json.loads(read_text(path))
    except FileNotFoundError as error:
        raise RunFailure(f"{path} is missing; `{making(path)}` makes it") from error
    except json.JSONDecodeError as error:
        raise RunFailure(f"{path} is damaged (not JSON: {error}); delete it and run again") from error


def write_tensors(path: Path | str, tensors: dict) -> None:
    """Write named tensors as safetensors; tensors that share memory are written one by one."""
    from safetensors.torch import save

    content, seen = {}, set()  # safetensors refuses two names for one memory: later ones are copied
    for name, value in sorted(tensors.items()):
        place = value.untyped_storage().data_ptr()
        content[name] = value.clone() if place in seen else value.contiguous()
        seen.add(place)
    content = save(content)  # `save_file` would give the file to its owner alone, whatever the umask
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_table(path: Path | str, frame) -> None:
    """Write a pandas table as CSV; floats keep every digit that `float` needs to read them back."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n")


def write_rows(path: Path | str, rows: list[dict], columns: Iterable[str]) -> None:
    """Write rows as `write_table` would write their frame, without pandas, which takes as long to import as a small job's
    training. A value may be missing or None: its column's whole numbers then turn into floats, as in a frame."""
    names = list(columns)
    values = {name: [_known(row.get(name)) for row in rows] for name in names}
    for name, column in values.items():
        whole = all(value is None or (isinstance(value, int) and not isinstance(value, bool)) for value in column)
        if (whole and None in column) or any(isinstance(value, float) for value in column):
            values[name] = [float(value) if isinstance(value, int) else value for value in column]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*values.values()))


def _known(value):
    """A number or text of Python's own; None for what a frame writes as nothing."""
    value = value.item() if hasattr(value, "item") else value
    return None if value is None or value != value else value


def read_table(path: Path | str, **options):
    import pandas

    try:
        return pandas.read_csv(path, **options)
    except FileNotFoundError as error:
        raise RunFailure(f"{path} is missing; `{making(path)}` makes it") from error
    except UnicodeDecodeError:
        return read_text(path)  # raises, with the byte and what the encoding may be
    except (pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        raise RunFailure(f"{path} is damaged (not CSV: {error}); delete it and run again") from error


def sha256_file(path: Path | str) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_json(value) -> str:
    """Hash of a JSON-able value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
