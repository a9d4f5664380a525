"""Batches for training, ours against a plain `torch.utils.data.DataLoader` with torchvision's transforms.

32 pixels: the embedded world, uint8 arrays in memory -> random crops, normalised. 224 pixels: JPEG files -> decoded, random
crops, normalised. Both sides read the same images in the same run and end with float tensors (n, 3, size, size).
No worker on either side, so that one thread is compared with one thread; `--workers` adds a row in wall time."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import interleaved, quartiles, show

from flopwise.core.seeds import torch_generator
from flopwise.data.loader import Sample, image_batches
from flopwise.data.transforms import random_resized_crop
from flopwise.data.world import build_pool
from flopwise.models import clip

BATCH = 64


class Images(torch.utils.data.Dataset):
    """Pictures (paths or arrays) with torchvision's training transform of CLIP."""

    def __init__(self, pictures, side: int):
        from torchvision import transforms

        self.pictures = pictures
        bicubic = transforms.InterpolationMode.BICUBIC
        self.transform = transforms.Compose([
            transforms.RandomResizedCrop(side, scale=(0.9, 1.0), interpolation=bicubic), transforms.ToTensor(),
            transforms.Normalize(clip.MEAN, clip.STD),
        ])  # fmt: skip

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        from PIL import Image

        picture = self.pictures[index]
        image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else Image.open(picture).convert("RGB")
        return self.transform(image)


def drain(iterator) -> None:
    for _ in iterator:
        pass


def plain(pictures, side: int, workers: int = 0):
    return lambda: drain(torch.utils.data.DataLoader(Images(pictures, side), BATCH, num_workers=workers))


def arrays(images: np.ndarray):
    def run():
        for step in range(len(images) // BATCH):
            batch = clip.preprocess(images[step * BATCH : (step + 1) * BATCH])
            random_resized_crop(batch, torch_generator(0, "crop", step))

    return run


def files(paths: list[Path], workers: int = 0):
    samples = [Sample(path, i) for i, path in enumerate(paths)]
    batches = [samples[i : i + BATCH] for i in range(0, len(samples), BATCH)]
    return lambda: drain(clip.preprocess(batch) for batch in image_batches(batches, workers=workers))


def write_photographs(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """JPEG files of `size`: parts of the two photographs that ship with scikit-learn."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    photographs, generator = load_sample_images().images, np.random.default_rng(0)
    paths = []
    for i in range(count):
        photograph = Image.fromarray(photographs[i % 2])
        left, upper = generator.integers(0, 140), generator.integers(0, 100)
        part = photograph.crop((left, upper, left + 500, upper + 320)).resize(size, Image.Resampling.BICUBIC)
        paths.append(folder / f"{size[0]}-{i}.jpg")
        part.save(paths[-1], quality=90)
    return paths


def row(what: str, images: int, seconds: dict) -> dict:
    each = {name: images / values for name, values in seconds.items()}
    return {
        "input": what, "speed-up": quartiles(seconds["plain"] / seconds["ours"]),
        "images/s ours": quartiles(each["ours"]), "images/s plain": quartiles(each["plain"]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--workers", type=int, default=0, help="also with so many threads (processes of the DataLoader)"
    )
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    clip.import_open_clip()
    world = build_pool(1024, caption_noise=0).images
    functions = {"ours": arrays(world), "plain": plain(list(world), 32)}
    rows = [row("32 px, arrays", len(world), interleaved(functions, options.repetitions))]
    with tempfile.TemporaryDirectory() as folder:
        for size in ((500, 375), (2000, 1500)):
            paths = write_photographs(Path(folder), 2 * BATCH, size)
            functions = {"ours": files(paths), "plain": plain(paths, 224)}
            rows.append(row(f"224 px, JPEG {size}", len(paths), interleaved(functions, options.repetitions)))
            if options.workers:
                functions = {"ours": files(paths, options.workers), "plain": plain(paths, 224, options.workers)}
                seconds = interleaved(functions, options.repetitions, time.perf_counter)
                rows.append(row(f"same, {options.workers} workers, wall", len(paths), seconds))
    show(rows, options.json)


if __name__ == "__main__":
    main()
