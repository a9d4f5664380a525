"""What the paper's models are pre-trained on: a user's copies as batches that depend on a step's number alone, and the loss of
each kind. A source has

    batch(step, size, threads) -> named tensors, samples first     prepared(batch, generator) -> the same, on the device
    loss(model, part) -> sum over a part of the batch              divisor(batch) -> what the sum over all parts is divided by

What the paper leaves open is ours: flow is trained on mean end-point error in units of 20 pixels, on random crops, without its
curriculum; pictures are cropped and mirrored, mixed and cut, without RandAugment."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from flopwise.core.errors import UserError
from flopwise.core.seeds import derive, numpy_generator
from flopwise.data.catalogue import dataset
from flopwise.data.files import in_order
from flopwise.data.images import open_frame
from flopwise.data.readers import audio, flow
from flopwise.data.views import view
from flopwise.studies.perceiver.released import DEVIATION, FLOW_SCALE, MEAN, read_clip

STORED, SMOOTHING, MIXED = 256, 0.1, 0.2  # pixels of a stored picture; of labels; parameter of the Beta distribution
MASK, BYTES, MASKED, JOINED = 3, 6, 0.15, 10  # number of the mask, added to a byte; share of words; documents in a row
PER_FILE = 500  # steps that read one file of text
VIDEO, SOUND, LABEL = 0.03, 1.0, 0.0001  # weights of the autoencoder's losses


class Source:
    """root: the folder of a user's copies; config: of the model; names: data sets and their shares."""

    def __init__(self, root: Path, config, names: dict[str, float]):
        self.root, self.config, self.names = Path(root), config, names
        self.first = next(iter(names))
        self.folder = self.root / dataset(self.first).folder

    def rows(self, step: int, size: int, count: int) -> np.ndarray:
        return numpy_generator(0, "perceiver", "pretrain", self.first, step).integers(0, count, size)

    def prepared(self, batch: dict, generator: torch.Generator) -> dict:
        return batch

    def divisor(self, batch: dict) -> float:
        return len(next(iter(batch.values())))


class Images(Source):
    def __init__(self, *given):
        from flopwise.data.real import listing_of, split_of

        super().__init__(*given)
        found = listing_of(self.first, self.root)
        self.split, self.classes = split_of(found, found.splits["train"]), len(found.class_names)
        if not len(self.split.images):
            raise UserError(f"data set {self.first} below {self.root} has no pictures to train on")

    def batch(self, step, size, threads):
        rows = self.rows(step, size, len(self.split.images))
        return {
            "pictures": torch.from_numpy(self.split.images.load(rows, STORED, max(1, threads))),
            "targets": torch.from_numpy(self.split.targets[rows]),
        }

    def prepared(self, batch, generator):
        """Half of the batch mixed with another picture, in the other half a part cut out of another one (both Beta(0.2, 0.2))."""
        mean, deviation = (
            torch.tensor(values, device=batch["pictures"].device).view(-1, 1, 1) for values in (MEAN, DEVIATION)
        )
        pictures = batch["pictures"].permute(0, 3, 1, 2).float().div_(255)
        x = (view(pictures, generator, 0.08, 0.0, self.config.inputs.size[0]) - mean) / deviation
        y = one_hot(batch["targets"], self.classes).float() * (1 - SMOOTHING) + SMOOTHING / self.classes
        half, draw = len(x) // 2, numpy_generator(generator.initial_seed(), "mix")
        share = float(draw.beta(MIXED, MIXED))
        mixed = share * x[:half] + (1 - share) * x[:half].flip(0)
        cut, area = x[half:].clone(), 1 - float(draw.beta(MIXED, MIXED))
        side = round(x.shape[-1] * area**0.5)
        top, left = (int(draw.integers(0, x.shape[-1] - side + 1)) for _ in range(2))
        cut[..., top : top + side, left : left + side] = x[half:].flip(0)[..., top : top + side, left : left + side]
        kept = 1 - side**2 / x.shape[-1] ** 2
        first, second = (
            share * y[:half] + (1 - share) * y[:half].flip(0),
            kept * y[half:] + (1 - kept) * y[half:].flip(0),
        )
        return {"pictures": torch.cat([mixed, cut]), "targets": torch.cat([first, second])}

    def loss(self, model, part):
        return cross_entropy(model(part["pictures"]).float(), part["targets"], reduction="sum")


