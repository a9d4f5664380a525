"""CLIP with a small text tower (Radford et al. 2021): u_i = n(W_I f(x_i)), w_i = n(W_T t(c_i)), L_ij = exp(s) <u_i, w_j>,

    loss = 1/2 [ mean_i CE(L_i., i) + mean_i CE(L_.i, i) ],    exp(s) <= 100

Equal captions in a batch are false negatives, as they are with few classes; the plain loss is kept, since that is the method."""

import math

from flopwise.methods.efficiency import SUPERVISED, Batch, Facts, Objective, full_precision


def contrast(images, texts, scale):
    """The symmetric loss of unit-length features (B, d); scale: exp(s)."""
    import torch
    from torch.nn.functional import cross_entropy

    with full_precision(images):
        logits = scale * images.float() @ texts.float().T
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def learner(trunk, facts: Facts, width: int, depth: int, heads: int, shared: int, smallest: float, colour: float):
    import torch
    from torch import nn
    from torch.nn.functional import normalize

    from flopwise.models.trunk import Block

    class Clip(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.to_shared = trunk, nn.Linear(trunk.shape.width, shared, bias=False)
            self.words = nn.Embedding(facts.vocabulary + 1, width, padding_idx=0)
            self.places = nn.Parameter(0.01 * torch.randn(facts.context, width))
            self.blocks, self.norm = nn.ModuleList(Block(width, heads) for _ in range(depth)), nn.LayerNorm(width)
            self.text_to_shared = nn.Linear(width, shared, bias=False)
            self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

        def text(self, words):
            there = words > 0
            read = self.words(words) + self.places
            for block in self.blocks:
                read = block(read, there[:, None, None])
            mean = (self.norm(read) * there[..., None]).sum(1) / there.sum(1, keepdim=True)
            return normalize(self.text_to_shared(mean), dim=1)

        def loss(self, batch: Batch):
            pictures = batch.view(smallest, colour)
            image = normalize(self.to_shared(self.trunk(pictures).mean(1)), dim=1)
            return contrast(image, self.text(batch.words), self.log_scale.clamp(max=math.log(100)).exp())

    return Clip()


OBJECTIVE = Objective(
    learner, "CLIP", SUPERVISED, needs="captions",
    options={"width": 32, "depth": 1, "heads": 2, "shared": 64, "smallest": 0.5, "colour": 0.5},  # width, depth, heads: of text
)  # fmt: skip
