"""Update methods: what trains, adapters against PEFT, penalties and GaLore against second implementations."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from flopwise.config import load as load_settings
from flopwise.core.io import write_tensors
from flopwise.core.loop import AdamW, optimiser_tensors, restore_optimiser
from flopwise.core.seeds import torch_generator
from flopwise.methods.continual import families, load, shared_training
from flopwise.models import clip
from flopwise.models.loss import contrastive_loss
from flopwise.studies.continual.recipe import bound, groups

MODEL = "vit-xs-8"
RECIPES = load_settings(scale="smoke").preset.continual.recipes
NAMES = [f"{name}-r4" if ranked else name for name, ranked in families().items()]
ADAPTED = ("attn.in_proj_weight", "mlp.c_proj.weight")
SELECTED = {  # method -> does a parameter of the plain model change?
    "locked-text": lambda name: name.startswith("visual."),
    "locked-image": lambda name: not name.startswith("visual."),
    "lnfit": lambda name: "ln_" in name,
    "bitfit": lambda name: "bias" in name,
    **{f"{kind}-r4": lambda name: name.endswith(ADAPTED) for kind in ("lora", "dora", "vera")},
}


@pytest.fixture(scope="module")
def batches():
    generator = torch.Generator().manual_seed(0)
    texts = [[f"a {colour} {thing}" for thing in ("dog", "car", "leaf", "star")] for colour in ("red", "blue", "grey")]
    return [(torch.randn(4, 3, 32, 32, generator=generator), clip.tokenizer(MODEL)(text)) for text in texts]


def prepared(name: str, seed: int = 0):
    model, method = clip.create(MODEL, seed=0), load(name)
    method.prepare(model, torch_generator(seed, "adapters"), **method.prepare_options)
    return model, {n: p for n, p in model.named_parameters() if p.requires_grad}


def steps(name: str, model, named: dict, batches, rate: float = 1e-2) -> None:
    make = load(name).optimiser or torch.optim.AdamW
    optimiser = make(groups(named, RECIPES["as-released"], 0.2), rate)
    for batch in batches:
        optimiser.zero_grad()
        contrastive_loss(model, *batch).backward()
        optimiser.step()


def test_loading_a_method_imports_no_torch():
    code = (
        "import sys; from flopwise.methods.continual import families, shared_training;"
        "from flopwise.methods.deployment import check; check('ema-merge', 'ties');"
        "[shared_training(f'{n}-r4' if r else n) for n, r in families().items()]; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("name", NAMES)
def test_what_trains_and_what_is_stored(name, batches, tmp_path):
    """After training, exactly the selected weights differ, and open_clip computes the same from the stored ones."""
    model, named = prepared(name)
    before = clip.create(MODEL, seed=0).state_dict()
    steps(name, model.train(), named, batches)
    state = clip.plain_state(model)
    assert state.keys() == before.keys()
    changed = {n for n in before if not torch.equal(state[n], before[n])}
    assert changed == {n for n in before if SELECTED.get(name, lambda n: True)(n)}
    clip.save(tmp_path, MODEL, state)
    stored = clip.import_open_clip().create_model(f"local-dir:{tmp_path}")
    with torch.no_grad():
        for ours, theirs in zip(model.eval()(*batches[0]), stored.eval()(*batches[0])):
            assert torch.allclose(ours, theirs, atol=1e-5)


def test_adapters_start_as_the_same_function(batches):
    plain = clip.create(MODEL, seed=0).state_dict()
    for name in ("lora-r4", "dora-r64", "vera-r4"):
        state = clip.plain_state(prepared(name)[0])
        assert all(torch.allclose(state[n], plain[n], atol=1e-6) for n in plain)


def test_adapters_train_as_many_numbers_as_published():
    """By hand for blocks of width d: LoRA r (d + d) a projection and r (4d + d) for c_proj; DoRA 4 d more; VeRA r + d
    four times, whose frozen matrices are the same in every layer of one shape."""
    widths = [48] * 4
    counts = {name: sum(p.numel() for p in prepared(name)[1].values()) for name in ("lora-r4", "dora-r4", "vera-r4")}
    lora = sum(3 * 4 * 2 * d + 4 * 5 * d for d in widths)
    assert counts == {
        "lora-r4": lora,
        "dora-r4": lora + sum(4 * d for d in widths),
        "vera-r4": sum(4 * (4 + d) for d in widths),
    }
    model, _ = prepared("vera-r4")
    frozen = {buffer.data_ptr() for n, buffer in model.named_buffers() if n.endswith((".a", ".b"))}
    assert len(frozen) == 4  # A and B for (d, d) and for (d, 4 d)


def peft_layer(weight: torch.Tensor, kind: str, adapter, part: int, rank: int):
    """PEFT's adapter on a linear layer of this weight, with the factors of ours; (layer, its trained tensors)."""
    import peft

    root = nn.ModuleDict({"layer": nn.Linear(weight.shape[1], weight.shape[0], bias=False)})
    root["layer"].weight.data.copy_(weight)
    if kind == "vera":
        config = peft.VeraConfig(r=rank, target_modules=["layer"])
    else:
        config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=["layer"], use_dora=kind == "dora")
    peft.get_peft_model(root, config)
    layer = root["layer"]
    if kind == "vera":
        layer.vera_A["default"].data[:rank] = adapter.a
        layer.vera_B["default"].data[:, :rank] = adapter.b
        trained = {"inner": layer.vera_lambda_d["default"], "outer": layer.vera_lambda_b["default"]}
        for ours, theirs in trained.items():
            theirs.data.copy_(getattr(adapter, ours)[part])
        return layer, trained
    trained = {"a": layer.lora_A["default"].weight, "b": layer.lora_B["default"].weight}
    for ours, theirs in trained.items():
        theirs.data.copy_(getattr(adapter, ours)[part])
    if kind == "dora":
        trained["magnitude"] = layer.lora_magnitude_vector["default"].weight
        trained["magnitude"].data.copy_(adapter.magnitude.view(-1, len(weight))[part])
    return layer, trained


