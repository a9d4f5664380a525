"""What is held out of a material's training samples while settings are tuned, where it has no validation split."""

import numpy as np

from flopwise.data.store import StoredArrays
from flopwise.data.validation import held_out


def validation_samples(stored: StoredArrays, task: str = "") -> np.ndarray:
    """Sorted indices of the training samples that stand for test samples, the same in every run: a fifth of each class,
    of all samples where there are no classes, of whole games where samples belong to games. `task`: which of the tasks
    of a material that has several; their sentences are in random order."""
    key, name = f"{task}_train" if task else "train", stored.card["name"] + task
    arrays = {part: np.asarray(array) for part, array in stored.arrays.items() if part.startswith(key)}
    if f"{key}_game" in arrays:
        games = arrays[f"{key}_game"]
        return np.flatnonzero(np.isin(games, held_out(np.zeros(games.max() + 1, np.int64), name)))
    everything = np.zeros(len(next(iter(arrays.values()))), np.int64)
    targets = arrays.get(f"{key}_targets", arrays.get(f"{key}_labels", everything))
    return held_out(targets if targets.dtype == np.int64 else everything, name)
