"""The Perceiver study's tasks: every arm learns something by heart, baselines are what they are said to be."""

import numpy as np
import pytest
import torch

from flopwise.core.loop import adamw, update
from flopwise.data.materials.build import build_material
from flopwise.methods.perceiver import works
from flopwise.methods.perceiver.clips import psnr
from flopwise.methods.perceiver.flow import end_point_error, lucas_kanade
from flopwise.methods.perceiver.language import Work as Language
from flopwise.methods.perceiver.language import pieces
from flopwise.methods.perceiver.layers import augmented
from flopwise.methods.perceiver.tags import average_precision
from flopwise.studies.perceiver.train import read_materials

SIZES = {
    "quadrants": {"train": 64, "test": 32}, "flow-affine": {"train": 64, "test": 32}, "battles": {"train": 3, "test": 1},
    "clips": {"train": 64, "test": 32}, "grammar": {"train": 128, "validation": 16, "task_train": 64, "task_test": 16},
    "text-tasks": {"train": 64, "test": 16}, "flow-layers": {"train": 64, "test": 16}, "flow-scenes": {"test": 4},
    "flow-road": {"test": 4},
}  # fmt: skip
TRAINED = [(task, arm) for task, work in works().items() for arm, one in work.arms.items() if one.trained]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """The tasks on small materials."""
    folder = tmp_path_factory.mktemp("materials")
    for name, sizes in SIZES.items():
        build_material(name, sizes, folder / name)
    return {
        name: work(read_materials(tuple(folder / one for one in (work.material, *work.others)))[0])
        for name, work in works().items()
    }


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
    shown = torch.from_numpy(work._encoded("single-task", "polarity", "train")[0][:4])
    work._answers(tuned, "single-task", {"polarity": shown})["polarity"].sum().backward()
    touched = [task for task, one in tuned.items() if any(p.grad is not None for p in one.parameters())]
    assert touched == ["polarity"]


@pytest.mark.parametrize("arm", ["bytes", "bytes-transformer", "pieces-transformer"])
@pytest.mark.parametrize("task", ["language", "english"])
def test_an_answer_is_the_same_whichever_tasks_are_read_beside_it(tasks, task, arm):
    work = tasks[task]
    model = work.tuned(work.model(arm), arm).eval()
    shown = {one: torch.from_numpy(work._encoded(arm, one, "train")[0][:3]) for one in work.tasks}
    with torch.no_grad():
        together = work._answers(model, arm, shown)
        for one in work.tasks:
            alone = work._answers(model, arm, {one: shown[one]})[one]
            torch.testing.assert_close(together[one], alone, rtol=1e-4, atol=1e-5)
    first, second = (together[one] for one in work.tasks[:2])
    assert first.shape != second.shape or not torch.allclose(first, second)


def test_pairs_are_read_whole_and_numbers_by_their_correlation(tasks):
    work = tasks["english"]
    text = bytes(work.texts("paraphrase", "test")[0]).rstrip(b"\0")
    first, second = (
        bytes(np.array(work.arrays[f"paraphrase_test_{part}"])[0]).rstrip(b"\0") for part in ("first", "second")
    )
    assert text.split(b" \x01 ") == [first, second]
    truth = work._labels("similarity", "test")

    def answers(model, arm, shown):
        known = torch.from_numpy(np.stack([2 * truth + 1, 0 * truth], 1))
        return {task: known if task == "similarity" else torch.zeros(len(one), 4) for task, one in shown.items()}

    work._answers, kept = answers, work._answers
    try:
        assert work.scores(object(), "bytes", 0)["correlation_similarity"] == pytest.approx(100)
    finally:
        work._answers = kept


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


def warped(second, flow):
    """The second frames (n, 3, H, W) where the flow (n, H, W, 2) says that the first frames' pixels went."""
    height, width = flow.shape[1:3]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = (2 * (torch.stack([x, y], -1) + flow) + 1) / torch.tensor([width, height]) - 1
    return torch.nn.functional.grid_sample(second, places, padding_mode="border", align_corners=False)


