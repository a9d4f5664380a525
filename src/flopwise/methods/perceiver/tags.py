"""Tags of clips (AudioSet's stand-in): several labels at once from video and sound (arXiv 2107.14795, table 5): read out by a
query, or by averaging latents; from both modalities or from sound alone."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.methods.perceiver.clips import FRAMES, PATCH, SAMPLES, SIDE
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import Audio, Average, Fourier, LearnedQueries, Linear, Multimodal, Video

TAGS = 8
_AUDIO = Audio(FRAMES * SAMPLES, PATCH, Fourier(8, (FRAMES * SAMPLES // PATCH,)))
_VIDEO = Video(FRAMES, (SIDE, SIDE), (2, 4, 4), Fourier(2, (FRAMES // 2, 4, 4)))


def _config(**parts) -> Config:
    return Config(
        Multimodal(parts), LearnedQueries(1, 32), Linear(TAGS, single=True), 12, 48, 2, heads=4, query_residual=True
    )


BOTH = _config(audio=_AUDIO, image=_VIDEO)
CONFIGS = {
    "both": BOTH, "average": replace(BOTH, queries=None, head=Average(TAGS), query_residual=False),
    "sound": _config(audio=_AUDIO),
}  # fmt: skip


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean over tags of the area under precision and recall, in percent; scores, truth (n, tags); tags that never occur are left
    out."""
    found = []
    for score, right in zip(scores.T, truth.T.astype(bool)):
        if right.any():
            ranked = right[np.argsort(-score, kind="stable")]
            found.append((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())
    return 100 * float(np.mean(found))


class Work(Base):
    title, stands_for, material, score, unit = "tags", "AudioSet", "clips", "map", "%"
    arms: ClassVar = {
        "both": Arm("video and sound"), "average": Arm("both, latents averaged"), "sound": Arm("sound alone"),
        "trivial": Arm("how often each tag occurs", "trivial"),
    }  # fmt: skip

    def model(self, arm):
        import torch

        return create(CONFIGS[arm], seed=int(torch.randint(2**31, ())))

    def _clips(self, split, arm, rows=slice(None)):
        import torch

        video = torch.from_numpy(np.array(self.arrays[f"{split}_video"][rows])).permute(0, 1, 4, 2, 3).float() / 64 - 2
        audio = torch.from_numpy(np.array(self.arrays[f"{split}_audio"][rows])).float() / 8192
        tags = torch.from_numpy(np.array(self.arrays[f"{split}_tags"][rows])).float()
        return {"audio": audio} if arm == "sound" else {"audio": audio, "image": video}, tags

    def loss(self, model, arm, batch_size, rng):
        from torch.nn.functional import binary_cross_entropy_with_logits

        clips, tags = self._clips("train", arm, rng.integers(0, len(self.arrays["train_tags"]), batch_size))
        return binary_cross_entropy_with_logits(model(clips), tags)

    def scores(self, model, arm, seed):
        import torch

        clips, tags = self._clips("test", arm)
        if model is None:
            said = np.tile(np.array(self.arrays["train_tags"]).mean(0), (len(tags), 1))
        else:
            with torch.no_grad():
                said = model(clips).numpy()
        return {"map": average_precision(said, tags.numpy())}

    def once(self, model, arm):
        import torch

        clips = {"image": torch.zeros(1, FRAMES, 3, SIDE, SIDE), "audio": torch.zeros(1, FRAMES * SAMPLES)}
        model({"audio": clips["audio"]} if arm == "sound" else clips)
