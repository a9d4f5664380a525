from pathlib import Path

import pytest

from flopwise.report import pdf
from flopwise.report.page import Chapter
from flopwise.studies.regime import Quantity

typst = pytest.importorskip("typst")

CLAIM = {
    "id": "c", "title": 'A "quoted" #claim', "paper_says": "$A_{KA}$ rises \\ falls", "effect": 1.5, "low": 0.5, "high": 2.5,
    "unit": "points",
    "kind": "difference", "n": 3, "unit_of_inference": "seed", "verdict": "reproduced", "rule_sha256": "0123456789abcdef",
    "reason": "", "note": "", "p_holm": 0.02, "stands_for": "published",
}  # fmt: skip


def build(out: Path, *claims: dict, **options) -> bytes:
    chapter = Chapter(
        id="x", title="Chapter #1", question="Why?", setup=[{"": "T", "paper": "20"}], deviations=["None."],
        regime=[Quantity("steps #1", 1420, "table \"4\"", 16.5)],
    )  # fmt: skip
    pdf.build(
        out,
        scale="smoke",
        chapters=[chapter],
        claims=claims,
        facts={"version": "1", "runs": 2, "diverged": 0},
        **options,
    )
    return out.read_bytes()


def test_a_pdf_is_written_the_same_twice_and_typst_code_in_texts_stays_text(tmp_path):
    first = build(tmp_path / "a.pdf", CLAIM)
    assert first.startswith(b"%PDF")
    assert first == build(tmp_path / "b.pdf", CLAIM)


def test_formulas_become_words():
    assert pdf.plain("$A_\\mathrm{KA}$ and $\\sqrt{a \\cdot b}$") == "AKA and √a · b"
    assert pdf.string('a "b"\n\\c') == '"a \\"b\\" \\\\c"'


def test_it_lists_what_came_out_differently_and_by_whose_claim(monkeypatch, tmp_path):
    sources = []
    monkeypatch.setattr(typst, "compile", lambda source, **_: sources.append(source.decode()) or b"")
    lost = {**CLAIM, "verdict": "not reproduced"}
    build(tmp_path / "a.pdf", {**lost, "title": "Ours", "stands_for": "hypothesis"}, {**lost, "title": "Theirs"})
    hypotheses = sources[0].split("Our own hypotheses")[1].split("#heading")[0]
    published = sources[0].split("differently from what the papers say")[1].split("#heading")[0]
    assert ("Ours: +1.50 points [+0.50, +2.50]" in hypotheses, "Theirs" in hypotheses.split("#block")[0]) == (
        True,
        False,
    )
    assert ("Theirs" in published, "Ours" in published) == (True, False)
    decision = {
        "verdict": "reproduced",
        "n": 11,
        "seeds": 12,
        "stale": False,
        "cost": {"trainings": 16, "core_seconds": 312},
    }
    more = {"reason": "one seed only", "note": "needs data", "decision": decision}
    build(tmp_path / "b.pdf", {**CLAIM, **more}, validation=True)
    assert (
        "reproduced; survives Holm's correction; one seed only; decided with 11 seeds (1 more diverged)" in sources[1]
    )
    assert "312 core-seconds; needs data" in sources[1]
    assert "Seeds were added to 1 inconclusive claim" in sources[1]
    assert "Validation mode" in sources[1]
