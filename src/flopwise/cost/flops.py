"""FLOPs of forward passes and training steps; one multiply-add is two FLOPs.

What is counted is what autograd really executes: matrix products, convolutions and attention. A frozen weight has no
weight gradient, a frozen prefix no input gradient, a module under `no_grad` no backward at all, so none of them is
charged. Element-wise work, norms, softmax, embedding look-ups and the optimiser are left out, as in the four papers.

Two conventions:

- `model`: the arithmetic of the model, no recomputation. With d the head width and n x m the score matrix, attention
  costs 2 products (4 n m d) forward and one product per gradient that is needed (at most 4) backward.
- `hardware`: what a fused attention kernel executes. It keeps no score matrix, so its backward recomputes the scores
  and makes all gradients at once: 5 products, 2.5 times the forward (Dao et al. 2022, FlashAttention).

The tensors may live on the meta device (no arithmetic, no memory), in a `FakeTensorMode`, on the CPU or on a GPU.
Causal masks are not discounted: a causal score matrix is charged as the full square.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import conv_flop_count, flop_registry

from flopwise.core.choices import check
from flopwise.cost.names import CONVENTIONS
from flopwise.cost.standin import StandIn, shaped, tensors_of
from flopwise.models.compat import without_compiler

# Keys per row to which PyTorch 2.1's memory-efficient kernel pads a mask, after expanding it to every sample and head
# (pytorch pull request 104310): such a copy is kept for the backward. It matters for memory only.
MASK_ALIGNMENT = 16
_aten = torch.ops.aten
_LIBRARY = torch.library.Library("flopwise", "DEF")
_LIBRARY.define("attention(Tensor query, Tensor key, Tensor value) -> (Tensor, Tensor)")
_LIBRARY.define(
    "attention_backward(Tensor gradient, Tensor query, Tensor key, Tensor value, bool[3] needed) -> Tensor[]"
)


def _attention_meta(query, key, value):
    """Output, written in the order (batch, token, head, width), and log-sum-exp: what a fused kernel makes and keeps
    besides its inputs."""
    *batch, heads, tokens, _ = query.shape
    output = query.new_empty((*batch, tokens, heads, value.shape[-1])).transpose(-3, -2)
    return output, query.new_empty(query.shape[:-1], dtype=torch.float32)


def _attention_backward_meta(gradient, query, key, value, needed):
    return [torch.empty_like(tensor) for tensor in (query, key, value)]


_LIBRARY.impl("attention", _attention_meta, "Meta")
_LIBRARY.impl("attention_backward", _attention_backward_meta, "Meta")


class _FusedAttention(torch.autograd.Function):
    """Stand-in for a fused attention kernel on tensors without data: shapes, saved tensors and cost, no arithmetic."""

    @staticmethod
    def forward(context, query, key, value, mask):
        output, normaliser = torch.ops.flopwise.attention(query, key, value)
        context.mask_shape, keys = None if mask is None else mask.shape, key.shape[-2]
        if mask is not None and keys % MASK_ALIGNMENT:
            padded = math.ceil(keys / MASK_ALIGNMENT) * MASK_ALIGNMENT
            mask = query.new_empty((*query.shape[:-1], padded))
        context.save_for_backward(query, key, value, mask, output, normaliser)
        return output

    @staticmethod
    def backward(context, gradient):
        query, key, value, *_ = context.saved_tensors
        needed = context.needs_input_grad
        gradients = torch.ops.flopwise.attention_backward(gradient, query, key, value, list(needed[:3]))
        return (*gradients, query.new_empty(context.mask_shape) if needed[3] else None)


@contextlib.contextmanager
def fused_attention() -> Iterator[None]:
    """Send attention over tensors without data (meta or fake) to a stand-in for a fused kernel, and switch off the
    inference fast path of `nn.MultiheadAttention`, whose single operator hides its matrix products from a counter.
    Tensors with data are computed as always."""
    functional, fast_path = torch.nn.functional, torch.backends.mha.get_fastpath_enabled()
    original = functional.scaled_dot_product_attention

    def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
        if not (query.is_meta or isinstance(query, StandIn | torch._subclasses.FakeTensor)):
            options = {"scale": scale, "enable_gqa": enable_gqa}
            return original(query, key, value, attn_mask, dropout_p, is_causal, **options)
        device = query.device.type
        if device != "meta" and torch.is_autocast_enabled(device):
            query, key, value = (tensor.to(torch.get_autocast_dtype(device)) for tensor in (query, key, value))
        return _FusedAttention.apply(query, key, value, attn_mask)

    functional.scaled_dot_product_attention = attention
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = original
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _attention(query, key, value, *_, **__) -> int:
    """Scores and output: two products."""
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return 2 * scores * (query.shape[-1] + value.shape[-1])


def _attention_backward(convention: str, query, key, value, needed=(True, True, True)) -> int:
    """Products with dO (value gradient, score gradient) and with the score gradient (query, key gradients), each
    charged where it is needed; the fused kernel makes all of them and the scores again."""
    scores = 2 * math.prod(query.shape[:-1]) * key.shape[-2]
    narrow, wide = scores * query.shape[-1], scores * value.shape[-1]
    if convention == "hardware":
        return 3 * narrow + 2 * wide
    for_query, for_key, for_value = needed
    return (for_query + for_key) * narrow + (for_value + (for_query or for_key)) * wide


def _convolution_backward(gradient, inputs, weight, *rest, out_val=None, **_) -> int:
    """Input and weight gradient each cost what the forward costs (groups included), where they are needed."""
    transposed, output_mask = rest[4], rest[7]
    forward = conv_flop_count(list(inputs.shape), list(weight.shape), list(gradient.shape), transposed)
    return forward * (bool(output_mask[0]) + bool(output_mask[1]))


def _vector_products() -> dict:
    return {
        _aten.mv: lambda a, b, **_: 2 * a.numel(),
        _aten.addmv: lambda c, a, b, **_: 2 * a.numel(),
        _aten.dot: lambda a, b, **_: 2 * a.numel(),
        _aten._addmm_activation: lambda c, a, b, **_: 2 * a.numel() * b.shape[-1],
    }


def _formulas(convention: str) -> dict:
    """Operator -> FLOPs. torch's own table, with what it misses or charges by another rule."""
    fused = lambda gradient, query, key, value, *_, **__: _attention_backward(convention, query, key, value)  # noqa: E731
    table = dict(flop_registry) | _vector_products()
    table[_aten.convolution_backward] = _convolution_backward
    table[torch.ops.flopwise.attention] = _attention
    table[torch.ops.flopwise.attention_backward] = lambda gradient, *tensors_and_mask, **_: _attention_backward(
        convention, *tensors_and_mask
    )
    for name in ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention"):
        table[getattr(_aten, f"_scaled_dot_product_{name}")] = _attention
        table[getattr(_aten, f"_scaled_dot_product_{name}_backward")] = fused
    return table


