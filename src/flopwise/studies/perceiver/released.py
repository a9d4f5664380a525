"""The released checkpoints, scored as the paper scored them.

Flow: tiles of the model's size that overlap by 20 pixels, a pixel's weight its distance from the tile's edge; EPE = mean
|f - f*|, over all pixels of all pairs (Sintel), or over pairs of the mean over valid pixels (KITTI). Images: the middle 7/8 of
the shorter side. Clips: 16 frames and their sound, the label hidden, everything decoded in parts of one encoding; PSNR =
10 log10(1 / MSE), its mean over clips; of sound in [-1, 1] for a peak of 2, too (the paper states no peak)."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flopwise.config import Settings
from flopwise.config.perceiver_evaluations import Evaluation, find
from flopwise.core.device import Placement, place
from flopwise.core.errors import UserError
from flopwise.core.io import sha256_file, sha256_json, write_json
from flopwise.core.paths import not_below
from flopwise.data.ahead import Prefetcher, decoding_threads
from flopwise.data.catalogue import dataset
from flopwise.data.files import in_order
from flopwise.data.images import open_frame
from flopwise.data.readers import audio, flow
from flopwise.models.perceiver import create, huggingface, published
from flopwise.models.perceiver.tiles import tiled_flow
from flopwise.studies.perceiver.glue import limited_rows, score_glue

FLOW_SCALE = 20.0  # pixels of flow for 1 of the released weights' output
CROP = 224 / 256  # of the shorter side
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FRAMES, RATE = 16, 48_000
CHUNKS = 128  # parts in which a clip is decoded


def released_job(settings: Settings, name: str, out: Path, state: Path, sources: str) -> dict:
    """Score one checkpoint, on GLUE after fine-tuning it. Writes `out` (JSON): metrics, published, samples, of how many, hash of
    the weights."""
    one, how = find(name), settings.preset.perceiver.released
    path = weights_of(settings, one)
    digest, tunes = sha256_file(path), one.kind == "glue"
    placement = place(settings.config.device, how.glue.precision if tunes else "fp32")
    model, start, folder = load_model(one.checkpoint, path).eval(), placement.clock(), folder_of(settings, one)
    if tunes:
        key = sha256_json([sources, digest, how.model_dump(mode="json")])
        found, samples, listed = score_glue(model, one, folder, how, placement, state, key)
        shutil.rmtree(state, ignore_errors=True)
    else:
        with torch.no_grad():
            found, samples, listed = SCORES[one.kind](placement.put(model), one, folder, how, placement)
    write_json(out, {
        "metrics": found, "published": one.published, "source": one.source, "checkpoint": one.checkpoint,
        "dataset": one.dataset, "samples": samples, "listed": listed, "weights": digest,
    })  # fmt: skip
    return {"evaluate_seconds": placement.clock() - start}


def load_model(checkpoint: str, path: Path):
    """The published configuration with the weights in a file, named as in transformers. Raises `UserError` where they do not
    fit, `RunFailure` where the file is damaged."""
    from flopwise.models.weights import read

    model = create(published.find(checkpoint))
    huggingface.load(model, read(path))
    return model


def weights_of(settings: Settings, one: Evaluation) -> Path:
    from flopwise.models.weights import find_file

    if settings.config.weights_root is None:
        raise UserError(f"the weights of {one.checkpoint} lie below `weights_root`; set it in config/config.yaml")
    return find_file(one.checkpoint, "deepmind", settings.config.weights_root)


def folder_of(settings: Settings, one: Evaluation) -> Path:
    root, folder = settings.config.data_root, dataset(one.dataset).folder
    if root is None or not ((path := Path(root) / folder).is_dir() or path.with_name(f"{folder}.tar").is_file()):
        raise UserError(f"data set {one.dataset}: {not_below(folder, root)}")
    return path


def missing(settings: Settings) -> list[str]:
    """What is not found below `weights_root` and `data_root`, a line each."""
    lines = []
    for name in settings.preset.perceiver.released.evaluations:
        for look in (weights_of, folder_of):
            try:
                look(settings, find(name))
            except UserError as error:
                lines.append(f"perceiver evaluation {name}: {error}")
    return lines


def limited(samples: list, limit: int | None) -> list:
    """At most `limit` of them, evenly spread over the list."""
    return [samples[row] for row in limited_rows(len(samples), limit)]


# flow ------------------------------------------------------------------------------------------------------------------


def score_flow(model, one: Evaluation, folder: Path, how, placement: Placement) -> tuple[dict, int, int]:
    """epe and epe_even (evenly spaced tiles), in pixels; of KITTI also fl_all, the percentage of valid pixels that are more than
    3 pixels and 5 % off."""
    kitti = one.dataset == "kitti_flow_2015"
    pairs = flow.kitti_pairs(folder) if kitti else flow.sintel_pairs(folder, one.part)
    chosen, read = limited(pairs, how.limit), flow.read_kitti if kitti else flow.read_flo

    def opened(index: int):
        pair = chosen[index]
        frames = np.stack([np.asarray(open_frame(path)) for path in (pair.first, pair.second)])
        return frames, *read(pair.flow)

    made = Prefetcher(opened, len(chosen), decoding_threads(placement))
    rows = []
    for index in range(len(chosen)):
        frames, truth, valid = made[index]
        frames = placement.put(torch.from_numpy(frames)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)
        truth, valid = (placement.put(torch.from_numpy(part)) for part in (truth, valid))
        row = []
        for even in (False, True):
            said = tiled_flow(model, model.config.inputs.size, frames[None], how.batch_size, even=even)[0]
            error = (said * FLOW_SCALE - truth).norm(dim=2)[valid]
            row.append(float(error.double().sum()))
            if not even:
                size = truth.norm(dim=2)[valid]
                row.append(float(((error > 3) & (error > 0.05 * size)).sum()))
        rows.append([int(valid.sum()), *row])
    count, summed, off, summed_even = np.array(rows, float).T
    if kitti:
        found = {
            "epe": (summed / count).mean(),
            "epe_even": (summed_even / count).mean(),
            "fl_all": 100 * off.sum() / count.sum(),
        }
    else:
        found = {"epe": summed.sum() / count.sum(), "epe_even": summed_even.sum() / count.sum()}
    return {name: float(value) for name, value in found.items()}, len(chosen), len(pairs)


# images ----------------------------------------------------------------------------------------------------------------


def centre(image, side: int) -> np.ndarray:
    """uint8 (side, side, 3): the middle `CROP` of the shorter side of a PIL image, resized (bicubic)."""
    from PIL import Image

    edge = max(1, round(min(image.size) * CROP))
    left, top = ((length - edge) // 2 for length in image.size)
    part = image.convert("RGB").crop((left, top, left + edge, top + edge))
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


def score_images(model, one: Evaluation, folder: Path, how, placement: Placement) -> tuple[dict, int, int]:
    """top1 and top5 in percent; classes in the order of their folders' names."""
    from flopwise.data.manifests import open_listing

    found = open_listing(one.dataset, folder.parent)
    samples = limited(found.splits["test"], how.limit)
    if not samples:
        raise UserError(f"data set {one.dataset} has no pictures to score below {folder}")
    side, mean, deviation = model.config.inputs.size[0], *map(torch.tensor, (MEAN, DEVIATION))
    right = np.zeros(2, int)
    for batch in _batches(lambda sample: (centre(found.image(sample), side), sample.target), samples, how, placement):
        pictures, targets = (torch.from_numpy(np.stack(part)) for part in zip(*batch))
        pictures = ((pictures.float() / 255 - mean) / deviation).permute(0, 3, 1, 2)
        said = model(placement.put(pictures))
        best = said.topk(min(5, said.shape[1])).indices.cpu()
        hit = best == targets[:, None]
        right += [int(hit[:, 0].sum()), int(hit.any(1).sum())]
    return (
        {name: 100 * float(n) / len(samples) for name, n in zip(("top1", "top5"), right)},
        len(samples),
        len(found.splits["test"]),
    )


