"""The report as PDF, through the typst wheel (extra `pdf`): the same content as the page, without its folded parts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flopwise.core.errors import UserError
from flopwise.core.io import atomic_path
from flopwise.report import notebook, show, verdicts
from flopwise.report.page import Chapter
from flopwise.studies.regime import CAPTION, shown

PREAMBLE = """#set document(title: "flopwise report", date: none)
#set page(paper: "a4", margin: 2.2cm, numbering: "1")
#set text(size: 10pt)
#set par(justify: true)
#set table(stroke: 0.4pt + luma(200), inset: 4pt)
#show figure: set block(breakable: true)
#show figure.caption: set text(size: 8.5pt)
#show heading: set block(above: 1.4em, below: 0.8em)
"""
LONGEST_TABLE = 24  # rows; longer ones are named with their file


def build(
    out: Path | str,
    *,
    scale: str,
    chapters: Sequence[Chapter],
    claims: Sequence[Mapping],
    facts: Mapping,
    validation: bool = False,
    **_,
) -> None:
    """Write the PDF; arguments as for `page.build`, of which it shows answers, checks, claims and chapters."""
    try:
        import typst
    except ImportError as error:
        raise UserError("the PDF needs typst: pip install -e '.[pdf]'") from error
    studies = verdicts.by_study(claims, {chapter.id: chapter.title for chapter in chapters})
    claims = verdicts.apart(claims)[1]
    parts = [PREAMBLE, heading(1, "Where should the next FLOP go?"), paragraph(_summary(scale, facts))]
    if validation:
        parts.append(paragraph(verdicts.VALIDATION))
    for chapter in chapters:
        parts += _answer(chapter, claims)
    parts += [heading(1, "Does the instrument respond?")] * any(study.checks for study in studies)
    for study in studies:
        if study.checks:
            parts += [heading(2, study.title), paragraph(verdicts.instrument(study.checks)), _claims(study.checks)]
    parts += [
        heading(1, "What became of the claims"),
        paragraph(verdicts.chance(claims)),
        paragraph(verdicts.added(claims)),
        *_different(claims),
    ]
    for study in studies:
        parts += [heading(2, study.title), _claims(study.claims)]
    for chapter in chapters:
        parts += _chapter(chapter)
    with atomic_path(out) as temporary:
        temporary.write_bytes(typst.compile("\n".join(parts).encode(), root="/", format="pdf"))


def string(text) -> str:
    """A typst string literal."""
    return '"' + " ".join(str(text).split()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(text: str) -> str:
    """Markdown with inline formulas as plain words: no dollar signs, braces and commands."""
    text = re.sub(r"\\(mathrm|mathit|text)", "", text).replace("\\cdot", "·").replace("\\sqrt", "√")
    return re.sub(r"[${}*`]", "", text).replace("_", "")


def heading(level: int, text: str) -> str:
    return f"#heading(level: {level}, {string(text)})"


def paragraph(text: str) -> str:
    return f"#par({string(text)})"


def table(columns: Sequence[str], rows: Sequence[Sequence], widths: str, size: float = 8) -> str:
    """A table with a repeated header; `widths` in typst's notation."""
    cells = [f"table.header({', '.join(f'strong({string(name)})' for name in columns)})"]
    cells += [string(value) for row in rows for value in row]
    return f"#block(text(size: {size}pt, table(columns: {widths}, {', '.join(cells)})))"


def _summary(scale: str, facts: Mapping) -> str:
    return (
        f"One run at scale {scale} on {facts.get('hardware', 'unknown hardware')}, flopwise {facts.get('version')}, "
        f"commit {facts.get('commit') or 'unknown'}: {facts.get('runs')} runs, {facts.get('diverged')} diverged, "
        f"{facts.get('core_seconds', 0):,.0f} core-seconds."
    )


