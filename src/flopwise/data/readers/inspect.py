"""What a user's copy of a set holds, by kind of layout: quick counts of each split, without decoding a picture.

A kind is what the column `reader` of the catalogue says. The functions raise `UserError` that names what is missing."""

from pathlib import Path

from flopwise.core.errors import UserError
from flopwise.data.readers import audio, coco, cub, flow, glue, segmentation, shards, text


def count(kind: str, folder: Path | str, layout: str = "") -> dict[str, int]:
    """Name of a part -> how many there are: files for pools and text, samples for all others. `layout` is the row's, of
    which GLUE takes the name of the task's folder. Raises `UserError` for a missing folder or file."""
    folder = Path(folder)
    if kind not in KINDS:
        raise UserError(f"reader {kind!r} does not exist; allowed are {', '.join(KINDS)}")
    if not folder.is_dir():
        raise UserError(f"{folder} is missing")
    return KINDS[kind](folder, layout)


def _shards(folder: Path, layout: str) -> dict[str, int]:
    return {"shards": len(shards.find_shards(["*.tar"], folder))}


def _text(folder: Path, layout: str) -> dict[str, int]:
    return {"files": len(_files(folder, text.ENDINGS))}


def _sintel(folder: Path, layout: str) -> dict[str, int]:
    return {render: len(flow.sintel_pairs(folder, render)) for render in ("clean", "final")}


def _kitti(folder: Path, layout: str) -> dict[str, int]:
    return {"training": len(flow.kitti_pairs(folder))}


def _autoflow(folder: Path, layout: str) -> dict[str, int]:
    return {"training": len(flow.autoflow_pairs(folder))}


def _ade20k(folder: Path, layout: str) -> dict[str, int]:
    return {split: len(segmentation.ade20k_scenes(folder, split)) for split in ("training", "validation")}


def _glue(folder: Path, layout: str) -> dict[str, int]:
    task = next(name for name, spec in glue.TASKS.items() if layout.startswith(f"{spec.folder}/"))
    labelled = [split for split in glue.splits_of(task) if not split.startswith("test")]
    return {split: len(glue.read_tsv(folder, task, split).texts) for split in labelled}


def _coco(folder: Path, layout: str) -> dict[str, int]:
    captions = coco.read_captions(folder / "annotations" / "captions_train2017.json")
    classes, names = coco.read_classes(folder / "annotations" / "instances_train2017.json")
    lost = [name for name in classes if not (folder / "train2017" / name).is_file()]
    if lost:
        raise UserError(
            f"{len(lost)} of {len(classes)} pictures are missing in {folder / 'train2017'}, the first is {lost[0]}"
        )
    return {"pictures": len(classes), "with captions": len(captions), "classes": len(names)}


def _cub(folder: Path, layout: str) -> dict[str, int]:
    splits, names = cub.read_cub(folder)
    return {"classes": len(names), **{split: len(part) for split, part in splits.items()}}


def _audioset(folder: Path, layout: str) -> dict[str, int]:
    identifiers, _ = audio.audioset_classes(folder / "class_labels_indices.csv")
    lists = ("balanced_train", "unbalanced_train", "eval")
    counts = {name: len(audio.audioset_clips(folder / f"{name}_segments.csv", identifiers)) for name in lists}
    return {"classes": len(identifiers), **counts}


def _kinetics(folder: Path, layout: str) -> dict[str, int]:
    training, names = audio.kinetics_clips(folder / "train.csv")
    return {
        "classes": len(names),
        "train": len(training),
        "validate": len(audio.kinetics_clips(folder / "validate.csv", names)[0]),
    }


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.name.endswith(endings) and path.is_file())
    if not found:
        raise UserError(f"no file {', '.join(f'*{ending}' for ending in endings)} in {folder}")
    return found


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
