"""Figures of the materials in which something moves: optical flow, clips with sound, battles."""

import numpy as np
import pandas as pd
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure

from flopwise.data.materials import battles as game
from flopwise.data.materials.clips import SAMPLES
from flopwise.report import theme
from flopwise.report.materials import Stored, absent, sheet, show, under

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
    heights = [_pixels(stored, name)[0] / _pixels(stored, name)[1] for name in chosen for _ in range(2)]
    figure, grid = sheet(2 * len(chosen), 4, 1.0 + 2.0 * sum(heights), gridspec_kw={"height_ratios": heights})
    records = []
    for row in range(2 * len(chosen)):
        name, pair = chosen[row // 2], row % 2
        arrays = stored[name].arrays
        motion, hidden, valid = (arrays[f"test_{key}"][pair] for key in ("flow", "occluded", "valid"))
        largest = float(np.sqrt((motion**2).sum(-1)).max())
        state = np.full((*hidden.shape, 3), 255)
        state[~valid], state[hidden & valid] = (214, 218, 222), (193, 74, 0)
        for axes, image in zip(grid[row], (arrays["test_frame1"][pair], arrays["test_frame2"][pair],
                                           wheel(motion, largest), state)):  # fmt: skip
            show(axes, image)
            axes.axis("on")
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
        if pair == 0:
            grid[row, 0].set_title(f"{stored[name].card['title']} (stands for {stored[name].card['stands_for']})")
        under(grid[row, 2], f"up to {largest:.1f} pixels", 30)
        records.append({"material": name, "pair": pair, "longest_pixels": largest,
                        "hidden_share": float(hidden.mean()), "valid_share": float(valid.mean())})  # fmt: skip
    for axes, text in zip(grid[-1], ("frame 1", "frame 2", "", "hidden (orange), unknown (gray)")):
        under(axes, text, 40)
    _key(figure)
    return figure, pd.DataFrame(records)


def _pixels(stored: Stored, name: str) -> tuple[int, int]:
    return stored[name].card["height"], stored[name].card["width"]


def _key(figure: Figure) -> None:
    """The colour wheel: towards which side a place moves."""
    axis = np.linspace(-1, 1, 61)
    field = np.stack(np.meshgrid(axis, axis), -1)
    image = np.where(((field**2).sum(-1) <= 1)[..., None], wheel(field, 1.0), 1.0)
    axes = figure.add_axes([0.9, 1 - 0.62 / figure.get_figheight(), 0.08, 0.56 / figure.get_figheight()])
    axes.imshow(image, interpolation="bilinear")
    axes.axis("off")
    for x, y, text, how in (
        (0.5, 1.02, "up", "cb"),
        (0.5, -0.02, "down", "ct"),
        (-0.05, 0.5, "left", "rc"),
        (1.02, 0.5, "right", "lc"),
    ):
        sides = {"c": "center", "b": "bottom", "t": "top", "r": "right", "l": "left"}
        axes.text(x, y, text, transform=axes.transAxes, ha=sides[how[0]], va=sides[how[1]], fontsize=6.5)


def clips(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """One test clip of each class: its frames, its sound as a curve, and its spectrogram."""
    if "clips" not in stored:
        return absent("clips")
    one = stored["clips"]
    targets, names = np.asarray(one.arrays["test_targets"]), one.card["classes"]
    chosen = [int(np.flatnonzero(targets == k)[0]) for k in np.unique(targets)]
    figure, grid = sheet(len(chosen), 6, 0.78 * len(chosen) + 0.3, gridspec_kw={"width_ratios": [1, 1, 1, 1, 2.2, 2.2]})
    records = []
    for row, index in zip(grid, chosen):
        for axes, frame in zip(row, one.arrays["test_video"][index]):
            show(axes, frame)
        sound = one.arrays["test_audio"][index] / 32767
        row[4].plot(sound, color=theme.INK, lw=0.6)
        row[4].set_ylim(-1, 1)
        row[5].imshow(_spectrogram(sound), aspect="auto", origin="lower", cmap="magma", interpolation="none")
        form = "square" if one.arrays["test_tags"][index][7] else "disc"
        row[0].set_title(f"{names[targets[index]]} pitch, {form}", fontsize=8)
        records.append({"clip": index, "class": names[targets[index]], "form": form,
                        "loudest": round(float(np.abs(sound).max()), 3)})  # fmt: skip
    under(grid[-1, 0], "frames 1 to 4", 40)
    under(grid[-1, 4], "sound, four frames long", 40)
    under(grid[-1, 5], "spectrogram: frequency upwards, time to the right", 60)
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
