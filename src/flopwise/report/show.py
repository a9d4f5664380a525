"""What a notebook shows: a figure or a table, saved to the figures folder and put into the notebook with its caption.

Both leave a structured output (`FIGURE`, `TABLE`) that the page renders itself, beside a PNG or Markdown for people who
open the notebook. Prints nothing, returns nothing."""

import base64
from pathlib import Path

from flopwise.report import theme

FIGURE = "application/vnd.flopwise.figure+json"
TABLE = "application/vnd.flopwise.table+json"


def figure(drawn, folder: Path | str, name: str, data, *, caption: str, alt: str) -> None:
    """Save a matplotlib figure with the table `data` that it draws, and show it. `alt` says what can be seen, for
    readers who cannot see it."""
    from IPython.display import display

    _, png, _ = theme.save(drawn, folder, name, data)
    display(
        {
            "image/png": base64.b64encode(png.read_bytes()).decode(),
            "text/plain": f"{name}: {caption}",
            FIGURE: {"name": name, "caption": caption, "alt": alt},
        },
        raw=True,
    )


def table(frame, folder: Path | str, name: str, *, caption: str) -> None:
    """Save a table as CSV, Markdown and LaTeX, and show it."""
    from IPython.display import display

    markdown = theme.save_table(frame, folder, name, caption)[1].read_text(encoding="utf-8")
    content = {
        "name": name,
        "caption": caption,
        "columns": [str(column) for column in frame.columns],
        "kinds": theme.column_kinds(frame),
        "rows": theme.texts(frame),
    }
    display({"text/markdown": markdown, "text/plain": markdown, TABLE: content}, raw=True)
