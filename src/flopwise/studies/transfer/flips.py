"""Complementary knowledge: what one model has right that another has wrong, how it spreads over classes, what these have in
common. Shares are in percent of all test pictures unless said otherwise. Pure functions of NumPy arrays."""

import math
from typing import NamedTuple

import numpy as np


class Flips(NamedTuple):
    """Counts of a pair: n pictures; positive: only the teacher is right; negative: only the student is; by_class int64 (C,):
    positive ones of each class."""

    n: int
    positive: int
    negative: int
    by_class: np.ndarray


def flips(teacher: np.ndarray, student: np.ndarray, targets: np.ndarray, classes: int) -> Flips:
    """teacher, student: predicted classes (n,). The released code counts the same."""
    right, own = teacher == targets, student == targets
    positive = right & ~own
    by_class = np.bincount(targets[positive], minlength=classes)
    return Flips(len(targets), int(positive.sum()), int((own & ~right).sum()), by_class)


def sampling_error(share: float, n: int) -> float:
    """Standard error of a share in percent of n pictures."""
    return math.sqrt(share * (100 - share) / n)


def entropy(by_class: np.ndarray) -> float:
    """-sum p ln p of how flips spread over classes, in nats; ln C where they are uniform, NaN without any."""
    p = by_class[by_class > 0] / by_class.sum() if by_class.sum() else np.array([np.nan])
    return abs(float(-(p * np.log(p)).sum()))


def top_classes(by_class: np.ndarray, share: float, as_released: bool = False) -> np.ndarray:
    """K_X: the smallest set of classes, those with most flips first, that holds `share` percent of all flips; of equals the
    first one. `as_released`: one class more, since the official code counts on before it tests."""
    order = np.argsort(-by_class, kind="stable")
    reached = np.cumsum(by_class[order])
    size = int(np.searchsorted(reached, share / 100 * by_class.sum() - 1e-9)) + 1
    return order[: min(size + as_released, int((by_class > 0).sum()))]


def similarities(attributes: np.ndarray) -> np.ndarray:
    """Cosines between all classes, (C, C)."""
    unit = attributes / np.linalg.norm(attributes, axis=1, keepdims=True)
    return unit @ unit.T


def mean_similarity(cosines: np.ndarray, chosen: np.ndarray) -> float:
    """Mean over all pairs of two chosen classes; NaN for fewer than two."""
    k = len(chosen)
    if k < 2:
        return float("nan")
    part = cosines[np.ix_(chosen, chosen)]
    return float((part.sum() - np.trace(part)) / (k * (k - 1)))


def random_similarity(cosines: np.ndarray, size: int, draws: int, generator) -> tuple[float, float]:
    """Mean and standard deviation of the same over random sets of `size` classes."""
    if size < 2:
        return float("nan"), float("nan")
    found = [mean_similarity(cosines, generator.choice(len(cosines), size, replace=False)) for _ in range(draws)]
    return float(np.mean(found)), float(np.std(found, ddof=1))


class Change(NamedTuple):
    """What a transfer did to a student, beside its teacher. Percent of all test pictures; rates are of the complementary set
    (teacher right, student before it wrong), NaN where that is empty.

    gain, loss: newly right, newly wrong. error: paired standard error of their difference. p_value: McNemar's exact test.
    remaining: complementary knowledge after the transfer. rate: share of the complementary set that is right after it.
    released_rate: newly right pictures of classes with any complementary picture, over the number of these pictures."""

    before: float
    after: float
    gain: float
    loss: float
    error: float
    p_value: float
    remaining: float
    rate: float
    released_rate: float

    @property
    def delta(self) -> float:
        return self.after - self.before


def change(before: np.ndarray, after: np.ndarray, teacher: np.ndarray, targets: np.ndarray, classes: int) -> Change:
    """From predicted classes (n,)."""
    n, had, has, right = len(targets), before == targets, after == targets, teacher == targets
    gained, lost, complementary = has & ~had, had & ~has, right & ~had
    gain, loss = 100 * gained.mean(), 100 * lost.mean()
    held = np.bincount(targets[complementary], minlength=classes) > 0
    count = int(complementary.sum())
    return Change(
        before=100 * had.mean(), after=100 * has.mean(), gain=gain, loss=loss,
        error=math.sqrt(max(0.0, 100 * (gain + loss) - (gain - loss) ** 2) / n),
        p_value=mcnemar(int(gained.sum()), int(lost.sum())), remaining=100 * float((right & ~has).mean()),
        rate=100 * float((complementary & has).sum()) / count if count else math.nan,
        released_rate=100 * float((gained & held[targets]).sum()) / count if count else math.nan,
    )  # fmt: skip


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value that gains and losses are equally likely."""
    from scipy.stats import binom

    if gained + lost == 0:
        return 1.0
    return float(min(1.0, 2 * binom.cdf(min(gained, lost), gained + lost, 0.5)))


class TopRate(NamedTuple):
    """Transfer of the classes K_X. strict: share of their complementary pictures that are right afterwards. plotted: what the
    released plot shows, 100 - X + I_X gain / remaining, I_X being the share of gained pictures in K_X. blind: the same for a
    transfer that does not care for classes, I_X = X."""

    strict: float
    plotted: float
    blind: float


def top_rate(
    before: np.ndarray, after: np.ndarray, teacher: np.ndarray, targets: np.ndarray, classes: int, share: float
) -> TopRate:
    had, has, right = before == targets, after == targets, teacher == targets
    complementary, gained, remaining = right & ~had, has & ~had, float((right & ~has).sum())
    by_class = np.bincount(targets[complementary], minlength=classes)
    if not by_class.sum() or not remaining:
        return TopRate(math.nan, math.nan, math.nan)
    inside = np.isin(targets, top_classes(by_class, share))
    rate = float(gained.sum()) / remaining
    of_gained = float((gained & inside).sum()) / max(1, int(gained.sum()))
    strict = 100 * float((complementary & has & inside).sum()) / float((complementary & inside).sum())
    return TopRate(strict, 100 - share + 100 * of_gained * rate, 100 - share + share * rate)


def ensemble(first: dict, second: dict) -> np.ndarray:
    """Predictions of whichever of two models is more confident; the second one's where they are equally so."""
    return np.where(first["confidence"] > second["confidence"], first["predicted"], second["predicted"])
