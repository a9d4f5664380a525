"""Texts of the page: Markdown and formulas to HTML, numbers and durations to words. All input is escaped."""

import re

from markupsafe import Markup, escape

__all__ = ["Markup", "count", "duration", "markdown", "plain", "prose", "section", "signed", "slug"]


def prose(text) -> Markup:
    """Escaped text in which A_KA and rho_pos are set with real subscripts, names between backticks as code."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    text = re.sub(r"\brho_(pos|neg)\b", r"ρ<sub>\1</sub>", text)
    return Markup(re.sub(r"(?<![A-Za-z0-9_])([A-Z])_([A-Z]{2})\b", r"\1<sub>\2</sub>", text))


def markdown(text: str, *, inline: bool = False) -> Markup:
    """Markdown as HTML; raw HTML in it is escaped, formulas between dollar signs become MathML. `inline`: without the
    paragraph around it."""
    html = _parser(lambda text: slug(text), [])(text).strip()
    if inline:
        html = re.sub(r"^<p>(.*)</p>$", r"\1", html, flags=re.DOTALL)
    return Markup(html)


def section(text: str, anchor) -> tuple[Markup, list[tuple[str, str]]]:
    """Markdown as HTML with headings two levels down, and the top ones as (anchor, title). `anchor(title)` gives
    ids."""
    headings: list[tuple[str, str]] = []
    return Markup(_parser(anchor, headings)(text)), headings


def _parser(anchor, headings: list):
    import mistune

    class Renderer(mistune.HTMLRenderer):
        """No links to other hosts, no images, headings below the chapter's own."""

        def heading(self, text: str, level: int, **_) -> str:
            title = re.sub(r"<[^>]+>", "", text)
            name = anchor(title)
            if level == 1:
                headings.append((name, title))
            return f'<h{min(level + 2, 6)} id="{name}">{text}</h{min(level + 2, 6)}>\n'

        def link(self, text: str, url: str, title=None) -> str:
            if url.startswith("#"):
                return f'<a href="{escape(url)}">{text}</a>'
            return text if text == str(escape(url)) else f"{text} ({escape(url)})"

        def image(self, text: str, url: str, title=None) -> str:
            return str(escape(text))

        def inline_math(self, text: str) -> str:
            return mathml(text)

        def block_math(self, text: str) -> str:
            return mathml(text, display="block")

    return mistune.create_markdown(renderer=Renderer(escape=True), plugins=[_formulas, "table"])


def _formulas(parser) -> None:
    """Formulas of mistune's own plug-in, with our renderer's way of writing them."""
    from mistune.plugins.math import math

    own = {name: getattr(parser.renderer, name) for name in ("inline_math", "block_math")}
    math(parser)
    for name, method in own.items():
        parser.renderer.register(name, lambda _, text, method=method: method(text))


def mathml(formula: str, display: str = "inline") -> str:
    """A LaTeX formula as MathML, which browsers set without a script."""
    from latex2mathml.converter import convert

    return convert(formula, display=display)


def slug(text: str) -> str:
    """An anchor for a title: lower case, letters and digits joined by dashes."""
    return "-".join(re.findall(r"[a-z0-9]+", re.sub(r"&\w+;", " ", text).lower())) or "part"


def signed(number: float) -> str:
    """+1.25, −0.30: sign and two digits after the point."""
    return f"{number:+.2f}".replace("-", "−")


def plain(number: float) -> str:
    return f"{number:.2f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as people say them: 48 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def count(number: float) -> str:
    """Whole numbers with thousands apart."""
    return f"{number:,.0f}"
