from pathlib import Path

import pytest

from flopwise.report import pdf
from flopwise.report.page import Chapter

typst = pytest.importorskip("typst")

CLAIM = {
    "id": "c", "title": 'A "quoted" #claim', "paper_says": "$A_{KA}$ rises \\ falls", "effect": 1.5, "low": 0.5, "high": 2.5,
    "unit": "points", "n_seeds": 3, "verdict": "reproduced", "rule_sha256": "0123456789abcdef",
}  # fmt: skip


def build(out: Path) -> bytes:
    chapter = Chapter(
        id="x", title="Chapter #1", question="Why?", setup=[{"": "T", "paper": "20"}], deviations=["None."]
    )
    pdf.build(out, scale="smoke", chapters=[chapter], claims=[CLAIM], facts={"version": "1", "runs": 2, "diverged": 0})
    return out.read_bytes()


def test_a_pdf_is_written_the_same_twice_and_typst_code_in_texts_stays_text(tmp_path):
    first = build(tmp_path / "a.pdf")
    assert first.startswith(b"%PDF")
    assert first == build(tmp_path / "b.pdf")


def test_formulas_become_words():
    assert pdf.plain("$A_\\mathrm{KA}$ and $\\sqrt{a \\cdot b}$") == "AKA and √a · b"
    assert pdf.string('a "b"\n\\c') == '"a \\"b\\" \\\\c"'
