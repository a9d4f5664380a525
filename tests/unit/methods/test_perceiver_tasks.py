"""The Perceiver study's tasks: every arm learns something by heart, baselines are what they are said to be."""

import numpy as np
import pytest
import torch

from flopwise.core.loop import adamw, update
from flopwise.data.materials.build import build_material
from flopwise.data.store import open_arrays
from flopwise.methods.perceiver import works
from flopwise.methods.perceiver.clips import psnr
from flopwise.methods.perceiver.flow import end_point_error, lucas_kanade
from flopwise.methods.perceiver.language import Work as Language
from flopwise.methods.perceiver.language import pieces
from flopwise.methods.perceiver.tags import average_precision

SIZES = {
    "quadrants": {"train": 64, "test": 32}, "flow-affine": {"train": 64, "test": 32}, "battles": {"train": 3, "test": 1},
    "clips": {"train": 64, "test": 32}, "grammar": {"train": 128, "validation": 16, "task_train": 64, "task_test": 16},
    "text-tasks": {"train": 64, "test": 16},
}  # fmt: skip
TRAINED = [(task, arm) for task, work in works().items() for arm, one in work.arms.items() if one.trained]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """The tasks on small materials."""
    folder = tmp_path_factory.mktemp("materials")
    for name, sizes in SIZES.items():
        build_material(name, sizes, folder / name)
    return {name: work(open_arrays(folder / work.material).arrays) for name, work in works().items()}


@pytest.mark.parametrize(("task", "arm"), TRAINED)
def test_every_arm_trains(tasks, task, arm):
    """A few steps on one batch lower its loss, in both phases where there are two."""
    torch.manual_seed(0)
    work = tasks[task]
    model = work.model(arm)
    for _ in range(2):
        optimiser = adamw(model.parameters(), 3e-3, 0.0)
        losses = [
            update(work.loss(model, arm, 16, np.random.default_rng(0)), optimiser, 3e-3, clip_norm=1.0)
            for _ in range(12)
        ]
        assert min(losses[-4:]) < losses[0]
        if (tuned := work.tuned(model, arm)) is None:
            break
        model = tuned
    assert work.score in work.scores(model.eval(), arm, 0)


@pytest.mark.parametrize("task", sorted(works()))
def test_each_task_has_an_answer_that_knows_nothing(tasks, task):
    work = tasks[task]
    trivial = [arm for arm, one in work.arms.items() if one.kind == "trivial"]
    assert trivial == ["trivial"]
    assert np.isfinite(work.scores(None, "trivial", 0)[work.score])


def test_the_second_phase_goes_on_from_the_first(tasks):
    work = tasks["language"]
    model = work.model("bytes")
    tuned = work.tuned(model, "bytes")
    own, kept = model.state_dict(), tuned.state_dict()
    shared = [name for name in kept if not name.startswith(("queries", "head"))]
    assert len(shared) > 20
    assert all(torch.equal(own[name], kept[name]) for name in shared)


def test_one_task_at_a_time_is_a_model_for_each_of_the_same_start(tasks):
    work = tasks["language"]
    tuned = work.tuned(work.model("single-task"), "single-task")
    assert list(tuned) == work.tasks
    first, *others = (one.state_dict() for one in tuned.values())
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    work._task_loss(tuned, "single-task", "polarity", 4, np.random.default_rng(0)).backward()
    touched = [task for task, one in tuned.items() if any(p.grad is not None for p in one.parameters())]
    assert touched == ["polarity"]


def test_pairs_are_read_whole_and_numbers_by_their_correlation(tasks):
    work = tasks["english"]
    text = bytes(work.texts("paraphrase", "test")[0]).rstrip(b"\0")
    first, second = (
        bytes(np.array(work.arrays[f"paraphrase_test_{part}"])[0]).rstrip(b"\0") for part in ("first", "second")
    )
    assert text.split(b" \x01 ") == [first, second]
    truth = work._labels("similarity", "test")

    def answer(model, task, shown):
        return (
            torch.from_numpy(np.stack([2 * truth + 1, 0 * truth], 1))
            if task == "similarity"
            else torch.zeros(len(shown), 4)
        )

    work._answer, kept = answer, work._answer
    try:
        assert work.scores(object(), "bytes", 0)["correlation_similarity"] == pytest.approx(100)
    finally:
        work._answer = kept


def test_lucas_and_kanade_see_a_shift_that_they_can_know():
    draw = torch.Generator().manual_seed(0)
    texture = torch.randn((1, 3, 24, 24), generator=draw)
    for _ in range(3):
        texture = torch.nn.functional.avg_pool2d(texture, 5, 1, 2)
    first, second = texture[:, :, 4:20, 4:20], texture[:, :, 4:20, 3:19]  # everything moves one pixel to the right
    truth = torch.tensor([1.0, 0.0]).expand(1, 16, 16, 2)
    found = lucas_kanade(first, second, 5, iterations=10)
    assert end_point_error(found[:, 3:-3, 3:-3], truth[:, 3:-3, 3:-3]) < 0.2
    assert end_point_error(torch.zeros_like(truth), truth) == 1


def test_pieces_are_the_commonest_pairs_and_give_every_word_back(tasks):
    assert pieces([b"ab ab ab abc"], 1) == [(b"a", b"b")]
    work = tasks["language"]
    lines = np.array(work.arrays["train"][:20])
    symbols, words = work._as_pieces(lines)
    numbers = {bytes([value]): value + 6 for value in range(256)}
    for first, second in work.merges:
        numbers.setdefault(first + second, len(numbers) + 6)
    back = {number: piece for piece, number in numbers.items()}
    for line, row in zip(lines, symbols):
        assert b"".join(back[number] for number in row if number) == bytes(line).rstrip(b"\0")
    assert (symbols > 0).sum() < 0.6 * (lines > 0).sum()
    assert words.max() == max(bytes(line).rstrip(b"\0").count(b" ") for line in lines)


def test_masks_cover_whole_words(tasks):
    work: Language = tasks["language"]
    symbols, words = work._as_bytes(np.array(work.arrays["train"][:4]))
    line = bytes(np.array(work.arrays["train"][0])).rstrip(b"\0")
    assert [int((words[0][: len(line)] == index).sum()) for index in range(line.count(b" ") + 1)] == [
        len(word) + (index > 0) for index, word in enumerate(line.split(b" "))
    ]
    assert set(symbols[0][len(line) :]) == {0}


def test_metrics_on_cases_worked_by_hand():
    assert psnr(0.01, 1.0) == pytest.approx(20)
    scores, truth = np.array([[0.9], [0.8], [0.7], [0.1]]), np.array([[1], [0], [1], [0]])
    assert average_precision(scores, truth) == pytest.approx(100 * (1 + 2 / 3) / 2)
