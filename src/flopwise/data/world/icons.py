"""Icons and brand marks of Font Awesome Free, with the labels, search terms and categories that people wrote for them.

Source: the package `fontawesomefree` (outline fonts and metadata).
"""

import json
from functools import cache
from pathlib import Path

from flopwise.data.world.drawing import COLOURS, SIZE, an, backdrop, blend, colour, grain, pick, pick_other, uniform
from flopwise.data.world.glyphs import place, text_mask

ICONS = (
    "bell", "bookmark", "building", "calendar", "chess-knight", "clock", "comment", "compass", "credit-card",
    "envelope", "eye", "flag", "folder", "futbol", "gem", "hand", "hourglass", "keyboard", "lemon", "lightbulb",
    "map", "moon", "paper-plane", "snowflake", "sun", "thumbs-up", "trash-can", "user",
)  # fmt: skip
BRANDS = {
    name: name for name in (
        "android", "apple", "bitcoin", "chrome", "docker", "dropbox", "google", "instagram", "linux", "playstation",
        "python", "react", "spotify", "windows", "youtube",
    )
} | {"bluetooth": "bluetooth-b", "firefox": "firefox-browser", "github": "github-alt", "reddit": "reddit-alien"} | {
    "raspberry pi": "raspberry-pi",
}  # fmt: skip
DAMAGED = ("uer",)  # search terms that lost letters in the metadata
GROUPS = (
    "animals",
    "buildings",
    "food-beverage",
    "household",
    "medical-health",
    "music-audio",
    "sports-fitness",
    "weather",
)
STYLES = {"solid": "Free-Solid-900", "regular": "Free-Regular-400", "brands": "Brands-Regular-400"}


@cache
def _package() -> Path:
    from importlib.util import find_spec

    return Path(next(iter(find_spec("fontawesomefree").submodule_search_locations))) / "static" / "fontawesomefree"


@cache
def records() -> dict[str, dict]:
    """Icon name -> its record: `label`, `search.terms`, `styles`, `unicode`."""
    return json.loads((_package() / "metadata" / "icons.json").read_text(encoding="utf-8"))


@cache
def _categories() -> dict[str, tuple[str, ...]]:
    import yaml

    text = (_package() / "metadata" / "categories.yml").read_text(encoding="utf-8")
    return {name: tuple(entry["icons"]) for name, entry in yaml.safe_load(text).items()}


@cache
def members(group: str) -> tuple[str, ...]:
    """Solid icons of a category, without those of earlier groups and of `ICONS`."""
    taken = set(ICONS).union(*(members(earlier) for earlier in GROUPS[: GROUPS.index(group)]))
    known = records()
    return tuple(
        name for name in _categories()[group] if name in known and "solid" in known[name]["free"] and name not in taken
    )


@cache
def others() -> tuple[str, ...]:
    """Solid icons that occur in no data set: material for the pre-training pool."""
    taken = set(ICONS).union(*map(members, GROUPS))
    return tuple(sorted(name for name, record in records().items() if "solid" in record["free"] and name not in taken))


def label(name: str) -> str:
    """What people call the icon, in lower case."""
    return records()[name]["label"].lower()


def terms(name: str) -> list[str]:
    """Search terms people wrote for the icon: lower case, Latin letters only, without its label."""
    found = [str(term).lower() for term in records()[name]["search"]["terms"]]
    return [
        term
        for term in dict.fromkeys(found)
        if term.isascii() and len(term) > 2 and term not in (label(name), *DAMAGED)
    ]


def draw_icon(rng, name: str, style: str, ink: str, ground: str, tilt: tuple[float, float], hollow: bool = False):
    """An icon in named colours, tilted by an angle between the two given (degrees) to either side."""
    size = int(rng.integers(21, 29))
    path = _package() / "otfs" / f"Font Awesome 6 {STYLES[style]}.otf"
    mask = text_mask(path, chr(int(records()[name]["unicode"], 16)), size, hollow)
    slack = (SIZE - size) / 2
    degrees = uniform(rng, *tilt) * pick(rng, (-1, 1))
    shape = place(mask, degrees, uniform(rng, -slack, slack), uniform(rng, -slack, slack))
    return grain(blend(backdrop(rng, ground), colour(rng, ink), shape), rng)


LIGHT, DARK = ("white", "white", "yellow", "pink"), ("black", "black", "blue", "purple", "brown", "green", "red")


def _pose(rng, split: str) -> tuple[str, str, tuple[float, float]]:
    """Colours and tilt. Training images are dark on light, tilted by less than 9 degrees; test images are tilted by 10
    to 18 degrees and have colours of either order."""
    if split == "train":
        return pick(rng, DARK), pick(rng, LIGHT), (0, 9)
    first, second = pick(rng, DARK), pick(rng, LIGHT)
    return (first, second, (10, 18)) if rng.integers(2) else (second, first, (10, 18))


def draw_thing(rng, target: int, split: str, index: int):
    """Training: the solid style, filled or its contour traced. Test: the separately drawn regular (outline) style."""
    name = ICONS[target]
    ink, ground = pick(rng, DARK), pick(rng, LIGHT)
    hollow = split == "train" and bool(rng.integers(2))
    image = draw_icon(rng, name, "solid" if split == "train" else "regular", ink, ground, (0, 9), hollow)
    words = terms(name) or [label(name)]
    return image, pick(
        rng, (f"an icon of {an(label(name))}", f"{label(name)}, {pick(rng, words)}", f"{ink} {label(name)} icon")
    )


def draw_brand(rng, target: int, split: str, index: int):
    name = tuple(BRANDS)[target]
    ink, ground, tilt = _pose(rng, split)
    image = draw_icon(rng, BRANDS[name], "brands", ink, ground, tilt)
    return image, pick(rng, (f"the logo of {name}", f"{name} logo in {ink}", f"{name} brand mark"))


def describe(rng, name: str, most: int) -> str:
    """Label and up to `most` search terms."""
    words = terms(name)
    chosen = [words[i] for i in rng.permutation(len(words))[:most]]
    return ", ".join([label(name), *chosen])


def draw_captioned(rng, target: int, split: str, index: int):
    """An icon of a category with its label and search terms; the words of a test image are the first ones."""
    icons = members(GROUPS[target])
    ink, ground, tilt = _pose(rng, split)
    name = icons[index % len(icons)]
    caption = describe(rng, name, 3) if split == "train" else ", ".join([label(name), *terms(name)[:3]])
    return draw_icon(rng, name, "solid", ink, ground, tilt), caption


def draw_any(rng):
    """An icon for the pool -> (image, caption)."""
    name = pick(rng, others())
    ink = pick(rng, COLOURS)
    image = draw_icon(rng, name, "solid", ink, pick_other(rng, COLOURS, ink), (0, 12))
    caption = pick(rng, (describe(rng, name, 2), f"{ink} {label(name)} icon", f"icon: {describe(rng, name, 1)}"))
    return image, caption


def icon_names() -> tuple[str, ...]:
    return tuple(label(name) for name in ICONS)


SETS = {
    "icons": (icon_names, draw_thing),
    "brands": (tuple(BRANDS), draw_brand),
    "icon-search": (tuple(group.replace("-", " and ") for group in GROUPS), draw_captioned),
}
