"""Which files count as the code of a job."""

import ast
from functools import cache

from flopwise.config import ROOT, load
from flopwise.provenance.sources import PACKAGE, _file, digest, imported
from flopwise.workflow import Workflow


@cache
def names(name: str) -> set[str]:
    job = Workflow(load(scale="laptop")).job("continual_train", name)
    return {str(path.relative_to(PACKAGE)) for path in job.sources}


def test_a_method_is_a_source_of_its_own_cells_only():
    lora = names("vit-xs-8/f1/uniform/lora-r4/part0")
    lnfit = names("vit-xs-8/f1/uniform/lnfit/part0")
    assert "methods/continual/lora.py" in lora
    assert lora - lnfit == {"methods/continual/lora.py", "models/adapters.py"}
    assert lnfit - lora == {"methods/continual/lnfit.py"}
    ema = names("vit-xs-8/f1/uniform/ema-merge/part0")
    assert ema - lora == {"methods/continual/merges.py", "methods/continual/full_ft.py"}


def test_the_closure_follows_imports_inside_functions_and_leaves_settings_and_reports_out():
    found = names("vit-xs-8/f1/uniform/full-ft/part0")
    assert {"studies/continual/train.py", "core/loop.py", "models/clip.py", "cost/flops.py"} <= found
    assert not [name for name in found if name.startswith(("config/", "report/", "provenance/"))]
    assert "cli.py" not in found


def test_imports_are_those_that_the_language_sees():
    for path in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "notebooks").glob("*.py")]):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        assert set(imported(path)) == {name for name in names if name.split(".")[0] == "flopwise" and _file(name)}, path


def test_digest_sees_content_and_name(tmp_path):
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    a.write_text("x = 1")
    b.write_text("x = 1")
    assert digest([a]) != digest([b])
    before = digest([a])
    a.write_text("x = 2")
    assert digest([a]) != before
