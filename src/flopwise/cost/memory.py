"""Peak device memory of a training step under mixed precision with AdamW, without a device.

The step runs on tensors without data: every operator's results are registered when they appear and struck off when the last
reference to their storage goes, which is when the real program would free them. Nothing is allocated or computed.
What counts is what lives at one time: weights, activations kept for the backward, fp16 copies of the weights (autocast
keeps those of trainable weights for the whole forward, those of frozen ones as long as the backward needs them),
gradients, temporaries, AdamW's two moments from the first update on and the root of the second during updates, a
method's own state. Gradients are unscaled in place. The sequence goes through a model of the caching allocator, because
the published figures were read from nvidia-smi; on top comes what the CUDA runtime itself occupies.

Against FoMo-in-Flux's readings (ViT-B/16, batch 512) the totals come out 1 to 4 % high and the ratios to full
fine-tuning within 1.7 %. What remains has causes that are not modelled, to keep one formula for any model and method:
the readings stem from PyTorch 2.1 and open_clip 2.16 (which ran its blocks sequence-first), the program had copied and
freed the image tower before the step, so that small blocks found room already reserved, and the CUDA runtime of that
machine is not known. DoRA is the furthest off (+1.7 %): it keeps W + BA in fp32 for its magnitude's gradient, 0.27 GiB
of small blocks, of which the readings show 0.11 GiB.
"""

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flopwise.core.choices import check
from flopwise.core.stopwatch import peak_resident
from flopwise.cost.allocator import GIB, MIB, CachingAllocator
from flopwise.cost.flops import fused_attention
from flopwise.cost.names import PRECISIONS
from flopwise.cost.standin import Simulation
from flopwise.models.compat import without_compiler

# Memory that nvidia-smi reports after `torch.ones((1, 1)).to("cuda")`: Hugging Face transformers documentation,
# "Model training anatomy".
RUNTIME_BYTES = 1343 * MIB
_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": None}


@dataclass(frozen=True)
class Peak:
    """Bytes. total: as nvidia-smi shows it (allocator and CUDA runtime); allocated: the tensors alone; weights:
    parameters and buffers; trainable: number of trainable values."""

    total: int
    allocated: int
    weights: int
    trainable: int

    @property
    def gib(self) -> float:
        return self.total / GIB


class _Tracker(Simulation):
    """Follows every storage from its first tensor to its end."""

    def __init__(self):
        super().__init__()
        self.allocator = CachingAllocator()
        self._blocks: dict[int, tuple] = {}

    def made(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._blocks:
            self._blocks[key] = self.allocator.take(storage.nbytes())
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.allocator.give_back(*self._blocks.pop(key))


# What CUDA's autocast runs in fp32 (torch.amp documentation, "CUDA Ops that can autocast to float32"), as far as models
# use it: by casting the inputs, or by asking the operator for an fp32 result.
_CAST = (
    *("layer_norm", "group_norm", "cross_entropy_loss", "softplus", "reciprocal", "rsqrt"),
    *("exp", "expm1", "log", "log1p", "log2", "pow.Tensor_Scalar", "pow.Scalar", "pow.Tensor_Tensor"),
)
_RESULT = ("softmax.int", "log_softmax.int", "sum", "sum.dim_IntList", "cumsum", "linalg_vector_norm")


def _in_fp32(operator, by_result: bool, excluded) -> Callable:
    low = (torch.float16, torch.bfloat16)

    def kernel(*args, **kwargs):
        with torch._C._ExcludeDispatchKeyGuard(excluded):
            if by_result:
                if args[0].dtype in low and kwargs.get("dtype") is None:
                    kwargs["dtype"] = torch.float32
                return operator(*args, **kwargs)
            cast = (value.float() if isinstance(value, Tensor) and value.dtype in low else value for value in args)
            return operator(*cast, **kwargs)

    return kernel


@contextlib.contextmanager
def cuda_autocast(precision: str) -> Iterator[None]:
    """CUDA's autocast rules on stand-ins, which say that they lie on the CPU: the CPU's autocast does the work, with the
    operators that only CUDA's runs in fp32 added for the time being."""
    dtype = _DTYPES[precision]
    if dtype is None:
        yield
        return
    excluded = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
    kernels = torch.library.Library("aten", "IMPL", "AutocastCPU")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel is overridden: on purpose, and undone below
        for name in (*_CAST, *_RESULT):
            packet, _, overload = name.partition(".")
            operator = getattr(getattr(torch.ops.aten, packet), overload or "default")
            kernels.impl(name, _in_fp32(operator, name in _RESULT, excluded))
    before = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    torch.set_autocast_enabled("cpu", True)
    torch.set_autocast_dtype("cpu", dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        torch.set_autocast_enabled("cpu", before[0])
        torch.set_autocast_dtype("cpu", before[1])
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        kernels._destroy()


def _give_stand_ins(module: nn.Module) -> None:
    """Replace the module's meta parameters and buffers by stand-ins, in place; shared ones stay shared."""
    made: dict[int, Tensor] = {}

    def stand_in(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
            is_parameter = isinstance(tensor, nn.Parameter)
            made[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
        return made[id(tensor)]

    originals = [*module.parameters(), *module.buffers()]  # alive to the end: an id names one tensor only
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            tensors.update({name: stand_in(tensor) for name, tensor in tensors.items() if tensor is not None})
    del originals


def training_peak(
    module: nn.Module,
    inputs: Callable[..., tuple[Tensor, ...]],
    loss: Callable[[nn.Module, tuple[Tensor, ...]], Tensor],
    batch_size: int,
    precision: str = "fp16",
    device_state: int = 0,
    passes: int = 1,
) -> Peak:
    """Peak memory of training `module` (on the meta device; it holds stand-ins afterwards).

    inputs, loss: as in `subjects.Subject`
    device_state: arrays of the size of the trainable parameters that the method keeps on the device from the first
        backward on
    passes: forward and backward passes. The moments exist from the second on, so 1 is what one step from a fresh
        optimiser needs (the published measurement), 2 what a run needs, and EWC with its Fisher pass in either case
    """
    check("precision", precision, PRECISIONS)
    with without_compiler(), fused_attention(), _Tracker() as tracker:
        _give_stand_ins(module)
        weights = tracker.allocator.allocated
        batch, kept = inputs(batch_size, device="cpu"), []
        for _ in range(passes):
            with cuda_autocast(precision):
                value = loss(module, batch)
            value.backward()
            updated = [parameter for parameter in module.parameters() if parameter.grad is not None]
            if not kept:
                kept = [torch.empty_like(parameter) for parameter in updated for _ in range(2 + device_state)]
            root_of_second_moment = [torch.empty_like(parameter) for parameter in updated]
            del value, root_of_second_moment
            module.zero_grad()
        allocator = tracker.allocator
    trainable = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return Peak(allocator.reserved + RUNTIME_BYTES, allocator.peak_allocated, weights, trainable)


def measured_peak(step: Callable[[], None]) -> int:
    """Bytes that `step` needs where it really runs: on a GPU the memory reserved from the driver while it runs, as the
    prediction's `total` less the runtime; on a CPU the growth of the process's peak resident set (0 if it ran below an
    earlier peak)."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_reserved()
    before = peak_resident()
    step()
    return peak_resident() - before
