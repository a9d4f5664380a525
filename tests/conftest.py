import os
import re
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

DEAR = ("smoke", "smoke_run")  # fixtures that are made once in a session: a run of the workflow, an executed notebook


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of processes side by side, one runs all files that need the smoke run, so that it runs once; the tests of any other file
    stay together, so that what they prepare is prepared once. (xdist 3.8's own groups do nothing with pytest 9.2.)"""
    from xdist.scheduler import LoadFileScheduling

    class OneSmokeRun(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return scope(config.rootpath / file) or file

    return OneSmokeRun(config, log)


def pytest_collection_modifyitems(items):
    """What takes longest begins first (with --no-loadscope-reorder), so that no process is left waiting for it at the end."""
    items.sort(key=lambda item: (scope(item.path) != "smoke", item.path.parent.name != "workflow"))


@cache
def scope(file: Path) -> str:
    """The dear fixture that a test or fixture of the file asks for, if any."""
    text = file.read_text(encoding="utf-8")
    return next((name for name in DEAR if re.search(rf"def \w+\([^)]*\b{name}\b", text)), "")
