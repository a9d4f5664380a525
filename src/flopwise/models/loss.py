"""The loss of contrastive image-text training."""

from flopwise.models import lean


def symmetric(logits):
    """L = (CE(S, I) + CE(S^T, I)) / 2 of the scaled similarities S (N, N) of images and texts (Radford et al. 2021). Every
    pair is its own positive."""
    import torch
    from torch.nn.functional import cross_entropy

    labels = torch.arange(len(logits), device=logits.device)
    return 0.5 * (cross_entropy(logits, labels) + cross_entropy(logits.T, labels))


def contrastive_loss(model, images, tokens, micro_batch_size: int = 0):
    """The loss of CLIP's training: S = exp(s) Z U^T with unit-length features Z, U. `images` float (N, 3, H, W), `tokens`
    int64 (N, L) -> scalar; `micro_batch_size`: see `lean.forward`, changes the result by rounding alone."""
    image_features, text_features, scale = lean.forward(model, images, tokens, micro_batch_size)
    return symmetric(scale * image_features @ text_features.T)
