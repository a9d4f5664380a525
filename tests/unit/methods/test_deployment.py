"""Where tasks start and what is deployed: every cell of the grid against lists of models, kept whole."""

import pytest
import torch

from flopwise.core.errors import UserError
from flopwise.core.io import write_tensors
from flopwise.core.seeds import torch_generator
from flopwise.methods.continual import families, load
from flopwise.methods.deployment import Deployment, check
from flopwise.methods.merging import merge
from flopwise.methods.merging.names import MERGES, WEIGHTINGS

SHAPES = {
    "logit_scale": (), "transformer.resblocks.0.w": (4, 3), "visual.conv1.w": (5,),
    "visual.transformer.resblocks.0.w": (2, 3), "visual.proj": (3, 6),
}  # fmt: skip
GRID = [name for name, ranked in families().items() if not ranked and load(name).merges]


def state(seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


INITIAL, TRAINED = state(0), [state(seed) for seed in (1, 2, 3, 4)]


def run(method: str, merge_name: str = "interpolation", *, seed: int = 5, tasks: int = 4) -> Deployment:
    deployment = Deployment(load(method), merge_name, INITIAL, seed)
    for task, trained in enumerate(TRAINED[:tasks]):
        deployment.after_task(task, trained)
    return deployment


def same(one: dict, other: dict, tolerance: float = 2e-6) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=tolerance) for name in one)


def at_once(operator: str, models: list[dict], **options) -> dict:
    """The merge of whole models, tower by tower."""
    merged = {}
    for image in (True, False):
        parts = [
            {n: v for n, v in weights.items() if n.startswith("visual.") is image} for weights in (INITIAL, *models)
        ]
        merged |= merge(operator, parts[1:], parts[0], **options)
    return merged


def unrolled(models: list[dict]) -> dict:
    held = models[0]
    for model in models[1:]:
        held = {name: (held[name] + model[name]) / 2 for name in held}
    return held


RESULTS = {
    "latest": lambda: TRAINED[-1],
    "initial": lambda: INITIAL,
    "all": lambda: {name: sum(model[name] for model in TRAINED) / 4 for name in SHAPES},
    "unrolled": lambda: unrolled(TRAINED),
    "unrolled-from-initial": lambda: unrolled([INITIAL, *TRAINED]),
    "with-initial": lambda: unrolled([INITIAL, TRAINED[-1]]),
}
PUBLISHED = {  # method -> (start of the next task, what is deployed)
    "full-ft": ("latest", "latest"),
    "ema-merge": ("unrolled-from-initial", "unrolled-from-initial"),
    "zs-merge": ("initial", "unrolled-from-initial"),
    "ft-merge": ("with-initial", "with-initial"),
    "ft-merge-latest": ("latest", "with-initial"),
    "offline-merge": ("initial", "all"),
    **{f"{a}-{b}": (a, b) for a in ("latest", "all", "unrolled") for b in ("latest", "all", "unrolled") if a != b},
    "all-all": ("all", "all"),
    "initial-unrolled": ("initial", "unrolled"),
    "initial-latest": ("initial", "latest"),
}


def test_the_published_table_is_complete():
    assert set(GRID) | {"full-ft", "initial-latest"} == set(PUBLISHED)


@pytest.mark.parametrize("method", PUBLISHED)
def test_starts_and_deployments_of_the_published_table(method):
    deployment = run(method)
    start, deployed = PUBLISHED[method]
    assert same(deployment.next_start, RESULTS[start]())
    assert same(deployment.deployed, RESULTS[deployed]())


@pytest.mark.parametrize("method", PUBLISHED)
def test_before_and_after_the_first_task(method):
    before, after = run(method, tasks=0), run(method, tasks=1)
    assert before.deployed is before.next_start is INITIAL
    from_initial = {name: (INITIAL[name] + TRAINED[0][name]) / 2 for name in SHAPES}
    merges_initial = PUBLISHED[method][1] in ("unrolled-from-initial", "with-initial")
    assert same(after.deployed, from_initial if merges_initial else TRAINED[0], 0 if not merges_initial else 1e-6)


