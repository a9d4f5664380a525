"""What a user's copy of a set holds that is no list of images with classes or captions: counts of its parts, found without
decoding a file, and one check per file that opens it. A kind is what the column `reader` of the catalogue says."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, on_disk
from flopwise.data.catalogue import DataSet
from flopwise.data.images import open_frame, open_image
from flopwise.data.readers import audio, coco, cub, flow, glue, segmentation, shards, text
from flopwise.data.readers.skips import Skips, ending

FRAMES = {"kinetics_lists": 16, "audioset_lists": 32}  # pictures that a clip of the Perceiver IO study has
RATE = 48_000  # Hz, of its sound
Report = Callable[..., None]  # (what is wrong, example, how often = 1)
Check = Callable[[Report], None]


@dataclass
class Count:
    """How many there are (None: not counted yet, only the checks do), and how many the row says (None: it does not). A
    number that is not `exact` may differ: links of web data die."""

    found: int | None
    expected: int | None = None
    exact: bool = True


@dataclass
class Contents:
    """`counts` by part; `classes`: their number; `problems`: (what is wrong, example) seen without opening a file;
    `checks` open a file each, and may count on in `counts`."""

    counts: dict[str, Count]
    classes: int | None = None
    checks: Iterable[Check] = ()
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def contents(facts: DataSet, folder: Path) -> Contents:
    """What `folder`, a copy of the set `facts`, holds. Raises `UserError` or `RunFailure` where lists or files are missing
    or damaged without which nothing else can be said."""
    if not folder.is_dir():
        raise UserError(f"{folder} is missing; a copy of {facts.title} lies there as a folder")
    return KINDS[facts.reader](folder, facts)


def _opens(function: Callable, *arguments) -> Check:
    def check(report: Report) -> None:
        try:
            function(*arguments)
        except (RunFailure, UserError, OSError) as error:
            report("file that cannot be read", str(error))

    return check


def _skipping(read: Callable[[Skips], int], count: Count) -> Check:
    """A check of a file with many samples: what `read` skips is reported, what it returns is added to `count`."""

    def check(report: Report) -> None:
        skips = Skips()

        def samples() -> None:
            count.found = (count.found or 0) + read(skips)

        _opens(samples)(report)
        for reason, number in skips.counts.items():
            report(reason, skips.first[reason], number)

    return check


def _shards(folder: Path, facts: DataSet) -> Contents:
    files, usable = shards.find_shards(["*.tar"], folder), Count(None, facts.n_train, exact=False)

    def count(path: str, skips: Skips) -> int:
        return sum(_is_pair(f"{path}: {raw.key}", raw, skips) for raw in shards.read_shard(path, skips))

    checks = [_skipping(partial(count, path), usable) for path in files]
    others = _others(path for path in folder.iterdir() if str(path) not in files)
    return Contents({"shards": Count(len(files)), "pairs": usable}, checks=checks, notes=others)


def _is_pair(where: str, raw: shards.Raw, skips: Skips) -> bool:
    """Whether the picture of a sample can be read; counted where not."""
    try:
        open_image(raw.image, where)
    except RunFailure as error:
        skips.add("the image cannot be read", str(error))
        return False
    return True


def _text(folder: Path, facts: DataSet) -> Contents:
    everything = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files, documents = [path for path in everything if path.name.endswith(text.ENDINGS)], Count(None, facts.n_train)
    if not files:
        raise UserError(f"no file {', '.join(f'*{each}' for each in text.ENDINGS)} in {folder}")

    def count(path, skips: Skips) -> int:
        return sum(1 for _ in text.read_documents(path, skips))

    checks = [_skipping(partial(count, path), documents) for path in files]
    others = _others(path for path in everything if not path.name.endswith(text.ENDINGS))
    return Contents({"files": Count(len(files)), "documents": documents}, checks=checks, notes=others)


def _others(paths: Iterable[Path]) -> list[str]:
    """A note for each kind of file or folder of a copy that is not read; hidden ones are not part of it."""
    kinds = Counter("folder" if path.is_dir() else ending(path.name) for path in paths if path.name[0] != ".")
    return [f"not read: {count:,} x {kind}" for kind, count in sorted(kinds.items())]


def _sintel(folder: Path, facts: DataSet) -> Contents:
    pairs = {render: flow.sintel_pairs(folder, render) for render in ("clean", "final")}
    counts = {f"test, {render}": Count(len(found), facts.n_test) for render, found in pairs.items()}
    return Contents(
        counts, checks=[_opens(_flow_pair, pair, flow.read_flo) for found in pairs.values() for pair in found]
    )


def _kitti(folder: Path, facts: DataSet) -> Contents:
    pairs = flow.kitti_pairs(folder)
    return Contents(
        {"test": Count(len(pairs), facts.n_test)}, checks=[_opens(_flow_pair, pair, flow.read_kitti) for pair in pairs]
    )


def _autoflow(folder: Path, facts: DataSet) -> Contents:
    pairs = flow.autoflow_pairs(folder)
    return Contents(
        {"train": Count(len(pairs), facts.n_train)}, checks=[_opens(_flow_pair, pair, flow.read_flo) for pair in pairs]
    )


def _flow_pair(pair: flow.FlowPair, read: Callable) -> None:
    """Open the frames, the flow and the occlusions; all must have one size."""
    height, width = read(pair.flow)[1].shape
    for path in (pair.first, pair.second, *([pair.occlusion] if pair.occlusion else [])):
        size = open_frame(path).size
        if size != (width, height):
            raise RunFailure(f"{path}: {size[0]} x {size[1]} pixels, its flow has {width} x {height}")


def _ade20k(folder: Path, facts: DataSet) -> Contents:
    parts = {
        split: segmentation.ade20k_scenes(folder, part)
        for split, part in (("train", "training"), ("test", "validation"))
    }
    counts = {"train": Count(len(parts["train"]), facts.n_train), "test": Count(len(parts["test"]), facts.n_test)}
    checks = [
        _opens(segmentation.read_scene, *scene, facts.n_classes, True) for part in parts.values() for scene in part
    ]
    return Contents(counts, checks=checks)


def _glue(folder: Path, facts: DataSet) -> Contents:
    """Text is read whole to be counted. The test splits have no labels and are opened if they are there."""
    task = next(name for name, spec in glue.TASKS.items() if facts.layout.startswith(f"{spec.folder}/"))
    counts = {"train": Count(0, facts.n_train), "test": Count(0, facts.n_test)}
    notes, checks = [], []
    for split in glue.splits_of(task):
        if split.startswith("test"):
            if glue.has_split(folder, task, split):
                checks.append(_opens(glue.read_split, folder, task, split))
            continue
        found = glue.read_split(folder, task, split)
        counts["train" if split == "train" else "test"].found += len(found.texts)
        notes += found.skips.lines()
    return Contents(counts, facts.n_classes, checks, notes=notes)


def _coco(folder: Path, facts: DataSet) -> Contents:
    captions = coco.read_captions(folder / "annotations" / "captions_train2017.json")
    classes, names = coco.read_classes(folder / "annotations" / "instances_train2017.json")
    pictures = [on_disk(folder / "train2017" / name) for name in classes]
    there = [path for path in pictures if os.path.isfile(path)]
    counts = {"train": Count(len(pictures), facts.n_train), "with captions": Count(len(captions))}
    lost = [("missing file", str(path)) for path in pictures if not os.path.isfile(path)]
    return Contents(counts, len(names), [_opens(open_image, path) for path in there], lost)


def _cub(folder: Path, facts: DataSet) -> Contents:
    splits, names = cub.read_cub(folder)
    counts = {
        "train": Count(len(splits["train"]), facts.n_train), "test": Count(len(splits["test"]), facts.n_test),
    }  # fmt: skip
    checks = [_opens(open_image, path) for part in splits.values() for path, _ in part]
    return Contents(counts, len(names), checks)


def _audioset(folder: Path, facts: DataSet) -> Contents:
    identifiers, _ = audio.audioset_classes(folder / "class_labels_indices.csv")
    lists = {
        name: audio.audioset_clips(folder / f"{name}_segments.csv", identifiers)
        for name in ("balanced_train", "unbalanced_train", "eval")
    }
    train = [*lists["balanced_train"], *lists["unbalanced_train"]]
    return _clips(folder, facts, train, lists["eval"], len(identifiers), audio.audioset_folder)


def _kinetics(folder: Path, facts: DataSet) -> Contents:
    train, names = audio.kinetics_clips(folder / "train.csv")
    test, _ = audio.kinetics_clips(folder / "validate.csv", names)
    return _clips(folder, facts, train, test, len(names), audio.kinetics_folder)


def _clips(folder: Path, facts: DataSet, train: list, test: list, classes: int, name_of: Callable) -> Contents:
    """The lists are counted against the row. Clips are the user's own: as many as could be had, but at least one."""
    base = folder / "clips"
    there = {composed(path.name) for path in base.iterdir() if path.is_dir()} if base.is_dir() else set()
    listed = [name_of(clip) for clip in (*train, *test)]
    here = [name for name in dict.fromkeys(listed) if name in there]
    problems = [("clip that no list names", str(base / name)) for name in sorted(there.difference(listed))]
    if not here:
        problems.append(("no clip is there", f"{base}/{listed[0] if listed else '<clip>'}/ and so on"))
    counts = {
        "train": Count(len(train), facts.n_train),
        "test": Count(len(test), facts.n_test),
        "clips": Count(len(here)),
    }
    checks = [_opens(_clip, on_disk(base / name), FRAMES[facts.reader]) for name in here]
    notes = [f"{len(set(listed)) - len(here):,} of {len(set(listed)):,} listed clips are not there"]
    return Contents(counts, classes, checks, problems, notes)


def _clip(folder: Path, least: int) -> None:
    """Open all frames and the one sound file of a clip."""
    frames, sounds = audio.frame_files(folder), sorted(folder.glob("*.wav"))
    if len(frames) < least or len(sounds) != 1:
        raise RunFailure(
            f"{folder} holds {len(frames)} frames and {len(sounds)} WAV files; expected are {least} or more, and one"
        )
    for path in frames:
        open_frame(path)
    audio.read_wav(sounds[0], RATE)


KINDS = {
    "webdataset_shards": _shards,
    "text_documents": _text,
    "sintel": _sintel,
    "kitti_flow": _kitti,
    "autoflow": _autoflow,
    "ade20k": _ade20k,
    "glue": _glue,
    "coco_json": _coco,
    "cub_official": _cub,
    "audioset_lists": _audioset,
    "kinetics_lists": _kinetics,
}
