"""The pre-training pool: a broad, noisy collection of captioned images, as the web would give.

It covers what the evaluation sets ask for (shapes, colours, patterns, numbers, relations, landscapes, capital letters),
in other instances, backgrounds and typefaces and many wordings, and of the adaptation sets hardly anything.
"""

import numpy as np

from flopwise.core.seeds import numpy_generator
from flopwise.data.store import Split
from flopwise.data.world import glyphs, icons, landscapes, patterns, shapes
from flopwise.data.world.catalogue import POOL_FAMILIES
from flopwise.data.world.drawing import COLOURS, Canvas, an, backdrop, colour, grain, pick, pick_other, uniform

FILLER = (
    "free",
    "stock",
    "hd",
    "new",
    "best",
    "buy",
    "download",
    "photo",
    "image",
    "2019",
    "clip art",
    "vector",
    "no 4",
    "png",
)


def _shape(rng):
    shape, tint = pick(rng, shapes.SHAPES), pick(rng, COLOURS)
    image, ground = shapes.one_shape(rng, shape, tint)
    return image, pick(rng, (
        f"a {tint} {shape}", f"a drawing of a {shape}", f"a {shape}", f"{shape} on a {ground} background",
        f"one {shape}", f"drawing: {shape}", f"a large {shape}", f"{tint} {shape} clip art", f"a {tint} object",
        f"the shape of a {shape}",
    ))  # fmt: skip


def _pattern(rng):
    pattern, first = pick(rng, patterns.PATTERNS), pick(rng, COLOURS)
    second = pick_other(rng, COLOURS, first)
    return patterns.paint(rng, pattern, first, second), pick(rng, (
        f"a pattern of {pattern}", f"{pattern} in {first} and {second}", f"{pattern}", f"wall with {pattern}",
        f"{pattern} wallpaper", f"fabric with {pattern}", f"seamless {pattern}", f"{pattern} texture",
    ))  # fmt: skip


def _count(rng):
    number, shape, tint = int(rng.integers(1, len(shapes.NUMBERS) + 1)), pick(rng, shapes.SHAPES), pick(rng, COLOURS)
    image, ground = shapes.several(rng, number, shape, tint)
    word, things = shapes.NUMBERS[number - 1], shapes.plural(shape, number)
    return image, pick(rng, (
        f"{word} {things}", f"{word} {tint} {things}", f"a picture of {word} objects", f"{word} objects on {ground}",
        f"{word} objects", f"a set of {word}", f"{word} pieces", f"there are {word}", f"{word} in total",
    ))  # fmt: skip


def _landscape(rng):
    name = pick(rng, landscapes.LANDSCAPES)
    return landscapes.paint(rng, name), pick(rng, (
        f"a picture of a {name}", f"{name}", f"view of the {name}", f"a {name} in summer", f"{name} painting",
        f"holiday at the {name}", f"{name} landscape", f"postcard with a {name}", f"my trip to the {name}",
    ))  # fmt: skip


def _scene(rng):
    relation = pick(rng, shapes.RELATIONS)
    first = (pick(rng, COLOURS), pick(rng, shapes.SHAPES))
    second = (pick_other(rng, COLOURS, first[0]), pick_other(rng, shapes.SHAPES, first[1]))
    image = shapes.pair(rng, first, second, relation)
    one, two = " ".join(first), " ".join(second)
    return image, pick(rng, (
        f"{an(one)} {relation} {an(two)}", f"{an(one)} {relation} {an(two)}", f"{one} {relation} {two}",
        f"{one} and {two}", f"{an(first[1])} {relation} {an(second[1])}",
    ))  # fmt: skip


def _letter(rng):
    letter = pick(rng, glyphs.LATIN)
    image, ink, ground = glyphs.one_letter(rng, letter, False)
    return image, pick(rng, (
        f"the letter {letter}", f"letter {letter}", f"capital letter {letter}", f"a printed letter {letter}",
        f"the letter {letter} in {ink} on {ground}", f"the letter {letter} of the alphabet", f"{letter}",
    ))  # fmt: skip


