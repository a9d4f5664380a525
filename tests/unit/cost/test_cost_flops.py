"""The counter against hand counts, closed forms and torch's own counter."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from flopwise.core.errors import UserError
from flopwise.cost import closed_forms, flops
from flopwise.cost.closed_forms import VIT_B16, VIT_L16

ROWS, IN, HIDDEN, OUT = 5, 7, 11, 3
FIRST, SECOND = 2 * ROWS * IN * HIDDEN, 2 * ROWS * HIDDEN * OUT
META = torch.device("meta")


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(IN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT)).to(META)


def step(module, inputs, convention="model"):
    return flops.training_step(lambda: module(inputs).sum(), convention)


def test_forward_and_training_step_by_hand():
    module, inputs = mlp(), torch.empty(ROWS, IN, device=META)
    assert flops.forward(module, inputs) == FIRST + SECOND
    # weight gradients of both layers, input gradient of the second only: nobody asked for the data's
    assert step(module, inputs) == 2 * FIRST + 3 * SECOND
    assert step(module, inputs.clone().requires_grad_()) == 3 * FIRST + 3 * SECOND


def test_frozen_parts_cost_only_the_backward_they_need():
    inputs = torch.empty(ROWS, IN, device=META)
    prefix, suffix, biases = mlp(), mlp(), mlp()
    prefix[0].requires_grad_(False)
    assert step(prefix, inputs) == FIRST + 2 * SECOND  # the gradient stops at the second layer's weight
    suffix[2].requires_grad_(False)
    assert step(suffix, inputs) == 2 * FIRST + 2 * SECOND  # no weight gradient in the second, input gradient stays
    for name, parameter in biases.named_parameters():
        parameter.requires_grad_("bias" in name)
    assert step(biases, inputs) == FIRST + 2 * SECOND
    assert step(mlp().requires_grad_(False), inputs) == FIRST + SECOND


def test_no_grad_teacher_is_charged_forward_only():
    student, teacher, inputs = mlp(), mlp(), torch.empty(ROWS, IN, device=META)

    def distil():
        with torch.no_grad():
            target = teacher(inputs)
        return (student(inputs) - target).square().sum()

    assert flops.training_step(distil) == step(student, inputs) + FIRST + SECOND


def test_low_rank_change_costs_its_product_three_times_and_a_full_weight_gradient():
    rank, weight = 2, torch.empty(OUT, IN, device=META)
    down, up = (torch.empty(shape, device=META, requires_grad=True) for shape in ((rank, IN), (OUT, rank)))
    inputs = torch.empty(ROWS, IN, device=META)
    counted = flops.training_step(lambda: functional.linear(inputs, weight + up @ down).sum())
    assert counted == 2 * (2 * ROWS * IN * OUT) + 3 * (2 * OUT * rank * IN)


@pytest.mark.parametrize(("groups", "transposed"), [(1, False), (4, False), (1, True), (4, True)])
def test_convolution_and_its_backward(groups, transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    module = kind(8, 12, 3, groups=groups, bias=False).to(META)
    inputs = torch.empty(2, 8, 10, 10, device=META)
    positions = 10 * 10 if transposed else 8 * 8
    forward = 2 * 2 * positions * 9 * 8 * 12 // groups
    assert flops.forward(module, inputs) == forward
    assert step(module, inputs) == 2 * forward
    assert step(module, inputs.clone().requires_grad_()) == 3 * forward


BATCH, HEADS, QUERIES, KEYS, WIDTH, VALUES = 2, 3, 5, 6, 8, 4
SCORES, WEIGHTED = (2 * BATCH * HEADS * QUERIES * KEYS * width for width in (WIDTH, VALUES))


def attention_inputs(*needed, device=META):
    shapes = ((QUERIES, WIDTH), (KEYS, WIDTH), (KEYS, VALUES))
    return [torch.zeros(BATCH, HEADS, *shape, device=device, requires_grad=need) for shape, need in zip(shapes, needed)]


@pytest.mark.parametrize(
    ("needed", "model"),
    [
        ((True, True, True), 3 * SCORES + 3 * WEIGHTED),
        ((False, False, True), SCORES + 2 * WEIGHTED),
        ((True, False, False), 2 * SCORES + 2 * WEIGHTED),
    ],
)
def test_attention_is_charged_by_product(needed, model):
    def loss():
        return functional.scaled_dot_product_attention(*attention_inputs(*needed)).sum()

    assert flops.training_step(loss) == model
    # a fused kernel makes all gradients, and the scores again
    assert flops.training_step(loss, "hardware") == 4 * SCORES + 3 * WEIGHTED
    assert flops.count(lambda: functional.scaled_dot_product_attention(*attention_inputs(False, False, False))) == (
        SCORES + WEIGHTED
    )


@pytest.mark.parametrize(("convention", "backward"), [("model", 2), ("hardware", 2.5)])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_fused_attention_counts_alike_on_every_device(device, convention, backward):
    query = torch.zeros(2, 3, 16, 8, device=device, requires_grad=True)
    forward = 2 * (2 * 2 * 3 * 16 * 16 * 8)
    counted = flops.training_step(
        lambda: functional.scaled_dot_product_attention(query, query, query).sum(), convention
    )
    assert counted == (1 + backward) * forward


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("gradient", [True, False])
def test_inference_fast_path_is_not_free(device, gradient):
    layer = nn.MultiheadAttention(64, 4, batch_first=True).to(device).eval()
    inputs, by_hand = torch.zeros(2, 10, 64, device=device), 2 * 2 * 10 * 64 * (4 * 64) + 2 * 2 * 2 * 10 * 10 * 64
    with torch.set_grad_enabled(gradient):
        assert flops.count(lambda: layer(inputs, inputs, inputs, need_weights=False)) == by_hand
    with torch.inference_mode():
        assert flops.count(lambda: layer(inputs, inputs, inputs, need_weights=False)) == by_hand


def test_attention_bias_gets_its_gradient():
    bias = torch.zeros(1, HEADS, QUERIES, KEYS, device=META, requires_grad=True)
    flops.training_step(
        lambda: functional.scaled_dot_product_attention(*attention_inputs(True, True, True), attn_mask=bias).sum()
    )
    assert bias.grad.shape == bias.shape


def test_counting_changes_no_result_and_leaves_nothing_behind():
    original = functional.scaled_dot_product_attention
    inputs = [torch.randn(2, 3, 5, 8, generator=torch.Generator().manual_seed(0)) for _ in range(3)]
    expected, seen = original(*inputs), []
    flops.count(lambda: seen.append(functional.scaled_dot_product_attention(*inputs)))
    assert torch.equal(seen[0], expected)
    assert functional.scaled_dot_product_attention is original
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18"])
def test_agrees_with_the_counter_of_torch_where_that_is_right(name):
    from flopwise.cost import subjects

    subject = subjects.load(f"timm:{name}")
    inputs = subject.inputs(2)
    with FlopCounterMode(display=False) as oracle:
        subject.loss(subject.module, inputs).backward()
    assert flops.training_step(lambda: subject.loss(subject.module, inputs)) == oracle.get_total_flops()


def test_closed_form_of_a_vision_transformer():
    from flopwise.cost import subjects

    subject = subjects.load("timm:vit_base_patch16_224")
    inputs, head = subject.inputs(1), closed_forms.linear(1, 768, 1000)
    assert flops.forward(subject.module, *inputs) == VIT_B16.forward(196) + head
    assert flops.training_step(lambda: subject.module(*inputs).sum()) == VIT_B16.training(196) + 3 * head


# FLOPs per image (GFLOP) of ViT-B/16 and ViT-L/16, counted by another program on the meta device at 224 pixels
OBJECTIVES = [
    ("supervised", {}, (105.15, 369.02)),
    ("supervised", {"classes": 21_843}, (105.25, 369.15)),
    ("clip", {"text": (512, 12, 77)}, (123.02, None)),
    ("clip", {"text": (768, 12, 77)}, (None, 408.91)),
    ("clip", {}, (110.22, 374.08)),
    ("simclr", {}, (210.37, 738.11)),
    ("byol", {}, (280.64, 984.35)),
    ("dino", {"local_crops": 0}, (280.92, 984.62)),
    ("dino", {}, (434.76, 1526.22)),
    ("dino", {"local_crops": 10}, (473.22, 1661.62)),
    ("mae", {}, (58.46, 124.23)),
    ("mae", {"kept": 0.15, "decoder": (512, 2)}, (24.30, 63.71)),
]


@pytest.mark.parametrize(("objective", "options", "expected"), OBJECTIVES)
def test_cost_per_image_of_the_pretraining_objectives(objective, options, expected):
    for vit, gflops in zip((VIT_B16, VIT_L16), expected):
        if gflops:
            assert closed_forms.pretraining(objective, vit, **options) / 1e9 == pytest.approx(gflops, rel=2e-4)


def test_unknown_convention_and_objective_name_what_is_allowed():
    with pytest.raises(UserError, match="model, hardware"):
        flops.count(lambda: None, "harware")
    with pytest.raises(UserError, match="simclr"):
        closed_forms.pretraining("simsiam", VIT_B16)
