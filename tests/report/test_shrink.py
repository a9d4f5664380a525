"""Figures on the page are smaller, and look the same."""

import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure

from flopwise.report import theme
from flopwise.report.shrink import _relative, data_uri, shrink


def drawn() -> str:
    theme.use()
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0.123456, 2.5, 1], marker="o", label="a & b < c", alpha=0.15)
    axes.imshow(
        np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8), extent=(0, 1, 0, 1), aspect="auto"
    )
    axes.legend()
    stream = BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue().decode()


def test_names_are_kept_where_something_refers_to_them():
    small = shrink(drawn())
    names = re.findall(r' id="([^"]*)"', small)
    assert len(names) == len(set(names))
    assert {*re.findall(r'href="#([^"]*)"', small), *re.findall(r"url\(#([^)]*)\)", small)} == set(names)


def test_what_is_seen_is_kept():
    svg, small = drawn(), shrink(drawn())
    assert len(small) < 0.6 * len(svg)
    for pattern in (r"<use ", r"<path ", r"<image "):
        assert len(re.findall(pattern, small)) == len(re.findall(pattern, svg))
    assert "opacity:0.15" in small
    assert re.findall(r'width="\S+pt"', small) == re.findall(r'width="\S+pt"', svg)
    styles = re.search(r"<style.*?>(.*)</style>", small)[1]
    assert all(f".{name}{{" in styles for name in re.findall(r'class="([^"]*)"', small))


def test_an_outline_ends_where_it_ended():
    path = "M 10.5 20 \nL 11.25 19.5 \nC 1 2 3 4 5.125 6 \nz\nM 0 0 \nQ 7 8 9 10 "
    at, numbers = np.zeros(2), re.findall(r"[a-z]|-?[\d.]+", _relative(path))
    ends, place, start, letter = [], 0, at, ""
    while place < len(numbers):
        if numbers[place].isalpha():
            letter, place = numbers[place], place + 1
        if letter == "z":
            at = start
            continue
        size = {"m": 2, "l": 2, "c": 6, "q": 4}[letter]
        at = at + np.array(list(map(float, numbers[place : place + size]))[-2:])
        start, place = (at if letter == "m" else start), place + size
        ends.append(tuple(at.round(2)))
    expected = [(10.5, 20), (11.25, 19.5), (5.125, 6), (0, 0), (9, 10)]
    assert np.array(ends) == pytest.approx(np.array(expected), abs=0.0051)


def test_the_uri_can_stand_between_double_quotes():
    uri = data_uri(shrink(drawn()))
    assert '"' not in uri
    assert "#" not in uri
    assert not re.search(r"&(?!amp;)", uri)
