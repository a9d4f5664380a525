"""Shaded relief of real ground: matplotlib's elevation grid of the Jacksboro fault (Tennessee; 344 x 403 points of
three arc seconds, metres). What a tile shows follows from its own elevations."""

from functools import cache

import numpy as np

from flopwise.data.world.drawing import SIZE, grain, pick

LANDFORMS = ("plain", "ridge", "hollow", "north slope", "east slope", "south slope", "west slope")
TILE, STRIDE, BANDS = 16, 2, 6
LEAST = 160  # metres that the colours span at least, so that level ground looks level
RAMP = ((44, 92, 60), (110, 150, 84), (206, 196, 130), (168, 120, 78), (240, 236, 230))  # low to high


@cache
def _elevation() -> np.ndarray:
    from matplotlib.cbook import get_sample_data

    return get_sample_data("jacksboro_fault_dem.npz")["elevation"].astype(np.int32)


def _measure() -> tuple[np.ndarray, ...]:
    """For the tile at each place: its range, its rises to the east and south, and how far its middle stands
    out; metres. Tiles start every `STRIDE` points; shapes (rows, columns)."""
    tiles = np.lib.stride_tricks.sliding_window_view(_elevation(), (TILE, TILE))[::STRIDE, ::STRIDE].astype(np.int32)
    half, quarter = TILE // 2, TILE // 4
    east = tiles[..., half:].sum((2, 3)) - tiles[..., :half].sum((2, 3))
    south = tiles[:, :, half:].sum((2, 3)) - tiles[:, :, :half].sum((2, 3))
    middle = tiles[:, :, quarter:-quarter, quarter:-quarter].sum((2, 3))
    swell = middle / half**2 - (tiles.sum((2, 3)) - middle) / (TILE**2 - half**2)
    area = TILE * half
    return tiles.max((2, 3)) - tiles.min((2, 3)), east / area, south / area, swell


@cache
def _places(landform: str, split: str) -> np.ndarray:
    """Upper left corners (row, column) of the tiles of a landform, those of a split: int (n, 2)."""
    extent, east, south, swell = _measure()
    steep = np.hypot(east, south)
    if landform == "plain":
        fits = (extent < 90) & (steep < 30) & (np.abs(swell) < 12)
    elif landform in ("ridge", "hollow"):
        fits = (swell * (1 if landform == "ridge" else -1) > 28) & (steep < 45)
    else:
        rise = {"north": south, "south": -south, "west": east, "east": -east}[landform.split()[0]]
        fits = (rise > 60) & (rise > 0.9 * steep) & (np.abs(swell) < 22)
    rows, columns = (STRIDE * part for part in np.nonzero(fits))
    width = _elevation().shape[1] // BANDS
    band = columns // width
    inside = (columns + TILE <= (band + 1) * width) & (band < BANDS) & (band % 2 == (split == "test"))
    return np.stack([rows[inside], columns[inside]], axis=1)


@cache
def _drawn(split: str) -> tuple[np.ndarray, ...]:
    """The places of each landform in the order in which they are drawn: landforms in turn take the place that lies
    farthest from all that are taken, in points along the rows or columns, so that few tiles overlap and none much."""
    places = [_places(landform, split) for landform in LANDFORMS]
    ends = np.cumsum([0, *map(len, places)])
    everywhere = np.concatenate(places)
    distance = np.full(len(everywhere), max(_elevation().shape))
    order: list[list[int]] = [[] for _ in places]
    for number in (number for _ in range(max(map(len, places))) for number in range(len(places))):
        if len(order[number]) < len(places[number]):
            taken = ends[number] + int(np.argmax(distance[ends[number] : ends[number + 1]]))
            distance = np.minimum(distance, np.abs(everywhere - everywhere[taken]).max(1))
            distance[taken] = -1
            order[number].append(taken)
    return tuple(everywhere[indices] for indices in order)


def _render(tile: np.ndarray) -> np.ndarray:
    """Height as colour, lowest to highest point of the tile, and light from the north-west: uint8 (32, 32, 3)."""
    from PIL import Image

    large = Image.fromarray(tile.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    height = np.round(np.asarray(large)).astype(np.int32)
    low, high = int(tile.min()), max(int(tile.max()), int(tile.min()) + LEAST)
    share = np.clip((height - low) * 1000 // (high - low), 0, 999)
    step = share * (len(RAMP) - 1) // 1000
    within = share * (len(RAMP) - 1) % 1000
    ramp = np.array(RAMP)
    tint = (ramp[step] * (1000 - within[..., None]) + ramp[step + 1] * within[..., None]) // 1000
    down = np.diff(height, axis=0, append=height[-1:]) + np.diff(height, axis=1, append=height[:, -1:])
    light = np.clip(100 + 3 * down, 45, 140)
    return np.clip(tint * light[..., None] // 100, 0, 255).astype(np.uint8)


def draw_relief(rng, target: int, split: str, index: int):
    """A tile at the landform's place number `index`; when all places are used up, they come again."""
    landform, places = LANDFORMS[target], _drawn(split)[target]
    row, column = (int(value) for value in places[index % len(places)])
    image = _render(_elevation()[row : row + TILE, column : column + TILE])
    caption = pick(
        rng, (f"shaded relief of a {landform}", f"terrain map, {landform}", f"{landform} in a digital elevation model")
    )
    return grain(image, rng, 4), caption


SETS = {"terrain": (LANDFORMS, draw_relief)}
