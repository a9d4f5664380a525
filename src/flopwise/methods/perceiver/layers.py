"""Optical flow where pieces move before a plane (AutoFlow in small): pairs of 16 x 16 pixels with exact truth, learned in the
paper's order (arXiv 2107.14795, section H). In the first phase nothing is changed and every pair is shown forward and reversed;
in the second pairs are mirrored, coloured and partly erased, as RAFT's recipe for AutoFlow does.

Scored on pairs held out and, as the paper scores on Sintel and KITTI, on two sets of larger pictures that it was not trained on,
in tiles of its size. Reported; no claim is judged by it."""

from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import Arm, flow

OVERLAP = 4  # pixels between tiles of 16
SETS = {"scenes": "flow-scenes", "road": "flow-road"}  # of Sintel, of KITTI
# RAFT's augmentation for AutoFlow
COLOUR, ERASED = 0.4, 0.5  # how strong colours change; share of pairs of which a part is erased
APART, MIRRORED = (
    0.2,
    (0.5, 0.1),
)  # shares: whose frames have colours of their own; mirrored left to right, top to bottom


class Work(flow.Work):
    title, stands_for, material = "optical flow, layers", "AutoFlow; Sintel and KITTI in tiles", "flow-layers"
    others = tuple(SETS.values())
    config = flow.reads_pairs(16, bands=4, latents=32, layers=2)
    arms: ClassVar = {
        "perceiver": Arm("Perceiver IO"), "one-phase": Arm("without the first phase"),
        "convolutions": Arm("convolutional network", "baseline"), "lucas-kanade": Arm("Lucas and Kanade", "classical"),
        "trivial": Arm("no motion", "trivial"),
    }  # fmt: skip

    def tuned(self, model, arm):
        model.tuning = True
        return model

    def loss(self, model, arm, batch_size, rng):
        second = arm == "one-phase" or getattr(model, "tuning", False)
        count = batch_size if second else batch_size // 2
        rows = rng.integers(0, len(self.arrays["train_frame1"]), count)
        frames, truth = self._frames("train", rows)
        frames, truth = augmented(frames, truth, rng) if second else self._both_ways(frames, truth, rows)
        return ((self._predict(model, arm, frames) - truth) ** 2).sum(-1).mean()

    def _both_ways(self, frames, truth, rows):
        import torch

        backward = torch.from_numpy(np.array(self.arrays["train_backward"][rows]))
        return torch.cat([frames, frames.flip(1)]), torch.cat([truth, backward])

    def scores(self, model, arm, seed):
        found = super().scores(model, arm, seed)
        for name, material in SETS.items():
            frames, truth = self._frames("test", of=f"{material}/")
            valid = np.array(self.arrays[f"{material}/test_valid"])
            error = (self._answer(model, arm, frames) - truth).norm(dim=3).numpy()
            found[f"end_point_error_{name}"] = float(np.mean([one[seen].mean() for one, seen in zip(error, valid)]))
        return found

    def _answer(self, model, arm, frames):
        if model is None or frames.shape[3:] == self.config.inputs.size:
            return super()._answer(model, arm, frames)
        from flopwise.models.perceiver.tiles import tiled_flow

        one = super()._answer
        return tiled_flow(lambda tiles: one(model, arm, tiles), self.config.inputs.size, frames, 500, overlap=OVERLAP)


def augmented(frames, truth, rng: np.random.Generator):
    """Pairs (n, 2, 3, H, W) with other contrast, brightness and saturation, mirrored, with a box of the second frame erased, and
    their flow (n, H, W, 2)."""
    import torch

    n, side = len(frames), frames.shape[4]
    one, two = (torch.from_numpy(_colours(rng, n)) for _ in range(2))
    together = torch.from_numpy(rng.random(n) >= APART)[:, None]
    contrast, brightness, saturation = torch.stack([one, torch.where(together, one, two)], 1).unbind(2)
    wide = lambda value: value[..., None, None, None]  # noqa: E731
    grey = frames.mean(2, keepdim=True)
    frames = grey + (frames - grey) * wide(1 + saturation)
    mean = frames.mean((2, 3, 4), keepdim=True)
    frames = mean + (frames - mean) * wide(1 + contrast) + wide(brightness)
    for axis, share in zip((4, 3), MIRRORED):
        chosen = torch.from_numpy(rng.random(n) < share)
        frames[chosen] = frames[chosen].flip(axis)
        turned = truth[chosen].flip(axis - 2)
        turned[..., 4 - axis] *= -1
        truth = truth.index_put((chosen,), turned)
    for row in np.flatnonzero(rng.random(n) < ERASED):
        (y, x), size = rng.integers(0, side, 2), rng.integers(side // 8, side // 4 + 1)
        frames[row, 1, :, y : y + size, x : x + size] = frames[row, 1].mean((1, 2), keepdim=True)
    return frames, truth


def _colours(rng, n: int) -> np.ndarray:
    return rng.uniform(-COLOUR, COLOUR, (n, 3)).astype(np.float32)
