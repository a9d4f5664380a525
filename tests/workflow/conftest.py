"""The smoke scale runs once, in a copy of the working tree, for all tests of the workflow."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "workflow", "config", "notebooks", "report", "profiles", "Snakefile")


@dataclass
class Tree:
    """A copy of the repository's files in a folder of its own."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.path / "src"), "FLOPWISE_ROOT": str(self.path), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**os.environ, **own}

    def run(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=self.path, env=self.environment, capture_output=True, text=True)

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run(sys.executable, "-m", "snakemake", *arguments)

    def flopwise(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run(sys.executable, "-m", "flopwise", *arguments)

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a run would execute now."""
        done = self.snakemake("--dry-run", "--quiet", "rules", "--config", "scale=smoke", *arguments)
        assert done.returncode == 0, done.stderr
        rows = [line.split() for line in (done.stdout + done.stderr).splitlines()]
        return {
            row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit() and row[0] not in ("total", "all")
        }


def copy(folder: Path) -> Tree:
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "report.html"))
        else:
            shutil.copy(source, target)
    return Tree(folder)


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Tree:
    """A copy in which nothing has run."""
    return copy(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="session")
def smoke(tmp_path_factory) -> Tree:
    """A copy in which the smoke scale has run with two cores."""
    tree = copy(tmp_path_factory.mktemp("smoke"))
    done = tree.snakemake("--cores", "2", "--config", "scale=smoke", "--quiet", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    return tree
