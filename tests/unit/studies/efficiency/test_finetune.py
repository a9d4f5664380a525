"""Released encoders on a real set: views, windows, the recipe, exact resume, the frozen probe."""

import numpy as np
import pytest
import torch
from scene_trees import ade20k

from flopwise.config import load
from flopwise.config.efficiency import Scenes as How
from flopwise.core import resumable
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.data import scene_views
from flopwise.data.readers.segmentation import IGNORE, ade20k_scenes, read_scene
from flopwise.models.vit_tokens import VitTokens
from flopwise.studies.efficiency import finetune
from flopwise.studies.efficiency.finetune import Finetuning, Segmenter, groups
from flopwise.studies.efficiency.price import cells_table
from flopwise.studies.efficiency.segment import iou

HOW = How(side=48, stride=32, steps=6, batch_size=2, warm_up_steps=2, learning_rate=1e-3, trials=(1.0,), checkpoint_every_steps=3,
          precision="fp32")  # fmt: skip


def encoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VitTokens("vit_tiny_patch16_224", drop_path=0.1)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = ade20k(tmp_path_factory.mktemp("copy"))
    return finetune.Scenes(ade20k_scenes(folder, "training"), ade20k_scenes(folder, "validation"), 3)


def runs(scenes, folder, make=encoder, **changes):
    return Finetuning(make, scenes, HOW.model_copy(update=changes), 0, Placement(), folder, "key")


def test_a_view_is_decided_by_its_seed_and_what_it_lacks_has_no_class(scenes):
    first, again, other = (scene_views.crop(scenes.train[0], 3, 160, seed, "x") for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])
    views = [scene_views.crop(scenes.train[i % 8], 3, 160, i, "x") for i in range(20)]
    lacking = [(pixels == (124, 116, 104)).all(2) for pixels, _ in views]
    assert any(part.any() for part in lacking)  # ratios below 1 leave something out
    assert all((labels[part] == IGNORE).all() for part, (_, labels) in zip(lacking, views))
    assert {*np.unique([labels for _, labels in views])} == {0, 1, 2, IGNORE}


def test_labels_move_with_the_picture(scenes):
    """The colour of a class is still that of its pixels after cropping, flipping and resizing."""
    for seed in range(6):
        pixels, labels = scene_views.crop(scenes.train[seed], 3, 64, seed, "x")
        centres = [pixels[labels == label].mean(0) for label in range(3) if (labels == label).sum() > 300]
        assert all(np.linalg.norm(a - b) > 30 for i, a in enumerate(centres) for b in centres[:i])


def test_windows_cover_all_and_end_with_the_picture():
    assert scene_views.windows(48, 48, 32) == [0]
    assert scene_views.windows(40, 48, 32) == [0]
    assert scene_views.windows(100, 48, 32) == [0, 32, 52]
    for length in range(48, 200, 7):
        seen = {place for start in scene_views.windows(length, 48, 32) for place in range(start, start + 48)}
        assert seen == set(range(length))


def test_logits_of_windows_are_means_where_they_overlap(scenes, tmp_path):
    run, model = runs(scenes, tmp_path), Segmenter(encoder(), 3).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)
    with torch.no_grad():
        found = run.windowed(model, pixels)
        halves = [model(run._pictures(torch.from_numpy(pixels[None, :, x : x + 48].copy())))[0][0] for x in (0, 32)]
    assert found.shape == (3, 48, 80)
    assert torch.allclose(found[..., :32], halves[0][..., :32], atol=1e-5)
    assert torch.allclose(found[..., 32:48], (halves[0][..., 32:] + halves[1][..., :16]) / 2, atol=1e-5)
    assert torch.allclose(found[..., 48:], halves[1][..., 16:], atol=1e-5)


def test_rates_fall_towards_the_picture_and_only_matrices_decay():
    found = groups(Segmenter(encoder(), 3), 0.65, 0.05)
    shares = sorted({group["share"] for group in found})
    assert shares == pytest.approx([0.65**k for k in range(13, -1, -1)])
    assert all((parameter.ndim > 1) >= (group["weight_decay"] > 0) for group in found for parameter in group["params"])
    assert sum(parameter.numel() for group in found for parameter in group["params"]) == sum(
        parameter.numel() for parameter in Segmenter(encoder(), 3).parameters()
    )