def test_mirrored_and_reversed_pairs_have_the_flow_that_explains_them(tasks, monkeypatch):
    work = tasks["layers"]
    rows = np.arange(64)
    frames, truth = work._frames("train", rows)
    for name, value in (("COLOUR", 0.0), ("ERASED", 0.0), ("MIRRORED", (0.5, 0.5))):
        monkeypatch.setattr(f"flopwise.methods.perceiver.layers.{name}", value)
    mirrored, moved = augmented(frames.clone(), truth, np.random.default_rng(0))
    assert 16 < int(((mirrored - frames).abs() > 1e-3).flatten(1).any(1).sum()) < 64
    reversed_frames, reversed_flow = (both[64:] for both in work._both_ways(frames, truth, rows))
    assert torch.equal(reversed_frames[:, 0], frames[:, 1])
    for pairs, flow in ((frames, truth), (mirrored, moved), (reversed_frames, reversed_flow)):
        still = (pairs[:, 0] - pairs[:, 1]).abs().mean()
        explained = (pairs[:, 0] - warped(pairs[:, 1], flow)).abs().mean()
        unlike = (pairs[:, 0] - warped(pairs[:, 1], -flow)).abs().mean()
        assert explained < 0.6 * still < 0.8 * unlike


def test_colours_and_erased_boxes_change_pictures_and_not_the_flow(tasks, monkeypatch):
    monkeypatch.setattr("flopwise.methods.perceiver.layers.MIRRORED", (0, 0))
    frames, truth = tasks["layers"]._frames("train", np.arange(64))
    seen, flow = augmented(frames.clone(), truth, np.random.default_rng(0))
    assert torch.equal(flow, truth)
    assert bool(((seen != frames).flatten(1).float().mean(1) > 0.9).all())
    again, _ = augmented(frames.clone(), truth, np.random.default_rng(0))
    assert torch.equal(seen, again)


def test_larger_pictures_are_seen_in_tiles(tasks):
    work = tasks["layers"]
    frames, _ = work._frames("test", of="flow-scenes/")
    said = work._answer(work.model("perceiver").eval(), "perceiver", frames)
    assert said.shape == (*frames.shape[:1], *frames.shape[3:], 2)
    found = work.scores(None, "trivial", 0)
    length = np.sqrt((work.arrays["flow-road/test_flow"] ** 2).sum(-1))
    valid = work.arrays["flow-road/test_valid"]
    wanted = np.mean([one[seen].mean() for one, seen in zip(length, valid)])
    assert found["end_point_error_road"] == pytest.approx(wanted, rel=1e-5)


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


@pytest.mark.parametrize("task", ["language", "english"])
def test_bits_of_masked_words_are_those_of_a_code_that_is_worked_by_hand(tasks, task):
    """A model that always says the same needs log2 of its symbols; bytes' frequencies need less; the same words are masked for
    all arms, and none of the lines is among those that are learned."""
    work = tasks[task]

    class Same(torch.nn.Module):
        def __init__(self, symbols):
            super().__init__()
            self.symbols, self.seen = symbols, []

        def forward(self, shown, mask, where):
            self.seen.append(shown)
            return torch.zeros(int(where.sum()), self.symbols)

    for arm, symbols in (("bytes", 262), ("pieces-transformer", 262 + work.merges_count)):
        model = Same(symbols)
        found = work.first_scores(model, arm)["bits_per_masked_byte"]
        shown, read = torch.cat(model.seen), work._encoded(arm, "held-out")[0]
        hidden = (shown.numpy() == 3).sum()
        assert 0.05 < hidden / (read[: len(shown)] > 0).sum() < 0.3
        if arm == "bytes":
            count = hidden
        assert found == pytest.approx(hidden / count * np.log2(symbols))
    assert hidden < count
    assert 3 < work.first_scores(None, "trivial")["bits_per_masked_byte"] < 6
    learned = {bytes(line) for line in work.corpus()}
    assert not any(bytes(line) in learned for line in work.corpus("held-out"))


def test_metrics_on_cases_worked_by_hand():
    assert psnr(0.01, 1.0) == pytest.approx(20)
    scores, truth = np.array([[0.9], [0.8], [0.7], [0.1]]), np.array([[1], [0], [1], [0]])
    assert average_precision(scores, truth) == pytest.approx(100 * (1 + 2 / 3) / 2)
