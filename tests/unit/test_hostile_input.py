"""Bad input of more than a hundred kinds: one line, the right exit status, no traceback, nothing half-written. The table in
docs/hostile-input.md is what this test saw; `FLOPWISE_WRITE_DOCS=1 pytest tests/unit/test_hostile_input.py` writes it again."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from hostile import CASES, Case

from flopwise import cli
from flopwise.core.root import ROOT

pytestmark = pytest.mark.slow  # in one process: the last test reads what the others saw
DOCUMENT = ROOT / "docs" / "hostile-input.md"
ALL = [case for make in CASES for case in make()]


def answer(case: Case, here: Path, monkeypatch, capsys) -> tuple[int, str, list[str]]:
    """Exit status, the line that a person sees, and the files that were left behind."""
    case.make(here)
    before = {path for path in here.rglob("*")}
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "argv", ["flopwise", *(part.replace("{here}", str(here)) for part in case.arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, error = capsys.readouterr()
    assert "Traceback" not in out + error
    said = [line for line in error.splitlines() if line.startswith("flopwise: ")]
    assert len(said) <= 1, error
    shown = said or [line.strip() for line in out.splitlines() if re.match(r"  (left out )?\d+ x |      ", line)][:2]
    left = [str(path.relative_to(here)) for path in {*here.rglob("*")} - before if path.is_file()]
    return caught.value.code, ": ".join(shown).replace(str(here), ".").replace(f"{ROOT}/", ""), left


@pytest.fixture(scope="module")
def rows():
    """What each case answered; the last test reads them."""
    return {}


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.area}-{case.given}".replace(" ", "-"))
def test_one_line_and_nothing_left_behind(case, rows, tmp_path, monkeypatch, capsys):
    status, line, left = answer(case, tmp_path, monkeypatch, capsys)
    rows[case.area, case.given] = (line, status)
    assert status == case.status, line
    assert line
    assert "\n" not in line
    assert len(line) < 600
    # what `data prepare` makes of the other pictures is whole, as docs/data.md says, and it is no fault that it is there
    assert [path for path in left if not path.startswith(("out/", "r/state/"))] == []
    assert [path for path in left if path.endswith(".part")] == []
    for path in (path for path in left if path.endswith(".json")):
        json.loads((tmp_path / path).read_text(encoding="utf-8"))
    assert not (tmp_path / "hostile").exists()


def escaped(line: str) -> str:
    return line.replace("|", "\\|")


def test_the_document_shows_what_is_said(rows):
    if len(rows) < len(ALL):
        pytest.skip("only a part of the cases ran")
    table = [f"| {given} | ``{escaped(line)}`` | {status} |" for (_, given), (line, status) in rows.items()]
    assert len(table) >= 100
    head, _, _ = DOCUMENT.read_text(encoding="utf-8").partition("\n## ")
    text = head
    for area in dict.fromkeys(area for area, _ in rows):
        lines = [row for row, (own, _) in zip(table, rows) if own == area]
        text += (
            f"\n## {area.capitalize()}\n| given | what is said | exit status |\n|---|---|---|\n"
            + "\n".join(lines)
            + "\n"
        )
    if os.environ.get("FLOPWISE_WRITE_DOCS"):
        DOCUMENT.write_text(text, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == text
