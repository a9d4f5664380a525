"""The paper's value beside this scale's: factor, kept or not, as rows, as texts, and back from a table."""

import math

import pandas
import pytest

from flopwise.core.io import write_table
from flopwise.studies.regime import Quantity, lines, read, shown

KNOWN = Quantity("steps per task", 1420, "table 4", 355)
UNSOURCED = Quantity("trials", None, "not sourced", 12)
UNKNOWN = Quantity("passes over the pool", 3.56, "readme", None)


@pytest.mark.parametrize(
    ("here", "kept"), [(2.0, True), (0.5, True), (1.0, True), (2.01, False), (0.49, False), (0.0, False)]
)
def test_within_a_factor_of_two_is_kept(here, kept):
    assert Quantity("x", 1.0, "", here).kept is kept


def test_the_factor_is_this_value_over_the_papers_and_undefined_where_either_is_missing():
    row = KNOWN.row()
    assert (row["factor"], row["log2_factor"], row["kept"]) == (0.25, -2.0, False)
    assert list(row) == ["quantity", "paper", "source", "here", "factor", "log2_factor", "kept"]
    for one in (UNSOURCED, UNKNOWN):
        assert [one.row()[key] for key in ("factor", "log2_factor", "kept")] == [None] * 3
    assert Quantity("x", 2.0, "", 0.0).row()["log2_factor"] is None


def test_a_table_gives_back_what_was_written(tmp_path):
    given = [KNOWN, UNSOURCED, UNKNOWN, Quantity("gain", None, "not sourced", -0.5)]
    write_table(tmp_path / "regime.csv", pandas.DataFrame(one.row() for one in given))
    assert read(tmp_path / "regime.csv") == given
    assert not math.isnan(read(tmp_path / "regime.csv")[2].paper)


def test_texts_for_readers():
    assert list(KNOWN.texts().values()) == ["steps per task", "1,420", "355", "0.25", "not kept"]
    assert list(UNSOURCED.texts().values()) == ["trials", "–", "12", "–", "not sourced"]
    assert list(UNKNOWN.texts().values())[2:] == ["–", "–", "not known here"]
    assert Quantity("x", None, "", -0.5).texts()["here"] == "−0.5"


def test_a_readers_table_numbers_its_sources_once():
    both = Quantity("passes", 2.9, "readme; table 4", 0.2)
    rows, sources = shown([KNOWN, UNSOURCED, UNKNOWN, both])
    assert sources == ["table 4", "readme"]
    assert [row["sources"] for row in rows] == ["1", "–", "2", "2, 1"]
    assert shown([]) == ([], [])


def test_lines_are_columns_and_nothing_gives_none():
    first, *rest = lines([KNOWN.row(), UNSOURCED.row()])
    assert first.split() == ["quantity", "paper", "here", "factor", "kept"]
    assert rest[0].split("  ")[-1] == "not kept"
    assert len({line.index(number) + len(number) for line, number in zip(rest, ("355", "12"))}) == 1
    assert lines([]) == []
