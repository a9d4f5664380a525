"""One look for every figure and table: type sizes for 7-inch width, equal bytes. What a study's methods look like stands in
`report/<study>/styles.py`."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import matplotlib
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from flopwise.core.io import atomic_path, write_table, write_text

WIDTH = 7.0  # inches; the page's column and a journal's page
INK, QUIET, FAINT = "#1a1a1a", "#5f6368", "#d5d8dc"
RC = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # the typeface that ships with matplotlib: the same on every machine
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#eceef0",
    "grid.linewidth": 0.7,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "text.color": INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "image.composite_image": False,  # images on the same axes stay apart, with their own pixels
    "svg.fonttype": "path",
    "svg.hashsalt": "flopwise",
    "pdf.fonttype": 42,
}


class Style(NamedTuple):
    """How one value of an axis is drawn; the marker repeats what the colour says."""

    label: str
    colour: str
    marker: str
    line: str = "-"


SPARE_COLOURS = ("#9c3848", "#4a6fa5", "#5b7f3a", "#8a5a9e", "#7d6b4f", "#2f7f86")
SPARE_MARKERS = ("o", "s", "^", "D", "v", "P")
MODEL_COLOURS = ("#86b5d6", "#2f7fb8", "#0b3f66", "#c98a3c", "#7a4a12")


def spare(value: str) -> Style:
    """A look from the name itself, for what no study has given one."""
    number = int.from_bytes(hashlib.sha256(value.encode()).digest()[:4])
    line = ("-", "--", "-.")[number // 36 % 3]
    return Style(value, SPARE_COLOURS[number % 6], SPARE_MARKERS[number // 6 % 6], line)


def use() -> None:
    """Set the theme for all figures of this process and draw without a display."""
    matplotlib.use("agg")
    matplotlib.rcParams.update(matplotlib.rcParamsDefault | RC | {"backend": "agg"})


def figure(height: float, width: float = WIDTH, **subplots):
    """A new figure of `width` x `height` inches and its axes, as `plt.subplots` gives them."""
    use()
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(**subplots)


def sentence(text: str) -> Figure:
    """A figure that holds nothing but a sentence, for a file that must exist where there is nothing to draw."""
    use()
    empty = Figure(figsize=(WIDTH, 0.8))
    empty.text(0.5, 0.5, text, ha="center", va="center", color=QUIET, wrap=True)
    return empty


def save(figure: Figure, folder: Path | str, name: str, data) -> list[Path]:
    """Write `<name>.svg`, `<name>.png` (150 dpi) and `<name>.csv`, what is drawn. Equal input, equal bytes."""
    svg, png, table = (Path(folder) / f"{name}.{kind}" for kind in ("svg", "png", "csv"))
    with matplotlib.rc_context(RC), atomic_path(svg) as vectors, atomic_path(png) as pixels:
        # savefig would lay the figure out, and go through all of it once more, for each file: a third of the time
        figure.set_dpi(RC["savefig.dpi"])
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")
        FigureCanvasAgg(figure).print_png(pixels, metadata={"Software": None})
        # last, because it leaves other dots per inch
        FigureCanvasSVG(figure).print_svg(vectors, metadata={"Date": None, "Creator": None})
    write_table(table, data)
    return [svg, png, table]


def save_table(frame, folder: Path | str, name: str, caption: str) -> list[Path]:
    """Write a table as `<name>.csv`, `<name>.md` and `<name>.tex` (booktabs)."""
    paths = [Path(folder) / f"{name}.{kind}" for kind in ("csv", "md", "tex")]
    write_table(paths[0], frame)
    cells = texts(frame)
    write_text(paths[1], f"{caption}\n\n{_markdown(list(frame.columns), cells)}\n")
    write_text(paths[2], _latex(list(frame.columns), cells, caption, name, column_kinds(frame)))
    return paths


def texts(frame) -> list[list[str]]:
    """The table's cells as people read them: two digits after the point, none in large numbers, a dash for missing."""
    return [[_text(value) for value in row] for row in frame.itertuples(index=False)]


def column_kinds(frame) -> list[str]:
    """How each column is set: `number` (to the right: numbers, and texts that start as a number does), `long` (texts
    that need room) or `text`."""
    number = re.compile(r"^([+−-]?\d[^a-z]*|–)$")

    def kind(column) -> str:
        if all(number.match(text) for text in column):
            return "number"
        return "long" if max(map(len, column)) > 28 else "text"

    return [kind(column) for column in zip(*texts(frame))] or ["text"] * frame.shape[1]


def _text(value) -> str:
    if pd.isna(value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}").replace("-", "−")
    return str(value)


def _markdown(columns: list[str], cells: list[list[str]]) -> str:
    rows = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "–": "--", "±": r"$\pm$", "×": r"$\times$",
    "Δ": r"$\Delta$", "≥": r"$\geq$", "≤": r"$\leq$", "·": r"$\cdot$",
}  # fmt: skip


def _latex(columns: list[str], cells: list[list[str]], caption: str, name: str, kinds: list[str]) -> str:
    def escape(text) -> str:
        return "".join(LATEX.get(letter, letter) for letter in str(text))

    lines = [" & ".join(map(escape, row)) + r" \\" for row in [columns, *cells]]
    alignment = "".join("r" if kind == "number" else "l" for kind in kinds)
    head = [r"\begin{table}", r"\centering", rf"\caption{{{escape(caption)}}}", rf"\label{{tab:{name}}}"]
    body = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*head, *body, r"\end{tabular}", r"\end{table}", ""])
