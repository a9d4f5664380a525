"""Bytes of real English (Wikipedia, C4 and GLUE in small): as `language`, on sentences that ship with Python and six tasks on
them, three of them on pairs. Reported; no claim is judged by it.

Words are filled into the sentences of the tasks themselves, of training documents. The score is GLUE's: the mean over tasks of
accuracy, of similarity the correlation."""

from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import language

BETWEEN = b" \x01 "  # first and second sentence of a pair
UNCHANGED = ("area", "same-document", "source")  # tasks whose first sentences are as they were written


class Work(language.Work):
    title, stands_for, material, score, unit = "English", "Wikipedia, C4 and GLUE", "text-tasks", "mean_score", "%"
    length, merges_count, pieces_count = 195, 400, 70
    layers: ClassVar = {"bytes-transformer": 1, "pieces-transformer": 2}
    widths: ClassVar = {"bytes-transformer": 32, "pieces-transformer": language.WIDTH}
    outputs: ClassVar = {"area": 4, "paraphrase": 2, "same-document": 2, "similarity": 1, "source": 2, "word-order": 2}

    def corpus(self, split: str = "train") -> np.ndarray:
        own = "train" if split == "train" else "test"
        lines = np.concatenate([self.arrays[f"{task}_{own}_first"] for task in UNCHANGED])
        return self._padded(np.unique(lines, axis=0))

    def texts(self, task: str, split: str) -> np.ndarray:
        first = np.array(self.arrays[f"{task}_{split}_first"])
        if (second := self.arrays.get(f"{task}_{split}_second")) is None:
            return self._padded(first)
        pairs = [bytes(a).rstrip(b"\0") + BETWEEN + bytes(b).rstrip(b"\0") for a, b in zip(first, np.array(second))]
        return np.stack([np.frombuffer(pair.ljust(self.length, b"\0"), np.uint8) for pair in pairs])

    def _padded(self, lines: np.ndarray) -> np.ndarray:
        return np.pad(lines, ((0, 0), (0, self.length - lines.shape[1])))
