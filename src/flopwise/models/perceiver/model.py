"""Perceiver IO (Jaegle et al. 2022, arXiv 2107.14795): read any inputs into latents, process them, write any outputs."""

import torch
from torch import Tensor, nn

from flopwise.core.errors import UserError
from flopwise.models.perceiver import heads, queries
from flopwise.models.perceiver import inputs as adapters
from flopwise.models.perceiver.attention import Attention, table
from flopwise.models.perceiver.config import Config


class Perceiver(nn.Module):
    """
    x = adapter(inputs)                              (M, C)
    z = Cross(z0, x); z = Self(z), L times           (N, D)
    y = head(Cross(queries, z))                      (O, outputs)

    No LayerNorm follows the encoder, the last latent layer or the decoder; there is no dropout.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.inputs = adapters.build(config.inputs)
        self.latents = table(config.latents, config.width)
        self.encoder = Attention(config.encoder, config.activation, config.folds)
        self.layers = nn.ModuleList(Attention(config.layer, config.activation) for _ in range(config.layers))
        self.queries = queries.build(config.queries) if config.queries else None
        self.decoder = Attention(config.decoder, config.activation) if config.queries else None
        self.head = heads.build(config)

    def encode(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Latents (B, N, D) of an input array (B, M, C). `mask` (B, M), true or 1: read the element."""
        if mask is not None:
            mask = _checked(mask, x)
        z = self.encoder(self.latents[None], x, mask)
        for _ in range(self.config.blocks):
            for layer in self.layers:
                z = layer(z)
        return z

    def decode(self, z: Tensor, x: Tensor, points=None, where: Tensor | None = None):
        """What the head gives for latents `z` (B, N, D) of the input array `x` (B, M, C). `points`: numbers of the outputs
        wanted, int64 (n,), by modality where there are several; None: all of them. `where` bool (B, O): the head is asked
        about these outputs alone, (n, E) to it; for heads that treat each by itself."""
        if self.decoder is None:
            return self.head(z)
        y = self.decoder(self.queries(x, points), z)
        y = y if where is None else y[where]
        return y if self.head is None else self.head(y, self.inputs, points)

    def forward(self, inputs, mask: Tensor | None = None, points=None, where: Tensor | None = None, **options):
        """`inputs`: what the input adapter takes, `options` too; `mask`, `points`, `where`: see `encode` and `decode`."""
        x = self.inputs(inputs, **options)
        return self.decode(self.encode(x, mask), x, points, where)


def _checked(mask: Tensor, x: Tensor) -> Tensor:
    if mask.shape != x.shape[:2]:
        raise UserError(f"mask has shape {tuple(mask.shape)}; expected (batch, elements) = {tuple(x.shape[:2])}")
    mask = mask.bool()
    if mask.device.type != "meta" and not bool(mask.any(dim=1).all()):
        empty = int((~mask.any(dim=1)).nonzero()[0])
        raise UserError(
            f"mask leaves nothing to read in example {empty} of the batch; at least one element must be valid"
        )
    return mask


def create(config: Config, *, seed: int = 0, device: str = "cpu") -> Perceiver:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        return Perceiver(config)
