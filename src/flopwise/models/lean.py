"""The forward pass of a CLIP model on a CPU without the work that cannot change its result.

Same modules, parameters and values (to rounding) as open_clip's own forward, for the standard architecture of Radford
et al. 2021: a vision transformer pooled at its class token, a causal text transformer pooled at the end mark. What is
left out: text positions behind the end mark (no earlier position attends to them, nothing reads them), and in the last
block of each tower everything but keys and values at positions that are not pooled. Captions are packed into one row of
tokens; they are padded to a rectangle only inside attention. A parametrised weight (an adapter) is formed once.

A model, device or precision for which this does not hold takes open_clip's forward; so does the meta device, on which
FLOPs are counted."""

from dataclasses import dataclass

from flopwise.models.buffers import check_parts
from flopwise.models.compat import import_open_clip


@dataclass(frozen=True)
class Layout:
    """Where the tokens of `count` sequences of at most `length` tokens lie in the rows of one matrix (T, width).

    rows: position of each token in the padded (count * length) rectangle; None: nothing is padded, T = count * length.
    pooled: for each sequence, the row of the token that is read at the end.
    visible: bool (count, 1, 1, length), the tokens that the pooled one attends to; None: all."""

    count: int
    length: int
    rows: object
    pooled: object
    visible: object = None

    def pad(self, x):
        """(T, width) -> (count, length, width)."""
        if self.rows is not None:
            x = x.new_zeros(self.count * self.length, x.shape[1]).index_copy_(0, self.rows, x)
        return x.view(self.count, self.length, -1)

    def pack(self, x):
        """(count, length, width) -> (T, width)."""
        x = x.reshape(self.count * self.length, -1)
        return x if self.rows is None else x.index_select(0, self.rows)


def forward(model, images, tokens, micro_batch_size: int = 0):
    """(unit-length image features (N, d), unit-length text features (N, d), exp of the logit scale), what `model(images,
    tokens)` of open_clip returns. `images` float (N, 3, H, W), `tokens` int64 (N, L).

    `micro_batch_size` above 0: each tower takes so many samples at a time and keeps their features alone; the backward
    pass computes each part again. Whatever is computed from the features sees all N of them, and gradients are those of
    the whole batch (Gao et al. 2021, GradCache). Raises `UserError` where batch normalisation would see the parts."""
    from torch.nn.functional import normalize

    if 0 < micro_batch_size < len(images):
        check_parts(model, micro_batch_size)
    image = _in_parts(lambda part: encode_image(model, part), images, micro_batch_size)
    text = _in_parts(lambda part: encode_text(model, part), tokens, micro_batch_size)
    return normalize(image, dim=-1), normalize(text, dim=-1), model.logit_scale.exp()


def _in_parts(encode, inputs, size: int):
    if not 0 < size < len(inputs):
        return encode(inputs)

    import torch
    from torch.utils.checkpoint import checkpoint

    # the loss compares each sample with all others, so that parts cannot have losses of their own whose gradients are
    # added: keep the features of all parts, and compute each part again when its gradient is due
    return torch.cat([checkpoint(encode, part, use_reentrant=False) for part in inputs.split(size)])


def encode_image(model, images):
    """Image features (N, d), not normalised, of `images` float (N, 3, H, W)."""
    import torch
    from torch.nn.functional import linear

    tower = model.visual
    if not (_standard_image_tower(tower) and _applies(images, tower.conv1.weight)):
        return model.encode_image(images)
    weight = tower.conv1.weight.flatten(1)  # a convolution whose stride is its kernel is a product with the patches
    (high, wide), count, width = tower.patch_size, len(images), len(weight)
    patches = images.unfold(2, high, high).unfold(3, wide, wide).permute(0, 2, 3, 1, 4, 5)
    x = linear(patches.reshape(-1, weight.shape[1]), weight).view(count, -1, width)
    x = torch.cat([tower.class_embedding.expand(count, 1, width), x], dim=1) + tower.positional_embedding
    length = x.shape[1]
    layout = Layout(count, length, None, torch.arange(0, count * length, length))
    x = _transformer(tower.transformer.resblocks, tower.ln_pre(x).view(-1, width), layout, causal=False)
    return tower.ln_post(x) @ tower.proj


