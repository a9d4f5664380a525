"""Small pictures (ImageNet's stand-in): which quarter holds which form. Arms differ in what they know of two dimensions, and in
how the class is read out of the latents (arXiv 2107.14795, table 7 and section A)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import Average, Fourier, Image, Learned, LearnedQueries, Linear

SIDE, CLASSES = 12, 8


def _config(positions, **image) -> Config:
    return Config(
        Image((SIDE, SIDE), positions, **image), LearnedQueries(1, 32), Linear(CLASSES, single=True), 8, 32, 1, blocks=2, heads=4,
        query_residual=True,
    )  # fmt: skip


FOURIER = _config(Fourier(6, (SIDE, SIDE)), features=14)
CONFIGS = {
    "fourier": FOURIER,
    "average": replace(FOURIER, queries=None, head=Average(CLASSES), query_residual=False),
    "learned": _config(Learned(SIDE**2, 26, projected=True), features=14),
    "conv": _config(Fourier(6, (3, 3)), stem="conv"),
}


class Work(Base):
    title, stands_for, material, score, unit = "images", "ImageNet", "quadrants", "accuracy", "%"
    arms: ClassVar = {
        "fourier": Arm("2-D Fourier positions"), "average": Arm("2-D Fourier, latents averaged"),
        "learned": Arm("learned positions"), "conv": Arm("convolution first"), "trivial": Arm("commonest class", "trivial"),
    }  # fmt: skip

    def model(self, arm):
        import torch

        return create(CONFIGS[arm], seed=int(torch.randint(2**31, ())))

    def _pictures(self, split, rows=slice(None)):
        import torch

        images = torch.from_numpy(np.array(self.arrays[f"{split}_images"][rows])).permute(0, 3, 1, 2)
        return images.float() / 64 - 2

    def loss(self, model, arm, batch_size, rng):
        import torch
        from torch.nn.functional import cross_entropy

        rows = rng.integers(0, len(self.arrays["train_images"]), batch_size)
        targets = torch.from_numpy(np.array(self.arrays["train_targets"][rows]))
        return cross_entropy(model(self._pictures("train", rows)), targets)

    def scores(self, model, arm, seed):
        import torch

        truth = np.array(self.arrays["test_targets"])
        if model is None:
            common = np.bincount(np.array(self.arrays["train_targets"])).argmax()
            return {"accuracy": 100 * float((truth == common).mean())}
        with torch.no_grad():
            said = model(self._pictures("test")).argmax(1).numpy()
        return {"accuracy": 100 * float((said == truth).mean())}

    def once(self, model, arm):
        import torch

        model(torch.zeros(1, 3, SIDE, SIDE))