@pytest.mark.parametrize("place", ["in_proj_weight", "c_proj"])
@pytest.mark.parametrize("kind", ["lora", "dora", "vera"])
def test_adapters_equal_peft(kind, place):
    """Output and gradients; query, key and value of the fused projection are three layers for PEFT."""
    model, named = prepared(f"{kind}-r4")
    generator = torch.Generator().manual_seed(1)
    for parameter in named.values():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    block = model.visual.transformer.resblocks[1]
    layer, name, parts = (
        (block.attn, "in_proj_weight", 3) if place == "in_proj_weight" else (block.mlp.c_proj, "weight", 1)
    )
    adapter, frozen = layer.parametrizations[name][0], layer.parametrizations[name].original
    x = torch.randn(5, frozen.shape[1], generator=generator)
    target = torch.randn(5, frozen.shape[0], generator=generator)
    (x @ getattr(layer, name).T * target).sum().backward()
    rows = len(frozen) // parts
    for part in range(parts):
        block_rows = slice(part * rows, (part + 1) * rows)
        theirs, trained = peft_layer(frozen[block_rows].detach(), kind, adapter, part, 4)
        output = theirs(x)
        assert torch.allclose(x @ getattr(layer, name)[block_rows].T, output, atol=1e-5)
        (output * target[:, block_rows]).sum().backward()
        for key, parameter in trained.items():
            ours = getattr(adapter, key).grad
            ours = ours.view(-1, rows)[part] if key == "magnitude" else ours[part]
            assert torch.allclose(ours, parameter.grad, atol=1e-4, rtol=1e-4), key


@pytest.mark.parametrize("parts", [1, 3])
def test_dora_leaves_rows_of_zeros_at_zero_and_finite(parts):
    """A pruned or dead unit has no direction: not 0 / 0."""
    from flopwise.models.adapters import Dora

    weight = torch.randn(12, 7, generator=torch.Generator().manual_seed(5))
    weight[[0, 5, 11]] = 0
    adapter = Dora(weight, parts, 3, torch.Generator().manual_seed(1), {})
    assert torch.allclose(adapter(weight), weight, atol=1e-6)
    for step in range(3):  # and it stays finite while it trains
        adapter.zero_grad()
        (adapter(weight) - 1).square().sum().backward()
        with torch.no_grad():
            for parameter in adapter.parameters():
                assert parameter.grad.isfinite().all()
                parameter.sub_(0.05 * parameter.grad)
        assert adapter(weight).isfinite().all(), step


