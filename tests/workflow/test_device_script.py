"""The script for a GPU runs at toy size on a CPU, so that no minute on a card goes to a mistake in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def rehearse(folder: Path, *parts: str) -> tuple[dict[str, list[dict]], str]:
    """The rows of each part, and what was printed last."""
    for part in parts:
        command = [sys.executable, str(ROOT / "benchmarks" / "device.py"), part, "--rehearse", "--out", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert f"{part}: done" in done.stdout, done.stdout + done.stderr
    rows = {part: [json.loads(line) for line in (folder / f"{part}.jsonl").read_text().splitlines()] for part in parts}
    return rows, done.stdout


def test_memory_and_speed_are_rehearsed(tmp_path):
    rows, printed = rehearse(tmp_path, "predict", "memory", "speed")
    assert (
        [row["method"] for row in rows["memory"]]
        == [row["method"] for row in rows["predict"]]
        == ["full-ft", "lora-r4"]
    )
    assert all(row["total"] > row["allocated"] > 0 for row in rows["predict"])
    names = [row["what"].partition(",")[0] for row in rows["speed"]]
    assert names == ["bf16 matrix product", "ours", "open_clip", "loader", "loader and step"]
    assert all(row["images/s"] > 0 for row in rows["speed"][-2:])
    assert "2 cells; error: median" in printed


def test_right_is_rehearsed(tmp_path):
    """On one CPU all that is compared is equal, and the lock that stands in for a card's is held by one job at a time."""
    rows, _ = rehearse(tmp_path, "right")
    _, cpu, fp32, bf16, fp16, pair, resumed = rows["right"]
    differences = ("losses differ by", "weights differ by", "scores differ by", "mean score differs by")
    for row in (fp32, fp16, pair, resumed):  # a CPU computes fp32 where fp16 is asked for
        assert [row[name] for name in differences] == [0, 0, 0, 0], row
    assert 0 < bf16["losses differ by"] < 0.1
    assert pair["exit statuses"] == "[0, 0]"
    assert pair["second got the card s after the first's end"] > 0
    assert 0 < resumed["killed after step"] < resumed["steps"] == cpu["steps"]