@pytest.mark.parametrize("head", ["linear", pytest.param("upernet", marks=pytest.mark.slow)])
def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(scenes, tmp_path, monkeypatch, head):
    whole = runs(scenes, tmp_path / "whole", head=head, side=64).train(scenes.train, 1.0, 6, "all")
    cut = runs(scenes, tmp_path / "cut", head=head, side=64)
    real, calls = resumable.update, []

    def dying(*arguments, **options):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(resumable, "update", dying)
    with pytest.raises(KeyboardInterrupt):
        cut.train(scenes.train, 1.0, 6, "all")
    monkeypatch.setattr(resumable, "update", real)
    again = runs(scenes, tmp_path / "cut", head=head, side=64).train(scenes.train, 1.0, 6, "all")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())


def test_the_frozen_probe_is_ridge_regression(scenes, tmp_path):
    """Against least squares on rows that stand for the penalty."""
    run = runs(scenes, tmp_path)
    model = run.ridge()
    rows, wanted = [], []
    for index, pair in enumerate(scenes.train):
        pixels, labels = scene_views.crop(pair, 3, 48, 0, "efficiency", "ridge", index)
        with torch.no_grad():
            tokens = encoder().eval()(run._pictures(torch.from_numpy(pixels[None].copy())))[0].double().numpy()
        for place, token in enumerate(tokens):
            y, x = divmod(place, 3)
            cell = labels[16 * y : 16 * y + 16, 16 * x : 16 * x + 16]
            if (cell != IGNORE).any():
                rows.append([*token, 1.0])
                wanted.append([(cell == label).mean() for label in range(3)])
    penalised = np.concatenate([np.array(rows), np.eye(193)])
    solved, *_ = np.linalg.lstsq(penalised, np.concatenate([np.array(wanted), np.zeros((193, 3))]), rcond=None)
    assert np.allclose(model.head.weight.detach().numpy(), solved[:-1].T, atol=1e-4)
    assert float(iou(run.confusion(model, scenes.test)).nanmean()) > 40  # three colours are easily told apart


@pytest.mark.slow
def test_scores_say_what_was_found_and_trials_choose_the_rate(scenes, tmp_path):
    run = runs(scenes, tmp_path, trials=(1e-6, 1.0), trial_steps=12, held_out=4, steps=12)
    found = run.scores()
    assert set(found) == {"miou", "things", "stuff", "frozen", "rate"}
    assert found["rate"] == 1.0
    assert found["miou"] > 20
    assert (tmp_path / "trial-1" / "done" / "state.json").is_file()
    first = runs(scenes, tmp_path / "nan", learning_rate=1e30, steps=4)
    assert first.scores() is None


def test_a_label_map_of_another_size_is_refused(scenes, tmp_path):
    with pytest.raises(Exception, match="its image has"):
        read_scene(scenes.train[0][0], scenes.train[1][1], 3, True)


def test_checkpoints_stand_on_the_cost_axis_by_their_recipes():
    settings = load(scale="workstation")
    table = cells_table(settings).set_index("slug")
    row = table.loc["mae-in1k-s0"]
    assert row["planned_gflops"] == pytest.approx(58.46 * 2.05e9, rel=1e-3)
    assert table.loc["dino-in1k-s0", "planned_gflops"] == pytest.approx(473.22 * 5.125e8, rel=1e-3)
    assert table.loc["clip-openai-s0", "planned_gflops"] == pytest.approx(123.02 * 1.28e10, rel=1e-3)
    others = table[table["released"]]
    assert set(others["added_gflops"]) == {0.0}
    assert len(others) == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"released": ["mae-in2k"]}, "released is 'mae-in2k'"),
        ({"scenes": {"dataset": "cifar10"}}, "scenes.dataset is 'cifar10'"),
        ({"scenes": {"side": 500}}, "multiple of 16"),
        ({"sizes": {"small": {"network": None}}}, "size 'small' and pool 'in1k' do not go together"),
        ({"scenes": None}, "released needs `scenes`"),
        ({"budget_gflops": None}, "it needs budget_gflops"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(changes, message):
    with pytest.raises(UserError, match=message) as failure:
        load(scale="workstation", overrides={"efficiency": changes})
    assert "\n" not in str(failure.value)