@pytest.mark.parametrize(
    ("name", "operator", "options"),
    [
        ("task-arithmetic-0.3", "task-arithmetic", {"scaling": 0.3}),
        ("ties", "ties", {}),
        ("ties-p0.2", "ties", {"prune": 0.2}),
        ("breadcrumbs-ties-p0.8", "breadcrumbs-ties", {"prune": 0.8}),
        ("magmax", "magmax", {}),
        ("tall-masks", "tall-masks", {}),
        ("magmax-lines", "magmax", {"lines": True}),
        ("interpolation-lines-as-released", "interpolation", {"lines": True, "as_released": True}),
    ],
)
def test_one_model_after_another_is_the_same_as_all_at_once(name, operator, options):
    assert same(run("offline-merge", name).deployed, at_once(operator, TRAINED, **options))


@pytest.mark.parametrize("method", ["ema-merge", "all-all", "ft-merge", "initial-unrolled"])
@pytest.mark.parametrize("merge_name", ["interpolation", "task-arithmetic", "ties", "magmax-lines"])
def test_buffers_are_those_of_the_model_trained_last(method, merge_name):
    """Variances of which every mean, sum and difference would be another number."""

    def state_of(seed: int) -> dict:
        more = {"visual.bn.running_var": torch.full((3,), 10.0**seed), "visual.grid": torch.full((2,), float(seed))}
        return {**state(seed), **more}

    deployment = Deployment(load(method), merge_name, state_of(0), 5, frozenset({"visual.grid"}))
    for task, seed in enumerate((3, 1, 2)):
        deployment.after_task(task, state_of(seed))
        found = deployment.deployed
        assert torch.equal(found["visual.bn.running_var"], torch.full((3,), 10.0**seed))
        assert torch.equal(found["visual.grid"], torch.full((2,), float(seed)))


def test_a_merge_by_depth_of_a_tower_without_blocks_is_refused_before_anything_is_trained():
    initial = {name: value for name, value in INITIAL.items() if not name.startswith("visual.transformer")}
    with pytest.raises(
        UserError, match=r"merge ties-lines, image tower: LiNeS scales by depth, but there are no residual"
    ):
        Deployment(load("ema-merge"), "ties-lines", initial, 0)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weightings_and_their_reverses(name):
    shares = [WEIGHTINGS[name](i) for i in (1, 2, 3, 4)]
    shares = [share / sum(shares) for share in shares]
    assert same(run("offline-merge", name).deployed, at_once("interpolation", TRAINED, coefficients=shares))
    if name != "uniform":
        backwards = at_once("interpolation", TRAINED, coefficients=shares[::-1])
        assert same(run("all-all", f"{name}-reverse").deployed, backwards)


def test_exponential_weights_of_a_long_stream_stay_finite():
    deployment = Deployment(load("offline-merge"), "exp", INITIAL, 0)
    for task in range(200):
        deployment.after_task(task, TRAINED[task % 4])
    recent = [TRAINED[(199 - back) % 4] for back in range(40)]
    expected = {name: sum(model[name] / 2 ** (back + 1) for back, model in enumerate(recent)) for name in SHAPES}
    assert same(deployment.deployed, expected)


def test_random_merges_keep_what_was_drawn_for_earlier_tasks():
    """One at a time with a generator of (seed, tower, task): model t replaces what is held with probability 1 / t."""
    held = {name: INITIAL[name].clone() for name in SHAPES}
    for task, model in enumerate(TRAINED):
        for tower, names in (("text", list(SHAPES)[:2]), ("image", list(SHAPES)[2:])):
            drawn = torch.rand(sum(held[n].numel() for n in names), generator=torch_generator(5, "merge", tower, task))
            for name, part in zip(names, drawn.split([held[n].numel() for n in names])):
                held[name] = torch.where(part.view(held[name].shape) < 1 / (task + 1), model[name], held[name])
    assert same(run("latest-all", "random").deployed, held)
    assert same(run("zs-merge", "random").deployed, run("zs-merge", "random").deployed, 0)
    assert not same(run("zs-merge", "random").deployed, run("zs-merge", "random", seed=6).deployed)


