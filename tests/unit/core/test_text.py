"""Text of people: every encoding that an editor saves, byte order marks, and names in both forms of Unicode."""

import unicodedata

import pytest

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, decoded, is_utf8, json_of, on_disk, read_text

TEXT = "name,origin\r\nbäcker,Łódź\n"
LATIN = TEXT.replace("Łódź", "Århus")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LATIN.encode("cp1252"), "byte 0xe4 in line 2; perhaps it is Windows-1252"),
        (LATIN.encode("utf-16"), "byte 0xff in line 1; it looks like UTF-16"),
        (TEXT.encode("utf-16-be"), r"byte 0xe4 in line \d; it looks like UTF-16"),
        ("plain\n".encode("utf-16-le"), r"\(it looks like UTF-16\)"),
        (b"\xff\xfe\0\0" + TEXT.encode("utf-32-le"), "byte 0xff in line 1; it looks like UTF-32"),
        (TEXT.encode("mac_latin2"), "byte 0x8a in line 2"),
    ],
)
def test_what_is_not_utf8_is_one_line_that_says_where_and_what_to_do(tmp_path, content, said):
    (tmp_path / "list.csv").write_bytes(content)
    for failure in (UserError, RunFailure):
        with pytest.raises(failure, match=rf"list\.csv is not UTF-8 .*{said}.*: save it as UTF-8$") as caught:
            read_text(tmp_path / "list.csv", failure)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_is_no_part_of_the_text_and_line_ends_stay(tmp_path, encoding):
    (tmp_path / "list.csv").write_bytes(TEXT.encode(encoding))
    assert read_text(tmp_path / "list.csv") == TEXT
    assert decoded(b"", "nothing") == ""


def test_json_is_composed_however_it_is_written():
    two = unicodedata.normalize("NFD", "é")
    for content in (f'{{"{two}": ["{two}", 1]}}'.encode(), b'\xef\xbb\xbf{"e\\u0301": ["e\\u0301", 1]}'):
        assert json_of(content, "x.json") == {"é": ["é", 1]}
    for content, said in (
        (b'["\\ud83d"]', "half of a surrogate pair"),
        (b"{", "is not JSON"),
        (b"[" * 10**5, "too deeply"),
    ):
        with pytest.raises(RunFailure, match=rf"x\.json .*{said}"):
            json_of(content, "x.json")
    assert json_of(b'["\\ud83d\\ude00"]', "x.json") == ["😀"]


def test_composed_goes_into_lists_and_objects_and_leaves_the_rest():
    two = unicodedata.normalize("NFD", "å")
    assert composed({two: [two, 1, None, {"a": two}]}) == {"å": ["å", 1, None, {"a": "å"}]}
    assert [is_utf8(text) for text in ("å", "\ud83d", "\udcff")] == [True, False, False]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_file_is_found_in_either_form(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    stored = tmp_path / unicodedata.normalize(form, "Ünal/Søren é.jpg")
    stored.parent.mkdir()
    stored.touch()
    assert on_disk(tmp_path / unicodedata.normalize(other, "Ünal/Søren é.jpg")) == stored
    lost = tmp_path / unicodedata.normalize(other, "Ünal/Zoë.jpg")
    assert on_disk(lost) == lost
