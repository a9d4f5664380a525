"""Masked autoencoders (He et al. 2022): the trunk sees the visible patches, a small decoder fills in the rest,

    loss = mean over masked patches of |decoded - normalised pixels|^2,    normalised = (x - mean) / sqrt(var + 1e-6) per patch

Masked patches are blackened before the stem, so that no convolution looks into them. `mae-tiny` masks 85 % and decodes with one
block."""

from flopwise.methods.efficiency import Batch, Facts, Objective


def patches(pictures, patch: int):
    """(B, 3, S, S) -> (B, n, 3 P^2), in the order of the trunk's tokens."""
    from torch.nn.functional import unfold

    return unfold(pictures, patch, stride=patch).transpose(1, 2)


def reconstruction(decoded, pixels, masked):
    """decoded, pixels (B, n, 3 P^2); masked bool (B, n)."""
    target = (pixels - pixels.mean(2, keepdim=True)) / (pixels.var(2, keepdim=True) + 1e-6).sqrt()
    return (((decoded - target) ** 2).mean(2) * masked).sum() / masked.sum()


def visible(tokens: int, share: float) -> int:
    """Patches that the trunk sees."""
    return max(1, int(tokens * (1 - share)))


def learner(trunk, facts: Facts, mask: float, width: int, depth: int, heads: int, smallest: float, colour: float):
    import torch
    from torch import nn

    from flopwise.models.trunk import POSITION, Block, positions

    patch = trunk.shape.patch

    class Mae(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.to_decoder = trunk, nn.Linear(trunk.shape.width, width)
            self.missing = nn.Parameter(torch.zeros(width))
            self.blocks, self.norm = nn.ModuleList(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width)
            self.pixels = nn.Linear(width, 3 * patch**2)

        def decode(self, encoded, kept, n: int):
            """encoded (B, k, D) of the patches `kept` (B, k) -> pixels (B, n, 3 P^2)."""
            small = self.to_decoder(encoded).float()  # blocks add to it, as the trunk's do, in full precision
            place = kept[..., None].expand(-1, -1, width)
            tokens = self.missing.expand(len(small), n, -1).scatter(1, place, small)
            tokens = tokens + POSITION * positions(width, round(n**0.5)).to(tokens)
            for block in self.blocks:
                tokens = block(tokens)
            return self.pixels(self.norm(tokens))

        def encode(self, pictures, kept):
            """Tokens (B, k, D) of the patches `kept` int64 (B, k), from nothing else of the pictures."""
            n, side = trunk.shape.tokens(), round(trunk.shape.tokens() ** 0.5)
            shown = pictures.new_zeros(len(pictures), n).scatter(1, kept, 1.0).view(-1, 1, side, side)
            shown = shown.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
            tokens = self.trunk.embed(pictures * shown)
            return self.trunk.run(tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[2])))

        def loss(self, batch: Batch):
            pictures = batch.view(smallest, colour)
            n = trunk.shape.tokens()
            order = torch.rand((len(pictures), n), generator=batch.generator).argsort(1).to(pictures.device)
            kept = order[:, : visible(n, mask)]
            masked = torch.ones_like(order, dtype=torch.bool).scatter(1, kept, False)
            decoded = self.decode(self.encode(pictures, kept), kept, n)
            return reconstruction(decoded, patches(pictures, patch), masked)

    return Mae()


OPTIONS = {
    "mask": 0.75,
    "width": 48,
    "depth": 2,
    "heads": 4,
    "smallest": 0.5,
    "colour": 0.3,
}  # width to heads: the decoder's
OBJECTIVES = {
    "mae": Objective(learner, "MAE, 75 %", options=OPTIONS),
    "mae-tiny": Objective(learner, "MAE-Tiny, 85 %", options={**OPTIONS, "mask": 0.85, "depth": 1}),
}
