"""The one building block of Perceiver IO (arXiv 2107.14795, equations 1 to 6 of section E.1), and how its weights start."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention

from flopwise.models.perceiver.config import Widths

# of the standard normal distribution cut at two deviations; variance scaling makes up for what the cut takes away
CUT_DEVIATION = 0.87962566


def truncated(tensor: Tensor, deviation: float) -> Tensor:
    """Fill with the normal distribution cut at two deviations, as the original code does."""
    if tensor.is_meta:  # shapes alone; pretending takes seconds
        return tensor
    return nn.init.trunc_normal_(tensor, std=deviation, a=-2 * deviation, b=2 * deviation)


def table(*shape: int) -> nn.Parameter:
    """Latents, queries, positions, paddings and mask tokens: truncated normal, deviation 0.02."""
    return nn.Parameter(truncated(torch.empty(*shape), 0.02))


def linear(inputs: int, outputs: int, gain: float = 1.0) -> nn.Linear:
    """Truncated normal of deviation gain / sqrt(inputs), bias zero; gain 0: zeros."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.bias)
    if gain:
        truncated(layer.weight, gain / math.sqrt(inputs))
    else:
        nn.init.zeros_(layer.weight)
    return layer


class Attention(nn.Module):
    """Pre-norm attention and MLP, h heads over query-key width F and value width G:

    Q, K, V = LN(q) Wq + bq, LN(kv) Wk + bk, LN(kv) Wv + bv
    A = concat_h(softmax(Q_h K_h^T / sqrt(F / h)) V_h) Wo + bo
    y = q + A  or, without `residual`,  A
    result = y + W2 gelu(W1 LN(y) + b1) + b2
    """

    def __init__(self, widths: Widths, activation: str, folded: bool = False):
        super().__init__()
        hidden, gain = widths.widening * widths.query, 1 / CUT_DEVIATION
        self.heads, self.residual, self.folded = widths.heads, widths.residual, folded
        self.approximation = {"tanh": "tanh", "erf": "none"}[activation]
        self.norm_query = nn.LayerNorm(widths.query)
        self.norm_key = nn.LayerNorm(widths.key) if widths.cross else None
        self.query = linear(widths.query, widths.qk, gain)
        self.key = linear(widths.key, widths.qk, gain)
        self.value = linear(widths.key, widths.value, gain)
        self.output = linear(widths.value, widths.query, gain)
        self.norm_mlp = nn.LayerNorm(widths.query)
        self.widen = linear(widths.query, hidden, gain)
        self.narrow = linear(hidden, widths.query, gain)

    def forward(self, query: Tensor, inputs: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """(B, queries, D_q). `query` (B or 1, queries, D_q): 1 where it is the same for every example, whose projection is
        then computed once; `inputs` (B, keys, D_k), None: the queries themselves; `mask` bool (B, keys), True: attend."""
        a = self.norm_query(query)
        b = a if self.norm_key is None else self.norm_key(inputs)
        mask = None if mask is None else mask[:, None, None, :]
        q = self._split(self.query(a))
        if self.folded:
            attended = self._fold(q, b, mask)
        else:
            k, v = self._split(self.key(b)), self._split(self.value(b))
            attended = attend(q.expand(len(k), -1, -1, -1), k, v, mask)
        y = self.output(attended.transpose(1, 2).flatten(2))
        y = query + y if self.residual else y
        return y + self.narrow(gelu(self.widen(self.norm_mlp(y)), approximate=self.approximation))

    def _split(self, x: Tensor) -> Tensor:
        """(B, n, width) -> (B, heads, n, width of a head)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _fold(self, q: Tensor, b: Tensor, mask: Tensor | None) -> Tensor:
        """The same with keys and values never formed: few queries go to the many inputs,

        Q K^T = (Q Wk^T) b^T + a constant per query, which softmax drops;   P V = (P b) Wv + bv
        """
        to_key = self.key.weight.unflatten(0, (self.heads, -1))  # (heads, F / h, D_k)
        to_value = self.value.weight.unflatten(0, (self.heads, -1)).transpose(1, 2)
        b = b[:, None]
        mixed = attend((q @ to_key).expand(len(b), -1, -1, -1), b, b, mask, width=q.shape[3])
        return mixed @ to_value + self.value.bias.view(self.heads, 1, -1)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, width: int | None = None) -> Tensor:
    """softmax(Q K^T / sqrt(width)) V; `query` (B, heads, n, F), `key`, `value` (B, heads or 1, m, ...), `mask` bool, to be
    broadcast to the scores; `width`, None: F. A fused kernel, save on a CPU, where written out the results are those of
    transformers to the last bit."""
    way = written_out if query.device.type == "cpu" else fused
    return way(query, key, value, mask, math.sqrt(width or query.shape[3]))


def written_out(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    scores = (query @ key.transpose(2, 3)).div_(scale)
    if mask is not None:
        scores.masked_fill_(~mask, -math.inf)
    return scores.softmax(dim=-1) @ value


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Kernels that keep no scores want widths that are multiples of 8; zeros beside change nothing, and are not counted."""
    key, value = (tensor.expand(-1, query.shape[1], -1, -1) for tensor in (key, value))
    width = value.shape[3]
    if query.device.type != "meta":
        query, key, value = (pad(tensor, (0, -tensor.shape[3] % 8)) for tensor in (query, key, value))
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1 / scale)[..., :width]
