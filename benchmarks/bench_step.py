"""The training step of the continual study against open_clip's own: `open_clip_train.train.train_one_epoch`.

Both train the same model from the same weights on the same batches, in float32, with AdamW (torch's fused kernel), clipped
gradients and the same rate; runs alternate. A difference of the weights at the end shows that the work is the same.
"""

import argparse
import logging
from types import SimpleNamespace

import numpy as np
import torch
from common import interleaved, matrix_product_rate, quartiles, seconds_of, show

from flopwise.core.loop import adamw, update
from flopwise.cost.flops import count
from flopwise.data.world import build_pool
from flopwise.methods.continual import load
from flopwise.models import clip
from flopwise.models.loss import contrastive_loss
from flopwise.studies.continual.budget import step_gflops
from flopwise.studies.continual.corpus import Corpus, TaskBatches

RATE, DECAY, CLIP_NORM = 1e-3, 0.2, 1.0


def batches_of(model: str, size: int, steps: int) -> TaskBatches:
    """Batches of the embedded world's pool."""
    pool = build_pool(2048, caption_noise=0.2)
    everything, none = np.arange(len(pool.images)), np.arange(0)
    tokens = clip.tokenize(model, pool.captions)
    corpus = Corpus(pool.images, tokens, np.full(len(tokens), -1), [], everything)
    return TaskBatches(corpus, none, none, (1.0, 0.0, 0.0), size, steps, 0, 0)


def prepared(model: str, method: str):
    network, recipe = clip.create(model), load(method)
    recipe.prepare(network, torch.Generator().manual_seed(0), **recipe.prepare_options)
    return network.train()


class Ours:
    """dtype: of autocast; None: float32."""

    def __init__(self, model: str, method: str, batches: list, device="cpu", dtype=None, compiled: bool = False):
        self.network, self.batches = prepared(model, method).to(device), batches
        self.autocast = lambda: torch.autocast(device, dtype, enabled=dtype is not None)
        self.loss = torch.compile(contrastive_loss) if compiled else contrastive_loss
        self.optimiser = adamw([p for p in self.network.parameters() if p.requires_grad], RATE, DECAY)

    def __call__(self):
        for batch in self.batches:
            with self.autocast():
                loss = self.loss(self.network, *batch)
            update(loss, self.optimiser, RATE, clip_norm=CLIP_NORM)


class OpenClips:
    def __init__(self, model: str, method: str, batches: list, device="cpu", precision="fp32", compiled: bool = False):
        from open_clip import ClipLoss
        from open_clip_train.train import train_one_epoch

        self.network, size = prepared(model, method).to(device), len(batches[0][0])
        self.network.output_dict = True
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trainable, lr=RATE, weight_decay=DECAY, fused=True)
        loader = _Loader(batches)
        loader.num_batches, loader.num_samples = len(batches), len(batches) * size
        data = {"train": SimpleNamespace(dataloader=loader, set_epoch=lambda epoch: None)}
        options = SimpleNamespace(
            device=device, precision=precision, distill=False, accum_freq=1, skip_scheduler=True, grad_clip_norm=CLIP_NORM,
            horovod=False, log_every_n_steps=10**9, rank=0, local_rank=0, log_local=False, world_size=1,
            batch_size=size, wandb=False,
        )  # fmt: skip
        self.epoch = lambda: train_one_epoch(
            torch.compile(self.network) if compiled else self.network,
            data,
            ClipLoss(),
            0,
            optimiser,
            None,
            None,
            None,
            options,
            tb_writer=None,
        )

    def __call__(self):
        self.epoch()


class _Loader(list):
    """A list with the two attributes that open_clip asks of a loader."""


def compare(model: str, method: str, size: int, steps: int, repetitions: int) -> dict:
    source = batches_of(model, size, steps)
    batches = [source[step] for step in range(steps)]
    ours, theirs = Ours(model, method, batches), OpenClips(model, method, batches)
    seconds = interleaved({"ours": ours, "theirs": theirs}, repetitions)
    peak = matrix_product_rate()
    executed = count(lambda: contrastive_loss(ours.network, *batches[0]).backward()) / 1e9
    counted = step_gflops(model, method, size)
    assembly = np.median([seconds_of(lambda step=step: source[step]) for step in range(steps)])
    each = {name: values / steps for name, values in seconds.items()}
    distance = max(
        float((a - b).detach().abs().max()) for a, b in zip(ours.network.parameters(), theirs.network.parameters())
    )
    return {
        "model": model, "method": method, "batch": size,
        "speed-up": quartiles(each["theirs"] / each["ours"]),
        "share of sgemm, counted": quartiles(counted / each["ours"] / peak),
        "share of sgemm, executed": quartiles(executed / each["ours"] / peak),
        "GFLOP counted": counted, "GFLOP executed": executed,
        "ms ours": quartiles(1e3 * each["ours"]), "ms open_clip": quartiles(1e3 * each["theirs"]),
        "ms assembly": float(1e3 * assembly), "sgemm GFLOP/s": peak,
        "steps": (repetitions + 1) * steps, "weights differ by": distance,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["vit-xs-8", "vit-s-8", "vit-m-8"])
    parser.add_argument("--methods", nargs="+", default=["full-ft"])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10, help="per repetition")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    rows = [
        compare(model, method, options.batch_size, options.steps, options.repetitions)
        for model in options.models
        for method in options.methods
    ]
    show(rows, options.json)


if __name__ == "__main__":
    main()
