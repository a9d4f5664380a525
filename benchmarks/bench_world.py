"""What making the embedded world of a scale costs: CPU seconds, images per second, bytes."""

import argparse
import tempfile
from pathlib import Path

from common import seconds_of, show

from flopwise.config import load
from flopwise.data.build import build_to
from flopwise.data.store import open_set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop")
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    data, rows = load(scale=options.scale).preset.data, []
    with tempfile.TemporaryDirectory() as folder:
        for name in (*data.adaptation, *data.evaluation, "pool"):
            seconds = seconds_of(lambda name=name: build_to(data, name, Path(folder) / name))
            stored = open_set(Path(folder) / name)
            images = sum(len(split.targets) for split in (stored.train, stored.test) if split is not None)
            size = sum(path.stat().st_size for path in (Path(folder) / name).iterdir())
            rows.append(_row(name, images, seconds, size))
    images, seconds, megabytes = (sum(row[key] for row in rows) for key in ("images", "CPU seconds", "MB"))
    show([*rows, _row("all", images, seconds, megabytes * 1e6)], options.json)


def _row(name: str, images: int, seconds: float, size: float) -> dict:
    return {
        "set": name,
        "images": images,
        "MB": size / 1e6,
        "CPU seconds": seconds,
        "images per second": images / seconds,
    }


if __name__ == "__main__":
    main()