def _answer(chapter: Chapter, claims: Sequence[Mapping]) -> Iterator[str]:
    """What the study found, in sentences, and the picture that carries it."""
    if sentences := verdicts.answers(chapter.answer, claims):
        yield heading(2, f"{chapter.title}: what this run found")
        texts = [f"{one['text']}. {one['about']}".strip() for one in sentences]
        yield "#enum(" + ", ".join(string(text) for text in texts) + ")"
        found = (data for path in chapter.notebooks for cell in notebook.read(path).cells for data in _data(cell))
        for data in found:
            if data.get(show.FIGURE, {}).get("name") == chapter.picture:
                yield from _output(data, Path(chapter.figures))


def _different(claims: Sequence[Mapping]) -> Iterator[str]:
    for title, group in verdicts.different(claims):
        yield heading(2, title)
        texts = [f"{claim['title']}: {verdicts.measured(claim)} {verdicts.interval(claim)}" for claim in group]
        yield "#list(" + ", ".join(string(text) for text in texts) + ")"


def _claims(claims: Sequence[Mapping]) -> str:
    rows = []
    for claim in claims:
        measured = verdicts.measured(claim) or "not measured"
        if claim["low"] is not None:
            measured = f"{measured} {verdicts.interval(claim)}".rstrip() + f", {verdicts.units(claim)}"
        corrected = "survives Holm's correction" * verdicts.survives(claim)
        texts = (claim["verdict"], corrected, claim["reason"], verdicts.decided(claim), claim["note"])
        outcome = "; ".join(filter(None, texts))
        rows.append((claim["title"], plain(claim["paper_says"]), measured, outcome, claim["rule_sha256"][:12]))
    names = ("Claim", "The paper said", "Measured here", "Verdict", "Rule")
    return table(names, rows, "(1.2fr, 1.6fr, 1.2fr, 1fr, auto)")


def _chapter(chapter: Chapter) -> Iterator[str]:
    yield "#pagebreak()"
    yield heading(1, chapter.title)
    yield paragraph(chapter.question)
    if chapter.setup:
        yield _rows(chapter.setup, f"{len(chapter.setup[0])}")
    if chapter.regime:
        rows, sources = shown(chapter.regime)
        yield paragraph(CAPTION)
        yield _rows(rows, f"{len(rows[0])}")
        yield paragraph("Sources: " + "; ".join(f"({number}) {source}" for number, source in enumerate(sources, 1)))
    if chapter.deviations:
        yield heading(2, "Deviations from the paper")
        yield "#list(" + ", ".join(string(text) for text in chapter.deviations) + ")"
    for path in chapter.notebooks:
        for cell in notebook.read(path).cells:
            if cell.cell_type == "markdown":
                yield from _text(cell.source)
            for data in _data(cell):
                yield from _output(data, Path(chapter.figures))


def _rows(rows: Sequence[Mapping], widths: str) -> str:
    """A table of dicts with the same keys."""
    return table(list(rows[0]), [list(row.values()) for row in rows], widths)


def _text(source: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n|(?<=\n)(?=#)", source):
        title = re.match(r"#+ (.*)", block)
        if title:
            yield heading(2, plain(title[1]))
        rest = block[title.end() :] if title else block
        if rest.strip():
            yield paragraph(plain(rest))


def _data(cell) -> Iterator[Mapping]:
    """What a notebook's cell put out, by MIME type."""
    return (output.get("data", {}) for output in cell.get("outputs", []))


def _output(data: Mapping, folder: Path) -> Iterator[str]:
    if show.FIGURE in data:
        content = data[show.FIGURE]
        image = (
            f"image({string((folder / content['name']).resolve())} + {string('.svg')}, alt: {string(content['alt'])})"
        )
        yield f"#figure({image}, caption: {string(plain(content['caption']))})"
    elif show.TABLE in data:
        content = data[show.TABLE]
        yield paragraph(f"Table. {plain(content['caption'])}")
        if len(content["rows"]) > LONGEST_TABLE:
            yield paragraph(f"{len(content['rows'])} rows, in {content['name']}.csv.")
        else:
            yield table(content["columns"], content["rows"], f"{len(content['columns'])}", size=6.5)
    elif "text/markdown" in data:  # a sentence in place of a figure
        yield paragraph(plain("".join(data["text/markdown"])))
