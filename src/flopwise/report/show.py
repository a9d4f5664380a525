"""What a notebook shows: a figure or a table, saved to the figures folder and put into the notebook with its caption.

Both leave a structured output (`FIGURE`, `TABLE`) that the page renders itself, beside a PNG or Markdown for people who
open the notebook. Prints nothing, returns nothing."""

import base64
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from flopwise.report import theme

FIGURE = "application/vnd.flopwise.figure+json"
TABLE = "application/vnd.flopwise.table+json"
NOTHING = "At this scale there is nothing to list here."


class Drawn(NamedTuple):
    """A figure, the table it draws, and what its caption must say about these data. Where there is nothing to draw,
    figure is None and the note says why."""

    figure: Figure | None
    data: pd.DataFrame
    note: str


def absent(what: str) -> Drawn:
    """What is drawn where a scale does not run what a figure shows."""
    return Drawn(None, pd.DataFrame(columns=["nothing"]), f"This scale runs no {what}.")


def figure(drawn: Figure | Drawn, folder: Path | str, name: str, data=None, *, caption: str, alt: str) -> None:
    """Save a figure with the table that it draws (`data`, or that of a `Drawn`, whose note ends the caption), and show
    it. `alt` says what can be seen, for readers who cannot see it. Where there is nothing to draw, the note is all
    that is shown; the files exist all the same."""
    from IPython.display import display

    one = drawn if isinstance(drawn, Drawn) else Drawn(drawn, data, "")
    _, png, _ = theme.save(one.figure or theme.sentence(one.note), folder, name, one.data)
    if one.figure is None:
        display({"text/markdown": one.note, "text/plain": one.note}, raw=True)
        return
    caption = f"{caption} {one.note}".strip()
    display(
        {
            "image/png": base64.b64encode(png.read_bytes()).decode(),
            "text/plain": f"{name}: {caption}",
            FIGURE: {"name": name, "caption": caption, "alt": alt},
        },
        raw=True,
    )


def table(frame, folder: Path | str, name: str, *, caption: str) -> None:
    """Save a table as CSV, Markdown and LaTeX, and show it; an empty one is a sentence."""
    from IPython.display import display

    markdown = theme.save_table(frame, folder, name, caption)[1].read_text(encoding="utf-8")
    if not len(frame):
        display({"text/markdown": NOTHING, "text/plain": NOTHING}, raw=True)
        return
    content = {
        "name": name,
        "caption": caption,
        "columns": [str(column) for column in frame.columns],
        "kinds": theme.column_kinds(frame),
        "rows": theme.texts(frame),
    }
    display({"text/markdown": markdown, "text/plain": markdown, TABLE: content}, raw=True)
