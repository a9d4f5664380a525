"""What a scale takes of an experiment, on a study of two axes."""

import pytest

from flopwise.config.fields import Slug, Strict, setting
from flopwise.config.grids import Runs, choose, models


class Axes(Strict):
    colour: Slug = setting("red", "colour", "our choice")
    size: Slug = setting("small", "size", "our choice")


_, Choice, Experiment = models(Axes, Runs)
FULL = Experiment.model_validate(
    {
        "question": "?",
        "colour": ["red", "green", "blue"],
        "grids": [{"seeds": 5}, {"seeds": 2, "colour": ["green"], "size": ["large", "huge"]}],
    }
)


def chosen(**choice) -> list[tuple]:
    left = choose("x", FULL, Choice.model_validate(choice), Axes().model_dump())
    return [(grid.seeds, grid.colour, grid.size) for grid in left.grids]


def test_an_empty_choice_takes_everything():
    assert chosen() == [(5, ("red", "green", "blue"), ("small",)), (2, ("green",), ("large", "huge"))]


def test_values_are_taken_in_the_order_of_the_choice_and_grids_without_any_fall_away():
    assert chosen(colour=["blue", "red"]) == [(5, ("blue", "red"), ("small",))]
    assert chosen(size=["huge"]) == [(2, ("green",), ("huge",))]


def test_seeds_of_the_choice_win_and_a_choice_may_have_parts_of_its_own():
    assert chosen(seeds=1)[0][0] == 1
    assert chosen(seeds=3, grids=[{"colour": ["red"]}, {"seeds": 1, "size": ["large"]}]) == [
        (3, ("red",), ("small",)),
        (1, ("green",), ("large",)),
    ]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"size": ["hug"]}, r"x.size is 'hug' \(did you mean 'huge'\?\); allowed are small, large, huge"),
        ({"colour": ["red"], "size": ["huge"]}, "x: no grid has colour red with size huge"),
    ],
)
def test_what_is_not_there_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        chosen(**choice)
