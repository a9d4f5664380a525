"""Executed notebooks and tables as the blocks that the page's template prints: texts, figures, tables, prints."""

import base64
import struct
from collections.abc import Mapping
from pathlib import Path

from flopwise.core.errors import RunFailure
from flopwise.core.paths import making
from flopwise.report import notebook, show, shrink, words

HEAVY = 400_000  # characters above which a vector figure goes in as PNG if that is clearly smaller


class Counter:
    """Numbers of figures and tables through the whole page, and anchors that are not yet taken."""

    def __init__(self):
        self.figures = self.tables = 0
        self.anchors: set[str] = set()

    def anchor(self, text: str) -> str:
        base = words.slug(text)
        name, number = base, 2
        while name in self.anchors:
            name, number = f"{base}-{number}", number + 1
        self.anchors.add(name)
        return name


def from_notebook(path: Path | str, figures: Path, made: Mapping, counter: Counter) -> list[dict]:
    """The notebook's texts and outputs in order; its code is not shown."""
    blocks = []
    for cell in notebook.read(path).cells:
        if cell.cell_type == "markdown":
            html, headings = words.section(cell.source, counter.anchor)
            blocks.append({"kind": "text", "html": html, "headings": headings})
        for output in cell.get("outputs", []):
            blocks += _output(output, path, figures, made, counter)
    return blocks


def _output(output, path: Path | str, figures: Path, made: Mapping, counter: Counter) -> list[dict]:
    data = output.get("data", {})
    if show.FIGURE in data:
        return [_figure(data[show.FIGURE], path, figures, made, counter)]
    if show.TABLE in data:
        counter.tables += 1
        content = data[show.TABLE]
        return [{"kind": "table", "number": counter.tables, "anchor": counter.anchor(f"table-{content['name']}"),
                 "table": content, "caption": content["caption"], "made": made.get(content["name"])}]  # fmt: skip
    if "text/markdown" in data:  # a sentence in place of a figure
        html, _ = words.section("".join(data["text/markdown"]), counter.anchor)
        return [{"kind": "text", "html": html, "headings": []}]
    text = output.get("text") if output.output_type == "stream" else data.get("text/plain")
    if output.output_type == "stream" and output.get("name") == "stderr":
        return []
    return [{"kind": "printed", "text": "".join(text)}] if text else []


def _figure(content: Mapping, path: Path | str, figures: Path, made: Mapping, counter: Counter) -> dict:
    name = content["name"]
    if not content.get("alt"):
        raise RunFailure(f"figure {name} of {path} has no text for readers who cannot see it (`alt`)")
    counter.figures += 1
    uri, width, height = picture(figures / f"{name}.svg", figures / f"{name}.png")
    return {
        "kind": "figure", "number": counter.figures, "anchor": counter.anchor(f"figure-{name}"), "name": name,
        "uri": uri, "width": width, "height": height, "alt": content["alt"], "caption": content["caption"],
        "made": made.get(name),
    }  # fmt: skip


def picture(svg: Path, png: Path) -> tuple[words.Markup, int, int]:
    """A data URI of the figure, its width and height in CSS pixels: the SVG made smaller, or the PNG where the SVG is heavy."""
    try:
        vector, raster = svg.read_text(encoding="utf-8"), png.read_bytes()
    except OSError as error:
        raise RunFailure(f"{error.filename} is missing; `{making(error.filename)}` makes it") from error
    if raster[:8] != b"\x89PNG\r\n\x1a\n":
        raise RunFailure(f"{png} is damaged (not PNG); delete it and run again")
    width, height = (round(size * 96 / 150) for size in struct.unpack(">II", raster[16:24]))
    uri = shrink.data_uri(shrink.shrink(vector))
    if len(uri) > HEAVY and len(raster) < 0.5 * len(uri):
        uri = f"data:image/png;base64,{base64.b64encode(raster).decode()}"
    return words.Markup(uri), width, height


def table(content) -> dict | None:
    """A table (DataFrame, or list of dicts) as `columns`, `kinds` and `rows` of texts; None where it is empty."""
    import pandas as pd

    from flopwise.report import theme

    frame = content if isinstance(content, pd.DataFrame) else pd.DataFrame(list(content))
    if frame.empty:
        return None
    return {"columns": [str(c) for c in frame.columns], "kinds": theme.column_kinds(frame), "rows": theme.texts(frame)}