class Flow(Source):
    def __init__(self, *given):
        super().__init__(*given)
        self.pairs = flow.autoflow_pairs(self.folder)

    def batch(self, step, size, threads):
        rows = self.rows(step, size, len(self.pairs))
        draw = numpy_generator(0, "perceiver", "crops", step).random((size, 2))
        high, wide = self.config.inputs.size

        def one(place: int):
            pair = self.pairs[rows[place]]
            frames = np.stack([np.asarray(open_frame(path)) for path in (pair.first, pair.second)])
            truth, valid = flow.read_flo(pair.flow)
            if frames.shape[1] < high or frames.shape[2] < wide:
                raise UserError(f"{pair.first} is smaller than {high} x {wide} pixels, which the model reads")
            top, left = (int(u * (n - m + 1)) for u, n, m in zip(draw[place], frames.shape[1:3], (high, wide)))
            cut = np.s_[top : top + high, left : left + wide]
            return frames[(slice(None), *cut)], truth[cut], valid[cut]

        frames, truth, valid = zip(*in_order(one, list(range(size)), max(1, threads)))
        return {
            name: torch.from_numpy(np.stack(part))
            for name, part in (("frames", frames), ("flow", truth), ("valid", valid))
        }

    def prepared(self, batch, generator):
        return batch | {"frames": batch["frames"].permute(0, 1, 4, 2, 3).float().div_(127.5).sub_(1)}

    def loss(self, model, part):
        error = (model(part["frames"]).float() - part["flow"] / FLOW_SCALE).norm(dim=-1)
        return (error * part["valid"]).sum()

    def divisor(self, batch):
        return float(batch["valid"].sum())


class Clips(Source):
    """Frames, sound and label of clips; `frames`, `sound`: how much of each the model reads."""

    def __init__(self, *given):
        super().__init__(*given)
        self.video, self.sound = (self.config.inputs.parts[name] for name in ("image", "audio"))
        listed = [(self.folder / "clips" / name, classes) for name, classes in self.listed()]
        self.clips = [one for one in listed if one[0].is_dir()]
        if not self.clips:
            raise UserError(f"none of {len(listed):,} listed clips is below {self.folder / 'clips'}")

    def listed(self) -> list[tuple[str, tuple[int, ...]]]:
        clips, names = audio.kinetics_clips(self.folder / "train.csv")
        self.classes = len(names)
        return [(audio.kinetics_folder(clip), clip.classes) for clip in clips]

    def read(self, rows, threads) -> dict:
        def one(row: int):
            folder, classes = self.clips[row]
            label = np.zeros(self.classes, np.float32)
            label[list(classes)] = 1
            return *read_clip(folder, self.video.size[0], self.sound.samples, self.video.frames), label

        frames, sound, labels = zip(*in_order(one, [int(row) for row in rows], max(1, threads)))
        return {
            name: torch.from_numpy(np.stack(part))
            for name, part in (("image", frames), ("audio", sound), ("label", labels))
        }

    def batch(self, step, size, threads):
        return self.read(self.rows(step, size, len(self.clips)), threads)

    @staticmethod
    def pixels(part):
        """Frames as the model reads them; a whole batch of them as numbers would take tens of GB."""
        return part["image"].float().div_(255)

    def prepared(self, batch, generator):
        """Points to decode, the same for all clips of a step; the label is hidden in half of them."""
        counts = {
            "image": int(np.prod(self.video.size)) * self.video.frames,
            "audio": self.sound.samples // self.sound.patch,
        }
        self.points = {
            name: torch.randperm(counts[name], generator=generator)[: self.config.queries.parts[name].sampled].to(
                batch["image"].device
            )
            for name in counts
        }
        hidden = torch.rand((len(batch["image"]), 1), generator=generator) < 0.5
        return batch | {"hidden": hidden.to(batch["image"].device)}

    def loss(self, model, part):
        frames = self.pixels(part)
        said = model(
            {"image": frames, "audio": part["audio"], "label": part["label"]},
            points=self.points | {"label": None},
            hidden={"label": part["hidden"]},
        )
        video = frames.permute(0, 1, 3, 4, 2).flatten(1, 3)[:, self.points["image"]]
        sound = part["audio"].unflatten(1, (-1, self.sound.patch))[:, self.points["audio"]].flatten(1)
        each = VIDEO * (said["image"].float() - video).abs().flatten(1).mean(1)
        each = each + SOUND * (said["audio"].float().flatten(1) - sound).abs().mean(1)
        return (each + LABEL * cross_entropy(said["label"].float(), part["label"], reduction="none")).sum()


