"""What a released encoder is worth on a real set: semantic segmentation, the encoder fine-tuned or frozen.

Fine-tuned: crops, AdamW with a rate that falls from block to block towards the picture, eta_l = eta d^(L + 1 - l), warm-up, then
linear to 0. Frozen: a linear layer on tokens, W = (X'X + I)^-1 X'Y with Y the shares of the classes in a patch. Scored by
windows over the whole picture, logits averaged where they overlap, at the size of the label map; one confusion matrix over all
pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot, pad

from flopwise.config import Settings
from flopwise.config.efficiency import Scenes as How
from flopwise.core import resumable
from flopwise.core.checkpoint import StateFolder
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.core.io import sha256_json
from flopwise.core.loop import AdamW, Diverged
from flopwise.core.seeds import derive, numpy_generator
from flopwise.data import scene_views
from flopwise.data.ahead import Prefetcher, decoding_threads
from flopwise.data.files import in_order
from flopwise.data.readers.segmentation import IGNORE, ade20k_scenes
from flopwise.models.upernet import SIDE_WEIGHT, Pyramid, SideHead, UperNet, levels_of, up
from flopwise.models.vit_tokens import VitTokens
from flopwise.studies.efficiency.segment import confusion, iou, means

CLIP_NORM = float("inf")  # the published recipe does not clip
# classes (from 0) that the panoptic task of ADE20K calls stuff; the other hundred are things
STUFF = (
    0, 1, 2, 3, 4, 5, 6, 9, 11, 13, 16, 17, 21, 25, 26, 28, 29, 34, 40, 46, 48, 51, 52, 54, 59, 60, 61, 63, 68, 77, 79, 84, 91,
    94, 96, 99, 100, 101, 105, 106, 109, 113, 114, 117, 122, 128, 131, 140, 141, 145,
)  # fmt: skip
Pairs = list[tuple[Path, Path]]


@dataclass(frozen=True)
class Scenes:
    """Labelled pictures to train on and to score, (picture, label map), and the number of classes."""

    train: Pairs
    test: Pairs
    classes: int

    @property
    def digest(self) -> str:
        """Of their names; the pictures are the user's and are not hashed."""
        return sha256_json([[label.name for _, label in pairs] for pairs in (self.train, self.test)])


def load(settings: Settings) -> Scenes:
    """The pictures of the set as they lie below `data_root`. Raises `UserError` where some are missing."""
    from flopwise.data.catalogue import dataset

    row, root = dataset(settings.preset.efficiency.scenes.dataset), settings.config.data_root
    if root is None:
        raise UserError(f"data set {row.name} lies below `data_root`; set it in config/config.yaml")
    folder = Path(root) / row.folder
    return Scenes(ade20k_scenes(folder, "training"), ade20k_scenes(folder, "validation"), row.n_classes)


class Segmenter(nn.Module):
    """pictures (B, 3, S, S) in [0, 1] -> logits (B, C, S, S) and, while it trains, those of a side head or None."""

    def __init__(self, encoder: VitTokens, classes: int, head: str = "linear"):
        super().__init__()
        self.encoder, self.pyramid = encoder, None
        if head == "linear":
            self.head = nn.Linear(encoder.width, classes)
        else:
            self.pyramid, self.side = Pyramid(encoder.width), SideHead(encoder.width, classes)
            self.head = UperNet(encoder.width, classes, encoder.width)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        size = pictures.shape[-2:]
        if self.pyramid is None:
            rows = size[0] // self.encoder.patch
            logits = self.head(self.encoder(pictures)).transpose(1, 2).unflatten(2, (rows, -1))
            return up(logits, size), None
        levels = self.pyramid(self.encoder.levels(pictures, levels_of(self.encoder.depth)))
        side = up(self.side(levels), size) if self.training else None
        return up(self.head(levels), size), side


def groups(model: Segmenter, layer_decay: float, weight_decay: float) -> list[dict]:
    """Parameters by where they lie, with the share of the rate d^(L + 1 - l) and decay of matrices alone."""
    found: dict[tuple, dict] = {}
    for name, parameter in model.named_parameters():
        inside = name.startswith("encoder.")
        place = model.encoder.depth_of(name.removeprefix("encoder.")) if inside else model.encoder.depth + 1
        decays = parameter.ndim > 1 and not name.endswith(("pos_embed", "cls_token"))
        share = layer_decay ** (model.encoder.depth + 1 - place)
        group = {"params": [], "weight_decay": weight_decay if decays else 0.0, "share": share}
        found.setdefault((place, decays), group)["params"].append(parameter)
    return list(found.values())


