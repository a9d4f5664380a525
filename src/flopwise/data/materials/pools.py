"""Pre-training pools of the efficiency study, from annotated scenes to web images with alt-text.

What differs is what differs between the real ones: how many things a picture shows and where, how often each class
occurs, how much of it is junk, how many labels and captions are wrong. Controls that tell size from quality need no
pools of their own: a longer beginning of a curated pool (`in1k-large`), and the images of a web pool that are not
`junk` (`align-curated`).
"""

from dataclasses import dataclass

import numpy as np

from flopwise.data.materials import scenes
from flopwise.data.materials.pixels import BLOCK, grid, in_blocks, noisy, tinted, to_bytes, turned, uniform
from flopwise.data.materials.scenes import GROUNDS, SIZE, THINGS

FIELDS = {
    "images": "uint8 (n, 32, 32, 3)",
    "labels": "int64 (n,): index of the class (thing and ground), noisy where the pool is; not in pools without labels",
    "present": "uint8 (n, 10): which classes of the segmentation task occur; annotated scenes only",
    "junk": "bool (n,): flat colours, gradients, bars like text, or a near-duplicate of another image",
    "captions": "n strings",
}
CLASSES = tuple(f"{thing} on {ground}" for thing in THINGS for ground in GROUNDS)


@dataclass(frozen=True)
class Pool:
    """`tail`: a class of rank r occurs like r ** -tail. Shares: of junk, of wrong labels, of captions that are wrong or
    say nothing."""

    labelled: bool
    radius: tuple[float, float]  # of things, in pixels
    spread: float  # how far from the middle they lie, in pixels
    tail: float
    junk: float
    wrong_labels: float
    poor_captions: float


POOLS = {
    "pool-in1k": Pool(True, (8, 11), 2, 0, 0, 0, 0),
    "pool-in21k": Pool(True, (8, 11), 2, 0.5, 0.1, 0.1, 0.1),
    "pool-jft": Pool(True, (5, 11), 9, 1, 0.3, 0.2, 0.2),
    "pool-align": Pool(False, (3, 7), 12, 1, 0.55, 0, 0.35),
}
_PLAIN = ("a photo", "a picture of something", "an object", "photo of the day")
_ALT = ("{}", "{} hd", "buy {}", "{} - free download", "new {} | shop", "my {}")
_JUNK = ("IMG_0231.jpg", "banner", "click to enlarge", "loading", "logo", "spacer", "header image", "untitled")


