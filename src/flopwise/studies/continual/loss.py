"""The loss of contrastive image-text training."""

from flopwise.models import lean


def contrastive_loss(model, images, tokens, micro_batch_size: int = 0):
    """Symmetric contrastive loss of CLIP (Radford et al. 2021): with unit-length features Z, U and S = exp(s) Z U^T,
    L = (CE(S, I) + CE(S^T, I)) / 2. Every pair is its own positive.

    `images` float (N, 3, H, W), `tokens` int64 (N, L) -> scalar; `micro_batch_size`: see `lean.forward`, changes the
    result by rounding alone."""
    import torch
    from torch.nn.functional import cross_entropy

    image_features, text_features, scale = lean.forward(model, images, tokens, micro_batch_size)
    logits = scale * image_features @ text_features.T
    labels = torch.arange(len(images), device=images.device)
    return 0.5 * (cross_entropy(logits, labels) + cross_entropy(logits.T, labels))
