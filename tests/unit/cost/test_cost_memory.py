"""The memory model against hand counts: allocator rules, living tensors, autocast's choice of precision."""

import copy
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from flopwise.core.errors import UserError
from flopwise.cost import memory, price, standin, subjects
from flopwise.cost.allocator import KIB, MIB, CachingAllocator

META = torch.device("meta")


def test_segments_by_request_size():
    for size, reserved in [
        (1, 2 * MIB), (MIB, 2 * MIB), (MIB + 1, 20 * MIB), (10 * MIB - 512, 20 * MIB), (10 * MIB, 10 * MIB),
        (11 * MIB, 12 * MIB),
    ]:  # fmt: skip
        allocator = CachingAllocator()
        allocator.take(size)
        assert allocator.reserved == reserved


def test_blocks_are_split_reused_and_joined_again():
    allocator = CachingAllocator()
    blocks = [allocator.take(4 * MIB) for _ in range(5)]  # all from one segment of 20 MiB
    assert (allocator.reserved, allocator.allocated) == (20 * MIB, 20 * MIB)
    for place in (1, 3, 2):
        allocator.give_back(*blocks[place])
    allocator.take(12 * MIB)  # fits into the three joined blocks
    assert (allocator.reserved, allocator.allocated) == (20 * MIB, 20 * MIB)
    allocator.take(12 * MIB)
    assert allocator.reserved == 32 * MIB


def test_a_large_block_is_not_split_for_less_than_a_mebibyte():
    allocator = CachingAllocator()
    allocator.give_back(*allocator.take(12 * MIB))
    allocator.take(11 * MIB + 512 * KIB)
    assert allocator.allocated == 12 * MIB
    assert allocator.peak_allocated == 12 * MIB


def test_small_and_large_requests_do_not_share():
    allocator = CachingAllocator()
    allocator.give_back(*allocator.take(30 * MIB))
    allocator.take(100)
    assert allocator.reserved == 32 * MIB


ROWS, WIDTH = 4096, 256
VALUES = 4 * ROWS * WIDTH  # bytes of one fp32 activation
WEIGHT = 4 * WIDTH * WIDTH


def chain(layers: int) -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(layers))).to(META)


def inputs(batch_size: int, device: str = "meta"):
    return (torch.empty(batch_size, WIDTH, device=device),)


def loss(module, batch):
    return module(batch[0]).sum()


def peak(module, precision="fp32", **options):
    return memory.training_peak(copy.deepcopy(module), inputs, loss, ROWS, precision, **options)


def test_activations_of_a_chain_by_hand():
    # When the backward starts, the weights and every layer's input live; the gradient of the last layer's output (of
    # which `sum` makes a view of one value), that of its input and weight gradients come on top.
    for layers in (2, 5):
        floor = layers * WEIGHT + layers * VALUES
        found = peak(chain(layers)).allocated
        assert floor + VALUES + WEIGHT <= found <= floor + 2 * VALUES + layers * WEIGHT + 10 * 512


def test_frozen_layers_keep_no_activations():
    frozen = chain(5)
    frozen[:4].requires_grad_(False)
    assert peak(frozen).allocated < 5 * WEIGHT + 4.5 * VALUES < peak(chain(5)).allocated


def test_half_precision_keeps_half_the_activations_and_copies_of_the_weights():
    full, half = peak(chain(8)).allocated, peak(chain(8), "fp16").allocated
    assert half < full / 2 + 2 * VALUES
    assert half == peak(chain(8), "bf16").allocated


def test_moments_and_method_state_come_after_the_first_backward():
    first, second = (peak(chain(3), passes=passes).allocated for passes in (1, 2))
    assert second - first == 2 * 3 * WEIGHT
    assert peak(chain(3), passes=2, device_state=2).allocated - second == 2 * 3 * WEIGHT
    frozen = chain(3)
    frozen[1:].requires_grad_(False)
    frozen_peaks = [peak(frozen, passes=passes).allocated for passes in (1, 2)]
    assert frozen_peaks[1] - frozen_peaks[0] == 2 * WEIGHT


TRACKER = memory._Tracker


class OnFakeTensors(TorchDispatchMode):
    """The tracker over torch's own tensors without data in place of stand-ins."""

    def __init__(self):
        super().__init__()
        self.fake, self.tracker = FakeTensorMode(), TRACKER()
        self.allocator = self.tracker.allocator

    def __enter__(self):
        self.fake.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.fake.__exit__(*error)

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        result = operator(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.tracker.made(leaf)
        return result


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "method", "precision"),
    [
        ("open_clip:ViT-S-32-alt", "full-ft", "fp16"), ("open_clip:ViT-S-32-alt", "lora-r4", "fp16"),
        ("open_clip:ViT-S-32-alt", "dora-r64", "fp16"), ("open_clip:ViT-S-32-alt", "vera-r4", "bf16"),
        ("open_clip:ViT-S-32-alt", "ewc", "fp32"), ("open_clip:RN50", "full-ft", "fp32"),
        ("timm:resnet18", "full-ft", "fp32"),
        ("timm:convnext_tiny", "full-ft", "bf16"), ("timm:swin_tiny_patch4_window7_224", "full-ft", "fp32"),
    ],
)  # fmt: skip
def test_stand_ins_need_what_fake_tensors_need(model, method, precision, monkeypatch):
    subject = subjects.load(model)
    found = price.peak(subject, method, 8, precision)
    monkeypatch.setattr(memory, "_Tracker", OnFakeTensors)
    assert price.peak(subject, method, 8, precision) == found


