"""Inputs, output queries and heads of a Perceiver IO as plain data (arXiv 2107.14795). No torch, so that names, shapes and
prices are known without building anything.

Letters as in the paper: M inputs of C channels, N latents of D, O output queries of E.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flopwise.core.choices import check
from flopwise.core.errors import UserError

COLOURS = 3
STEM_CHANNELS, STEM_KERNEL = 64, 7  # of the convolution before images (section A)
STEMS = ("conv", "conv-unpadded")  # max-pooling padded, as in the original code, or not, as in transformers


@dataclass(frozen=True)
class Fourier:
    """Position features [x, sin(pi f x), cos(pi f x)] of a grid (section G): `bands` frequencies f per dimension, from 1
    to half of its `resolution`."""

    bands: int
    resolution: tuple[int, ...]

    @property
    def channels(self) -> int:
        return len(self.resolution) * (1 + 2 * self.bands)


@dataclass(frozen=True)
class Learned:
    """A table of `positions` vectors of `channels`, behind it a linear map of the same width where `projected`."""

    positions: int
    channels: int
    projected: bool = False


# --- inputs: each knows `elements` (M) and `channels` (C) of the array that the encoder reads ---


@dataclass(frozen=True)
class Text:
    """Symbols 0 .. `symbols` - 1 (262 for bytes: 6 marks and 256 values); embedding plus learned position."""

    symbols: int
    length: int
    channels: int

    @property
    def elements(self) -> int:
        return self.length


@dataclass(frozen=True)
class Image:
    """Pictures (3, height, width), cut into `patch` x `patch` pixels, mapped to `features` (None: left as they are), or
    sent through a convolution (`stem`, of STEMS: a quarter of each side, 64 features); positions behind them."""

    size: tuple[int, int]
    positions: Fourier | Learned
    patch: int = 1
    features: int | None = None
    stem: str | None = None

    def __post_init__(self):
        if self.stem:
            check("stem", self.stem, STEMS)
        check_patches("image", self.size, (self.patch, self.patch))

    @property
    def values(self) -> int:
        return COLOURS * self.patch**2

    @property
    def grid(self) -> tuple[int, int]:
        if self.stem is None:
            return tuple(side // self.patch for side in self.size)
        halves = [math.ceil(side / 2) for side in self.size]
        # a window of 3 every 2: padded, one per 2; unpadded, only those that fit
        return tuple(math.ceil(half / 2) if self.stem == "conv" else (half - 3) // 2 + 1 for half in halves)

    @property
    def elements(self) -> int:
        return math.prod(self.grid)

    @property
    def channels(self) -> int:
        return (STEM_CHANNELS if self.stem else self.features or self.values) + self.positions.channels


@dataclass(frozen=True)
class FramePair:
    """Two pictures (2, 3, height, width): the `neighbourhood` x `neighbourhood` pixels around each pixel, of both frames in
    one element or, where `apart`, an element per frame; mapped to `features`, positions behind them (section H)."""

    size: tuple[int, int]
    positions: Fourier
    features: int = 64
    neighbourhood: int = 3
    apart: bool = False

    @property
    def values(self) -> int:
        return COLOURS * self.neighbourhood**2 * (1 if self.apart else 2)

    @property
    def elements(self) -> int:
        return math.prod(self.size) * (2 if self.apart else 1)

    @property
    def channels(self) -> int:
        return self.features + self.positions.channels


@dataclass(frozen=True)
class Video:
    """Frames (time, 3, height, width) cut into blocks of `patch` = (time, height, width); positions behind them."""

    frames: int
    size: tuple[int, int]
    patch: tuple[int, int, int]
    positions: Fourier

    def __post_init__(self):
        check_patches("video", (self.frames, *self.size), self.patch)

    @property
    def grid(self) -> tuple[int, ...]:
        return tuple(side // part for side, part in zip((self.frames, *self.size), self.patch))

    @property
    def values(self) -> int:
        return COLOURS * math.prod(self.patch)

    @property
    def elements(self) -> int:
        return math.prod(self.grid)

    @property
    def channels(self) -> int:
        return self.values + self.positions.channels


@dataclass(frozen=True)
class Audio:
    """Sound (samples,) cut into pieces of `patch` samples; positions behind them."""

    samples: int
    patch: int
    positions: Fourier

    def __post_init__(self):
        check_patches("audio", (self.samples,), (self.patch,))

    @property
    def elements(self) -> int:
        return self.samples // self.patch

    @property
    def channels(self) -> int:
        return self.patch + self.positions.channels


@dataclass(frozen=True)
class Label:
    """A class, one-hot, as a single element."""

    classes: int
    elements = 1

    @property
    def channels(self) -> int:
        return self.classes


@dataclass(frozen=True)
class Units:
    """A set of at most `units` vectors of `features`, mapped to `width` (None: left as they are); no positions, so that
    order does not matter (section B)."""

    units: int
    features: int
    width: int | None = None

    @property
    def elements(self) -> int:
        return self.units

    @property
    def channels(self) -> int:
        return self.width or self.features


@dataclass(frozen=True)
class Multimodal:
    """Several inputs by name, each padded on the right with a learned vector to the widest one's channels + `padding`, one
    behind the other in alphabetical order (section 4.3). With `mask_tokens`, elements can be replaced by a learned vector;
    the modalities in `hidden` are, unless the caller says which elements are."""

    parts: Mapping[str, Image | Video | Audio | Label]
    padding: int = 4
    mask_tokens: bool = False
    hidden: tuple[str, ...] = ()

    def __post_init__(self):
        for name in self.hidden:
            check("hidden modality", name, self.parts if self.mask_tokens else ())

    @property
    def elements(self) -> int:
        return sum(part.elements for part in self.parts.values())

    @property
    def channels(self) -> int:
        return max(part.channels for part in self.parts.values()) + self.padding


# --- output queries: each knows `count` (O) and `channels` (E) ---


@dataclass(frozen=True)
class LearnedQueries:
    """A learned vector per output: one for a label, one per task, one per position of a text."""

    count: int
    channels: int


@dataclass(frozen=True)
class PositionQueries:
    """Position features of the points of a grid of `shape`; `sampled`: how many are decoded per training step (None: all)."""

    shape: tuple[int, ...]
    positions: Fourier
    sampled: int | None = None

    @property
    def count(self) -> int:
        return self.sampled or math.prod(self.shape)

    @property
    def channels(self) -> int:
        return self.positions.channels


@dataclass(frozen=True)
class InputQueries:
    """The first `count` elements of the input array: pixels of the first frame, units of a set."""

    count: int
    channels: int


@dataclass(frozen=True)
class MultimodalQueries:
    """Queries by modality, each padded with a learned vector to the widest one's channels + `padding`, alphabetically."""

    parts: Mapping[str, LearnedQueries | PositionQueries]
    padding: int = 2

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts.values())

    @property
    def channels(self) -> int:
        return max(part.channels for part in self.parts.values()) + self.padding


