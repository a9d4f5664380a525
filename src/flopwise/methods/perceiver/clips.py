"""Clips with sound (Kinetics' stand-in): video, audio and label are read, partly hidden, and written again through N latents
(arXiv 2107.14795, section 4.3). Fewer latents compress more; a heavier label is known better and costs pixels."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import (
    Audio,
    Fourier,
    Label,
    LearnedQueries,
    Modalities,
    Multimodal,
    MultimodalQueries,
    PositionQueries,
    Video,
)

FRAMES, SIDE, SAMPLES, PATCH, CLASSES, POINTS = 4, 16, 64, 16, 8, 96
_SOUND = Fourier(8, (FRAMES * SAMPLES // PATCH,))
CONFIG = Config(
    Multimodal(
        {"audio": Audio(FRAMES * SAMPLES, PATCH, _SOUND),
         "image": Video(FRAMES, (SIDE, SIDE), (1, 4, 4), Fourier(2, (FRAMES, 4, 4))), "label": Label(CLASSES)},
        mask_tokens=True, hidden=("label",),
    ),
    MultimodalQueries(
        {"audio": PositionQueries((FRAMES * SAMPLES // PATCH,), _SOUND),
         "image": PositionQueries((FRAMES, SIDE, SIDE), Fourier(4, (FRAMES, SIDE, SIDE)), POINTS), "label": LearnedQueries(1, 32)}
    ),
    Modalities(32, {"audio": PATCH, "image": 3, "label": CLASSES}), 16, 48, 2, heads=4,
)  # fmt: skip
LATENTS = {"latents-16": 16, "latents-8": 8, "latents-4": 4, "heavy-label": 16}
LABEL_WEIGHT = {"heavy-label": 1.0}


def psnr(error, peak: float) -> float:
    """Decibels of a mean squared error."""
    return float(10 * np.log10(peak**2 / max(float(error), 1e-12)))


class Work(Base):
    title, stands_for, material, score, unit = "audio, video, label", "Kinetics-700", "clips", "psnr", "dB"
    arms: ClassVar = {
        "latents-16": Arm("16 latents"), "latents-8": Arm("8 latents"), "latents-4": Arm("4 latents"),
        "heavy-label": Arm("16 latents, heavy label"), "trivial": Arm("mean of the training clips", "trivial"),
    }  # fmt: skip

    def model(self, arm):
        import torch

        return create(replace(CONFIG, latents=LATENTS[arm]), seed=int(torch.randint(2**31, ())))

    def _clips(self, split, rows=slice(None)):
        import torch
        from torch.nn.functional import one_hot

        video = torch.from_numpy(np.array(self.arrays[f"{split}_video"][rows])).permute(0, 1, 4, 2, 3).float() / 255
        audio = torch.from_numpy(np.array(self.arrays[f"{split}_audio"][rows])).float() / 32767
        label = one_hot(torch.from_numpy(np.array(self.arrays[f"{split}_targets"][rows])), CLASSES).float()
        return {"image": video, "audio": audio, "label": label}

    def loss(self, model, arm, batch_size, rng):
        import torch
        from torch.nn.functional import cross_entropy, l1_loss

        clips = self._clips("train", rng.integers(0, len(self.arrays["train_targets"]), batch_size))
        points = torch.from_numpy(rng.permutation(FRAMES * SIDE**2)[:POINTS])
        hidden = torch.from_numpy(rng.random((batch_size, 1)) < 0.5)
        said = model(clips, points={"image": points}, hidden={"label": hidden})
        truth = clips["image"].permute(0, 1, 3, 4, 2).flatten(1, 3)[:, points]
        rest = l1_loss(said["image"], truth) + l1_loss(said["audio"], clips["audio"])
        return rest + LABEL_WEIGHT.get(arm, 0.03) * cross_entropy(said["label"], clips["label"])

    def scores(self, model, arm, seed):
        import torch

        clips = self._clips("test")
        truth = clips["image"].permute(0, 1, 3, 4, 2).flatten(1, 3)
        if model is None:
            train = self._clips("train")
            image, audio = train["image"].permute(0, 1, 3, 4, 2).flatten(1, 3).mean(0), train["audio"].mean(0)
            known = 100 * float(clips["label"].mean(0).max())
        else:
            with torch.no_grad():
                given = {name: clips[name] for name in ("image", "audio")}
                said = model(given)
            image, audio = said["image"], said["audio"]
            known = 100 * float((said["label"].argmax(1) == clips["label"].argmax(1)).float().mean())
        video = psnr(((image - truth) ** 2).mean(), 1.0)
        return {"psnr": video, "audio_psnr": psnr(((audio - clips["audio"]) ** 2).mean(), 2.0), "label_accuracy": known}

    def once(self, model, arm):
        import torch

        model({"image": torch.zeros(1, FRAMES, 3, SIDE, SIDE), "audio": torch.zeros(1, FRAMES * SAMPLES)})