def _batches(read: Callable, samples: list, how, placement: Placement) -> Iterable[list]:
    """`read` of every sample, in batches that are made ahead."""
    threads = decoding_threads(placement)
    starts = range(0, len(samples), how.batch_size)
    made = Prefetcher(
        lambda n: in_order(read, samples[starts[n] : starts[n] + how.batch_size], max(1, threads)), len(starts), threads
    )
    for number in range(len(starts)):
        yield made[number]


# clips -----------------------------------------------------------------------------------------------------------------


def read_clip(folder: Path, side: int, samples: int, count: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """uint8 (count, 3, side, side) and float32 (samples,): the first frames, their middle square resized, and the sound."""
    from PIL import Image

    frames = []
    for pixels in audio.read_frames(folder, count):
        image = Image.fromarray(pixels)
        edge = min(image.size)
        left, top = ((length - edge) // 2 for length in image.size)
        part = image.crop((left, top, left + edge, top + edge)).resize((side, side), Image.Resampling.BILINEAR)
        frames.append(np.asarray(part).transpose(2, 0, 1))
    sounds = sorted(folder.glob("*.wav"))
    if len(sounds) != 1:
        raise UserError(f"{folder} holds {len(sounds)} WAV files, expected is one")
    sound = audio.read_wav(sounds[0], RATE)
    if len(sound) < samples:
        raise UserError(f"{sounds[0]} has {len(sound)} samples, {samples} are needed")
    return np.stack(frames), sound[:samples]


def decoded(model, inputs: dict[str, Tensor], chunks: int = CHUNKS) -> dict[str, Tensor]:
    """All outputs of one clip, decoded in parts of one encoding: sound (samples,), image (T, 3, H, W), label (classes,)."""
    x = model.inputs(inputs)
    z, parts = model.encode(x), []
    counts = {name: model.head.counts[name] for name in ("audio", "image")}
    for chunk in range(chunks):
        points = {name: torch.arange(chunk * n // chunks, (chunk + 1) * n // chunks) for name, n in counts.items()}
        parts.append(model.decode(z, x, points={**{k: v.to(x.device) for k, v in points.items()}, "label": None}))
    frames, size = inputs["image"].shape[1], inputs["image"].shape[-2:]
    image = torch.cat([part["image"][0] for part in parts]).view(frames, *size, 3).permute(0, 3, 1, 2)
    return {"audio": torch.cat([part["audio"][0] for part in parts]), "image": image, "label": parts[0]["label"][0]}


def psnr(said: Tensor, truth: Tensor) -> float:
    """In dB, for a peak of 1."""
    return float(-10 * torch.log10(((said - truth).double() ** 2).mean().clamp(min=1e-12)))


def score_clips(model, one: Evaluation, folder: Path, how, placement: Placement) -> tuple[dict, int, int]:
    """video_psnr, audio_psnr (peak 1) and audio_psnr_peak2 in dB, top1 in percent, over the listed clips that are there."""
    _, names = audio.kinetics_clips(folder / "train.csv")
    listed, _ = audio.kinetics_clips(folder / "validate.csv", names)
    named = [(folder / "clips" / audio.kinetics_folder(clip), clip.classes[0]) for clip in listed]
    there = limited([(clip, label) for clip, label in named if clip.is_dir()], how.limit)
    if not there:
        raise UserError(f"none of {len(listed):,} listed clips is below {folder / 'clips'}")
    video, sound = model.config.inputs.parts["image"], model.config.inputs.parts["audio"]
    rows = []
    for clip, label in there:
        frames, samples = read_clip(clip, video.size[0], sound.samples)
        inputs = {
            "image": placement.put(torch.from_numpy(frames)).float().div_(255)[None],
            "audio": placement.put(torch.from_numpy(samples))[None],
        }
        said = decoded(model, inputs)
        rows.append((psnr(said["image"], inputs["image"][0]), psnr(said["audio"], inputs["audio"][0]),
                     100.0 * (int(said["label"].argmax()) == label)))  # fmt: skip
    found = dict(zip(("video_psnr", "audio_psnr", "top1"), np.mean(rows, 0).tolist()))
    return {**found, "audio_psnr_peak2": found["audio_psnr"] + 20 * np.log10(2)}, len(there), len(listed)


def score_tags(model, one: Evaluation, folder: Path, how, placement: Placement) -> tuple[dict, int, int]:
    """map: mean over the classes that occur of the average precision in percent, from one clip of each recording (the paper
    averages sixteen overlapping ones)."""
    from flopwise.methods.perceiver.tags import average_precision

    identifiers, _ = audio.audioset_classes(folder / "class_labels_indices.csv")
    listed = audio.audioset_clips(folder / "eval_segments.csv", identifiers)
    named = [(folder / "clips" / audio.audioset_folder(clip), clip.classes) for clip in listed]
    there = limited([(clip, classes) for clip, classes in named if clip.is_dir()], how.limit)
    if not there:
        raise UserError(f"none of {len(listed):,} listed clips is below {folder / 'clips'}")
    video, sound = model.config.inputs.parts["image"], model.config.inputs.parts["audio"]
    said, truth = [], np.zeros((len(there), len(identifiers)), bool)
    for row, (clip, classes) in enumerate(there):
        frames, samples = read_clip(clip, video.size[0], sound.samples, video.frames)
        image, sounds = (placement.put(torch.from_numpy(part))[None] for part in (frames, samples))
        said.append(model({"image": image.float().div_(255), "audio": sounds})[0].cpu())
        truth[row, list(classes)] = True
    occur = truth.any(0)
    scores = torch.stack(said).float().numpy()[:, occur]
    return {"map": average_precision(scores, truth[:, occur])}, len(there), len(listed)


SCORES = {"flow": score_flow, "images": score_images, "clips": score_clips, "tags": score_tags}