# --- heads: from decoder outputs (O, E) to what is asked for ---


@dataclass(frozen=True)
class Linear:
    """A linear map of every decoder output; `single`: of the only one, without the axis of queries."""

    outputs: int
    single: bool = False


@dataclass(frozen=True)
class Tied:
    """Logits of symbols: decoder outputs times the transposed input embedding, plus a bias."""

    symbols: int


@dataclass(frozen=True)
class Flow:
    """Displacement (x, y) per pixel: a linear map, zero at the start, over `rescale`. The released weights predict
    pixels / 20."""

    size: tuple[int, int]
    rescale: float = 100.0


@dataclass(frozen=True)
class Tasks:
    """For each task its own two-layer network with tanh on its own query (section F.4): name -> outputs."""

    outputs: Mapping[str, int]


@dataclass(frozen=True)
class Modalities:
    """A linear map to `width` shared by all queries, then one per modality: name -> outputs per query."""

    width: int
    outputs: Mapping[str, int]


@dataclass(frozen=True)
class Average:
    """The first Perceiver's decoder: latents averaged, a linear map, zero at the start. Takes no queries."""

    classes: int


Input = Text | Image | FramePair | Video | Audio | Label | Units | Multimodal
Queries = LearnedQueries | PositionQueries | InputQueries | MultimodalQueries
Head = Linear | Tied | Flow | Tasks | Modalities | Average


def check_patches(what: str, sides: tuple[int, ...], patch: tuple[int, ...]) -> None:
    if any(side % part for side, part in zip(sides, patch)):
        raise UserError(f"{what} of {_times(sides)} cannot be cut into patches of {_times(patch)}")


def _times(sides: tuple[int, ...]) -> str:
    return " x ".join(map(str, sides))
