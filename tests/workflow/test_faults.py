"""Damage and misfortune: one clear line, the right status, nothing that a later run would trust."""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import copy

pytestmark = pytest.mark.slow
JOB = "vit-xs-8/f1/uniform/lnfit/all"


@pytest.fixture
def results(smoke, tmp_path):
    """A results folder ready for the train job, free to be damaged."""
    folder = tmp_path / "r" / "smoke"
    for part in ("data", "continual/base", "continual/streams"):
        shutil.copytree(smoke.path / "results" / "smoke" / part, folder / part)
    return folder


def train(smoke, results, prefix=()):
    command = [
        *prefix, sys.executable, "-m", "flopwise", "--scale", "smoke", "--results", str(results.parent), "run",
        "continual_train", JOB,
    ]  # fmt: skip
    return subprocess.run(command, cwd=smoke.path, env=smoke.environment, capture_output=True, text=True)


def assert_one_line(done, status: int, *parts: str) -> None:
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("flopwise:")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0]


def test_a_data_file_cut_short(smoke, results):
    path = results / "data" / "greek" / "train_images.npy"
    os.truncate(path, 1000)
    assert_one_line(train(smoke, results), 1, "greek/train_images.npy holds 1000 bytes", "makes it again")
    assert not (results / "continual" / "train").exists()


def test_a_corrupted_checkpoint(smoke, results):
    path = results / "continual" / "base" / "vit-xs-8" / "open_clip_model.safetensors"
    path.write_bytes(b"\xff" * 4000)
    assert_one_line(train(smoke, results), 1, "open_clip_model.safetensors is damaged", "delete it and run again")


def test_a_disk_that_fills_up(smoke, results):
    """A file-size limit stands for the full disk: writing fails half-way with an error of the system."""
    done = train(smoke, results, ("bash", "-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "limited"))
    assert_one_line(done, 1, "cannot write", "File too large")
    assert not (results / "continual" / "train").exists()
    assert not list(results.rglob("*.part"))


def test_a_folder_that_cannot_be_written(smoke, results):
    (results / "state").write_text("a file where a folder should be")
    assert_one_line(train(smoke, results), 1, "cannot write", "state")


def test_an_unknown_job_and_data_set(smoke, tmp_path):
    done = smoke.flopwise("--scale", "smoke", "run", "continual_train", "x/y")
    assert_one_line(done, 2, "train job 'x/y' does not exist at this scale; there are ")
    done = smoke.flopwise("--scale", "smoke", "run", "continual_trian")
    assert_one_line(done, 2, "rule 'continual_trian' does not exist at this scale", "continual_train")
    done = smoke.flopwise("--scale", "smoke", "data", "describe", "digitz")
    assert_one_line(done, 2, "'digitz'", "did you mean digits")


@pytest.mark.parametrize("name", ["my project (1)", 'o\'brien "жук" [x]'])
def test_a_checkout_may_lie_in_a_folder_of_any_name_and_home_may_be_closed(tmp_path, name):
    tree = copy(tmp_path / name)
    environment = {**tree.environment, "HOME": "/proc/none", "XDG_CACHE_HOME": str(tree.path / ".cache")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--config", "scale=smoke", "results=own runs"]
    target = "own runs/smoke/data/flags"
    done = subprocess.run([*command, "--", target], cwd=tree.path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tree.flopwise("audit", target).returncode == 0


def test_braces_in_the_path_are_refused_in_one_line(tmp_path):
    done = copy(tmp_path / "a{b}c").snakemake("--dry-run", "--config", "scale=smoke")
    assert_one_line(done, 2, "a path with { } is one that Snakemake takes for wildcards")
