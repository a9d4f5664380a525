"""Scores of contrastive image-text models, their aggregates, and the subset on which a stream is evaluated.

Source of every rule: FoMo-in-Flux's official code (metrics, subset rule, aggregation)."""

import math

import numpy as np


def correct(image_features, class_features, targets):
    """Zero-shot classification: which images the nearest class text names rightly, bool (N,).

    `image_features` (N, d), `class_features` (C, d) of unit length, `targets` (N,). The highest dot product wins; the
    length of an image's feature cannot change the winner."""
    return (image_features @ class_features.T).argmax(dim=1) == targets


def recall_at(image_features, text_features, image_of_text, k: int = 5) -> float:
    """R@k in percent: the mean of text-to-image (share of captions whose image is among the k nearest) and
    image-to-text (share of images with any of their captions among the k nearest).

    `image_features` (N, d), `text_features` (M, d), both of unit length; `image_of_text` (M,) image index per text."""
    similarity = text_features @ image_features.T
    found_images = similarity.topk(min(k, similarity.shape[1]), dim=1).indices
    text_to_image = (found_images == image_of_text[:, None]).any(dim=1)
    found_texts = similarity.T.topk(min(k, similarity.shape[0]), dim=1).indices
    own = image_of_text.new_tensor(range(len(image_features)))
    image_to_text = (image_of_text[found_texts] == own[:, None]).any(dim=1)
    return 50.0 * (text_to_image.double().mean().item() + image_to_text.double().mean().item())


def geometric_mean(a: float, b: float) -> float:
    """GM = sqrt(A_KA x A_ZS) of two accuracies in percent."""
    return math.sqrt(a * b)


def wilson_interval(percent: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a proportion given in percent over n independent trials (Wilson 1927)."""
    from scipy.stats import norm

    z = norm.ppf(0.5 + confidence / 2)
    share = percent / 100
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return 100 * (centre - half), 100 * (centre + half)


def normalised(percent: float, chance: float) -> float:
    """Accuracy above chance as a share of what lies above chance, in percent."""
    return 100 * (percent - chance) / (100 - chance)


def subset_size(n: int, classes: int, fraction: float = 0.1, minimum: int = 300) -> int:
    """How many test samples a streaming evaluation draws: min(N, max(2C, minimum, floor(fraction x N)))."""
    return min(n, max(2 * classes, minimum, math.floor(fraction * n)))


def evaluation_subset(targets: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Sorted indices of a class-balanced subset: min(floor(size / C), n_c) samples per class without replacement, the
    rest drawn from what is left."""
    targets = np.asarray(targets)
    if size >= len(targets):
        return np.arange(len(targets))
    classes = np.unique(targets)
    chosen = []
    for label in classes:
        members = np.flatnonzero(targets == label)
        chosen.append(generator.choice(members, min(size // len(classes), len(members)), replace=False))
    chosen = np.concatenate(chosen)
    rest = np.setdiff1d(np.arange(len(targets)), chosen)
    return np.sort(np.concatenate([chosen, generator.choice(rest, size - len(chosen), replace=False)]))


def aggregate(scores, keys: list[str]):
    """Per group of `keys`: A_KA and A_ZS, the unweighted means over adaptation and evaluation sets, and their geometric
    mean; one row per metric (a_ka, a_zs, gm), value in percent."""
    import pandas

    means = scores.pivot_table(index=keys, columns="role", values="value", aggfunc="mean", sort=False)
    wide = pandas.DataFrame({"a_ka": means["adaptation"], "a_zs": means["evaluation"]})
    wide["gm"] = [geometric_mean(a, b) for a, b in zip(wide["a_ka"], wide["a_zs"])]
    return wide.reset_index().melt(keys, var_name="metric", value_name="value")
