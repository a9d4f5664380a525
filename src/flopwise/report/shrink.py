"""The same drawing in a third of the bytes, for the page; the files beside it stay as matplotlib wrote them."""

import base64
import io
import re
from collections import Counter
from itertools import count

NUMBER = re.compile(r'style="[^"]*"|(?:scale|matrix)\([^)]*\)|(-?\d+\.\d{3,})')  # others stay
PICTURE = re.compile(r'xlink:href="data:image/png;base64,\s*([^"]*)"')
PATH = re.compile(r' d="([^"]*)"')
GLYPH = re.compile(r' d="([^"]*)" transform="scale\(0\.015625\)"')  # its outline in 6400ths of the type size
LETTER = re.compile(r'(<use [^>]*)transform="translate\((\S+) 0\)"')  # its place in the line, in hundredths
SMALL = 64  # pixels
DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def shrink(svg: str) -> str:
    """An SVG of matplotlib without what no eye sees: comments, margins, names of groups, digits below a hundredth of a
    point. Its pictures become WebP, its outlines are written relative to where the pen is."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<\?xml.*?\?>|<!DOCTYPE.*?>", "", svg, flags=re.DOTALL)
    svg = PICTURE.sub(_webp, svg)
    svg = NUMBER.sub(lambda match: _number(float(match[1]), 2) if match[1] else match[0], svg)
    svg = GLYPH.sub(lambda match: f' d="{_relative(match[1], 8)}" transform="scale(.125)"', svg)
    svg = PATH.sub(lambda match: f' d="{_relative(match[1])}"', svg)
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", svg)
    short = {name: f"{_name(index)}" for name, index in zip(sorted(used), count())}
    svg = re.sub(r'(xlink:href="#|url\(#| id=")([^")]+)', lambda match: match[1] + short.get(match[2], match[2]), svg)
    svg = re.sub(r"([:;]) +", r"\1", svg.replace("xlink:href", "href"))
    svg = LETTER.sub(lambda match: f'{match[1]}x="{round(float(match[2]))}"', svg)
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r"\s+", " ", svg)
    return _with_classes(_without_empty_groups(svg)).strip()


def data_uri(svg: str) -> str:
    """The drawing as text in a data URI, a quarter shorter than in base64, ready to stand between double quotes in HTML."""
    return "data:image/svg+xml," + svg.replace("%", "%25").replace("#", "%23").replace('"', "'").replace("&", "&amp;")


def _webp(match: re.Match) -> str:
    """A PNG as WebP where that is shorter. The format keeps colours at half the resolution: the pixels of small pictures are
    doubled first, or edges between their colours would blur."""
    from PIL import Image

    png = base64.b64decode(match[1])
    picture = Image.open(io.BytesIO(png))
    picture = picture.convert("RGBA" if picture.mode == "RGBA" and picture.getextrema()[3][0] < 255 else "RGB")
    if max(picture.size) <= SMALL:
        picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", method=6, quality=55)
    kind, content = min(("webp", stream.getvalue()), ("png", png), key=lambda one: len(one[1]))
    return f'xlink:href="data:image/{kind};base64,{base64.b64encode(content).decode()}"'


def _name(index: int) -> str:
    name = ""
    while True:
        name, index = DIGITS[index % 52] + name, index // 52 - 1
        if index < 0:
            return name


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    text = "0" if text in ("-0", "") else text
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _relative(path: str, unit: int = 1) -> str:
    """Outlines of M, L, Q, C and z with absolute coordinates as relative ones, in whole `unit`s where that is not 1.
    Rounded positions are followed, not rounded steps, so that errors do not add up."""
    tokens = re.findall(r"[A-Za-z]|-?[\d.]+(?:e-?\d+)?", path)
    if set(re.findall(r"[A-Za-z]", path)) - set("MLQCzZ"):
        return path
    out, at, start, place, last = [], (0.0, 0.0), (0.0, 0.0), 0, ""
    while place < len(tokens):
        letter = tokens[place]
        place += 1
        if letter in "zZ":
            out.append("z")
            at, last = start, "z"
            continue
        size = {"M": 2, "L": 2, "Q": 4, "C": 6}[letter]
        values = [float(token) if unit == 1 else round(float(token) / unit) for token in tokens[place : place + size]]
        place += size
        steps = [_number(value - at[index % 2], 2) for index, value in enumerate(values)]
        head = "" if letter == last else letter.lower()
        out.append(head + _joined(steps, bool(head)))
        at, last = (values[-2], values[-1]), letter if letter != "M" else ""
        if letter == "M":
            start = at
    return "".join(out)


def _joined(steps: list[str], first: bool) -> str:
    """Numbers one after the other; a minus sign parts as well as a space."""
    text = ""
    for step in steps:
        text += step if (first and not text) or step.startswith("-") else f" {step}"
    return text


def _with_classes(svg: str) -> str:
    """Styles that stand in several places as classes."""
    counts = Counter(re.findall(r' style="([^"]*)"', svg))
    classes = {style: _name(index) for index, (style, times) in enumerate(counts.most_common()) if times > 2}
    svg = re.sub(
        r' style="([^"]*)"', lambda match: f' class="{classes[match[1]]}"' if match[1] in classes else match[0], svg
    )
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    return svg.replace("</style>", f"{rules}</style>", 1)


def _without_empty_groups(svg: str) -> str:
    """Groups without attributes hold their content together for nobody."""
    parts, depth = [], []
    for token in re.split(r"(<g\b[^>]*>|</g>)", svg):
        if token.startswith("<g"):
            depth.append(token != "<g>" and not token.endswith("/>"))
            if depth[-1]:
                parts.append(token)
            if token.endswith("/>"):
                depth.pop()
        elif token == "</g>":
            if depth.pop():
                parts.append(token)
        else:
            parts.append(token)
    return "".join(parts)
