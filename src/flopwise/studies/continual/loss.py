"""The loss of contrastive image-text training."""

from flopwise.models import lean


def contrastive_loss(model, images, tokens):
    """Symmetric contrastive loss of CLIP (Radford et al. 2021): with unit-length features Z, U and S = exp(s) Z U^T,
    L = (CE(S, I) + CE(S^T, I)) / 2. Every pair is its own positive.

    `images` float (N, 3, H, W), `tokens` int64 (N, L) -> scalar. The logit scale s is not clamped (official code)."""
    import torch
    from torch.nn.functional import cross_entropy

    image_features, text_features, scale = lean.forward(model, images, tokens)
    logits = scale * image_features @ text_features.T
    labels = torch.arange(len(images), device=images.device)
    return 0.5 * (cross_entropy(logits, labels) + cross_entropy(logits.T, labels))
