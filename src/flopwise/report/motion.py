"""Figures of the materials in which something moves: optical flow, clips with sound, battles."""

import numpy as np
import pandas as pd
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from flopwise.data.materials import battles as game
from flopwise.data.materials.clips import SAMPLES
from flopwise.report import theme
from flopwise.report.materials import Stored, absent, blank, heading, panel

OWN, ENEMY = "#0065a3", "#c14a00"
MARKERS = {"soldier": "o", "archer": "^", "guard": "s"}


def wheel(flow: np.ndarray, largest: float) -> np.ndarray:
    """Flow (..., 2) as colours: hue is the direction, saturation the length, full at `largest` pixels."""
    hue = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)) % 1
    length = np.clip(np.sqrt((flow**2).sum(-1)) / largest, 0, 1)
    return hsv_to_rgb(np.stack([hue, length, np.ones_like(hue)], -1))


def flow(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """Two pairs of each family: both frames, the flow in colours, and where it is hidden or unknown."""
    chosen = [name for name in stored if name.startswith("flow-")]
    if not chosen:
        return absent("image pairs with flow")
    sizes = {name: _size(stored[name].card) for name in chosen}
    figure = blank(0.6 + sum(0.3 + rows * (height + 0.24) for _, height, rows in sizes.values()))
    records, top = [], 0.5
    for name, (width, height, rows) in sizes.items():
        heading(figure, top + 0.11, f"{stored[name].card['title']} (stands for {stored[name].card['stands_for']})")
        for pair in range(2):
            place = (0.06 + pair * (2 - rows) * 3.46, top + 0.25 + pair * (rows - 1) * (height + 0.24))
            records.append({"material": name, **_pair(figure, stored[name].arrays, pair, place, width, height)})
        top += 0.3 + rows * (height + 0.24)
    _key(figure)
    return figure, pd.DataFrame(records)


def _size(card: dict) -> tuple[float, float, int]:
    """Width and height of a picture in inches, and rows of two pairs: wide pictures stand below each other."""
    wide = card["width"] > 1.5 * card["height"]
    width = 1.68 if wide else 0.82
    return width, width * card["height"] / card["width"], 1 + wide


def _pair(figure: Figure, arrays: dict, pair: int, place: tuple[float, float], width: float, height: float) -> dict:
    """Draw one pair; returns its facts."""
    motion, hidden, valid = (arrays[f"test_{key}"][pair] for key in ("flow", "occluded", "valid"))
    largest = float(np.sqrt((motion**2).sum(-1)).max())
    state = np.full((*hidden.shape, 3), 244)
    state[~valid], state[hidden & valid] = (205, 209, 214), (193, 74, 0)
    pictures = {
        "frame 1": arrays["test_frame1"][pair], "frame 2": arrays["test_frame2"][pair],
        f"flow, up to {largest:.1f} px": wheel(motion, largest), "hidden, unknown" if not valid.all() else "hidden": state,
    }  # fmt: skip
    for column, (words, picture) in enumerate(pictures.items()):
        axes = panel(figure, place[0] + column * (width + 0.03), place[1], width, height, picture)
        axes.text(0, -0.02, words, transform=axes.transAxes, fontsize=6.5, va="top")
    return {
        "pair": pair,
        "longest_pixels": largest,
        "hidden_share": float(hidden.mean()),
        "valid_share": float(valid.mean()),
    }


def _key(figure: Figure) -> None:
    """The colour wheel: towards which side a place moves."""
    axis = np.linspace(-1, 1, 61)
    field = np.stack(np.meshgrid(axis, axis), -1)
    image = np.where(((field**2).sum(-1) <= 1)[..., None], wheel(field, 1.0), 1.0)
    axes = panel(figure, 6.15, 0.14, 0.5, 0.5, image)
    for x, y, text, across, along in (
        (0.5, 1.02, "up", "center", "bottom"), (0.5, -0.04, "down", "center", "top"),
        (-0.05, 0.5, "left", "right", "center"), (1.05, 0.5, "right", "left", "center"),
    ):  # fmt: skip
        axes.text(x, y, text, transform=axes.transAxes, ha=across, va=along, fontsize=6.5)
    words = "flow: the colour is where a place moves to, as on the wheel\n"
    words += "orange: hidden or outside in frame 2 · gray: flow not known"
    figure.text(0.01, 1 - 0.25 / figure.get_figheight(), words, fontsize=7.5, color=theme.QUIET, va="center")


def clips(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """One test clip of each class: its frames, its sound as a curve, and its spectrogram."""
    if "clips" not in stored:
        return absent("clips")
    one = stored["clips"]
    targets, names = np.asarray(one.arrays["test_targets"]), one.card["classes"]
    chosen = [int(np.flatnonzero(targets == k)[0]) for k in np.unique(targets)]
    figure = blank(0.28 + 0.7 * len(chosen))
    for left, words in ((1.06, "frames 1 to 4"), (3.8, "sound"), (5.45, "spectrogram")):
        figure.text(
            left / theme.WIDTH, 1 - 0.12 / figure.get_figheight(), words, fontsize=8, fontweight="bold", va="center"
        )
    records = []
    for row, index in enumerate(chosen):
        top = 0.25 + 0.7 * row
        for column, frame in enumerate(one.arrays["test_video"][index]):
            panel(figure, 1.06 + 0.67 * column, top, 0.64, 0.64, frame)
        sound = one.arrays["test_audio"][index] / 32767
        curve = panel(figure, 3.8, top, 1.5, 0.64)
        curve.plot(sound, color=theme.INK, lw=0.6)
        curve.set_ylim(-1, 1)
        picture = panel(figure, 5.45, top, 1.5, 0.64)
        picture.imshow(_spectrogram(sound), aspect="auto", origin="lower", cmap="magma", interpolation="none")
        form = "square" if one.arrays["test_tags"][index][7] else "disc"
        words = f"{names[targets[index]]} pitch\n({form})"
        figure.text(0.01, 1 - (top + 0.32) / figure.get_figheight(), words, fontsize=7.5, va="center")
        records.append({"clip": index, "class": names[targets[index]], "form": form,
                        "loudest": round(float(np.abs(sound).max()), 3)})  # fmt: skip
    return figure, pd.DataFrame(records)


def _spectrogram(sound: np.ndarray) -> np.ndarray:
    """Loudness in decibels above -50 by frequency and time: windows of one frame, a quarter of a frame apart."""
    starts = range(0, len(sound) - SAMPLES + 1, SAMPLES // 4)
    pieces = np.stack([sound[start : start + SAMPLES] * np.hanning(SAMPLES) for start in starts])
    power = np.abs(np.fft.rfft(pieces, axis=1)) ** 2 / SAMPLES
    return np.maximum(10 * np.log10(power + 1e-9), -50).T


def battles(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """One test game at its beginning, in its middle and at its end; a ring marks the enemy that the expert attacks."""
    if "battles" not in stored:
        return absent("battles")
    arrays = stored["battles"].arrays
    game_of = np.asarray(arrays["test_game"])
    states = np.flatnonzero(game_of == 0)
    chosen = states[[0, len(states) // 2, -1]]
    figure, grid = theme.figure(2.9, ncols=3, sharey=True)
    records = []
    for axes, state in zip(grid, chosen):
        units, mask = arrays["test_units"][state], arrays["test_mask"][state]
        target = int(arrays["test_target"][state])
        for slot in np.flatnonzero(mask):
            facts = dict(zip(game.FEATURES, units[slot].tolist()))
            kind = next(kind for kind in game.TYPES if facts[kind])
            axes.scatter(facts["x"], facts["y"], s=18 + 70 * facts["hit points"], marker=MARKERS[kind],
                         color=ENEMY if facts["enemy"] else OWN, alpha=0.35 + 0.65 * facts["share of hit points"],
                         linewidths=0)  # fmt: skip
            records.append({"tick": int(state - states[0]), "slot": int(slot), "side": "enemy" if facts["enemy"] else "own",
                            "kind": kind, "x": facts["x"], "y": facts["y"], "hit_points": 16 * facts["hit points"],
                            "attacked": bool(slot == target)})  # fmt: skip
        axes.scatter(*units[target][4:6], s=170, facecolors="none", edgecolors=theme.INK, linewidths=1.2)
        axes.set_title(f"tick {state - states[0]}")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="place, left to right", aspect="equal")
    grid[0].set_ylabel("place, bottom to top")
    _legend(figure)
    return figure, pd.DataFrame(records)


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    def dot(colour, marker, face=None):
        return Line2D([], [], color=colour, marker=marker, ls="", ms=6, markerfacecolor=face or colour)

    handles = [dot(OWN, "o"), dot(ENEMY, "o"), *(dot(theme.QUIET, marker) for marker in MARKERS.values()),
               dot(theme.INK, "o", "none")]  # fmt: skip
    names = ["own unit", "enemy", *MARKERS, "attacked next"]
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), columnspacing=1.2)
