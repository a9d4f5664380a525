"""Merge operators against a second implementation, coordinate by coordinate, and their identities."""

import math

import numpy as np
import pytest
import torch

from flopwise.core.errors import UserError
from flopwise.methods.merging import DEFAULTS, OPERATORS, merge

SHAPES = {
    "visual.conv1.weight": (3, 2),
    "visual.transformer.resblocks.0.w": (4, 3),
    "visual.transformer.resblocks.1.w": (5, 2),
    "visual.transformer.resblocks.2.w": (7,),
    "visual.scale": (),
}
RANDOM = ("random", "dare-ties")


def state(seed: int, size: float = 1.0) -> dict:
    generator = torch.Generator().manual_seed(seed)
    return {name: size * torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


BASE = state(0)
MODELS = [{name: BASE[name] + change for name, change in state(seed, 0.1).items()} for seed in (1, 2, 3)]


def flat(weights: dict) -> np.ndarray:
    return np.concatenate([value.double().numpy().reshape(-1) for value in weights.values()])


def agrees(merged: dict, expected) -> None:
    assert {name: tuple(value.shape) for name, value in merged.items()} == SHAPES
    np.testing.assert_allclose(flat(merged), expected, atol=2e-6)


THETA_0, THETAS = flat(BASE), [flat(model) for model in MODELS]
DELTAS = [theta - THETA_0 for theta in THETAS]


def elected_means(columns: np.ndarray) -> np.ndarray:
    """TIES: mean of each coordinate's entries that have the sign of their sum. columns: (models, coordinates)."""
    majority = np.sign(sum(np.sign(sum(column)) for column in columns.T))
    means = []
    for column in columns.T:
        sign = np.sign(sum(column)) or majority
        same = [entry for entry in column if entry * sign > 0]
        means.append(sum(same) / len(same) if same else 0.0)
    return np.array(means)


def pruned(delta: np.ndarray, prune: float) -> np.ndarray:
    """Entries at least the k-th smallest stay."""
    order = sorted(abs(delta))
    low = order[int(prune * len(delta)) - 1] if int(prune * len(delta)) else 0
    return np.array([entry if low <= abs(entry) else 0.0 for entry in delta])


def crumbs(delta: np.ndarray, prune: float, top: float) -> np.ndarray:
    """The official code's definition: sort, leave out the first k and the last l places."""
    k, l = int(prune * len(delta)), int(top * len(delta))  # noqa: E741
    stay = np.argsort(abs(delta))[k : len(delta) - l]
    return np.array([entry if place in stay else 0.0 for place, entry in enumerate(delta)])


@pytest.mark.parametrize("shares", [None, [0.2, 0.3, 0.5], [0.0, 1.0, 0.0]])
def test_interpolation(shares):
    expected = sum(w * theta for w, theta in zip(shares or [1 / 3] * 3, THETAS))
    agrees(merge("interpolation", MODELS, BASE, coefficients=shares), expected)


@pytest.mark.parametrize("scaling", [1.0, 0.3])
def test_task_arithmetic_and_largest_change(scaling):
    agrees(merge("task-arithmetic", MODELS, BASE, scaling=scaling), THETA_0 + scaling * sum(DELTAS))
    largest = [max(column, key=abs) for column in zip(*DELTAS)]
    agrees(merge("magmax", MODELS, BASE, scaling=scaling), THETA_0 + scaling * np.array(largest))


@pytest.mark.parametrize("prune", [0.0, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("scaling", [1.0, 0.4])
def test_ties(prune, scaling):
    columns = np.array([pruned(delta, prune) for delta in DELTAS])
    agrees(merge("ties", MODELS, BASE, prune=prune, scaling=scaling), THETA_0 + scaling * elected_means(columns))


def test_prune_keeps_every_entry_that_is_at_least_the_kth_smallest():
    base = {"w": torch.zeros(6)}
    change = {"w": torch.tensor([3.0, -1.0, 1.0, 2.0, -1.0, 5.0])}
    for prune, kept in ((0.5, [3, -1, 1, 2, -1, 5]), (0.67, [3, 0, 0, 2, 0, 5]), (0.17, [3, -1, 1, 2, -1, 5])):
        assert merge("ties", [change], base, prune=prune)["w"].tolist() == kept


def test_ties_gives_the_majoritys_sign_where_entries_cancel():
    base = {"w": torch.zeros(3)}
    models = [{"w": torch.tensor([1.0, -2.0, -3.0])}, {"w": torch.tensor([-1.0, -2.0, 1.0])}]
    assert merge("ties", models, base, prune=0.0)["w"].tolist() == [-1.0, -2.0, -3.0]


@pytest.mark.parametrize(("prune", "top"), [(0.7, 0.1), (0.2, 0.01), (0.0, 0.3)])
def test_breadcrumbs(prune, top):
    columns = np.array([crumbs(delta, prune, top) for delta in DELTAS])
    agrees(merge("breadcrumbs-ties", MODELS, BASE, prune=prune, top_prune=top), THETA_0 + elected_means(columns))


GOLDEN = [  # n, prune, top -> sizes that stay of 1 .. n, by hand: floor(prune n) smallest and floor(top n) largest go
    (24, 0.7, 0.01, range(17, 25)),  # 16.8 and 0.24
    (24, 0.2, 0.1, range(5, 23)),  # 4.8 and 2.4
    (9, 0.7, 0.01, range(7, 10)),  # 6.3 and 0.09
    (9, 0.8, 0.12, range(8, 9)),  # 7.2 and 1.08
    (25, 0.7, 0.01, range(18, 26)),  # 17.5 and 0.25
    (25, 0.2, 0.04, range(6, 25)),  # 5 and 1
    (25, 0.0, 0.04, range(1, 25)),
]


@pytest.mark.parametrize(("n", "prune", "top", "stay"), GOLDEN)
def test_breadcrumbs_drop_as_many_entries_as_the_official_code(n, prune, top, stay):
    """In any order and with any signs; TIES keeps the k-th smallest entry, breadcrumbs do not."""
    sizes = torch.randperm(n, generator=torch.Generator().manual_seed(n)) + 1.0
    change = sizes * torch.where(torch.arange(n) % 3 == 0, -1, 1)
    base, model = {"w": torch.zeros(n)}, {"w": change}
    merged = merge("breadcrumbs-ties", [model], base, prune=prune, top_prune=top)["w"]
    assert sorted(merged[merged != 0].abs().tolist()) == list(stay)
    assert torch.equal(merged, torch.where(merged != 0, change, 0))
    kept_by_ties = int((merge("ties", [model], base, prune=prune)["w"] != 0).sum())
    assert kept_by_ties == n - max(0, int(prune * n) - 1)


def test_dare_drops_and_rescales():
    """Same draws as the operator: one uniform number an entry, model after model."""
    generator = torch.Generator().manual_seed(7)
    kept = [torch.rand(len(THETA_0), generator=generator).numpy() >= 0.6 for _ in MODELS]
    columns = np.array([delta * keep / 0.4 for delta, keep in zip(DELTAS, kept)])
    merged = merge("dare-ties", MODELS, BASE, prune=0.6, generator=torch.Generator().manual_seed(7))
    agrees(merged, THETA_0 + elected_means(columns))


def test_random_takes_each_model_equally_often_in_every_coordinate():
    base = {"w": torch.zeros(30_000)}
    models = [{"w": torch.full((30_000,), float(value))} for value in (1, 2, 3)]
    one, again, other = (
        merge("random", models, base, generator=torch.Generator().manual_seed(seed))["w"] for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    counts = [(one == value).sum().item() for value in (1, 2, 3)]
    assert sum(counts) == 30_000
    assert np.allclose(counts, 10_000, atol=5 * math.sqrt(30_000 * 2 / 9))
    shifted = merge("random", models, base, scaling=0.5, generator=torch.Generator().manual_seed(0))["w"]
    assert torch.equal(shifted, one / 2)


@pytest.mark.parametrize("threshold", [0, 1, 2, 3])
def test_tall_masks(threshold):
    total = sum(DELTAS)
    votes = [sum(abs(d[i]) > 0.4 * abs(total[i] - d[i]) for d in DELTAS) for i in range(len(total))]
    expected = THETA_0 + 0.8 * total * (np.array(votes) >= threshold)
    agrees(merge("tall-masks", MODELS, BASE, threshold=threshold, scaling=0.8), expected)


def test_slerp():
    """Tensor by tensor; the scalar is linear because two numbers are always parallel."""
    merged = merge("slerp", MODELS[:2], BASE, coefficients=[0.3, 0.7])
    released = merge("slerp", MODELS[:2], BASE, coefficients=[0.7, 0.3], as_released=True)
    apart = [{name: value.clone() for name, value in state(seed).items()} for seed in (8, 9)]
    for pair, result in ((MODELS[:2], merged), (apart, merge("slerp", apart, BASE, coefficients=[0.3, 0.7]))):
        for name in SHAPES:
            one, two = (model[name].double().numpy() for model in pair)
            cosine = (one * two).sum() / math.sqrt((one**2).sum() * (two**2).sum())
            if abs(cosine) > 0.9995:
                expected = 0.3 * one + 0.7 * two
            else:
                angle = math.acos(cosine)
                expected = (math.sin(0.3 * angle) * one + math.sin(0.7 * angle) * two) / math.sin(angle)
            np.testing.assert_allclose(result[name].numpy(), expected, atol=2e-6)
    assert all(torch.equal(merged[name], released[name]) for name in SHAPES)


def test_slerp_keeps_the_norm_of_unit_vectors_and_is_linear_where_there_is_no_angle():
    base = {"w": torch.zeros(2)}
    half = merge("slerp", [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}], base)["w"]
    assert torch.allclose(half, torch.full((2,), math.sqrt(0.5)))
    assert merge("slerp", [{"w": torch.tensor([1.0, 0.0])}, base], base)["w"].tolist() == [0.5, 0.0]


@pytest.mark.parametrize("released", [False, True])
def test_model_stock(released):
    """Tensor by tensor; where the changes point apart the mended rule stays at the base."""
    merged = merge("model-stock", MODELS[:2], BASE, as_released=released)
    below = 0
    for name in SHAPES:
        one, two, base = (weights[name].double().numpy() for weights in (*MODELS[:2], BASE))
        d1, d2 = one - base, two - base
        cosine = (d1 * d2).sum() / math.sqrt((d1**2).sum() * (d2**2).sum())
        ratio = 2 * cosine / (1 + cosine + 1e-8)
        below += cosine < 0
        if cosine < 0 and not released:
            assert torch.equal(merged[name], BASE[name])
        elif cosine > -0.99:
            np.testing.assert_allclose(merged[name].numpy(), ratio * (one + two) / 2 + (1 - ratio) * base, atol=5e-6)
    assert 0 < below < len(SHAPES)


def test_model_stock_of_one_number_whose_changes_have_opposite_signs_stays_at_the_base():
    base, models = {"s": torch.tensor(2.6)}, [{"s": torch.tensor(2.61)}, {"s": torch.tensor(2.598)}]
    assert merge("model-stock", models, base)["s"].item() == base["s"].item()
    assert abs(merge("model-stock", models, base, as_released=True)["s"].item()) > 1e5


@pytest.mark.parametrize("size", [1e-2, 1e-5, 1e-12])
def test_model_stock_of_identical_models_is_that_model_however_small_the_change(size):
    base, model = {"w": torch.zeros(4)}, {"w": size * torch.tensor([1.0, 0.0, -2.0, 3.0])}
    assert torch.allclose(merge("model-stock", [model, model], base)["w"], model["w"], rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", ["linear", "quadratic", "sqrt"])
@pytest.mark.parametrize("operator", ["task-arithmetic", "interpolation", "magmax", "ties"])
def test_lines_scales_changes_by_depth(operator, shape):
    plain, scaled = (merge(operator, MODELS, BASE, **o) for o in ({}, {"lines": {"shape": shape, "start": 0.4}}))
    depth = {"linear": 0.5, "quadratic": 0.25, "sqrt": math.sqrt(0.5)}[shape]
    factors = dict(zip(SHAPES, (0.4, 0.4, 0.4 + 0.5 * depth, 0.9, 0.4)))
    for name, factor in factors.items():
        expected = BASE[name] + factor * (plain[name] - BASE[name])
        assert torch.allclose(scaled[name], expected, atol=1e-6)


def test_lines_as_released_scales_interpolated_weights_themselves():
    plain, scaled = (
        merge("interpolation", MODELS, BASE),
        merge("interpolation", MODELS, BASE, lines=True, as_released=True),
    )
    for name, factor in zip(SHAPES, (0.5, 0.5, 0.75, 1.0, 0.5)):
        assert torch.allclose(scaled[name], factor * plain[name], atol=1e-6)


@pytest.mark.parametrize("operator", ["interpolation", "slerp", "magmax", "random", "model-stock"])
def test_identical_models_merge_into_themselves(operator):
    merged = merge(operator, [MODELS[0], MODELS[0]], BASE)
    assert all(torch.allclose(merged[name], MODELS[0][name], atol=1e-6) for name in SHAPES)


def test_one_model_is_its_own_task_arithmetic_and_a_share_of_one_is_exact():
    alone = merge("task-arithmetic", MODELS[:1], BASE)
    assert all(torch.allclose(alone[name], MODELS[0][name], atol=1e-6) for name in SHAPES)
    first = merge("interpolation", MODELS[:2], BASE, coefficients=[1.0, 0.0])
    assert all(torch.equal(first[name], MODELS[0][name]) for name in SHAPES)


def test_inputs_are_left_alone_and_types_are_kept():
    base = {"half": torch.zeros(3, dtype=torch.float16), "steps": torch.tensor(4)}
    model = {"half": torch.ones(3, dtype=torch.float16), "steps": torch.tensor(9)}
    for operator in OPERATORS:
        merged = merge(operator, [model, {**model}], base)
        assert merged["half"].dtype == torch.float16
        assert merged["steps"].item() == 9
    assert base["half"].tolist() == [0, 0, 0]
    assert model["half"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("operator", "number", "options", "message"),
    [
        ("average", 2, {}, "'average' does not exist; allowed are interpolation, slerp"),
        ("slerp", 3, {}, "'slerp' needs two models, not 3"),
        ("magmax", 0, {}, "'magmax' needs at least one model, not 0"),
        ("magmax", 2, {"prune": 0.5}, "'magmax' has no option 'prune'; it has scaling"),
        ("ties", 2, {"prune": 1.5}, "prune is 1.5; allowed is a share from 0 to 1"),
        ("breadcrumbs-ties", 2, {"prune": 1.0}, "prune 1 and top_prune 0.01 of breadcrumbs-ties drop every entry"),
        ("breadcrumbs-ties", 2, {"prune": 0.7, "top_prune": 0.3}, "allowed are shares whose sum is below 1"),
        ("dare-ties", 2, {"prune": 1.0}, "prune is 1; allowed is a share from 0 to 1, 1 excluded"),
        ("interpolation", 2, {"coefficients": [0.5, 0.6]}, "must be 2 numbers >= 0, one per model, that sum to 1"),
        ("interpolation", 2, {"coefficients": [float("nan"), 1.0]}, "must be 2 numbers >= 0, one per model"),
        ("slerp", 2, {"coefficients": np.eye(2)}, "must be 2 numbers >= 0, one per model"),
        ("interpolation", 2, {"coefficients": 0.5}, "coefficients 0.5 must be 2 numbers"),
        ("task-arithmetic", 2, {"scaling": float("nan")}, "scaling is nan; allowed is a finite number"),
        ("ties", 2, {"scaling": None}, "scaling is None; allowed is a finite number"),
        ("ties", 2, {"lines": {"depth": 3}}, "with keys among start, slope, shape"),
        ("ties", 2, {"lines": {"shape": "cubic"}}, "shapes linear, quadratic, sqrt"),
        ("ties", 2, {"lines": {"start": "high"}}, "lines.start is 'high'; allowed is a finite number"),
        ("ties", 2, {"lines": "linear"}, "lines is 'linear'; allowed are True and a dictionary"),
        ("ties", 2, {"lines": True, "scaling": 0.5}, "`lines` and `scaling` are both given"),
    ],
)
def test_mistakes_are_one_line(operator, number, options, message):
    with pytest.raises(UserError, match=message) as caught:
        merge(operator, MODELS[:number], BASE, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [tuple, np.array, torch.tensor])
@pytest.mark.parametrize("operator", ["interpolation", "slerp"])
def test_coefficients_may_be_any_sequence(operator, kind):
    expected = merge(operator, MODELS[:2], BASE, coefficients=[0.25, 0.75])
    merged = merge(operator, MODELS[:2], BASE, coefficients=kind([0.25, 0.75]))
    assert all(torch.equal(merged[name], expected[name]) for name in SHAPES)


def test_lines_without_values_has_the_defaults():
    expected = merge("task-arithmetic", MODELS, BASE, lines={"start": 0.5, "slope": 0.5, "shape": "linear"})
    for lines in ({}, True):
        merged = merge("task-arithmetic", MODELS, BASE, lines=lines)
        assert all(torch.equal(merged[name], expected[name]) for name in SHAPES)


def with_statistics(seed: int) -> dict:
    """A layer with batch normalisation, its running statistics and a buffer of another kind."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "visual.bn.weight": (4,),
        "visual.conv.weight": (4, 3),
        "visual.bn.running_mean": (4,),
        "visual.table": (5,),
    }
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    variance = 9.0 * torch.rand(4, generator=generator) + 0.01
    return {**tensors, "visual.bn.running_var": variance, "visual.bn.num_batches_tracked": torch.tensor(seed)}


@pytest.mark.parametrize("operator", OPERATORS)
def test_statistics_and_other_buffers_are_the_first_models_and_decide_nothing(operator):
    base, newer, older = (with_statistics(seed) for seed in (0, 1, 2))
    merged = merge(operator, [newer, older], base, buffers=["visual.table"])
    weights = [name for name in base if name.endswith("weight")]
    for name in base.keys() - set(weights):
        assert torch.equal(merged[name], newer[name]), name
    alone = merge(operator, *[[{n: m[n] for n in weights} for m in (newer, older)], {n: base[n] for n in weights}])
    assert all(torch.equal(merged[name], alone[name]) for name in weights)


def test_lines_without_blocks_is_refused():
    base, model = {"visual.conv1.weight": torch.zeros(3)}, {"visual.conv1.weight": torch.ones(3)}
    with pytest.raises(UserError, match=r"LiNeS scales by depth, but there are no residual blocks"):
        merge("task-arithmetic", [model], base, lines=True)


def test_tensors_that_do_not_match():
    for state in ({}, {"steps": torch.tensor(3)}):
        with pytest.raises(UserError, match="the base has no floating-point tensor"):
            merge("interpolation", [state], state)
    with pytest.raises(UserError, match="model 2 and the base do not have the same tensors: 'b'"):
        merge("interpolation", [{"a": torch.ones(1)}, {"a": torch.ones(1), "b": torch.ones(1)}], {"a": torch.ones(1)})
    with pytest.raises(UserError, match=r"'a' of model 1 has shape \(2,\), not \(1,\) as in the base"):
        merge("interpolation", [{"a": torch.ones(2)}], {"a": torch.ones(1)})


def test_options_have_the_published_defaults():
    assert DEFAULTS["ties"] == DEFAULTS["dare-ties"] == {"prune": 0.7, "scaling": 1.0}
    assert DEFAULTS["breadcrumbs-ties"]["top_prune"] == 0.01
    assert DEFAULTS["model-stock"]["eps"] == 1e-8
    assert {options["scaling"] for options in DEFAULTS.values() if "scaling" in options} == {1.0}
