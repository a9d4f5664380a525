"""Batches for training, ours against a plain `torch.utils.data.DataLoader` with torchvision's transforms.

Ours is the path that the continual study trains on: `TaskBatches` of a `Corpus` (32 pixels, the embedded world, arrays in
memory) or of a `FileCorpus` (224 pixels, JPEG files). Both sides read the same images and captions in the same run, tokenise
with the same tokenizer, and end with float tensors (n, 3, size, size) and tokens. A corpus in memory holds its captions
tokenised, so there the other side is given tokens too. One thread is compared with one thread and no worker; `--threads`
adds a row in wall time: so many threads of the job, of which ours reads with all but one, and the DataLoader with as many
processes."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import interleaved, quartiles, show

from flopwise.data.files import ImageFiles
from flopwise.data.store import Split
from flopwise.data.strings import Strings
from flopwise.data.world import build_pool
from flopwise.models import clip
from flopwise.studies.continual.corpus import Corpus, FileCorpus, TaskBatches

BATCH = 64
SMALL, LARGE = "vit-xs-8", "ViT-B-16"  # models whose views have 32 and 224 pixels


class Images(torch.utils.data.Dataset):
    """Pictures (paths or arrays) with torchvision's training transform of CLIP, and the tokens of their captions."""

    def __init__(self, pictures, side: int, tokens_of):
        from torchvision import transforms

        self.pictures, self.tokens_of = pictures, tokens_of
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
        return self.transform(image), self.tokens_of(index)


def drain(iterator) -> None:
    for _ in iterator:
        pass


def plain(images: Images, workers: int = 0):
    """An epoch of a shuffled DataLoader."""
    return lambda: drain(torch.utils.data.DataLoader(images, BATCH, shuffle=True, num_workers=workers))


def ours(corpus, threads: int = 1):
    """An epoch of the corpus' pool, as a task draws it."""

    def run():
        nothing, steps = np.arange(0), len(corpus.pool) // BATCH
        torch.set_num_threads(threads)
        batches = TaskBatches(corpus, nothing, nothing, (1.0, 0.0, 0.0), BATCH, steps, 0, 0)
        drain(batches[step] for step in range(steps))
        torch.set_num_threads(1)

    return run


def world() -> tuple[Corpus, Images]:
    pool = build_pool(1024, caption_noise=0)
    tokens, everything = clip.tokenize(SMALL, pool.captions), np.arange(len(pool.images))
    corpus = Corpus(pool.images, tokens, np.full(len(everything), -1), [], everything)
    return corpus, Images(list(pool.images), 32, lambda index: tokens[index])


def photographs(folder: Path, count: int, size: tuple[int, int], model: str = LARGE) -> tuple[FileCorpus, Images]:
    """JPEG files of `size` with captions, for `model`: parts of the two photographs that ship with scikit-learn."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    sources, generator = load_sample_images().images, np.random.default_rng(0)
    names = [f"{size[0]}-{i}.jpg" for i in range(count)]
    for i, name in enumerate(names):
        left, upper = generator.integers(0, 140), generator.integers(0, 100)
        part = Image.fromarray(sources[i % 2]).crop((left, upper, left + 500, upper + 320))
        part.resize(size, Image.Resampling.BICUBIC).save(folder / name, quality=90)
    captions, everything = [f"a photo of part {i} of a larger picture" for i in range(count)], np.arange(count)
    images = ImageFiles(folder, Strings.of(names), everything.astype(np.int32))
    split = Split(images, np.zeros(count, dtype=np.int64), captions)
    how = clip.preprocessing(model)
    corpus = FileCorpus((split,), model, how, np.full(count, -1), [], everything)
    return corpus, Images([folder / name for name in names], how.size, lambda i: clip.tokenize(model, [captions[i]])[0])


def row(what: str, images: int, seconds: dict) -> dict:
    each = {name: images / values for name, values in seconds.items()}
    return {
        "input": what, "speed-up": quartiles(seconds["plain"] / seconds["ours"]),
        "images/s ours": quartiles(each["ours"]), "images/s plain": quartiles(each["plain"]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="also with so many (processes of the DataLoader)")
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    clip.import_open_clip()
    corpus, images = world()
    functions = {"ours": ours(corpus), "plain": plain(images)}
    rows = [row("32 px, arrays", len(images), interleaved(functions, options.repetitions))]
    with tempfile.TemporaryDirectory() as folder:
        for size in ((500, 375), (2000, 1500)):
            corpus, images = photographs(Path(folder), 2 * BATCH, size)
            functions = {"ours": ours(corpus), "plain": plain(images)}
            rows.append(row(f"224 px, JPEG {size}", len(images), interleaved(functions, options.repetitions)))
            if options.threads > 1:
                functions = {"ours": ours(corpus, options.threads), "plain": plain(images, options.threads)}
                seconds = interleaved(functions, options.repetitions, time.perf_counter)
                rows.append(row(f"same, {options.threads} threads, wall", len(images), seconds))
    show(rows, options.json)


if __name__ == "__main__":
    main()