def _numeral(rng):
    number = pick(rng, "0123456789")
    image, ink, ground = glyphs.one_letter(rng, number, False)
    return image, pick(rng, (
        f"the number {number}", f"number {number}", f"printed number {number}", f"a large {number}",
        f"the number {number} in {ink} on {ground}", f"house number {number}",
    ))  # fmt: skip


def _print(rng):
    """A short number or string."""
    text = (
        str(int(rng.integers(10, 1000)))
        if rng.integers(2)
        else "".join(pick(rng, "abcdeghmnoprstuvw") for _ in range(3))
    )
    ink, ground = glyphs.ink_and_ground(rng)
    image = glyphs.print_text(rng, pick(rng, glyphs.TYPEFACES), text, ink, ground, extent=(22, 29))
    return image, pick(
        rng, (f"printed text {text}", f"{text} in {ink}", f"a label that says {text}", f"{ink} text on {ground}")
    )


def _clutter(rng):
    """Lines and blots without a name."""
    ground = pick(rng, COLOURS)
    canvas = Canvas(backdrop(rng, ground))
    for _ in range(int(rng.integers(3, 9))):
        rgb = colour(rng, pick(rng, COLOURS), 40)
        points = [(uniform(rng, 0, 32), uniform(rng, 0, 32)) for _ in range(3)]
        if rng.integers(2):
            canvas.line(points, rgb, uniform(rng, 0.6, 3))
        else:
            canvas.polygon(points, rgb)
    words = (
        "abstract art",
        "untitled",
        "a sketch",
        "img 0231",
        "modern painting",
        f"something on {ground}",
        "a chart",
        "logo",
    )
    return grain(canvas.pixels(), rng), pick(rng, words)


FAMILIES = {
    "shapes": (_shape, 18), "patterns": (_pattern, 14), "counting": (_count, 14), "landscapes": (_landscape, 6),
    "scenes": (_scene, 12), "capitals": (_letter, 20), "numerals": (_numeral, 10), "icons": (icons.draw_any, 4),
    "print": (_print, 3), "clutter": (_clutter, 3),
}  # fmt: skip
assert tuple(FAMILIES) == POOL_FAMILIES


def make(samples: int, seed: int, caption_noise: float, families: tuple[str, ...]) -> Split:
    """A pool of the given families, in their usual proportions; `targets` index `FAMILIES`."""
    names = tuple(FAMILIES)
    shares = np.cumsum([weight if name in families else 0 for name, (_, weight) in FAMILIES.items()])
    draws = numpy_generator(seed, "pool", "families").integers(0, shares[-1], samples)
    targets = np.searchsorted(shares, draws, side="right").astype(np.int64)
    images = np.empty((samples, 32, 32, 3), np.uint8)
    captions = []
    for i, target in enumerate(targets):
        images[i], caption = FAMILIES[names[target]][0](numpy_generator(seed, "pool", i))
        captions.append(caption)
    return Split(images, targets, _disturb(captions, numpy_generator(seed, "pool", "noise"), caption_noise))


def _disturb(captions: list[str], rng, share: float) -> list[str]:
    """About `share` of the captions spoilt: half belong to another image, the rest are cut, padded or misspelt."""
    result = list(captions)
    spoilt = np.flatnonzero(rng.random(len(captions)) < share)
    for i in spoilt:
        words = captions[i].split()
        kind = int(rng.integers(6))
        if kind < 3:
            result[i] = captions[int(rng.integers(len(captions)))]
        elif kind == 3:
            result[i] = " ".join(words[: max(1, len(words) // 2)])
        elif kind == 4:
            result[i] = f"{pick(rng, FILLER)} {captions[i]} {pick(rng, FILLER)}"
        else:
            k = int(rng.integers(len(words)))
            cut = int(rng.integers(len(words[k])))
            words[k] = words[k][:cut] + words[k][cut + 1 :] or words[k]
            result[i] = " ".join(words)
    return result