def test_low_rank_factors_are_kaiming_uniform():
    model, _ = prepared("lora-r4")
    a = torch.cat([block.mlp.c_proj.parametrizations.weight[0].a.flatten() for block in model.transformer.resblocks])
    reference = torch.empty(4, 192)
    nn.init.kaiming_uniform_(reference, a=math.sqrt(4))
    bound = math.sqrt(6 / (5 * 192))
    assert a.abs().max() <= bound
    assert a.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert reference.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)


@pytest.fixture
def quadratic():
    """Two parameters and a loss linear and quadratic in them, whose gradients can be written down."""
    named = {"w": nn.Parameter(torch.tensor([1.0, -2.0])), "logit_scale": nn.Parameter(torch.tensor(0.7))}

    def loss(x: torch.Tensor):
        return (named["w"] * x).sum() * named["logit_scale"].exp()

    return named, loss


def test_ewc_against_the_equation(quadratic):
    named, loss = quadratic
    method = load("ewc")
    regulariser = method.regulariser(named, **method.regulariser_options)
    assert regulariser.penalty() is None
    fisher = {"w": torch.zeros(2), "logit_scale": torch.zeros(())}
    for task in (1, 2):
        batches = [torch.tensor([task, 2.0]), torch.tensor([-1.0, 3.0 * task]), torch.tensor([0.5, 0.0])]
        scale, w = named["logit_scale"].exp().item(), named["w"].detach().clone()
        fisher["w"] += sum((x * scale) ** 2 for x in batches) / 3
        fisher["logit_scale"] += sum((w @ x * scale) ** 2 for x in batches) / 3
        regulariser.end_task(loss, batches)
        assert regulariser.penalty().item() == 0
        anchor = {name: p.detach().clone() for name, p in named.items()}
        for parameter in named.values():
            parameter.data.add_(0.3 * task)
        expected = 0.5 * sum((fisher[n] * (named[n].detach() - anchor[n]) ** 2).sum() for n in named)
        assert regulariser.penalty().item() == pytest.approx(expected.item(), rel=1e-5)
    regulariser.penalty().backward()
    assert torch.allclose(named["w"].grad, fisher["w"] * (named["w"].detach() - anchor["w"]))


def test_ewc_as_released_multiplies_by_the_parameter_itself(quadratic):
    named, loss = quadratic
    method = load("ewc-as-released")
    regulariser = method.regulariser(named, **method.regulariser_options)
    before = {name: p.detach().clone() for name, p in named.items()}
    x = torch.tensor([2.0, -1.0])
    regulariser.end_task(loss, [x])
    assert torch.allclose(regulariser.fisher["w"], (x * 0.7) ** 2)  # loss = s (w . x)
    assert torch.allclose(regulariser.fisher["logit_scale"], (before["w"] @ x) ** 2)
    assert all(torch.equal(named[name], before[name]) for name in named)


def test_fisher_information_survives_half_precision():
    """Gradients of 1e-7 that pass through fp16, whose smallest number is 6e-8."""
    named = {"w": nn.Parameter(torch.ones(3))}
    regulariser = load("ewc").regulariser(named)
    x = torch.tensor([1.0, 2.0, 3.0])
    regulariser.end_task(lambda batch: (named["w"].half() * batch.half()).float().sum() * 1e-7, [x])
    torch.testing.assert_close(regulariser.fisher["w"], 1e-14 * x**2, rtol=5e-3, atol=0)


def test_si_against_the_equation(quadratic):
    named, loss = quadratic
    regulariser = load("si").regulariser(named)
    omega = {name: torch.zeros_like(p) for name, p in named.items()}
    for task in range(2):
        anchor = {name: p.detach().clone() for name, p in named.items()}
        path = {name: torch.zeros_like(p) for name, p in named.items()}
        for step, rate in enumerate((0.1, 0.05)):
            for parameter in named.values():
                parameter.grad = None
            penalty = regulariser.penalty()
            assert (penalty is None) is (task == 0)
            (loss(torch.tensor([1.0, step])) + (0 if penalty is None else penalty)).backward()
            regulariser.before_update(rate)
            for name, parameter in named.items():
                path[name] += rate * parameter.grad**2
                parameter.data.sub_(rate * parameter.grad)
        for name, parameter in named.items():
            omega[name] += path[name] / ((parameter.detach() - anchor[name]) ** 2 + 1)
        regulariser.end_task(loss, [])
    anchor = {name: p.detach().clone() for name, p in named.items()}
    named["w"].data.add_(0.5)
    expected = 0.5 * (omega["w"] * (named["w"].detach() - anchor["w"]) ** 2).sum()
    assert regulariser.penalty().item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["ewc", "si"])
