"""Transfers of small models: what is kept, what is a null, what several teachers are, what goes wrong in one line."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from flopwise.config import load as load_settings
from flopwise.config.transfer import Amount, View
from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.loop import Diverged, update
from flopwise.core.sgd import SGD
from flopwise.data import distort
from flopwise.methods.transfer import load
from flopwise.models import miniature
from flopwise.studies.transfer import jobs, network, predictions, run
from flopwise.studies.transfer.cache import LogitCache, Said, key_of
from flopwise.studies.transfer.cache import View as Shown
from flopwise.studies.transfer.pictures import Part, Pictures
from flopwise.studies.transfer.plan import Grid

CLASSES, HERE, HALF = 4, Placement(), Placement("cpu", "fp16")
CONFIG = load_settings(scale="smoke").preset.transfer


def pictures(n: int = 48) -> Pictures:
    generator = np.random.default_rng(0)
    targets = np.arange(n) % CLASSES
    images = generator.integers(0, 60, (n, 32, 32, 3), np.uint8) + (60 * targets[:, None, None, None]).astype(np.uint8)
    part = Part(images, targets)
    return Pictures(part, part, [f"class {k}" for k in range(CLASSES)], None, "digest")


DATA = pictures()


def model(name: str = "gmlp-d48", seed: int = 0):
    """A network with random weights; timm starts some classifiers at 0, which then know nothing to tell."""
    made = miniature.create(name, CLASSES, seed)
    torch.nn.init.normal_(made.get_classifier().weight, std=0.3, generator=torch.Generator().manual_seed(seed))
    return made.eval()


def material(view: View, epochs: int = 2) -> run.Material:
    indices = np.arange(len(DATA.train))
    count = max(1, view.count)
    shown = [predictions.shown(DATA, indices, Shown("v", k, view.distort if view.count else ())) for k in range(count)]
    return run.Material(shown, torch.from_numpy(DATA.train.targets), view, Amount(share=1, epochs=epochs))


def kept(of, one: run.Material) -> run.Source:
    return run.Source([predictions.ask(of, view, HERE, 20) for view in one.views])


def transfer(
    method: str, teachers=(), seed: int = 0, view: View | None = None, student=None, placement=HERE, **changes
) -> tuple:
    """(weights, run) of a transfer from teachers, models whose logits are kept where the view is."""
    one, student = material(view or View(count=1)), student or model()
    source = (lambda of: kept(of, one)) if one.view.count else (lambda of: run.Source(model=copy.deepcopy(of)))
    config = CONFIG.model_copy(update={"batch_size": 16, "learning_rate": 0.05, "slow_learning_rate": 0.05, **changes})
    made = run.Transfer(
        config,
        load(method),
        one,
        copy.deepcopy(student),
        source(student),
        [source(t) for t in teachers],
        seed,
        placement,
    )
    return made.run(), made


def distance(one: dict, other: dict) -> float:
    return sum(float((one[name] - other[name]).abs().sum()) for name in other)


def test_views_depend_on_the_picture_and_not_on_the_batch():
    images = torch.rand(6, 3, 32, 32)
    numbers = distort.draw(6, 0, "view", 1)
    for names in (distort.DEFAULT, ("crop", "blur", "cutout", "grey")):
        whole = distort.distorted(images, numbers, names)
        assert whole.min() >= 0
        assert whole.max() <= 1
        for k in range(6):
            assert torch.allclose(
                distort.distorted(images[k : k + 1], numbers[k : k + 1], names)[0], whole[k], atol=1e-6
            )
    assert torch.equal(distort.distorted(images, numbers, ()), images)


def test_colour_distortion_is_its_steps_one_by_one():
    images, numbers = torch.rand(5, 3, 8, 8), distort.draw(5, 3)
    numbers[:, 7] = 0  # all are distorted
    numbers[:, 6] = 0.5  # hue stays
    numbers[:, 3:6] = 0.5 + 0.05 * (numbers[:, 3:6] - 0.5)  # factors near 1: no clamping
    images = 0.3 + 0.4 * images
    brightness, contrast, saturation = ((0.2 + 1.6 * numbers[:, k])[:, None, None, None] for k in (3, 4, 5))
    luma = torch.tensor(distort.LUMA)[None, :, None, None]
    step = images * brightness
    step = contrast * step + (1 - contrast) * (step * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    step = saturation * step + (1 - saturation) * (step * luma).sum(1, keepdim=True)
    assert torch.allclose(distort.distorted(images, numbers, ("colour",)), step, atol=1e-4)


def test_kept_logits_are_what_the_teacher_says():
    """A transfer that reads the cache ends with the same weights as one that asks the teacher at every step."""
    student, teacher = model(seed=1), model("mixer-d48", seed=2)
    one = material(View(count=1))
    config = CONFIG.model_copy(update={"batch_size": 16, "learning_rate": 0.05})
    ends = []
    for source in (lambda of: kept(of, one), lambda of: run.Source(model=of)):
        made = run.Transfer(
            config, load("kl-dp"), one, copy.deepcopy(student), source(student), [source(teacher)], 0, HERE
        )
        ends.append(made.run())
    assert all(torch.allclose(ends[0][name], ends[1][name], atol=1e-5) for name in ends[0])
    assert distance(ends[0], student.state_dict()) > 0.1


def test_an_entry_is_known_by_weights_data_samples_and_view(tmp_path):
    plain, first, second = Shown("plain", 0, ()), Shown("seeded", 0, ("flip",)), Shown("seeded", 1, ("flip",))
    keys = {
        key_of(*names, view) for names in (("w", "d", "s"), ("w2", "d", "s"), ("w", "d2", "s"), ("w", "d", "s2"))
        for view in (plain, first, second)
    }  # fmt: skip
    assert len(keys) == 12
    assert key_of("w", "d", "s", Shown("other name", 0, ("flip",))) == key_of("w", "d", "s", first)
    cache, key = LogitCache(tmp_path), next(iter(keys))
    said = Said(torch.randn(5, 3), torch.randn(5, 7))
    cache.put(key, said, {"model": "a"})
    assert torch.equal(cache.get(key).logits, said.logits)
    with pytest.raises(RunFailure, match="is missing: no logits are kept"):
        cache.get("absent")
    path = tmp_path / f"{key}.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RunFailure, match="is damaged"):
        cache.get(key)


def test_self_distillation_changes_nothing_and_labels_do():
    student = model(seed=3)  # layer norm: the same in training and evaluation mode
    weights, _ = transfer("self-dist", student=student, weight_decay=0.0)
    assert distance(weights, student.state_dict()) < 1e-3
    weights, made = transfer("ce", student=student, weight_decay=0.0)
    assert distance(weights, student.state_dict()) > 0.1
    assert (made.result.status, made.result.steps) == ("done", 6)


def test_equal_seeds_give_equal_weights_and_others_do_not():
    teacher = model("mixer-d48", seed=2)
    first, again, other = (transfer("kl", [teacher], seed)[0] for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert distance(first, other) > 0


def test_a_soup_is_the_mean_of_single_transfers():
    teachers = [model("mixer-d48", seed=2), model("vit-d48", seed=4)]
    soup, _ = transfer("kl-dp-soup", teachers)
    single = [transfer("kl-dp", [teacher])[0] for teacher in teachers]
    assert all(torch.allclose(soup[name], (single[0][name] + single[1][name]) / 2, atol=1e-6) for name in soup)


def test_a_sequence_renews_the_frozen_student_and_trains_for_each_teacher():
    student, teacher = model(), model("mixer-d48", seed=2)
    weights, made = transfer("kl-dp-up", [teacher], student=student)
    assert all(
        torch.equal(weights[name], value) for name, value in transfer("kl-dp", [teacher], student=student)[0].items()
    )
    _, made = transfer("kl-dp-up", [teacher, model("vit-d48", seed=4)], student=student)
    assert (made.result.steps, made.result.teacher_passes) == (12, 12 * 16)
    _, long = transfer("kl-dp-parallel-long", [teacher, model("vit-d48", seed=4)], student=student)
    assert (long.result.steps, long.result.teacher_passes) == (12, 2 * 12 * 16)


def test_fresh_views_differ_from_step_to_step_and_ask_the_models():
    fresh = View(count=0, distort=("flip", "colour"))
    teacher = model("mixer-d48", seed=2)
    weights, made = transfer("kl-dp", [teacher], view=fresh)
    assert made.result.teacher_passes == 6 * 16
    assert distance(weights, transfer("kl-dp", [teacher])[0]) > 0
    assert all(torch.equal(weights[name], value) for name, value in transfer("kl-dp", [teacher], view=fresh)[0].items())


def test_a_student_with_batch_norm_trains_on_batch_statistics():
    student = model("resnet-w16")
    weights, _ = transfer("self-dist", student=student)
    moved = [
        name
        for name in weights
        if "running_mean" in name and not torch.equal(weights[name], student.state_dict()[name])
    ]
    assert moved


def test_gradients_in_half_precision_are_scaled():
    """Teacher and student that are nearly sure, as released models are: gradients below what fp16 can hold."""
    student = model()
    student.get_classifier().weight.data.mul_(1e-3)
    student.get_classifier().bias.data = torch.tensor([18.0, 0, 0, 0])
    teacher = copy.deepcopy(student)
    teacher.get_classifier().bias.data[0] = 14
    start, how = student.state_dict(), {"learning_rate": 1e4, "weight_decay": 0.0}
    exact, half = (transfer("kl", [teacher], student=student, placement=one, **how)[0] for one in (HERE, HALF))
    moved = [
        torch.cat([(one[name] - start[name]).flatten() for name in ("head.weight", "head.bias")])
        for one in (exact, half)
    ]
    assert moved[0].abs().max() > 1e-4
    assert torch.cosine_similarity(*moved, dim=0) > 0.98


def test_an_exchange_of_classes_has_no_fixed_point():
    exchange = run.permuted(9, "permuted")
    assert sorted(exchange.tolist()) == list(range(9))
    assert all(exchange[k] != k for k in range(9))


def test_a_model_that_ends_without_finite_logits_is_a_diverged_run(monkeypatch):
    broken = model()
    broken.head.weight.data[0] = float("inf")
    zoo = SimpleNamespace(data=DATA, placement=HERE, study=CONFIG, model=lambda name: copy.deepcopy(model()))
    zoo.material_of = lambda *_: material(View(count=1))
    zoo.source, zoo.teachers = (lambda *_: kept(model(), material(View(count=1)))), lambda *_: []
    monkeypatch.setattr(
        run.Transfer, "run", lambda self: vars(self.result).update(status="done") or broken.state_dict()
    )
    cell = SimpleNamespace(
        method="self-dist", student="x", amount="small", view="plain", seed=0, reading="as-described"
    )
    _, said, record = jobs._transfer(zoo, cell)
    assert record["status"] == "diverged"
    assert (said["predicted"] == -1).all()


def test_gradients_that_fit_at_no_scale_end_a_run():
    weight = torch.nn.Parameter(torch.ones(1))
    weight.register_hook(lambda gradient: gradient * float("inf"))
    scaler = HALF.scaler()
    with pytest.raises(Diverged, match="at any scale"):
        for _ in range(60):
            update(weight.sum(), SGD([weight], 0.1), 0.1, clip_norm=float("inf"), scaler=scaler)
    assert weight.item() == 1


def test_dropout_inside_a_student_is_drawn_under_the_seed():
    student = model()
    student.norm = torch.nn.Sequential(student.norm, torch.nn.Dropout(0.5))
    one, _ = transfer("kl", [model(seed=1)], student=student)
    other, _ = transfer("kl", [model(seed=1)], student=student)
    assert distance(one, other) == 0


def test_a_loss_that_is_not_finite_is_a_result():
    _, made = transfer("kl", [model("mixer-d48", seed=2)], learning_rate=1e30)
    assert made.result.status == "diverged"
    assert made.result.diverged_at == made.result.steps > 0


def test_mistakes_are_one_line():
    with pytest.raises(UserError, match="fewer than a batch"):
        transfer("kl", [model()], batch_size=100)
    broken = model()
    torch.nn.init.constant_(broken.head.weight, float("nan"))
    with pytest.raises(RunFailure, match="logits of picture 0 are not finite"):
        predictions.ask(broken, torch.zeros(2, 3, 32, 32, dtype=torch.uint8), HERE, 2)
    with pytest.raises(UserError, match=r"here does not fit: head.weight is \(4, 48\), needed is \(5, 48\)"):
        network.fit(miniature.create("gmlp-d48", 5), model().state_dict(), "here")


def test_a_damaged_checkpoint_is_named(tmp_path):
    with pytest.raises(RunFailure, match="is missing"):
        network.load(tmp_path)
    network.save(tmp_path, model().state_dict())
    path = tmp_path / network.WEIGHTS
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunFailure, match="is damaged"):
        network.load(tmp_path)


def test_nested_transfer_sets_hold_each_class():
    small, large = DATA.share(0.25), DATA.share(0.5)
    assert set(small) < set(large)
    assert np.bincount(DATA.train.targets[small]).tolist() == [3] * CLASSES
    with pytest.raises(UserError, match="is none"):
        DATA.share(0.001)


def test_cells_of_a_grid_have_names_of_their_own():
    grid = Grid(CONFIG)
    assert len({cell.slug for cell in grid.cells.values()}) == len(grid.cells)
    assert "mixer-a-resnet-wide-kl-dp-s0" in grid.cells
    assert "mixer-a-resnet-wide-kl-dp-fresh-s0" in grid.cells
    assert sum(map(len, grid.jobs.values())) == len(grid.cells)


def test_models_are_asked_about_what_their_cells_keep_and_nothing_else():
    grid = Grid(CONFIG)
    assert grid.kept_of("resnet-wide") == [("large", "plain"), ("small", "plain"), ("small", "seeded")]
    assert grid.kept_of("mixer-a-twin") == [("small", "plain")]
    assert grid.kept_of("vit-a") == [], "it only takes part in the flips"


def test_pooling_with_channels_last_gives_the_same():
    """The hooks change how the maps lie in memory for the pooling, no value, no gradient and nothing behind it."""
    network, pixels, found = miniature.create("resnet-gn", 5, seed=1), torch.rand(3, 3, 32, 32), []
    for _ in range(2):
        network.zero_grad()
        _, logits = miniature.outputs(network, pixels)
        logits.square().sum().backward()
        found.append((logits.detach(), network.conv1[0].weight.grad.clone()))
        network.maxpool._forward_pre_hooks.clear()
        network.maxpool._forward_hooks.clear()
    assert all(torch.equal(one, other) for one, other in zip(*found))


def test_a_perceiver_is_a_network_like_the_others():
    """Its features are what its classifier sees, its weights follow from the seed, and it can teach and be taught."""
    images = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    first, again, other = (miniature.create("perceiver-d48", CLASSES, seed).eval() for seed in (1, 1, 2))
    features, logits = miniature.outputs(first, images)
    assert torch.allclose(first.get_classifier()(features), logits)
    assert torch.equal(miniature.outputs(again, images)[1], logits)
    assert not torch.equal(miniature.outputs(other, images)[1], logits)
    weights, done = transfer("kl-dp", [model("perceiver-d48")], student=model("perceiver-d48", 1))
    assert done.result.status == "done"
    assert weights