class Finetuning:
    """Trainings and scores of one encoder on one set. make: a fresh copy of the encoder. folder: state, for an exact resume."""

    def __init__(self, make, scenes: Scenes, how: How, seed: int, placement: Placement, folder: Path, key: str):
        self.make, self.scenes, self.how, self.seed, self.placement = make, scenes, how, seed, placement
        self.folder, self.key, self.threads = folder, key, decoding_threads(placement)

    def scores(self) -> dict[str, float] | None:
        """mIoU in percent: `miou`, of `things` and `stuff`, `frozen`; `rate`: the multiple that the trials chose. None where it
        diverged."""
        try:
            rate = self.chosen_rate()
            model = self.train(self.scenes.train, rate, self.how.steps, "all")
        except Diverged:
            return None
        values = iou(self.confusion(model, self.scenes.test))
        stuff = STUFF if self.scenes.classes == 150 else ()
        frozen = iou(self.confusion(self.ridge(), self.scenes.test))
        return {**means(values, stuff), "frozen": float(frozen.nanmean()), "rate": rate}

    def chosen_rate(self) -> float:
        """The multiple of the rate whose short training says most of labelled pictures that it has not seen; the first of
        equals. One that diverges says nothing; raises `Diverged` where all do."""
        if len(self.how.trials) == 1:
            return self.how.trials[0]
        held = self.scenes.train[:: self.how.held_out]
        rest = [pair for index, pair in enumerate(self.scenes.train) if index % self.how.held_out]
        found = {rate: self._trial(rate, rest, held) for rate in self.how.trials}
        best = max(found, key=lambda rate: -1.0 if found[rate] is None else found[rate])
        if found[best] is None:
            raise Diverged("all trials diverged")
        return best

    def _trial(self, rate: float, rest: Pairs, held: Pairs) -> float | None:
        done = StateFolder(self.folder / f"trial-{rate:g}" / "done", self.key)
        if (kept := done.load()) is None:
            try:
                model = self.train(rest, rate, self.how.trial_steps, f"trial-{rate:g}")
                value = float(iou(self.confusion(model, held)).nanmean())
            except Diverged:
                value = None
            kept = (self.how.trial_steps, {}, {"miou": value})
            done.save(*kept)
            StateFolder(self.folder / f"trial-{rate:g}", self.key).clear()  # its weights are not needed again
        return kept[2]["miou"]

    def train(self, pairs: Pairs, rate: float, steps: int, name: str) -> Segmenter:
        """Train a fresh segmenter on `pairs`, or go on where a state says so. Raises `Diverged`."""
        how = self.how
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "efficiency", "finetune", "head"))
            model = Segmenter(self.make(), self.scenes.classes, how.head)
        model = self.placement.put(model).train()
        peak, warm_up = rate * how.learning_rate, min(how.warm_up_steps, steps // 10)
        optimiser = AdamW(groups(model, how.layer_decay, how.weight_decay), peak)
        batches = Prefetcher(lambda step: self._batch(pairs, step), steps, self.threads)
        resumable.train(
            model, optimiser, StateFolder(self.folder / name, sha256_json([self.key, rate, steps])), steps,
            lambda step: self._loss(model, *batches[step]),
            lambda step: peak * resumable.warmed(step, steps, warm_up), every=how.checkpoint_every_steps,
            clip_norm=CLIP_NORM, placement=self.placement, label=name,
            seed_of=lambda step: derive(self.seed, "efficiency", "finetune", "drop", step),
        )  # fmt: skip
        return model

    def _batch(self, pairs: Pairs, step: int) -> tuple[Tensor, Tensor]:
        """Crops of a step, uint8 (B, S, S, 3) and (B, S, S): the same whatever came before it."""
        rows = numpy_generator(self.seed, "efficiency", "finetune", step).integers(0, len(pairs), self.how.batch_size)
        jobs = list(enumerate(rows.tolist()))
        view = lambda job: scene_views.crop(  # noqa: E731
            pairs[job[1]], self.scenes.classes, self.how.side, self.seed, "efficiency", "crop", step, job[0]
        )
        images, labels = zip(*in_order(view, jobs, max(1, self.threads)))
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))

    def _loss(self, model: Segmenter, images: Tensor, labels: Tensor) -> Tensor:
        truth = self.placement.put(labels).long()
        with self.placement.autocast():
            logits, side = model(self._pictures(images))
        loss = cross_entropy(logits.float(), truth, ignore_index=IGNORE)
        return loss if side is None else loss + SIDE_WEIGHT * cross_entropy(side.float(), truth, ignore_index=IGNORE)

    def _pictures(self, images: Tensor) -> Tensor:
        return self.placement.put(images).permute(0, 3, 1, 2).float().div_(255)

    @torch.no_grad()
    def confusion(self, model: Segmenter, pairs: Pairs) -> Tensor:
        """int64 (C, C) over all pictures of `pairs`, on the CPU."""
        model.eval()
        total = torch.zeros((self.scenes.classes,) * 2, dtype=torch.long)
        made = Prefetcher(
            lambda i: scene_views.whole(pairs[i], self.scenes.classes, self.how.side), len(pairs), self.threads
        )
        for index in range(len(pairs)):
            pixels, labels = made[index]
            logits = up(self.windowed(model, pixels)[None], labels.shape)[0]
            truth = self.placement.put(torch.from_numpy(labels))
            total += confusion(logits.argmax(0).flatten(), truth.flatten(), self.scenes.classes).cpu()
        return total

    def windowed(self, model: Segmenter, pixels: np.ndarray) -> Tensor:
        """Logits (C, h, w) of a whole picture uint8 (h, w, 3): the mean of the windows that see a place."""
        side, (height, width, _) = self.how.side, pixels.shape
        picture = self._pictures(torch.from_numpy(pixels.copy())[None])
        picture = pad(picture, (0, max(0, side - width), 0, max(0, side - height)))
        corners = [(y, x) for y in scene_views.windows(height, side, self.how.stride)
                   for x in scene_views.windows(width, side, self.how.stride)]  # fmt: skip
        with self.placement.autocast():
            said, _ = model(torch.cat([picture[..., y : y + side, x : x + side] for y, x in corners]))
        total = said.new_zeros((said.shape[1], *picture.shape[-2:]), dtype=torch.float32)
        seen = torch.zeros_like(total[:1])
        for (y, x), one in zip(corners, said):
            total[:, y : y + side, x : x + side] += one
            seen[:, y : y + side, x : x + side] += 1
        return (total / seen)[:, :height, :width]

    @torch.no_grad()
    def ridge(self) -> Segmenter:
        """The frozen encoder with the linear layer that ridge regression (lambda = 1) gives on one crop of each labelled
        picture."""
        model = self.placement.put(Segmenter(self.make(), self.scenes.classes)).eval()
        patch, pairs, size = model.encoder.patch, self.scenes.train, self.how.batch_size
        width, classes = model.encoder.width + 1, self.scenes.classes
        inner, outer = (torch.zeros(width, n, dtype=torch.float64) for n in (width, classes))
        view = lambda i: scene_views.crop(pairs[i], classes, self.how.side, 0, "efficiency", "ridge", i)  # noqa: E731
        starts = range(0, len(pairs), size)
        read = lambda n: in_order(view, list(range(starts[n], min(starts[n] + size, len(pairs)))), max(1, self.threads))  # noqa: E731
        made = Prefetcher(read, len(starts), self.threads)
        for number in range(len(starts)):
            images, labels = (torch.from_numpy(np.stack(part)) for part in zip(*made[number]))
            with self.placement.autocast():
                tokens = model.encoder(self._pictures(images)).float().cpu().flatten(0, 1).double()
            cells = labels.unfold(1, patch, patch).unfold(2, patch, patch).flatten(3).flatten(0, 2).long()
            known = cells != IGNORE
            shares = (one_hot(cells.where(known, classes), classes + 1)[..., :classes]).sum(1).double()
            shares, seen = shares / patch**2, known.any(1)
            rows = torch.cat([tokens[seen], torch.ones(int(seen.sum()), 1, dtype=torch.float64)], 1)
            inner += rows.T @ rows
            outer += rows.T @ shares[seen]
        solved = torch.linalg.solve(inner + torch.eye(width, dtype=torch.float64), outer)
        model.head.weight.data.copy_(solved[:-1].T)
        model.head.bias.data.copy_(solved[-1])
        return model