def test_a_parameter_that_the_loss_does_not_reach_has_importance_zero(quadratic, name):
    named, loss = quadratic
    named["unused"] = nn.Parameter(torch.tensor([3.0, 4.0]))
    regulariser = load(name).regulariser(named)
    for _ in range(2):
        for parameter in named.values():
            parameter.grad = None
        loss(torch.tensor([1.0, 2.0])).backward()
        regulariser.before_update(0.1)
        regulariser.end_task(loss, [torch.tensor([1.0, 2.0])])
    for parameter in named.values():
        parameter.data.add_(0.5)
    held = regulariser.fisher if name == "ewc" else regulariser.importance
    assert held["unused"].tolist() == [0, 0]
    assert held["w"].min() > 0
    assert 0 < regulariser.penalty().item() < math.inf


@pytest.mark.parametrize("name", ["ewc", "si"])
def test_a_restored_penalty_is_the_same(name, batches):
    def begin():
        model, named = prepared(name)
        return model, named, load(name).regulariser(named)

    def task(model, named, regulariser):
        for batch in batches:
            model.zero_grad()
            penalty = regulariser.penalty()
            loss = contrastive_loss(model, *batch)
            (loss if penalty is None else loss + penalty).backward()
            regulariser.before_update(0.05)
            with torch.no_grad():
                for parameter in named.values():
                    parameter.sub_(0.05 * parameter.grad)
        regulariser.end_task(lambda batch: contrastive_loss(model, *batch), batches)

    first = begin()
    task(*first)
    second = begin()
    second[0].load_state_dict(first[0].state_dict())
    second[2].restore({key: value.clone() for key, value in first[2].tensors().items()})
    for run in (first, second):
        task(*run)
        for parameter in run[1].values():
            parameter.data.mul_(1.01)
    assert first[2].penalty().item() == second[2].penalty().item() > 0


@pytest.mark.parametrize("name", NAMES)
def test_matrices_decay_and_nothing_else(name):
    """open_clip's rule; of adapters, factors decay and vectors do not."""
    _, named = prepared(name)
    decays = {
        n for n, p in named.items() if p.ndim >= 2 and not any(word in n for word in ("ln", "bias", "logit_scale"))
    }
    if name == "vera-r4":
        decays = set()
    parts = groups(named, RECIPES["mended"], 0.2, load(name).vectors)
    found = {group["weight_decay"]: group["params"] for group in parts}
    assert {n for n in named if any(named[n] is p for p in found.get(0.2, []))} == decays
    assert {n for n in named if any(named[n] is p for p in found.get(0.0, []))} == named.keys() - decays
    (everything,) = groups(named, RECIPES["as-released"], 0.2)
    assert len(everything["params"]) == len(named)
    assert everything["weight_decay"] == 0.2


@pytest.mark.parametrize("name", ["full-ft", "lnfit", "vera-r4", "galore"])
def test_decay_shrinks_what_has_no_gradient_only_where_it_should(name):
    """With gradients of zero a step is decay alone."""
    _, named = prepared(name)
    for parameter in named.values():
        parameter.data.add_(1.0)
        parameter.grad = torch.zeros_like(parameter)
    parts = groups(named, RECIPES["mended"], 0.2, load(name).vectors)
    decaying = {id(p) for part in parts if part["weight_decay"] for p in part["params"]}
    before = {n: p.detach().clone() for n, p in named.items()}
    (load(name).optimiser or AdamW)(parts, 0.5).step()
    for n, p in named.items():
        torch.testing.assert_close(p.detach(), before[n] * (0.9 if id(p) in decaying else 1))


@pytest.mark.parametrize(
    ("start", "recipe", "end"), [(5.0, "mended", math.log(100)), (5.0, "as-released", 5.0), (2.0, "mended", 2.0)]
)
def test_the_logit_scale_is_bounded_where_the_recipe_says_so(start, recipe, end):
    model, _ = prepared("full-ft")
    model.logit_scale.data.fill_(start)
    bound(model, RECIPES[recipe])
    assert model.logit_scale.item() == pytest.approx(end)