class Tags(Clips):
    def listed(self):
        identifiers, _ = audio.audioset_classes(self.folder / "class_labels_indices.csv")
        self.classes = len(identifiers)
        files = [self.folder / f"{name}_train_segments.csv" for name in ("balanced", "unbalanced")]
        clips = [clip for path in files if path.is_file() for clip in audio.audioset_clips(path, identifiers)]
        return [(audio.audioset_folder(clip), clip.classes) for clip in clips]

    def prepared(self, batch, generator):
        return batch

    def loss(self, model, part):
        said = model({"image": self.pixels(part), "audio": part["audio"]})
        return binary_cross_entropy_with_logits(said.float(), part["label"], reduction="none").mean(1).sum()


class Text(Source):
    """Bytes of ten documents in a row, cropped; each word between spaces is masked with probability 0.15."""

    def __init__(self, *given):
        super().__init__(*given)
        self.files = {name: self._files(self.root / dataset(name).folder) for name in self.names}
        self.documents = cache(self._documents)

    def _files(self, folder: Path) -> list[Path]:
        from flopwise.data.readers.text import ENDINGS

        files = sorted(path for path in folder.rglob("*") if path.name.endswith(ENDINGS))
        if not files:
            raise UserError(f"no text below {folder}; expected are files {', '.join(ENDINGS)}")
        return files

    def _documents(self, path: Path) -> list[bytes]:
        from flopwise.data.readers.skips import Skips
        from flopwise.data.readers.text import read_documents

        found = [text.encode() for text in read_documents(path, Skips())]
        if not found:
            raise UserError(f"{path} holds no document")
        return found

    def batch(self, step, size, threads):
        rng, length = numpy_generator(0, "perceiver", "text", step), self.config.inputs.length
        first = round(size * self.names[self.first])
        counts = dict(zip(self.names, (first, size - first) if len(self.names) > 1 else (size,)))
        shown, truth = np.zeros((2, size, length), np.int64)
        if step % PER_FILE == 0:
            self.documents.cache_clear()
        place = 0
        for name, count in counts.items():
            order = numpy_generator(0, "perceiver", "files", name, step // PER_FILE // len(self.files[name]))
            file = self.files[name][order.permutation(len(self.files[name]))[step // PER_FILE % len(self.files[name])]]
            documents = self.documents(file)
            for _ in range(count):
                rows = rng.integers(0, len(documents), JOINED)
                self._fill(rng, b"\n".join(documents[row] for row in rows), shown[place], truth[place])
                place += 1
        return {"shown": torch.from_numpy(shown), "truth": torch.from_numpy(truth)}

    @staticmethod
    def _fill(rng, text: bytes, shown: np.ndarray, truth: np.ndarray) -> None:
        """truth: numbers of the bytes where a word is masked, 0 elsewhere."""
        start = int(rng.integers(0, max(1, len(text) - len(shown) + 1)))
        read = np.frombuffer(text[start : start + len(shown)], np.uint8).astype(np.int64)
        space = np.isin(read, (32, 9, 10, 13))
        words = np.cumsum(space)
        hidden = (rng.random(words[-1] + 1) < MASKED)[words] & ~space
        if not hidden.any():
            hidden = ~space
        shown[: len(read)], truth[: len(read)] = np.where(hidden, MASK, read + BYTES), np.where(hidden, read + BYTES, 0)

    def loss(self, model, part):
        said, where = model(part["shown"], mask=part["shown"] > 0), part["truth"] > 0
        return cross_entropy(said[where].float(), part["truth"][where], reduction="sum")

    def divisor(self, batch):
        return float((batch["truth"] > 0).sum())


SOURCES = {"images": Images, "flow": Flow, "clips": Clips, "tags": Tags, "text": Text}


def seed_of(step: int) -> int:
    return derive(0, "perceiver", "pretrain", "inside", step)


def split(batch: dict[str, Tensor], size: int) -> list[dict[str, Tensor]]:
    """Parts of at most `size` samples."""
    count = len(next(iter(batch.values())))
    return [{name: value[at : at + size] for name, value in batch.items()} for at in range(0, count, size)]
