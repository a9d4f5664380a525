"""Letters, Greek letters and mathematical symbols in the typefaces that matplotlib ships, and the typefaces themselves.

Source: matplotlib's font folder (DejaVu, STIX, Computer Modern). Characters that a typeface lacks are never drawn.
"""

from functools import cache, lru_cache
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np

from flopwise.data.world.drawing import SIZE, ZOOM, backdrop, blend, colour, grain, pick, uniform

TYPEFACES = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique", "DejaVuSansMono",
    "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSerif-Bold", "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralItalic", "STIXGeneralBolIta", "cmr10", "cmtt10", "cmti10",
)  # fmt: skip
HELD_OUT = ("DejaVuSerif", "DejaVuSansMono-Oblique", "STIXGeneralBol", "cmss10", "cmb10")  # drawn in test images only
# classes of the set `typefaces`: faces that are not held out, since its training images show letters, too
NAMED = {
    "dejavu sans": "DejaVuSans", "dejavu sans bold": "DejaVuSans-Bold", "dejavu sans oblique": "DejaVuSans-Oblique",
    "dejavu mono": "DejaVuSansMono", "dejavu serif italic": "DejaVuSerif-Italic",
    "dejavu serif bold": "DejaVuSerif-Bold", "stix roman": "STIXGeneral", "stix bold italic": "STIXGeneralBolIta",
    "stix italic": "STIXGeneralItalic", "computer modern roman": "cmr10", "computer modern typewriter": "cmtt10",
    "computer modern italic": "cmti10",
}  # fmt: skip
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho":
    "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}  # fmt: skip
SYMBOLS = {
    "summation": "∑", "product": "∏", "integral": "∫", "square root": "√", "infinity": "∞", "plus minus": "±",
    "not equal": "≠", "less or equal": "≤", "greater or equal": "≥", "approximately": "≈", "partial": "∂", "nabla": "∇",
    "element of": "∈", "union": "∪", "intersection": "∩", "subset": "⊂", "for all": "∀", "there exists": "∃",
    "empty set": "∅", "circled plus": "⊕",
}  # fmt: skip
LATIN = tuple(ascii_uppercase)
MASK = SIZE * ZOOM


@cache
def _folder() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@cache
def characters(typeface: str) -> frozenset[int]:
    """Code points for which the typeface has a glyph."""
    from fontTools.ttLib import TTFont

    with TTFont(_folder() / f"{typeface}.ttf", lazy=True) as font:
        return frozenset(font.getBestCmap() or {})


@cache
def able(character: str, held_out: bool) -> tuple[str, ...]:
    """Typefaces that have the character, among the held-out or the other ones."""
    faces = HELD_OUT if held_out else TYPEFACES
    # the tables of the Computer Modern files put other glyphs at code points beyond ASCII
    usable = [face for face in faces if character.isascii() or not face.startswith("cm")]
    found = tuple(face for face in usable if ord(character) in characters(face))
    assert found, f"no typeface has {character!r}"
    return found