def galore_by_hand(weight, gradients, *, rank, gap, rate, decay):
    """W after AdamW in the subspace of the leading singular vectors, one matrix, one step after another."""
    weight, mean, square, basis = weight.clone(), 0, 0, None
    right = weight.shape[0] >= weight.shape[1]
    for step, gradient in enumerate(gradients):
        if step % gap == 0:
            u, _, vh = torch.linalg.svd(gradient)
            basis = vh[:rank] if right else u[:, :rank]
        low = gradient @ basis.T if right else basis.T @ gradient
        mean, square = 0.9 * mean + 0.1 * low, 0.999 * square + 0.001 * low**2
        corrected = rate * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        direction = mean / (square.sqrt() + 1e-6)
        weight = weight - corrected * 2.0 * (direction @ basis if right else basis @ direction)
        weight = weight * (1 - rate * decay)
    return weight


@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (9, 9)])
def test_galore_against_the_equation(shape):
    from flopwise.methods.galore_adamw import GaloreAdamW

    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=generator)
    gradients = [torch.randn(shape, generator=generator) for _ in range(7)]
    parameter = nn.Parameter(weight.clone())
    optimiser = GaloreAdamW([parameter], 0.01, 0.2, gap=3)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimiser.step()
    expected = galore_by_hand(weight, gradients, rank=8, gap=3, rate=0.01, decay=0.2)
    assert torch.allclose(parameter, expected, atol=1e-5)


def test_galore_is_adamw_for_what_is_no_matrix_and_small_where_it_is_one():
    from flopwise.methods.galore_adamw import GaloreAdamW

    named = prepared("galore")[1]
    optimiser = load("galore").optimiser(groups(named, RECIPES["mended"], 0.0), 1e-3)
    assert isinstance(optimiser, GaloreAdamW)
    assert {k: optimiser.defaults[k] for k in ("rank", "gap", "scale")} == {"rank": 8, "gap": 200, "scale": 2.0}
    vector, matrix = named["visual.ln_pre.weight"], named["visual.transformer.resblocks.0.mlp.c_proj.weight"]
    twin = nn.Parameter(vector.detach().clone())
    reference = torch.optim.AdamW([twin], lr=1e-3, weight_decay=0.0, eps=1e-12)
    for step in range(3):
        for parameter in named.values():
            parameter.grad = torch.sin(torch.arange(parameter.numel()) + step + 1.0).view(parameter.shape)
        twin.grad = vector.grad.clone()
        optimiser.step()
        reference.step()
    assert torch.allclose(vector, twin, atol=1e-5)
    assert optimiser.state[matrix]["mean"].shape == (8, 192)


def test_galore_goes_on_exactly_after_an_interruption(batches, tmp_path):
    def run(model, optimiser, some):
        for batch in some:
            optimiser.zero_grad()
            contrastive_loss(model, *batch).backward()
            optimiser.step()

    model, named = prepared("galore")
    optimiser = load("galore").optimiser(groups(named, RECIPES["mended"], 0.2), 1e-3)
    run(model, optimiser, batches[:2])
    other, other_named = prepared("galore")
    other.load_state_dict(model.state_dict())
    other_optimiser = load("galore").optimiser(groups(other_named, RECIPES["mended"], 0.2), 1e-3)
    write_tensors(tmp_path / "state", optimiser_tensors(optimiser))
    restore_optimiser(other_optimiser, clip.load_tensors(tmp_path / "state"))
    run(model, optimiser, batches[2:])
    run(other, other_optimiser, batches[2:])
    assert all(torch.equal(named[name], other_named[name]) for name in named)


def test_only_ewc_looks_at_a_tasks_data_once_more():
    assert load("ewc").end_passes(512, 50_000) == 98  # as in the published cost table
    assert {name for name in families() if not families()[name] and load(name).end_passes(64, 256)} == {
        "ewc", "ewc-as-released",
    }  # fmt: skip


def test_trainings_are_shared_where_only_what_is_deployed_differs():
    assert {shared_training(name) for name in ("full-ft", "latest-all", "latest-unrolled", "ft-merge-latest")} == {
        "full-ft"
    }
    assert {shared_training(name) for name in ("zs-merge", "offline-merge", "initial-latest")} == {"zs-merge"}
    assert {shared_training(name) for name in ("all-all", "all-latest", "all-unrolled")} == {"all-all"}
    assert [shared_training(name) for name in ("ema-merge", "unrolled-latest", "ft-merge", "lnfit", "ewc", "oracle")] == [
        "ema-merge", "unrolled-all", "ft-merge", "lnfit", "ewc", "oracle",
    ]  # fmt: skip
