"""Tables of image-caption pairs in Parquet, read a few rows at a time.

The image column holds encoded files: plain binary, or Hugging Face's struct with a field `bytes`.
"""

from collections.abc import Iterator
from functools import partial

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.readers.pair_stream import Raw, Reader
from flopwise.data.readers.skips import Skips

ROWS = 64  # in memory at a time


def pairs_reader(image: str = "image", caption: str = "caption") -> Reader:
    """A reader for `PairStream` that takes these two columns."""
    return partial(read_pairs, image=image, caption=caption)


def read_pairs(path: str, skips: Skips, image: str = "image", caption: str = "caption") -> Iterator[Raw]:
    """The rows of one file in its order; `key` is the row number. Empty cells are None. Raises `UserError` where a column is
    missing or of another type, `RunFailure` where the file is damaged."""
    row = 0
    for batch in batches(path, [image, caption], lambda schema: _check(path, schema, image, caption)):
        for cell, text in zip(batch[image], batch[caption]):
            yield Raw(str(row), cell["bytes"] if isinstance(cell, dict) else cell, text)
            row += 1


def batches(path: str, columns: list[str], check) -> Iterator[dict[str, list]]:
    """Column name -> values, for every `ROWS` rows; `check(schema)` sees the pyarrow schema before anything is read."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            missing = [name for name in columns if name not in names]
            if missing:
                raise UserError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(names)}")
            check(file.schema_arrow)
            for batch in file.iter_batches(ROWS, columns=columns):
                yield batch.to_pydict()
    except FileNotFoundError as error:
        raise RunFailure(f"{path} is missing") from error
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise RunFailure(f"{path} is damaged or no Parquet file ({reason})") from error


def _check(path: str, schema, image: str, caption: str) -> None:
    from pyarrow import types

    cell, text = schema.field(image).type, schema.field(caption).type
    if types.is_struct(cell) and cell.get_field_index("bytes") >= 0:
        cell = cell.field("bytes").type
    if not (types.is_binary(cell) or types.is_large_binary(cell)):
        raise UserError(
            f"{path}: column {image!r} holds {cell}, allowed are encoded images (binary or struct with bytes)"
        )
    if not (types.is_string(text) or types.is_large_string(text)):
        raise UserError(f"{path}: column {caption!r} holds {text}, allowed is string")
