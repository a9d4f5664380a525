"""The script for a GPU runs at toy size on a CPU, so that no minute on a card goes to a mistake in it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_memory_and_speed_are_rehearsed(tmp_path):
    for part in ("predict", "memory", "speed"):
        command = [sys.executable, str(ROOT / "benchmarks" / "device.py"), part, "--rehearse", "--out", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert f"{part}: done" in done.stdout, done.stdout + done.stderr
    rows = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in tmp_path.glob("*.jsonl")
    }
    assert (
        [row["method"] for row in rows["memory"]]
        == [row["method"] for row in rows["predict"]]
        == ["full-ft", "lora-r4"]
    )
    assert all(row["total"] > row["allocated"] > 0 for row in rows["predict"])
    assert [row["what"].partition(",")[0] for row in rows["speed"]] == ["bf16 matrix product", "ours", "open_clip"]
    assert "2 cells; error: median" in done.stdout