def test_a_call_made_before_is_not_worked_out_again():
    calls = []

    def operator(*args, **kwargs):
        calls.append(args)
        return torch.ops.aten.add.Tensor(*args, **kwargs)

    whole, part = (torch.empty(4, 6, device=META) for _ in range(2))
    for other in (part, part, 1, 1.0, True, whole.T.contiguous().T, 1):
        assert standin.shaped(operator, (whole, other), {}).shape == (4, 6)
    assert len(calls) == 5  # other strides are another call, and so is a number of another type


@pytest.mark.parametrize("operator", ["view.default", "_unsafe_view.default", "add_.Tensor"])
def test_what_shares_memory_is_never_replaced(operator):
    packet, _, overload = operator.partition(".")
    called = getattr(getattr(torch.ops.aten, packet), overload)
    for _ in range(3):
        values = torch.empty(4, 6, device=META)
        result = standin.shaped(called, (values, 1 if packet == "add_" else [6, 4]), {})
        assert result.untyped_storage()._cdata == values.untyped_storage()._cdata


def test_total_adds_the_allocator_and_the_runtime():
    found = peak(chain(2))
    assert found.total >= found.allocated + memory.RUNTIME_BYTES
    assert found.weights == 2 * WEIGHT
    assert found.trainable == 2 * WIDTH * WIDTH
    assert found.gib == found.total / 2**30


def test_autocast_follows_the_rules_of_cuda_and_goes_without_trace():
    def kinds():
        values = torch.zeros(4, 8)
        product = nn.functional.linear(values, torch.zeros(8, 8))
        results = (product, nn.functional.layer_norm(product, (8,)), product.softmax(-1), product.sum(), product.exp())
        return [result.dtype for result in (*results, nn.functional.gelu(product))]

    def ordinary():
        with torch.autocast("cpu", torch.float16):
            return kinds()

    before = ordinary()
    with standin.Simulation(), memory.cuda_autocast("fp16"):
        low, single = torch.float16, torch.float32
        assert kinds() == [low, single, single, single, single, low]
    assert ordinary() == before
    assert not torch.is_autocast_enabled("cpu")


def test_masks_cost_memory_where_the_kernel_expands_them():
    from torch.nn import functional

    def run(keys, mask):
        query = torch.empty(2, 4, keys, 8, device=META, requires_grad=True)
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda x: x):
            from flopwise.cost.flops import fused_attention

            with fused_attention():
                functional.scaled_dot_product_attention(query, query, query, attn_mask=mask)
        return {tuple(tensor.shape) for tensor in saved}

    assert (2, 4, 77, 80) in run(77, torch.zeros(77, 77, device=META))
    assert (64, 64) in run(64, torch.zeros(64, 64, device=META))


def test_measured_peak_sees_what_a_step_needs():
    """In a process of its own: on a CPU only growth above the process's earlier peak is seen, and other tests have had theirs."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    script = f"""
        import torch
        from flopwise.cost.memory import measured_peak
        hoard = []
        print(measured_peak(lambda: hoard.append(torch.ones(2**26, device={device!r}))), measured_peak(lambda: None))
    """
    printed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    needed, nothing = map(int, printed.stdout.split())
    assert needed >= 2**27
    assert device == "cuda" or nothing < 2**24


def test_unknown_precision():
    with pytest.raises(UserError, match="fp16, bf16, fp32"):
        peak(chain(1), "fp8")


def test_a_training_step_of_a_perceiver_is_three_forwards_and_needs_memory_in_proportion():
    from flopwise.cost import perceiver

    name = "imagenet-fourier"
    small, large = (price.step(f"perceiver:{name}", "full-ft", size) for size in (2, 4))
    assert small["gflops_per_step"] == pytest.approx(
        6 * perceiver.flops(perceiver.CONFIGURATIONS[name]) / 1e9, rel=0.02
    )
    assert 1.6 < large["peak_memory_gb"] / small["peak_memory_gb"] < 2
    with pytest.raises(UserError, match=r"priced for imagenet-fourier, .*; other perceiver names have `forward`"):
        subjects.load("perceiver:multimodal")