@pytest.mark.parametrize(("name", "share"), [("w0.1", 0.1), ("w0.9", 0.9), ("interpolation", 0.5)])
def test_exponential_moving_average(name, share):
    held = INITIAL
    for model in TRAINED:
        held = {n: share * model[n] + (1 - share) * held[n] for n in held}
    assert same(run("ema-merge", name).deployed, held)


def test_a_full_weight_is_fine_tuning():
    deployment = run("ema-merge", "w1.0")
    assert same(deployment.deployed, TRAINED[-1], 0)
    assert same(deployment.next_start, TRAINED[-1], 0)


@pytest.mark.parametrize("operator", ["slerp", "task-arithmetic", "ties", "magmax", "model-stock", "slerp-lines"])
def test_unrolled_merges_pair_by_pair(operator):
    name, options = operator.removesuffix("-lines"), {"lines": True} if operator.endswith("-lines") else {}
    held = TRAINED[0]
    for model in TRAINED[1:]:
        held = at_once(name, [model, held], **options)
    assert same(run("latest-unrolled", operator).deployed, held, 1e-5)


def test_the_share_of_slerp_is_the_newer_models_unless_as_released():
    assert same(run("ft-merge", "slerp-w0.1-as-released").deployed, run("ft-merge", "slerp-w0.9").deployed)
    assert same(
        run("ft-merge", "slerp-w0.1").deployed, at_once("slerp", [TRAINED[-1], INITIAL], coefficients=[0.1, 0.9])
    )


@pytest.mark.parametrize("method", PUBLISHED)
def test_a_restored_deployment_goes_on_as_if_nothing_had_happened(method, tmp_path):
    from safetensors.torch import load_file

    for name in ("interpolation", "random", "dare-ties", "tall-masks", "linear-reverse", "slerp"):
        try:
            check(method, name)
        except UserError:
            continue
        for done in (0, 1, 2):
            whole, first = run(method, name), run(method, name, tasks=done)
            write_tensors(tmp_path / "d", first.tensors())
            second = Deployment(load(method), name, INITIAL, 5)
            second.restore(load_file(tmp_path / "d"))
            assert same(second.deployed, first.deployed, 0)
            for task in range(done, 4):
                second.after_task(task, TRAINED[task])
            assert same(second.deployed, whole.deployed, 0)
            assert same(second.next_start, whole.next_start, 0)


def test_few_models_are_kept():
    merges = ("interpolation", "ties", "magmax", "tall-masks")
    kept = {name: len(run("latest-all", name).folds["image"].fold.state) for name in merges}
    assert kept == {"interpolation": 3, "ties": 5, "magmax": 2, "tall-masks": 1 + len(TRAINED)}


@pytest.mark.parametrize(
    ("method", "name", "message"),
    [
        ("ema-merge", "slerpy", "merge 'slerpy' is unknown; did you mean slerp"),
        ("full-ft", "slerp", "it merges nothing; leave `merge` at interpolation"),
        ("lora-r4", "ties", "it merges nothing"),
        ("initial-latest", "ties", "it merges nothing"),
        ("all-all", "slerp", "slerp merges two models, the method more"),
        ("offline-merge", "w0.9", "w0.9 merges two models, the method more"),
        ("ema-merge", "linear", "a weighting needs a method that merges all models at once"),
        ("all-unrolled", "linear", "a weighting needs a method that merges all models at once"),
        ("ema-merge", "model-stock", "between a model and theta_0 is always theta_0"),
    ],
)
def test_merges_that_make_no_sense_are_refused_in_one_line(method, name, message):
    with pytest.raises(UserError, match=message) as caught:
        check(method, name)
    assert "\n" not in str(caught.value)


def test_every_merge_fits_some_method_and_is_a_valid_axis_value():
    import re

    for name in MERGES:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)
        assert any(not _refused(method, name) for method in GRID)


def _refused(method: str, name: str) -> bool:
    try:
        check(method, name)
    except UserError:
        return True
    return False
