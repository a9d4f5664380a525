"""Figures and tables of the materials: pictures, masks, texts and cards."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from flopwise.data.materials import MATERIALS
from flopwise.data.materials.letters import unpack
from flopwise.data.materials.text_tasks import CLASSES
from flopwise.data.store import StoredArrays, open_arrays
from flopwise.report import theme

Stored = dict[str, StoredArrays]
CLASS_COLOURS = np.array(
    [(78, 121, 167), (160, 203, 232), (186, 176, 172), (121, 112, 110),
     (225, 87, 89), (242, 142, 43), (89, 161, 79), (176, 122, 161), (255, 190, 125), (237, 201, 72)],
)  # fmt: skip


def open_all(folder: Path | str, names: Sequence[str]) -> Stored:
    """The materials called `names` that are stored below `folder`, in the order of the catalogue."""
    return {name: open_arrays(Path(folder) / name) for name in MATERIALS if name in names}


def absent(what: str) -> tuple[Figure, pd.DataFrame]:
    """What is drawn where a scale does not make a material."""
    figure, axes = theme.figure(0.5)
    axes.axis("off")
    axes.text(0, 0.5, f"This scale makes no {what}.", va="center")
    return figure, pd.DataFrame({"material": []})


def blank(height: float) -> Figure:
    """An empty figure of full width and `height` inches, on which `panel` and `heading` place things by inches."""
    figure, axes = theme.figure(height)
    axes.remove()
    figure.set_layout_engine("none")
    return figure


def panel(figure: Figure, left: float, top: float, width: float, height: float, image: np.ndarray | None = None):
    """Axes without frame, `left` and `top` inches from the figure's corner, with `image` in them."""
    wide, tall = figure.get_figwidth(), figure.get_figheight()
    axes = figure.add_axes([left / wide, 1 - (top + height) / tall, width / wide, height / tall])
    axes.axis("off")
    if image is not None:
        axes.imshow(image, interpolation="none", aspect="auto")
    return axes


def heading(figure: Figure, top: float, title: str, facts: str = "") -> None:
    """A title at the left and facts at the right of a line, `top` inches from the figure's upper edge."""
    y = 1 - top / figure.get_figheight()
    figure.text(0.01, y, title, fontsize=9, fontweight="bold", va="center")
    figure.text(0.99, y, facts, fontsize=7.5, color=theme.QUIET, va="center", ha="right")


def under(axes, text: str, width: int, lines: int = 3) -> None:
    """A few words below a picture."""
    words = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    axes.text(0, -0.05, "\n".join(words), transform=axes.transAxes, fontsize=6.5, va="top", linespacing=1.05)


COLUMN, SIDE = 0.69, 0.65  # inches from one picture of a row of ten to the next, and its width


