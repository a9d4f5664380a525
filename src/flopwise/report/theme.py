"""One look for every figure and table: type sizes for 7-inch width, a fixed colour per method, equal bytes."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from flopwise.core.errors import UserError
from flopwise.core.io import atomic_path, write_table, write_text
from flopwise.methods.continual import OTHERS, Method, load

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
    "svg.fonttype": "path",
    "svg.hashsalt": "flopwise",
    "pdf.fonttype": 42,
}


class Style(NamedTuple):
    """How one method is drawn; the marker repeats what the colour says."""

    label: str
    colour: str
    marker: str
    line: str = "-"


# Hues after Okabe & Ito (2008) and Tol's muted scheme, darkened where a label in that colour must be read on white.
LOOKS = {  # colour, marker and line of methods; their names stand with the methods
    "full-ft": ("#c14a00", "o"),
    "ema-merge": ("#0065a3", "s"),
    "zs-merge": ("#2a8fd0", "P", "--"),
    "ft-merge": ("#332288", "X", ":"),
    "ft-merge-latest": ("#332288", "x", ":"),
    "offline-merge": ("#5f7fa8", "D", "-."),
    "lnfit": ("#8f6a00", "D"),
    "bitfit": ("#b08d2e", "d", "--"),
    "locked-text": ("#a0457f", "h"),
    "locked-image": ("#882255", "H", "--"),
    "lora-r4": ("#00785a", "^"),
    "lora-r16": ("#00785a", "v", "--"),
    "lora-r64": ("#00785a", "v", "--"),
    "dora-r4": ("#3b6fb5", "<"),
    "dora-r16": ("#3b6fb5", ">", "--"),
    "dora-r64": ("#3b6fb5", ">", "--"),
    "vera-r4": ("#8c6d1f", "s"),
    "vera-r16": ("#8c6d1f", "D", "--"),
    "vera-r64": ("#8c6d1f", "D", "--"),
    "galore": ("#882255", "P", "-."),
    "ewc": ("#7a5195", "p"),
    "ewc-as-released": ("#7a5195", "d", "--"),
    "si": ("#2f7f86", "8", "--"),
    "oracle": ("#3c3c3c", "*"),
}
METHODS = {name: Style(load(name).label, *look) for name, look in LOOKS.items()}
REFERENCES = ("full-ft", "ema-merge")  # drawn in grey in every panel of methods
STREAMS = {
    "random": Style("random", "#3c3c3c", "o"),
    "similarity": Style("similarity", "#0065a3", "s"),
    "performance": Style("easy to hard", "#00785a", "^"),
    "frequency": Style("concept frequency", "#c14a00", "D"),
    "time": Style("time-incremental", "#882255", "p"),
    "dataset-incremental": Style("dataset-incremental", "#8f6a00", "h"),
}
MIXTURES = {
    "uniform": Style("uniform mixture", "#0065a3", "s"),
    "no-replay": Style("no replay", "#c14a00", "o", "--"),
    "no-buffer": Style("no buffer", "#882255", "D", "-."),
    "no-pool": Style("no pool", "#8f6a00", "^", "-."),
    "buffer-heavy": Style("mostly buffer", "#00785a", "v"),
    "pool-heavy": Style("mostly pool", "#332288", "P"),
    "update-heavy": Style("mostly update", "#7a5195", "p"),
    "oracle": Style("all at once", "#3c3c3c", "*"),
}
SCHEDULES = {
    "constant": Style("constant", "#3c3c3c", "o"),
    "cosine": Style("cosine", "#c14a00", "o"),
    "cosine-autoregressive": Style("cosine, autoregressive", "#a0457f", "s", "--"),
    "cosine-dynamic": Style("cosine, dynamic", "#882255", "D", "-."),
    "rsqrt": Style("inverse square root", "#0065a3", "^"),
    "rsqrt-autoregressive": Style("rsqrt, autoregressive", "#2a8fd0", "v", "--"),
    "rsqrt-continued": Style("rsqrt, continued", "#332288", "P", "-."),
    "rsqrt-recovered": Style("rsqrt, recovered", "#00785a", "X", ":"),
}
POOLS = {
    "pool": Style("pool", "#c14a00", "o"),
    "clean": Style("clean", "#0065a3", "s", "--"),
    "noisy": Style("noisy", "#882255", "D", "-."),
    "narrow": Style("narrow", "#00785a", "^", ":"),
    "cc12m": Style("CC12M", "#0065a3", "s", "--"),
    "cc3m": Style("CC3M", "#00785a", "^", ":"),
    "datacomp-small": Style("DataComp small", "#882255", "D", "-."),
}
AXES = {"method": METHODS, "stream": STREAMS, "mixture": MIXTURES, "schedule": SCHEDULES, "pool": POOLS}
SPARE_COLOURS = ("#9c3848", "#4a6fa5", "#5b7f3a", "#8a5a9e", "#7d6b4f", "#2f7f86")
SPARE_MARKERS = ("o", "s", "^", "D", "v", "P")
MODEL_COLOURS = ("#86b5d6", "#2f7fb8", "#0b3f66", "#c98a3c", "#7a4a12")
METRICS = {"a_ka": "$A_\\mathrm{KA}$", "a_zs": "$A_\\mathrm{ZS}$", "gm": "GM"}
TITLES = {"a_ka": "$\\mathbf{A_{KA}}$", "a_zs": "$\\mathbf{A_{ZS}}$", "gm": "GM"}  # the same in bold


def style(value: str, axis: str = "method") -> Style:
    """Style of a method or of a value of another axis, the same in every figure. A reversed stream looks like the
    forward one, hollow to the reader by its dashed line; what is not listed gets a colour from its name."""
    if value in AXES.get(axis, {}):
        return AXES[axis][value]
    if axis == "stream" and value.endswith("-reverse"):
        forward = style(value.removesuffix("-reverse"), axis)
        return forward._replace(label=f"{forward.label}, reversed", line="--")
    known = _known(value) if axis == "method" else None
    label = known.label if known and known.label else value
    number = int.from_bytes(hashlib.sha256(value.encode()).digest()[:4])
    line = ("-", "--", "-.")[number // 36 % 3]
    return Style(label, SPARE_COLOURS[number % 6], SPARE_MARKERS[number // 6 % 6], line)


def group(method: str) -> str | None:
    """The panel that a method belongs to; None for plain fine-tuning and the oracle, which belong to all."""
    known = _known(method)
    return known.group if known else OTHERS


def _known(method: str) -> Method | None:
    """What a method says of itself; None for one that no longer exists."""
    try:
        return load(method)
    except UserError:
        return None


def order(values, axis: str = "method") -> list[str]:
    """Values in the order in which the theme lists them, others after them by name, the oracle last; a reversed stream
    behind its forward one."""
    known = [name for name in AXES.get(axis, {}) if name != "oracle"]
    rank = {name: index for index, name in enumerate(known)} | {"oracle": len(known) + 1}
    return sorted(set(values), key=lambda name: (rank.get(name.removesuffix("-reverse"), len(known)), name))


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
    paths = [Path(folder) / f"{name}.{kind}" for kind in ("svg", "png", "csv")]
    silent = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
    with matplotlib.rc_context(RC):
        for path, kind in zip(paths, silent):
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=kind, metadata=silent[kind])
    write_table(paths[2], data)
    return paths


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
