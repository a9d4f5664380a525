"""Facts about every set of the embedded world; plain data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SetSpec:
    """What a reader needs to know about a data set. `split`: how train and test are disjoint by construction."""

    name: str
    title: str
    role: str  # adaptation | evaluation
    task: str  # classification | retrieval
    material: str  # real | procedural
    template: str  # a class name goes in at {}
    release_group: int  # order of release in time-incremental streams, 1 first
    source: str
    licence: str
    split: str


POOL_FAMILIES = (
    "shapes",
    "patterns",
    "counting",
    "landscapes",
    "scenes",
    "capitals",
    "numerals",
    "icons",
    "print",
    "clutter",
)

_FONTS = "typefaces shipped with matplotlib: DejaVu, STIX, Computer Modern (BaKoMa)"
_FONT_LICENCE = "Bitstream Vera / DejaVu licence, STIX font licence, BaKoMa fonts licence"
_UNSEEN = "no training images; test images use five typefaces that neither validation images nor the pool use"
_FACES = "test images use five typefaces that no training image uses"
_FEWER_FACES = "test images use three typefaces that no training image uses"  # Computer Modern has Latin letters only
_ICONS = "Font Awesome Free 6, package fontawesomefree"
_ICON_LICENCE = "SIL OFL 1.1 (fonts), CC BY 4.0 (icons)"
_BRAND_LICENCE = "SIL OFL 1.1 (fonts), CC BY 4.0 (icons); the marks are trademarks of their owners"
_POSES = "training images are dark on light and tilted by less than 9 degrees, test images by 10 to 18 degrees"
_DRAWN, _OWN = "drawn by flopwise", "Apache-2.0"
_SEEDS = "every image is drawn from a seed of its own; test seeds are never used for training or for the pool"
_REAL, _MADE = "real", "procedural"


def _adaptation(name, title, material, template, group, source, licence, split, task="classification") -> SetSpec:
    return SetSpec(name, title, "adaptation", task, material, template, group, source, licence, split)


def _evaluation(name, title, template, source=_DRAWN, licence=_OWN, split=None, material=_MADE, task="classification"):
    none = "no training images; test, validation and pool images are of the same concepts, from other seeds"
    return SetSpec(name, title, "evaluation", task, material, template, 1, source, licence, split or none)


_SETS = (
    _adaptation(
        "digits", "Handwritten digits", _REAL, "a handwritten digit {}.", 1,
        "UCI optical recognition of handwritten digits (1,797 scans of 8x8), shipped with scikit-learn", "CC BY 4.0",
        "disjoint scans: every third scan of a class is a test image; writers are not recorded, so one may be in both",
    ),
    _adaptation("greek", "Greek letters", _REAL, "the greek letter {}.", 1, _FONTS, _FONT_LICENCE, _FEWER_FACES),
    _adaptation("lowercase", "Small letters", _REAL, "the small letter {}.", 1, _FONTS, _FONT_LICENCE, _FACES),
    _adaptation("clocks", "Clock faces", _MADE, "a clock that shows {} o'clock.", 2, _DRAWN, _OWN, _SEEDS),
    _adaptation("flags", "Flags of countries", _MADE, "the flag of {}.", 2, _DRAWN, _OWN, _SEEDS),
    _adaptation("strokes", "Pen strokes", _MADE, "a pen stroke in the form of a {}.", 3, _DRAWN, _OWN, _SEEDS),
    _adaptation("leaves", "Leaf forms", _MADE, "a {} leaf.", 3, _DRAWN, _OWN, _SEEDS),
    _adaptation(
        "photographs", "Regions of two photographs", _REAL, "a detail of a photograph: {}.", 4,
        "china.jpg and flower.jpg, shipped with scikit-learn", "CC BY 2.0 (D. Buechele; vultilion, Flickr)",
        "disjoint areas: train and test patches are cut from rectangles of the photographs that do not overlap; patches of "
        "one split do, as a region has room for 4 to 66 without, so intervals over its test images are too narrow",
    ),
    _adaptation("charts", "Charts and diagrams", _MADE, "a diagram: {}.", 4, _DRAWN, _OWN, _SEEDS),
    _adaptation("solids", "Shaded solids", _MADE, "a rendering of a {}.", 5, _DRAWN, _OWN, _SEEDS),
    _adaptation("symbols", "Mathematical symbols", _REAL, "the math symbol {}.", 5, _FONTS, _FONT_LICENCE, _FEWER_FACES),
    _adaptation("tiles", "Aerial tiles", _MADE, "an aerial view, {}.", 6, _DRAWN, _OWN, _SEEDS),
    _adaptation(
        "terrain", "Relief tiles", _REAL, "a shaded relief of a {}.", 6,
        "elevation grid of the Jacksboro fault, Tennessee (SRTM, USGS), shipped with matplotlib", "public domain",
        "disjoint areas: the grid is cut into six bands from west to east, train and test in turn; in a split no tile "
        "comes twice and few overlap: up to 20 per landform by at most 4 of 16 points, up to 40 by at most 8",
    ),
    _adaptation("signs", "Road signs", _MADE, "a road sign: {}.", 6, _DRAWN, _OWN, _SEEDS),
    _adaptation("cells", "Cells under the microscope", _MADE, "a micrograph of {}.", 7, _DRAWN, _OWN, _SEEDS),
    _adaptation(
        "icons", "Icons across styles", _REAL, "an icon of a {}.", 7, _ICONS, _ICON_LICENCE,
        "training images show the solid style (filled or its contour), test images the separately drawn regular style",
    ),
    _adaptation("brands", "Brand marks", _REAL, "the logo of {}.", 8, _ICONS, _BRAND_LICENCE, _POSES),
    _adaptation(
        "typefaces", "Typefaces", _REAL, "text set in {}.", 8, _FONTS, _FONT_LICENCE,
        "training words use every second letter of the alphabet, test words the other letters",
    ),
    _adaptation(
        "icon-search", "Icons and their search terms", _REAL, "icons about {}.", 8, _ICONS, _ICON_LICENCE,
        _POSES + "; each test image shows another icon", "retrieval",
    ),
    _evaluation("capitals", "Capital letters", "the letter {}.", _FONTS, _FONT_LICENCE, _UNSEEN, _REAL),
    _evaluation("numerals", "Printed numerals", "the number {}.", _FONTS, _FONT_LICENCE, _UNSEEN, _REAL),
    _evaluation("shapes", "Shapes", "a drawing of a {}."),
    _evaluation("colours", "Colours", "a {} object."),
    _evaluation("patterns", "Patterns", "a pattern of {}."),
    _evaluation("counting", "Counting", "a picture of {} objects."),
    _evaluation("landscapes", "Landscapes", "a picture of a {}."),
    _evaluation("scenes", "Scenes of two shapes", "a {} and another shape.", task="retrieval"),
)  # fmt: skip
WORLD: dict[str, SetSpec] = {spec.name: spec for spec in _SETS}

MODULES = {
    "glyphs": ("capitals", "lowercase", "numerals", "greek", "symbols", "typefaces"),
    "icons": ("icons", "brands", "icon-search"),
    "shapes": ("shapes", "colours", "counting", "scenes"),
    "patterns": ("patterns",),
    "landscapes": ("landscapes",),
    "scans": ("digits",),
    "photos": ("photographs",),
    "terrain": ("terrain",),
    "instruments": ("clocks", "flags", "signs"),
    "nature": ("cells", "leaves"),
    "diagrams": ("charts", "strokes"),
    "aerial": ("tiles",),
    "solids": ("solids",),
}


def module_of(name: str) -> str:
    """Full name of the module that draws the set `name`."""
    return "flopwise.data.world." + next(module for module, names in MODULES.items() if name in names)
