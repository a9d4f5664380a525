import os
import re
from functools import cache
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Of processes side by side, one runs all files that need the smoke run, so that it runs once; the tests of any other file
    stay together, so that what they prepare is prepared once. (xdist 3.8's own groups do nothing with pytest 9.2.)"""
    from xdist.scheduler import LoadFileScheduling

    class OneSmokeRun(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "smoke" if needs_smoke(config.rootpath / file) else file

    return OneSmokeRun(config, log)


@cache
def needs_smoke(file: Path) -> bool:
    """Whether a test or fixture of the file asks for the fixture `smoke`."""
    return re.search(r"def \w+\([^)]*\bsmoke\b", file.read_text(encoding="utf-8")) is not None
