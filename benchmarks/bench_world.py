"""What making everything of a scale costs that no download gives: wall and CPU seconds, images (or other samples) per
second, bytes; a row per data set, pool and material."""

import argparse
import tempfile
import time
from pathlib import Path

from common import seconds_of, show

from flopwise.config import load
from flopwise.config.data import DataConfig
from flopwise.core.io import read_json
from flopwise.data.build import build_to
from flopwise.data.materials.build import build_material
from flopwise.data.store import open_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    data, rows = load(scale=options.scale).preset.data, []
    with tempfile.TemporaryDirectory() as folder:
        for name in (*data.adaptation, *data.evaluation, *data.pools, *data.materials):
            rows.append(_row(data, name, Path(folder) / name))
    pictures = [row for row in rows if row["unit"] == "images"]
    show([*rows, _total("all images", pictures, "images"), _total("all", rows, "-")], options.json)


def _row(data: DataConfig, name: str, out: Path) -> dict:
    """Make `name` in the folder `out`, timed with its first import and the hashing of its files."""
    material, start = name in data.materials, time.perf_counter()
    make = (lambda: build_material(name, data.materials[name], out)) if material else lambda: build_to(data, name, out)
    cpu = seconds_of(make)
    wall = time.perf_counter() - start
    card = read_json(out / "card.json")
    samples = sum(card["counts"].values()) if material else _images(out)
    return {
        "name": name, "samples": samples, "unit": card["unit"] if material else "images", "wall seconds": wall,
        "CPU seconds": cpu, "per second": samples / wall, "MB": sum(path.stat().st_size for path in out.iterdir()) / 1e6,
    }  # fmt: skip


def _images(folder: Path) -> int:
    """Images of all splits, the validation images of evaluation sets too."""
    stored = open_set(folder)
    return sum(len(split.targets) for split in (stored.train, stored.validation, stored.test) if split is not None)


def _total(name: str, rows: list[dict], unit: str) -> dict:
    """The sum of rows; samples only where all are of one unit."""
    total = {column: sum(row[column] for row in rows) for column in ("samples", "wall seconds", "CPU seconds", "MB")}
    counted = {"samples": total["samples"], "per second": total["samples"] / total["wall seconds"]}
    return rows[0] | total | {"name": name, "unit": unit, **(counted if unit != "-" else dict.fromkeys(counted, "-"))}


if __name__ == "__main__":
    main()
