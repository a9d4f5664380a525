"""Text that people bring: UTF-8, with or without a byte order mark, and one name in whatever form it is written.

Unicode writes `é` as one character (composed, NFC) or as `e` and an accent (decomposed, NFD; macOS names files so). Both
are the same name: names are compared, sorted and kept composed."""

import codecs
import json
import unicodedata
from pathlib import Path

from flopwise.core.errors import RunFailure

MARKS = {  # the longer ones first: one of UTF-32 begins as one of UTF-16 does
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
HEAD = 1000  # bytes that are looked at where a file has no mark


def read_text(path: Path | str, failure: type[Exception] = RunFailure) -> str:
    """The text of a file, see `decoded`. Raises `OSError` where it cannot be opened."""
    return decoded(Path(path).read_bytes(), path, failure)


def decoded(content: bytes, where: Path | str, failure: type[Exception] = RunFailure) -> str:
    """`content` as text, without its byte order mark; line ends stay. Raises `failure`, one line that begins with `where`,
    for anything but UTF-8."""
    wide = _wide(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        looks = f"it looks like {wide}" if wide else "perhaps it is Windows-1252, as spreadsheets save"
        given = f"byte 0x{content[error.start]:02x} in line {line}; {looks}"
    else:
        if not wide:
            return text
        given = f"it looks like {wide}"
    raise failure(f"{where} is not UTF-8 ({given}): save it as UTF-8")


def _wide(content: bytes) -> str | None:
    """UTF-16 or UTF-32 by the mark or, as text in Latin letters has it, a zero in every second byte or more."""
    marked = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    head = content[:HEAD]
    return marked or ("UTF-16" if head.count(0) * 3 > len(head) else None)


def json_of(content: bytes, where: Path | str, failure: type[Exception] = RunFailure, **options):
    """The value of a JSON text, its strings composed; `options` go to `json.loads`. Raises `failure` for what is not UTF-8
    or not JSON, and for half of a surrogate pair (`"\\ud83d"`), which JSON can write and no file can hold."""
    text = decoded(content, where, failure)
    try:
        value = json.loads(text, **options)
        if "\\u" in text and not is_utf8(json.dumps(value, ensure_ascii=False)):
            raise ValueError("it holds half of a surrogate pair, which is no character")
        return value if text.isascii() and "\\u" not in text else composed(value)
    except ValueError as error:
        raise failure(f"{where} is not JSON: {error}") from error
    except RecursionError as error:
        raise failure(f"{where} is nested too deeply") from error


def is_utf8(text: str) -> bool:
    """Whether a file can hold `text`: names on disk and JSON can carry bytes and halves of characters that none can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def composed(value):
    """`value` with every text in composed form: a text, or what JSON holds."""
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [composed(each) for each in value]
    return {composed(key): composed(each) for key, each in value.items()} if isinstance(value, dict) else value


def on_disk(path: Path) -> Path:
    """`path`; where nothing is called so, what has the same name in another form."""
    if str(path).isascii() or path.exists():
        return path
    folder, name = on_disk(path.parent), composed(path.name)
    alike = (each for each in (folder.iterdir() if folder.is_dir() else ()) if composed(each.name) == name)
    return next(alike, path)