class _Counter(TorchDispatchMode):
    """Adds up the FLOPs of every operator executed inside it, by operator."""

    def __init__(self, convention: str):
        super().__init__()
        self._table, self._whole = _formulas(convention), set()
        self.by_operator: dict[str, int] = {}

    @property
    def total(self) -> int:
        return sum(self.by_operator.values())

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        formula = self._table.get(operator._overloadpacket)
        if formula is None and operator not in self._whole and operator is not torch.ops.prim.device.default:
            with self:  # a composite operator (it arrives whole in inference mode) is counted by its parts
                result = operator.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
            self._whole.add(operator)
        tensors = tensors_of((*args, *kwargs.values()))
        on_paper = tensors and all(tensor.is_meta for tensor in tensors)
        result = shaped(operator, args, kwargs) if on_paper else operator(*args, **kwargs)
        if formula is not None:
            name = str(operator._overloadpacket)
            self.by_operator[name] = self.by_operator.get(name, 0) + int(formula(*args, **kwargs, out_val=result))
        return result


@contextlib.contextmanager
def counting(convention: str = "model") -> Iterator[_Counter]:
    """Count what happens inside; the counter's `total` holds the FLOPs and `by_operator` its parts."""
    check("convention", convention, CONVENTIONS)
    with without_compiler(), fused_attention(), _Counter(convention) as counter:
        yield counter


def count(function: Callable[[], Any], convention: str = "model") -> int:
    """Run `function` once and return the FLOPs of everything in it: forward, and backward if it calls one.

    Example: `count(lambda: model(x).sum().backward())` with model and x on the meta device.
    """
    with counting(convention) as counter:
        function()
    return counter.total


def forward(module: torch.nn.Module, *inputs, convention: str = "model", **named) -> int:
    """FLOPs of `module(*inputs)` without a backward."""

    def run():
        with torch.no_grad():
            module(*inputs, **named)

    return count(run, convention)


def training_step(loss: Callable[[], torch.Tensor], convention: str = "model") -> int:
    """FLOPs of one step: `loss()` forward and its backward into whatever requires a gradient. A loss that requires
    none (everything frozen) is charged forward only."""

    def run():
        value = loss()
        if value.requires_grad:
            value.sum().backward()

    return count(run, convention)
