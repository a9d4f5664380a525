"""Imports go one way, and what a Snakefile needs while it is parsed stays light."""

import subprocess
import sys
from pathlib import Path

import pytest

from flopwise.provenance.sources import PACKAGE, imported

ORDER = {"core": 0, "data": 1, "models": 1, "cost": 1, "methods": 2, "studies": 3}  # who may import whom: never upwards


@pytest.mark.parametrize("layer", ORDER)
def test_no_layerimported_one_above_it(layer):
    for path in (PACKAGE / layer).rglob("*.py"):
        if path.name == "commands.py":  # the command line's own files may call anything
            continue
        for name in imported(path):
            above = ORDER.get(name.split(".")[1] if "." in name else "", -1)
            assert above <= ORDER[layer], f"{path.relative_to(PACKAGE)} imports {name}"


def test_studies_do_not_import_each_other():
    for path in (PACKAGE / "studies").rglob("*.py"):
        own = path.relative_to(PACKAGE / "studies").parts[0]
        others = [name for name in imported(path) if name.startswith("flopwise.studies.") and name.split(".")[2] != own]
        assert not others, f"{path.relative_to(PACKAGE)} imports {others}"


@pytest.mark.parametrize("module", ["flopwise.workflow", "flopwise.cli"])
def test_parsingimported_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'open_clip', 'timm', 'pandas', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(PACKAGE).parents[1])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
