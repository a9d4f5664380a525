"""Vision transformers of timm as encoders of pictures of any size: what they say of each patch.

    pictures (B, 3, H, W) in [0, 1] -> normalised as the weights ask for -> tokens (B, n, D), without those of no patch

Positions are interpolated to the picture's grid, as timm does it."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.models import zoo
from flopwise.models.compat import import_timm
from flopwise.models.trunk import Shape

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation where no tag says others


def name_of(pretrained: str) -> str:
    """The model to make for a tag. Weights that were trained with QuickGELU timm's table lists under a model with the exact
    GELU, too, and says so; they get the activation that they were trained with."""
    model, facts = pretrained.partition(".")[0], zoo.released(pretrained)
    native = any("QuickGELU" in note for note in facts.get("notes") or ())
    return model.replace("_clip_", "_clip_quickgelu_") if native and "quickgelu" not in model else model


class VitTokens(nn.Module):
    """width D, depth L, patch P: pixels of a token's side; blocks: from the picture on. recompute: what blocks say inside is
    computed again in the backward pass, not kept. It has what `models.trunk.Trunk` has, so that objectives can train it."""

    def __init__(self, model: str, drop_path: float = 0.0, statistics=IMAGENET, recompute: bool = False):
        super().__init__()
        timm = import_timm()
        check("timm model", model, timm.list_models())
        if not isinstance(zoo.create(model), timm.models.vision_transformer.VisionTransformer):
            raise UserError(f"{model} is no plain vision transformer of timm, which an encoder must be")
        self.vit = timm.create_model(
            model, pretrained=False, num_classes=0, dynamic_img_size=True, drop_path_rate=drop_path
        )
        self.width, self.depth, self.patch = (
            self.vit.embed_dim,
            len(self.vit.blocks),
            self.vit.patch_embed.patch_size[0],
        )
        self.recompute, heads = recompute, self.vit.blocks[0].attn.num_heads
        side = self.vit.patch_embed.img_size[0]
        self.shape = Shape(self.width, self.depth, heads, self.patch, "patches", side)
        for name, values in zip(("mean", "deviation"), statistics):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Tokens of the last block, LayerNormed, (B, n, D); rows of the picture one after the other."""
        return self.run(self.embed(pictures))

    def embed(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> tokens of patches (B, n, D) with positions."""
        tokens = self.vit._pos_embed(self.vit.patch_embed(self._normalised(pictures)))
        return tokens[:, self.vit.num_prefix_tokens :]

    def run(self, tokens: Tensor) -> Tensor:
        """Tokens of any patches, (B, k, D), through all blocks, beside those of no patch, which are left out again."""
        if prefix := self.vit.num_prefix_tokens:
            grid = tokens.new_zeros(1, *self.vit.patch_embed.grid_size, self.width)
            own = self.vit._pos_embed(grid)[:, :prefix].to(tokens.dtype)
            tokens = torch.cat([own.expand(len(tokens), -1, -1), tokens], 1)
        tokens = self.vit.norm_pre(tokens)
        for block in self.vit.blocks:
            again = self.recompute and torch.is_grad_enabled()
            tokens = checkpoint(block, tokens, use_reentrant=False) if again else block(tokens)
        return self.vit.norm(tokens)[:, prefix:]

    def levels(self, pictures: Tensor, blocks: list[int]) -> list[Tensor]:
        """What the given blocks (from 0) say, each (B, D, H / P, W / P), not normalised."""
        return self.vit.forward_intermediates(
            self._normalised(pictures), indices=blocks, norm=False, output_fmt="NCHW", intermediates_only=True
        )

    def depth_of(self, parameter: str) -> int:
        """Where a parameter lies: 0 in the embedding, i + 1 in block i, depth + 1 after the last."""
        parts = parameter.removeprefix("vit.").split(".")
        if parts[0] == "blocks":
            return int(parts[1]) + 1
        return 0 if parts[0] in ("cls_token", "pos_embed", "reg_token", "patch_embed", "norm_pre") else self.depth + 1

    def _normalised(self, pictures: Tensor) -> Tensor:
        return (pictures - self.mean) / self.deviation


def released(pretrained: str, path: Path, drop_path: float = 0.0) -> VitTokens:
    """The encoder `<model>.<tag>` with the weights in the file `path`; its head stays behind. Raises `RunFailure` where they
    do not fit."""
    from flopwise.models import weights

    facts = zoo.released(pretrained)
    whole = zoo.create(pretrained, device="cpu")
    weights.load(whole, pretrained, path)
    made = VitTokens(name_of(pretrained), drop_path, (facts["mean"], facts["std"]))
    state = {name: value for name, value in whole.state_dict().items() if name in made.vit.state_dict()}
    made.vit.load_state_dict(state)
    return made
