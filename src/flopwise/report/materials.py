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


def sheet(rows: int, columns: int, height: float, **options):
    """A figure of empty axes; returns it and its axes, (rows, columns)."""
    figure, grid = theme.figure(height, nrows=rows, ncols=columns, squeeze=False, **options)
    for axes in grid.flat:
        axes.axis("off")
    return figure, grid


def show(axes, image: np.ndarray) -> None:
    axes.imshow(image, interpolation="none", cmap="gray")


def under(axes, text: str, width: int, lines: int = 3) -> None:
    """A few words below a picture."""
    words = textwrap.wrap(text, width, max_lines=lines, placeholder=" …")
    axes.text(0, -0.05, "\n".join(words), transform=axes.transAxes, fontsize=6.5, va="top", linespacing=1.05)


def pools(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """A row per pool: its first ten images above their captions."""
    chosen = [name for name in stored if name.startswith("pool-")]
    if not chosen:
        return absent("pre-training pools")
    figure, grid = sheet(len(chosen), 10, 1.42 * len(chosen))
    figure.set_layout_engine("none")
    records = []
    for row, name in enumerate(chosen):
        one = stored[name]
        top, height = 1 - row / len(chosen), 1 / len(chosen)
        tall = 0.095 * theme.WIDTH / figure.get_figheight()
        figure.text(0.01, top - 0.07 * height, one.card["title"], fontsize=9, fontweight="bold", va="center")
        figure.text(0.99, top - 0.07 * height, _pool_facts(one.card), fontsize=7.5, color=theme.QUIET, va="center",
                    ha="right")  # fmt: skip
        for column, axes in enumerate(grid[row]):
            axes.set_position([0.01 + 0.0985 * column, top - 0.15 * height - tall, 0.092, tall * 0.97])
            show(axes, one.arrays["train_images"][column])
            caption = one.documents["train_captions"][column]
            under(axes, caption, 13, 4)
            records.append({"material": name, "image": column, "caption": caption})
    return figure, pd.DataFrame(records)


def _pool_facts(card: dict) -> str:
    shares = [f"{name} {100 * value:.0f} %" for name, value in card["shares"].items()]
    return " · ".join([f"stands for {card['stands_for']}", f"{card['counts']['train']:,} images", *shares])


def masks(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """Ten scenes of the validation split, each above its mask in the colours of the classes; edges are white."""
    if "segmentation" not in stored:
        return absent("scenes with masks")
    one = stored["segmentation"]
    names = one.card["classes"]
    figure, grid = sheet(2, 10, 2.15)
    records = []
    for column in range(10):
        image, mask = one.arrays["validation_images"][column], one.arrays["validation_masks"][column]
        colours = np.full((*mask.shape, 3), 255)
        known = mask != one.card["ignore_index"]
        colours[known] = CLASS_COLOURS[mask[known]]
        show(grid[0, column], image)
        show(grid[1, column], colours)
        shares = np.bincount(mask[known], minlength=len(names))
        records += [{"image": column, "class": name, "pixels": int(n)} for name, n in zip(names, shares) if n]
    patches = [_patch(colour / 255) for colour in CLASS_COLOURS] + [_patch("white")]
    figure.legend(patches, [*names, "edge, ignored"], loc="outside lower center", ncols=6, handlelength=1, fontsize=7.5)
    return figure, pd.DataFrame(records)


def _patch(colour):
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, edgecolor=theme.QUIET, linewidth=0.5)


def classes(stored: Stored) -> tuple[Figure, pd.DataFrame]:
    """Up to ten classes of each set of labelled images, evenly spread, with three test images of each."""
    chosen = [name for name in ("cues", "cues-wide", "quadrants") if name in stored]
    if not chosen:
        return absent("labelled images")
    figure, grid = sheet(3 * len(chosen), 10, 2.75 * len(chosen))
    records = []
    for block, name in enumerate(chosen):
        one = stored[name]
        targets = np.asarray(one.arrays["test_targets"])
        names = one.card["classes"]
        picked = np.unique(np.linspace(0, len(names) - 1, 10).round().astype(int))[:10]
        facts = f"{one.card['title']}: {len(names)} classes, chance {100 / len(names):.1f} %"
        grid[3 * block, 0].set_title(facts)
        for column, target in enumerate(picked):
            members = np.flatnonzero(targets == target)[:3]
            for row, member in enumerate(members):
                show(grid[3 * block + row, column], one.arrays["test_images"][member])
                records.append({"material": name, "class": names[target], "image": int(member)})
            under(grid[3 * block + 2, column], names[target], 12)
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
            "Samples": "; ".join(f"{split} {count:,}" for split, count in card["counts"].items()), "MB": size / 1e6,
            "Without learning": "; ".join(f"{what}: {value:g}" for what, value in card["baselines"].items()),
            "How the splits differ": card["split"], "Source": _source(card), "Licence": card["licence"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def _source(card: dict) -> str:
    return f"{card['source']} (Python {card['python']})" if "python" in card else card["source"]
