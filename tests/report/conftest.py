"""One smoke-sized run of two notebooks, shared by all tests of the report."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fixtures

from flopwise.report import notebook


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory, repository) -> Path:
    """A folder with tables (one seed), the executed continual notebook and its figures."""
    folder = tmp_path_factory.mktemp("continual")
    fixtures.write(folder / "tables", smoke=True)
    notebook.execute(repository / "notebooks" / "continual_trajectories.py", folder / "continual.ipynb",
                     {"tables": folder / "tables", "figures": folder / "figures", "scale": "smoke"})  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def world_run(tmp_path_factory, repository) -> Path:
    """A folder with data sets, the executed world notebook and its figures."""
    folder = tmp_path_factory.mktemp("world")
    fixtures.write(folder / "tables", smoke=True)
    fixtures.write_sets(folder / "data")
    fixtures.write_streams(folder / "streams")
    parameters = {name: folder / name for name in ("tables", "data", "figures", "streams")} | {
        "tasks": 5,
        "pools": ["pool", "web"],
    }
    notebook.execute(repository / "notebooks" / "world.py", folder / "world.ipynb", {**parameters, "scale": "smoke"})
    return folder
