"""Clips of four frames with sound. A disc or a square moves over a colour ramp; one hears where and what it is.

Loudness follows the object's place from left to right, timbre its form (a pure tone for a disc, a third harmonic for a
square). The pitch is free, and the class is direction and pitch: it needs eye and ear.
"""

import math

import numpy as np

from flopwise.data.materials.pixels import (
    BLOCK,
    cover,
    disk,
    grid,
    in_blocks,
    lay,
    noisy,
    per_image,
    square,
    tinted,
    to_bytes,
    turned,
    uniform,
)

FRAMES, SIZE, SAMPLES = 4, 16, 64  # SAMPLES of sound per frame
PITCHES = (4, 9)  # cycles per frame
DIRECTIONS = ("right", "left", "down", "up")
CLASSES = tuple(f"{direction}, {pitch}" for direction in DIRECTIONS for pitch in ("low", "high"))
TAGS = (*DIRECTIONS, "low", "high", "disc", "square")
FIELDS = {
    "video": f"uint8 (n, {FRAMES}, {SIZE}, {SIZE}, 3)",
    "audio": f"int16 (n, {FRAMES * SAMPLES}): {SAMPLES} samples per frame, 1 is 32767",
    "targets": "int64 (n,): direction (4) x pitch (2)",
    "tags": "uint8 (n, 8): direction, pitch and form, for tasks with several labels",
}
_STEPS = 1024
_SINE = np.array([round(4096 * math.sin(2 * math.pi * k / _STEPS)) for k in range(_STEPS)])


def make(name: str, sizes: dict[str, int], seed: int):
    arrays = {}
    for split, count in sizes.items():
        drawn = in_blocks(_draw, count, seed, name, split)
        arrays |= {f"{split}_{key}": array for key, array in drawn.items()}
    facts = {"classes": CLASSES, "tags": TAGS, "baselines": {"top-1 by chance (%)": 100 / len(CLASSES)}}
    return arrays, {}, facts


def _draw(rng) -> dict[str, np.ndarray]:
    targets, form = rng.integers(0, len(CLASSES), BLOCK), rng.integers(0, 2, BLOCK)
    direction, pitch = targets // 2, targets % 2
    along, across = uniform(rng, -6, -2, BLOCK), uniform(rng, -5, 5, BLOCK)
    speed, sign = uniform(rng, 1.8, 3, BLOCK), np.where(direction % 2, -1, 1).astype(np.float32)
    ramp = _ramp(rng)
    colours, radius = tinted(uniform(rng, 0, 255, BLOCK, 3)), per_image(uniform(rng, 2.2, 3.6, BLOCK))
    frames, places = [], []
    for frame in range(FRAMES):
        moving = sign * (along + speed * np.float32(frame))
        cx, cy = np.where(direction < 2, moving, across), np.where(direction < 2, across, moving)
        x, y = grid(SIZE, SIZE)
        x, y = x - per_image(cx), y - per_image(cy)
        image = ramp.copy()
        distance = np.where(per_image(form) == 0, disk(x, y, radius), square(x, y, radius * np.float32(0.88)))
        lay(image, colours, cover(distance))
        frames.append(noisy(rng, to_bytes(image), 4))
        places.append(cx)
    tags = np.concatenate([np.eye(4)[direction], np.eye(2)[pitch], np.eye(2)[form]], 1).astype(np.uint8)
    audio = _sound(rng, pitch, form, np.stack(places, 1))
    return {"video": np.stack(frames, 1), "audio": audio, "targets": targets, "tags": tags}


def _ramp(rng) -> np.ndarray:
    """A passage from one colour to another, float32 (BLOCK, 16, 16, 3)."""
    x, y = grid(SIZE, SIZE)
    share = np.clip(turned(x, y, rng.integers(0, 256, BLOCK))[0] / SIZE + np.float32(0.5), 0, 1)[..., None]
    first, second = tinted(uniform(rng, 40, 215, BLOCK, 3)), tinted(uniform(rng, 40, 215, BLOCK, 3))
    return first + share * (second - first)


def _sound(rng, pitch: np.ndarray, form: np.ndarray, places: np.ndarray) -> np.ndarray:
    """int16 (BLOCK, 256): loudness goes from place to place in straight lines, all in whole numbers."""
    time = np.arange(FRAMES * SAMPLES)
    phase = np.array(PITCHES)[pitch][:, None] * time * (_STEPS // SAMPLES) + rng.integers(0, _STEPS, (BLOCK, 1))
    tone = np.where(
        form[:, None] == 0, _SINE[phase % _STEPS], (2 * _SINE[phase % _STEPS] + _SINE[3 * phase % _STEPS]) // 3
    )
    loud = np.clip(1000 + 90 * places, 120, 2000).astype(np.int64)  # per frame, 2000 is full
    frame, within = time // SAMPLES, time % SAMPLES
    after = loud[:, np.minimum(frame + 1, FRAMES - 1)]
    level = (loud[:, frame] * (SAMPLES - within) + after * within) // SAMPLES
    return (tone * level * 32767 // (4096 * 2000)).astype(np.int16)
