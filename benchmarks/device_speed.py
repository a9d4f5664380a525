"""Part `speed` of device.py: training steps of ViT-B/16 in bf16, ours and open_clip's own; then fed from JPEG files."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_loader import photographs
from bench_step import OpenClips, Ours
from common import interleaved, quartiles

from flopwise.core.device import Placement
from flopwise.models import clip
from flopwise.studies.continual.budget import step_gflops
from flopwise.studies.continual.corpus import TaskBatches

PICTURE = (500, 375)  # pixels of a JPEG file, the most frequent size in ImageNet


def speed(where: str):
    """Steps on one batch that lies on the device, ours and open_clip's in turn in one process: images per second, share of
    the card's own bf16 matrix products; the same fed by the loader; then the largest batch. On a CPU at toy size."""
    toy = where == "cpu"
    model, size, steps, repetitions = ("vit-xs-8", 2, 1, 1) if toy else ("ViT-B-16", 512, 3, 4)
    rate, gflops = bf16_rate(where, 256 if toy else 8192), step_gflops(model, "full-ft", size)
    yield {"what": "bf16 matrix product", "TFLOP/s": rate / 1e3}
    for compiled in (False,) if toy else (False, True):
        batches = [_batch(model, size, where)] * steps
        own = Ours(model, "full-ft", batches, where, torch.bfloat16, compiled)
        theirs = OpenClips(model, "full-ft", batches, where, "amp_bf16", compiled)
        sides = {"ours": _synchronised(own, where), "open_clip": _synchronised(theirs, where)}
        seconds = interleaved(sides, repetitions, time.perf_counter)
        for name, values in seconds.items():
            each = values / steps
            yield {
                "what": f"{name}, {'compiled' if compiled else 'eager'}, batch {size}", "images/s": quartiles(size / each),
                "MFU": quartiles(gflops / each / rate), "of open_clip's": quartiles(seconds["open_clip"] / values),
            }  # fmt: skip
        if not compiled:
            alone = size * steps / float(np.median(seconds["ours"]))
            yield from fed(where, own, model, size, alone, *((8, 3) if toy else (512, 7)))
        del sides, own, theirs
    if where == "cuda":
        yield from _largest(model)


def _batch(model: str, size: int, where: str) -> tuple:
    side = clip.configuration(model)["vision_cfg"]["image_size"]
    images = torch.randn(size, 3, side, side, device=where)
    return images, clip.tokenize(model, ["a picture of a clock"] * size).to(where)


def _synchronised(function, where: str):
    def run() -> None:
        function()
        if where == "cuda":
            torch.cuda.synchronize()

    return run


def fed(where: str, own: Ours, model: str, size: int, alone: float, pictures: int, steps: int):
    """Images per second from `pictures` JPEG files to float tensors on the device, through the study's own batches, which
    all cores read ahead; and with a training step on each. alone: those of the step without the loader."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    nothing = np.arange(0)

    def step(batch) -> None:
        own.batches = [batch]
        own()

    def rate(consume) -> float:
        """From the end of the first batch on: until then nothing was read ahead."""
        batches, ends = TaskBatches(corpus, nothing, nothing, (1.0, 0.0, 0.0), size, steps, 0, 0, Placement(where)), []
        for number in range(steps):
            consume(batches[number])
            if where == "cuda":
                torch.cuda.synchronize()
            ends.append(time.perf_counter())
        return size * (steps - 1) / (ends[-1] - ends[0])

    with tempfile.TemporaryDirectory() as folder:
        corpus, _ = photographs(Path(folder), pictures, PICTURE, model)
        before = torch.get_num_threads()
        torch.set_num_threads(cores)
        try:
            rates = {"loader": rate(lambda batch: None), "loader and step, eager": rate(step)}
        finally:
            torch.set_num_threads(before)
    for name, found in rates.items():
        what = f"{name}, batch {size}, JPEG of {PICTURE[0]} x {PICTURE[1]}, {cores} cores"
        yield {"what": what, "images/s": found, "of the step alone": found / alone}


def _largest(model: str):
    """Images per second at the largest batch, doubled from 512, that the card takes."""
    size = 512
    while True:
        try:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            run = _synchronised(Ours(model, "full-ft", [_batch(model, size, "cuda")], "cuda", torch.bfloat16), "cuda")
            run()
            start = time.perf_counter()
            run()
            rate = size / (time.perf_counter() - start)
            memory = torch.cuda.max_memory_allocated() / 2**30
            yield {"what": f"ours, eager, batch {size}", "images/s": rate, "GiB": memory}
            size *= 2
        except torch.OutOfMemoryError:
            return


def bf16_rate(where: str, size: int) -> float:
    """GFLOP/s of a product of two bf16 matrices."""
    a = torch.randn(size, size, device=where, dtype=torch.bfloat16)
    product = _synchronised(lambda: a @ a, where)
    product()
    start = time.perf_counter()
    for _ in range(5):
        product()
    return 5 * 2 * size**3 / (time.perf_counter() - start) / 1e9