def encode_text(model, tokens):
    """Text features (N, d), not normalised, of `tokens` int64 (N, L)."""
    import torch

    if not (_standard_text_tower(model) and _applies(tokens, model.token_embedding.weight)):
        return model.encode_text(tokens)
    end = tokens.argmax(dim=1)  # the end mark has the highest number
    length = int(end.max()) + 1
    position = torch.arange(length)
    visible = position <= end[:, None]
    rows = visible.flatten().nonzero().squeeze(1)
    pooled = (end + 1).cumsum(0) - 1  # the rows of the end marks: captions lie one behind the other
    layout = Layout(len(tokens), length, rows, pooled, visible[:, None, None, :])
    x = model.token_embedding(tokens[:, :length].flatten()[rows])
    x = x + model.positional_embedding.index_select(0, rows % length)
    x = _transformer(model.transformer.resblocks, x, layout, causal=True)
    return model.ln_final(x) @ model.text_projection


def _transformer(blocks, x, layout: Layout, causal: bool):
    """(T, width) -> (count, width): all blocks, the last one only as far as the pooled tokens need it."""
    from torch.nn.functional import linear, scaled_dot_product_attention

    def heads(
        projected, parts: int
    ):  # (count, length, parts * width) -> parts x (count, heads, length, width of a head)
        return projected.unflatten(2, (parts, block.attn.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)

    for block in blocks[:-1]:
        attention = block.attn
        projected = linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
        mixed = scaled_dot_product_attention(*heads(layout.pad(projected), 3), is_causal=causal)
        x = x + attention.out_proj(layout.pack(mixed.transpose(1, 2)))
        x = x + block.mlp(block.ln_2(x))
    block = blocks[-1]  # nothing reads its results at other positions: ask one query per sequence
    width, attention, normalised = x.shape[1], block.attn, block.ln_1(x)
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    (query,) = heads(linear(normalised[layout.pooled], weight[:width], bias[:width]).unsqueeze(1), 1)
    key, value = heads(layout.pad(linear(normalised, weight[width:], bias[width:])), 2)
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=layout.visible)
    x = x[layout.pooled] + attention.out_proj(mixed.reshape(layout.count, width))
    return x + block.mlp(block.ln_2(x))


def _applies(inputs, weight) -> bool:
    import torch

    return {inputs.device.type, weight.device.type} == {"cpu"} and not torch.is_autocast_enabled("cpu")


def _standard_image_tower(tower) -> bool:
    open_clip = import_open_clip()
    return (
        isinstance(tower, open_clip.transformer.VisionTransformer)
        and tower.attn_pool is None
        and tower.pool_type == "tok"
        and tower.proj is not None
        and not tower.output_tokens
        and _is_identity(tower.patch_dropout)
        and _standard_blocks(tower)
    )


def _standard_text_tower(model) -> bool:
    import torch

    return (
        isinstance(model, import_open_clip().CLIP)
        and model.text_pool_type == "argmax"
        and model.attn_mask is not None
        and isinstance(model.text_projection, torch.nn.Parameter)
        and _standard_blocks(model)
    )


def _standard_blocks(tower) -> bool:
    """Whether the blocks are the plain ones: self-attention with one fused projection, no scaling of residuals, and no
    hook on a module that is not called here as a whole."""
    block_type = import_open_clip().transformer.ResidualAttentionBlock
    stack = tower.transformer
    return not stack.grad_checkpointing and all(
        isinstance(block, block_type)
        and _is_identity(block.ls_1)
        and _is_identity(block.ls_2)
        and block.attn.in_proj_bias is not None
        and block.attn.dropout == 0
        and not any(module._forward_hooks or module._forward_pre_hooks for module in (block, block.attn))
        for block in stack.resblocks
    )


def _is_identity(module) -> bool:
    import torch

    return isinstance(module, torch.nn.Identity)