def cuts(name: str, stored: int) -> dict[str, int]:
    """The study's pools that are cut from the `stored` images of a material, and their sizes: all of it, but of the curated
    pool a quarter, so that sizes grow from the annotated scenes to the web as those of the real pools do."""
    short = name.removeprefix("pool-")
    return {"in1k": stored // 4, "in1k-large": stored} if short == "in1k" else {short: stored}


def make(name: str, sizes: dict[str, int], seed: int):
    if name == "pool-coco":
        return _annotated(name, sizes["train"], seed)
    pool = POOLS[name]
    drawn = in_blocks(lambda rng: _draw(rng, pool), sizes["train"], seed, name)
    captions = _captions(pool, drawn)
    kept = ("images", "labels", "junk") if pool.labelled else ("images", "junk")
    share = {"junk": drawn["junk"], "captions that say nothing or wrong": drawn["meaningless"] | drawn["poor"]}
    if pool.labelled:
        share["wrong labels"] = drawn["labels"] != drawn["true"]
        share["captions that say nothing or wrong"] = drawn["poor"] | share["wrong labels"]
    cut = cuts(name, sizes["train"])
    if name == "pool-align":
        cut["align-curated"] = int((~drawn["junk"]).sum())
    facts = {
        "pools": cut, "classes": CLASSES if pool.labelled else (),
        "shares": {name: round(float(values.mean()), 4) for name, values in share.items()},
        "baselines": {"top-1 by chance (%)": round(100 / len(CLASSES), 2)} if pool.labelled else {},
    }  # fmt: skip
    return {f"train_{key}": drawn[key] for key in kept}, {"train_captions": captions}, facts


def _annotated(name: str, count: int, seed: int):
    """Scenes like those of the segmentation task, all things named."""
    drawn = in_blocks(_draw_annotated, count, seed, name)
    captions = [_describe(things, grounds) for things, grounds in zip(drawn["things"], drawn["grounds"])]
    arrays = {"train_images": drawn["images"], "train_present": drawn["present"]}
    facts = {"pools": cuts(name, count), "classes": scenes.CLASSES, "shares": {"junk": 0.0}, "baselines": {}}
    return arrays, {"train_captions": captions}, facts


def _draw_annotated(rng):
    things, grounds = scenes.several(rng)
    image, classes = scenes.draw(rng, things, grounds, (3.5, 7.5), 12)
    present = np.stack([(classes == k).any((1, 2)) for k in range(len(scenes.CLASSES))], 1).astype(np.uint8)
    return {"images": noisy(rng, to_bytes(image), 12), "things": things, "grounds": grounds, "present": present}


def _describe(things, grounds) -> str:
    named = [f"a {THINGS[k]}" for k in things if k >= 0]
    floor = " and ".join(dict.fromkeys(GROUNDS[k] for k in grounds))
    return f"{', '.join(named[:-1])} and {named[-1]} on {floor}"


def _draw(rng, pool: Pool) -> dict[str, np.ndarray]:
    """A block of a pool: one thing per picture, or junk."""
    true = _classes(rng, pool.tail)
    things, grounds = true // len(GROUNDS), true % len(GROUNDS)
    image, _ = scenes.draw(rng, things[:, None], np.stack([grounds] * 2, 1), pool.radius, pool.spread)
    junk, kind = rng.random(BLOCK) < pool.junk, rng.integers(0, 4, BLOCK)
    source = rng.integers(0, BLOCK, BLOCK)  # what a near-duplicate repeats
    duplicate = junk & (kind == 3) & ~junk[source]
    image = np.where(per_picture(junk), _junk(rng, kind), image)
    image[duplicate], true[duplicate] = image[source[duplicate]], true[source[duplicate]]
    guess = _classes(rng, pool.tail)
    wrong = (junk & ~duplicate) | (rng.random(BLOCK) < pool.wrong_labels)
    return {
        "images": noisy(rng, to_bytes(image), 12), "true": true, "labels": np.where(wrong, guess, true), "junk": junk,
        "meaningless": junk & ~duplicate, "poor": rng.random(BLOCK) < pool.poor_captions, "guess": guess,
        "wording": rng.integers(0, 720, BLOCK),
    }  # fmt: skip


def per_picture(values: np.ndarray) -> np.ndarray:
    return values[:, None, None, None]


def _classes(rng, tail: float) -> np.ndarray:
    """Classes of a block; the most frequent comes first in an order that is the same for all pools."""
    shares = np.array([(rank + 1.0) ** -tail for rank in range(len(CLASSES))])
    ranks = np.searchsorted(np.cumsum(shares) / shares.sum(), rng.random(BLOCK), side="right").clip(0, len(CLASSES) - 1)
    return ranks * 7 % len(CLASSES)  # 7 has no factor in common with 24: an order that mixes things and grounds


def _junk(rng, kind: np.ndarray) -> np.ndarray:
    """Flat colours, gradients and bars like lines of text, float32 (BLOCK, 32, 32, 3)."""
    x, y = grid(SIZE, SIZE)
    first, second = tinted(uniform(rng, 0, 255, BLOCK, 3)), tinted(uniform(rng, 0, 255, BLOCK, 3))
    ramp = np.clip(turned(x, y, rng.integers(0, 256, BLOCK))[0] / 40 + np.float32(0.5), 0, 1)
    lines = (np.floor(y + 16) % 5 < 2) & (x < uniform(rng, -4, 16, BLOCK, SIZE, 1))
    words = rng.random((BLOCK, SIZE, SIZE), np.float32) < 0.8
    share = np.where(per_picture(kind == 0)[..., 0], 0, np.where(per_picture(kind == 2)[..., 0], lines & words, ramp))
    return first + share[..., None].astype(np.float32) * (second - first)


def _captions(pool: Pool, drawn: dict[str, np.ndarray]) -> list[str]:
    """Template captions of labels, or alt-text."""
    captions = []
    columns = (drawn[key] for key in ("true", "labels", "guess", "poor", "meaningless", "wording"))
    for true, label, guess, poor, meaningless, wording in zip(*columns):
        if pool.labelled:
            captions.append(_PLAIN[wording % len(_PLAIN)] if poor else f"a photo of a {CLASSES[label]}")
        elif meaningless or (poor and wording % 2):
            captions.append(_JUNK[wording % len(_JUNK)])
        else:
            named = CLASSES[guess if poor else true]
            captions.append(_ALT[wording % len(_ALT)].format(named if wording % 5 else named.split(" on ")[0]))
    return captions
