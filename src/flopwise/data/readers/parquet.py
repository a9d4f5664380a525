"""Tables in Parquet, read a few rows at a time."""

from collections.abc import Iterator

from flopwise.core.errors import RunFailure, UserError

ROWS = 64  # in memory at a time


def batches(path: str, columns: list[str], check) -> Iterator[dict[str, list]]:
    """Column name -> values, for every `ROWS` rows; `check(schema)` sees the pyarrow schema before anything is read. Raises
    `UserError` where a column is missing, `RunFailure` where the file is missing or damaged."""
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
