"""Optical flow (AutoFlow's stand-in): image pairs of 8 x 8 pixels with one affine motion and exact truth; queries are the first
frame's features (arXiv 2107.14795, section 4.2). Beside it a convolutional network of about the same FLOPs, Lucas and Kanade's
method, and no motion at all."""

from functools import cached_property
from typing import ClassVar

import numpy as np

from flopwise.methods.perceiver import Arm
from flopwise.methods.perceiver import Work as Base
from flopwise.models.perceiver import Config, create
from flopwise.models.perceiver.specs import Flow, Fourier, FramePair, InputQueries

WINDOWS, ITERATIONS = (3, 5, 7), 5


def reads_pairs(side: int, bands: int, latents: int, layers: int) -> Config:
    """Perceiver IO on pairs of `side` x `side` pixels; its queries are the first frame's features."""
    inputs = FramePair((side, side), Fourier(bands, (side, side)), features=32)
    return Config(
        inputs, InputQueries(side**2, inputs.channels), Flow((side, side), rescale=1.0), latents, 64, layers, heads=4
    )


def end_point_error(predicted, truth):
    """(..., 2) -> mean length of the difference, in pixels."""
    return ((predicted - truth) ** 2).sum(-1).sqrt().mean()


def lucas_kanade(first, second, window: int, iterations: int = ITERATIONS):
    """Flow (B, H, W, 2) of frames (B, 3, H, W): in each window the least squares of I_x u + I_y v + I_t = 0, the second frame
    warped by what was found so far (Lucas and Kanade 1981, iterated)."""
    import torch
    from torch.nn.functional import avg_pool2d, grid_sample, pad

    batch, _, height, width = first.shape
    padded = pad(first, [1] * 4, mode="replicate")
    dx, dy = (
        (padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]) / 2,
        (padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]) / 2,
    )
    total = lambda x: avg_pool2d(x.sum(1, keepdim=True), window, 1, window // 2, count_include_pad=False)[:, 0]  # noqa: E731
    xx, xy, yy = total(dx * dx), total(dx * dy), total(dy * dy)
    determinant = (xx * yy - xy**2).clamp(min=1e-6)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    flow = torch.zeros(batch, height, width, 2)
    for _ in range(iterations):
        place = torch.stack([columns + flow[..., 0], rows + flow[..., 1]], -1)
        place = (2 * place + 1) / torch.tensor([width, height]) - 1
        dt = grid_sample(second, place, padding_mode="border", align_corners=False) - first
        xt, yt = total(dx * dt), total(dy * dt)
        step = torch.stack([(xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant], -1)
        flow = (flow + step.clamp(-1, 1)).clamp(-4, 4)
    return flow


class Work(Base):
    title, stands_for, material, score, unit = (
        "optical flow",
        "AutoFlow, Sintel, KITTI",
        "flow-affine",
        "closeness",
        "pixels",
    )
    config = reads_pairs(8, bands=2, latents=16, layers=1)
    arms: ClassVar = {
        "perceiver": Arm("Perceiver IO"), "convolutions": Arm("convolutional network", "baseline"),
        "lucas-kanade": Arm("Lucas and Kanade", "classical"), "trivial": Arm("no motion", "trivial"),
    }  # fmt: skip

    def model(self, arm):
        import torch
        from torch import nn

        if self.arms[arm].kind == "perceiver":
            return create(self.config, seed=int(torch.randint(2**31, ())))
        width, layers = 36, []
        for inputs, outputs, kernel, dilation in (
            (6, 36, 5, 1),
            (36, width, 3, 2),
            (width, width, 3, 1),
            (width, 2, 3, 1),
        ):
            layers += [
                nn.Conv2d(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation),
                nn.GELU(),
            ]
        return nn.Sequential(*layers[:-1])

    def _frames(self, split, rows=slice(None), of=""):
        """Pairs float32 (n, 2, 3, H, W) and flow (n, H, W, 2) of a split, of this material or of another."""
        import torch

        pairs = [np.array(self.arrays[f"{of}{split}_{name}"][rows]) for name in ("frame1", "frame2")]
        frames = torch.from_numpy(np.stack(pairs, 1)).permute(0, 1, 4, 2, 3).float() / 64 - 2
        return frames, torch.from_numpy(np.array(self.arrays[f"{of}{split}_flow"][rows]))

    def _predict(self, model, arm, frames):
        if self.arms[arm].kind == "perceiver":
            return model(frames)
        return model(frames.flatten(1, 2)).permute(0, 2, 3, 1)

    def loss(self, model, arm, batch_size, rng):
        frames, truth = self._frames("train", rng.integers(0, len(self.arrays["train_frame1"]), batch_size))
        return ((self._predict(model, arm, frames) - truth) ** 2).sum(-1).mean()

    def scores(self, model, arm, seed):
        frames, truth = self._frames("test")
        error = float(end_point_error(self._answer(model, arm, frames), truth))
        return {"closeness": -error, "end_point_error": error}

    def _answer(self, model, arm, frames):
        """Flow (n, H, W, 2) of pairs, by whatever the arm is."""
        import torch

        if arm == "trivial":
            return torch.zeros(len(frames), *frames.shape[3:], 2)
        if self.arms[arm].kind == "classical":
            return lucas_kanade(frames[:, 0], frames[:, 1], self._window)
        with torch.no_grad():
            return self._predict(model, arm, frames)

    @cached_property
    def _window(self) -> int:
        """Lucas and Kanade's window that errs least on training pairs."""
        train, known = self._frames("train", slice(1000))
        error = {one: end_point_error(lucas_kanade(train[:, 0], train[:, 1], one), known) for one in WINDOWS}
        return min(error, key=error.get)

    def once(self, model, arm):
        import torch

        self._predict(model, arm, torch.zeros(1, 2, 3, *self.config.inputs.size))