@cache
def load_font(path: Path, size: int):
    from PIL import ImageFont

    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def text_mask(path: Path, text: str, extent: float, hollow: bool = False):
    """`text` centred on a square of 128 points, its longer side `extent` pixels of the finished image; a PIL image of
    mode L. `hollow`: the traced outline instead of the filled form."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = load_font(path, 100).getbbox(text)
    size = max(4, round(100 * extent * ZOOM / max(right - left, bottom - top, 1)))
    font = load_font(path, size)
    left, top, right, bottom = font.getbbox(text)
    mask = Image.new("L", (MASK, MASK))
    where = ((MASK - left - right) // 2, (MASK - top - bottom) // 2)
    pen = ImageDraw.Draw(mask)
    if hollow:
        pen.text(where, text, font=font, fill=255, stroke_width=4, stroke_fill=255)
        pen.text(where, text, font=font, fill=0)
    else:
        pen.text(where, text, font=font, fill=255)
    return mask


def place(mask, degrees: float, dx: float, dy: float) -> np.ndarray:
    """The mask turned and moved (pixels of the finished image), at its size: uint8 (32, 32)."""
    from PIL import Image

    moved = mask.rotate(
        degrees, resample=Image.Resampling.BILINEAR, translate=(round(dx * ZOOM), round(dy * ZOOM))
    )  # fmt: skip
    return np.asarray(moved.reduce(ZOOM))


def print_text(rng, typeface: str, text: str, ink: str, ground: str, extent=(17, 26), tilt: float = 8) -> np.ndarray:
    """`text` in a typeface, in named colours, at a random place, size and tilt (degrees): uint8 (32, 32, 3)."""
    size = int(rng.integers(extent[0], extent[1] + 1))
    slack = (SIZE - size) / 2 - 1
    mask = text_mask(_folder() / f"{typeface}.ttf", text, size)
    shape = place(mask, uniform(rng, -tilt, tilt), uniform(rng, -slack, slack), uniform(rng, -slack, slack))
    return grain(blend(backdrop(rng, ground), colour(rng, ink), shape), rng)


def ink_and_ground(rng) -> tuple[str, str]:
    """Two named colours that are well apart in brightness."""
    dark, light = ("black", "blue", "purple", "brown", "red", "green"), ("white", "yellow", "pink", "orange", "gray")
    first, second = pick(rng, dark), pick(rng, light)
    return (first, second) if rng.integers(2) else (second, first)


def _character(rng, character: str, split: str):
    typeface = pick(rng, able(character, split == "test"))
    ink, ground = mostly_plain(rng)
    return print_text(rng, typeface, character, ink, ground, extent=(21, 26), tilt=5), ink, ground


def mostly_plain(rng) -> tuple[str, str]:
    """Ink and ground of a print: black on white or the reverse in four of five cases, else any pair."""
    return ink_and_ground(rng) if rng.integers(5) == 0 else pick(rng, (("black", "white"), ("white", "black")))


def one_letter(rng, letter: str, held_out: bool):
    """A large character, nearly upright, dark on light or the reverse: (image, ink, ground)."""
    typeface = pick(rng, able(letter, held_out))
    ink, ground = mostly_plain(rng)
    return print_text(rng, typeface, letter, ink, ground, extent=(23, 26), tilt=3), ink, ground


def draw_letter(rng, target: int, split: str, index: int):
    image, ink, ground = one_letter(rng, LATIN[target], split == "test")
    return image, f"the letter {LATIN[target]} in {ink} on {ground}"


def draw_numeral(rng, target: int, split: str, index: int):
    image, ink, ground = one_letter(rng, digits[target], split == "test")
    return image, f"the number {digits[target]} in {ink} on {ground}"


def draw_small(rng, target: int, split: str, index: int):
    letter = ascii_lowercase[target]
    image, ink, _ = _character(rng, letter, split)
    return image, pick(rng, (f"the small letter {letter}", f"small {letter} in {ink}", f"lower case {letter}"))


def draw_greek(rng, target: int, split: str, index: int):
    name = tuple(GREEK)[target]
    image, ink, _ = _character(rng, GREEK[name], split)
    return image, pick(rng, (f"the greek letter {name}", f"{name} in {ink}", f"greek {name}, small letter"))


def draw_symbol(rng, target: int, split: str, index: int):
    name = tuple(SYMBOLS)[target]
    image, ink, _ = _character(rng, SYMBOLS[name], split)
    return image, pick(rng, (f"the math symbol {name}", f"{name} sign in {ink}", f"mathematics: {name}"))


def draw_typeface(rng, target: int, split: str, index: int):
    """Three letters in one typeface; every second letter of the alphabet (b, d, f ...) is kept for the test images."""
    name = tuple(NAMED)[target]
    letters = (ascii_lowercase + ascii_uppercase)[split == "test" :: 2]
    text = "".join(pick(rng, letters) for _ in range(3))
    ink, ground = ink_and_ground(rng)
    image = print_text(rng, NAMED[name], text, ink, ground, extent=(25, 29), tilt=2)
    return image, pick(
        rng, (f"text set in {name}", f"{text} in the typeface {name}", f"typeface {name}, {ink} on {ground}")
    )


SETS = {
    "capitals": (LATIN, draw_letter),
    "lowercase": (tuple(ascii_lowercase), draw_small),
    "numerals": (tuple(digits), draw_numeral),
    "greek": (tuple(GREEK), draw_greek),
    "symbols": (tuple(SYMBOLS), draw_symbol),
    "typefaces": (tuple(NAMED), draw_typeface),
}