def pools(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """A row per pool: its first ten images above their captions."""
    chosen = [name for name in stored if name.startswith("pool-")]
    if not chosen:
        return absent("pre-training pools")
    figure = blank(1.42 * len(chosen))
    records = []
    for row, name in enumerate(chosen):
        heading(figure, 1.42 * row + 0.11, stored[name].card["title"], _pool_facts(stored[name].card))
        captions = stored[name].documents["train_captions"]
        for column, image in enumerate(stored[name].arrays["train_images"][:10]):
            under(panel(figure, 0.06 + COLUMN * column, 1.42 * row + 0.23, SIDE, SIDE, image), captions[column], 13, 4)
            records.append({"material": name, "image": column, "caption": captions[column]})
    return figure, pd.DataFrame(records)


def _pool_facts(card: dict) -> str:
    words = {"junk": "junk", "wrong labels": "wrong labels", "captions that say nothing or wrong": "poor captions"}
    shares = [f"{word} {100 * card['shares'][name]:.0f} %" for name, word in words.items() if card["shares"].get(name)]
    sizes = " / ".join(f"{name} {size:,}" for name, size in card["pools"].items()) + " images"
    return " · ".join([f"stands for {card['stands_for']}", sizes, *shares])


def masks(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """Ten scenes of the validation split, each above its mask in the colours of the classes; edges are white."""
    if "segmentation" not in stored:
        return absent("scenes with masks")
    one = stored["segmentation"]
    names = one.card["classes"]
    figure = blank(1.9)
    records = []
    for column in range(10):
        image, mask = one.arrays["validation_images"][column], one.arrays["validation_masks"][column]
        colours = np.full((*mask.shape, 3), 255)
        known = mask != one.card["ignore_index"]
        colours[known] = CLASS_COLOURS[mask[known]]
        for row, drawn in enumerate((image, colours)):
            panel(figure, 0.06 + COLUMN * column, 0.05 + COLUMN * row, SIDE, SIDE, drawn)
        shares = np.bincount(mask[known], minlength=len(names))
        records += [{"image": column, "class": name, "pixels": int(n)} for name, n in zip(names, shares) if n]
    patches = [_patch(colour / 255) for colour in CLASS_COLOURS] + [_patch("white")]
    figure.legend(patches, [*names, "edge, ignored"], loc="lower center", ncols=6, handlelength=1, fontsize=7.5)
    return figure, pd.DataFrame(records)


def _patch(colour):
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, edgecolor=theme.QUIET, linewidth=0.5)


def classes(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """Up to ten classes of each set of labelled images, evenly spread, with three test images of each."""
    chosen = [name for name in ("cues", "cues-wide", "quadrants") if name in stored]
    if not chosen:
        return absent("labelled images")
    figure = blank(2.72 * len(chosen))
    records = []
    for block, name in enumerate(chosen):
        one, top = stored[name], 2.72 * block
        targets, names = np.asarray(one.arrays["test_targets"]), one.card["classes"]
        picked = np.unique(np.linspace(0, len(names) - 1, 10).round().astype(int))
        heading(figure, top + 0.11, one.card["title"], f"{len(names)} classes · chance {100 / len(names):.1f} %")
        for column, target in enumerate(picked):
            members = np.flatnonzero(targets == target)[:3]
            for row, member in enumerate(members):
                place = (0.06 + COLUMN * column, top + 0.23 + COLUMN * row)
                axes = panel(figure, *place, SIDE, SIDE, one.arrays["test_images"][member])
                records.append({"material": name, "class": names[target], "image": int(member)})
            under(axes, names[target], 12)
    return figure, pd.DataFrame(records)


def texts(stored: Stored) -> pd.DataFrame:
    """Passages of the text and two test samples of each task, evenly spread."""
    columns = ["Material", "Task", "First", "Second", "Label"]
    rows = []
    if "text" in stored:
        arrays = stored["text"].arrays
        for index in np.linspace(0, len(arrays["train_starts"]) - 2, 5).astype(int):
            start, end = arrays["train_starts"][index : index + 2]
            passage = bytes(arrays["train_bytes"][start:end]).decode("ascii").strip()
            rows.append(["text", "language modelling", textwrap.shorten(passage, 220, placeholder=" …"), "", ""])
    for name in ("text-tasks", "grammar"):
        if name in stored:
            rows += [[name, *row] for row in _samples(stored[name].arrays)]
    return pd.DataFrame(rows, columns=columns)


def _samples(arrays: dict[str, np.ndarray]) -> list[list[str]]:
    tasks = [name.removesuffix("_test_first") for name in arrays if name.endswith("_test_first")]
    rows = []
    for task in tasks:
        labels = np.asarray(arrays[f"{task}_test_labels"])
        for index in (int(labels.argmax()), int(labels.argmin())):
            parts = [unpack(arrays[key][index]) if key in arrays else "" for key in _keys(task)]
            rows.append([task, *parts, _label(task, labels[index])])
    return rows


def _keys(task: str) -> tuple[str, str]:
    return f"{task}_test_first", f"{task}_test_second"


def _label(task: str, label) -> str:
    if task in CLASSES:
        return CLASSES[task][int(label)]
    return f"{label:.1f} of 5" if isinstance(label, np.floating) else ("no", "yes")[int(label)]


def cards(stored: Stored) -> pd.DataFrame:
    """The data cards as a table."""
    rows = []
    for name, one in stored.items():
        card = one.card
        size = sum(facts["bytes"] for facts in card["files"].values())
        rows.append({
            "Material": name, "Study": card["study"], "Stands for": card["stands_for"], "Made of": card["material"],
            "Samples": _counts(card), "Pools cut from it": _cuts(card), "MB": size / 1e6,
            "Without learning": "; ".join(f"{what}: {value:g}" for what, value in card["baselines"].items()),
            "How the splits differ": _split(card), "Source": _source(card), "Licence": card["licence"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def _counts(card: dict) -> str:
    counts = sorted(card["counts"].items(), key=lambda item: item[0] != "train")
    return f"{'; '.join(f'{split} {count:,}' for split, count in counts)} ({card['unit']})"


def _cuts(card: dict) -> str | None:
    """The pools of a study that are cut from a material, with their sizes."""
    return "; ".join(f"{name} {size:,}" for name, size in card["pools"].items()) if "pools" in card else None


def _split(card: dict) -> str:
    return f"{card['split']}; for tuning {card['validation']}" if "validation" in card else card["split"]


def _source(card: dict) -> str:
    return f"{card['source']} (Python {card['python']})" if "python" in card else card["source"]
