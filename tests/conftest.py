import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of processes side by side, one runs all tests that need the smoke run, so that it runs once; slow tests of one file
    stay together, so that what they prepare is prepared once."""
    for item in items:
        if item.get_closest_marker("slow"):
            group = "smoke" if "smoke" in item.fixturenames else str(item.path)
            item.add_marker(pytest.mark.xdist_group(group))
