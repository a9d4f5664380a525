"""Turn a user's copy of a data set into manifests and images whose shorter side is 224 pixels."""

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path

from flopwise.core.errors import RunFailure
from flopwise.core.io import atomic_path, write_json
from flopwise.data.catalogue import DataSet
from flopwise.data.images import small_copy
from flopwise.data.listing import Listing, Sample
from flopwise.data.manifests import (
    class_file,
    copy_prefix,
    file_list_hash,
    manifest_files,
    open_listing,
    read_manifest,
    read_record,
    record_file,
    splits_of,
    stays_inside,
    write_manifest,
)
from flopwise.data.readers.skips import Skips

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no later copy can be written either
SAVE_EVERY = 2_000  # generated captions are saved after so many images
Captioner = Callable[[object, str], str]  # (PIL image in RGB, class name) -> caption


def prepare(name: str, root: Path | str, out: Path | str | None = None, captioner: Captioner | None = None) -> dict:
    """Write `<FOLDER>_<split>.json`, `<FOLDER>_<split>_224.json`, the class names, hashes of the file lists, and the
    copies `<FOLDER>/<FOLDER>_<split>_224/<image path>` to `out` (default: `root`).

    A captioner is asked once per image that brings no caption; without one the caption is the primer of the class.
    Copies that are there already are kept, so an interrupted run goes on where it stopped; manifests appear last. An image
    that cannot be read or copied stops nothing: it is left out of the manifest of copies, recorded with its reason and tried
    again by the next run. Raises `RunFailure` where that holds for every image, or where the disk takes no more."""
    root, out = Path(root), Path(out or root)
    found = open_listing(name, root)
    found.check_archive()
    record = read_record(found.dataset, root if found.prepared else out) or {}
    again = bool(record.get("left_out"))  # by an earlier run
    if found.prepared and not again:
        return _summary(found, root, 0, {})
    if again:
        found = open_listing(name, root, copies=False)  # the manifests that the earlier run wrote are no published ones
        found = dataclasses.replace(found, membership=record.get("membership", found.membership))
    left_out: dict[str, str] = {}
    finished, made = {}, 0
    for split in splits_of(found.dataset):
        finished[split], count = _split(found, split, out, captioner, left_out, again)
        made += count
    if left_out and not any(entries.keys() - left_out.keys() for entries in finished.values()):
        key, reason = next(iter(left_out.items()))
        raise RunFailure(f"{name}: none of {len(left_out):,} images can be copied; the first: {key}: {reason}")
    _write_lists(found, finished, out, left_out)
    return _summary(found, out, made, left_out)


def _split(
    found: Listing, split: str, out: Path, captioner, left_out: dict[str, str], again: bool
) -> tuple[dict[str, dict], int]:
    """Entries of the manifest of one split, and how many copies were made; images without a copy are added to `left_out`."""
    prefix, made = copy_prefix(found.dataset, split), 0
    kept = _captions_file(found.dataset, split, out)
    known = _known(found.dataset, split, out, again)
    entries: dict[str, dict] = {}
    for count, sample in enumerate(_progress(found.splits[split], f"{found.dataset.name} {split}"), 1):
        entry, image = known.get(sample.key), None
        wants_caption = captioner is not None and not sample.captions and entry is None
        target = out / found.dataset.folder / prefix / sample.key
        try:
            if not stays_inside(sample.key):
                raise _LeftOut("path that climbs out of the folder")
            if wants_caption or not _is_made(target):
                image = _read(found, sample)
            if not _is_made(target):
                _write(image, target)
                made += 1
        except _LeftOut as error:
            left_out[sample.key], wants_caption = str(error), False
        entries[sample.key] = entry or _entry(found, sample, image if wants_caption else None, captioner)
        if captioner is not None and count % SAVE_EVERY == 0:
            write_manifest(kept, _without(entries, left_out))
    if captioner is not None:
        write_manifest(kept, _without(entries, left_out))
    return entries, made


class _LeftOut(RunFailure):
    """Why one image has no copy."""


def _read(found: Listing, sample: Sample):
    try:
        return found.image(sample)
    except RunFailure as error:
        raise _LeftOut(f"image that cannot be read: {error}") from error


def _write(image, target: Path) -> None:
    """Write the small copy. Raises `_LeftOut`, or `RunFailure` for what would stop every other copy too."""
    try:
        content = small_copy(image)
        with atomic_path(target, flush=False) as temporary:
            temporary.write_bytes(content)
    except RunFailure as error:
        if getattr(error.__cause__, "errno", None) in FULL:
            raise
        raise _LeftOut(f"copy that cannot be written: {error}") from error


def _is_made(path: Path) -> bool:
    return os.path.isfile(path) and path.stat().st_size > 0  # os.path: false for a name that is too long for the disk


def _known(facts: DataSet, split: str, out: Path, again: bool) -> dict[str, dict]:
    """Entries with generated captions: of a run that was interrupted, or of one `again` that left images out."""
    kept, copies = _captions_file(facts, split, out), manifest_files(facts, out, prepared=True)[split]
    if kept.is_file():
        return read_manifest(kept)[0]
    if not again or not copies.is_file():
        return {}
    return {key.removeprefix(copy_prefix(facts, split)): entry for key, entry in read_manifest(copies)[0].items()}


def _without(entries: dict[str, dict], left_out: dict[str, str]) -> dict[str, dict]:
    return {key: entry for key, entry in entries.items() if key not in left_out}


def _entry(found: Listing, sample: Sample, image, captioner) -> dict:
    name = found.class_names[sample.target] if found.class_names else None
    own = list(sample.captions)
    return {
        "classname": name,
        "default_caption": (own[0] if len(own) == 1 else own) or None,
        "primer_caption": None if name is None else found.dataset.primer(name),
        "synthetic_caption": None,
        "synthetic_merged_caption": [captioner(image, name or "")] if image is not None else None,
        "target": sample.target,
    }


def _write_lists(found: Listing, finished: dict[str, dict[str, dict]], out: Path, left_out: dict[str, str]) -> None:
    """The manifests list every image, those of copies all but `left_out`."""
    facts = found.dataset
    if found.class_names:
        write_json(class_file(facts, out), list(found.class_names))
    hashes = {split: file_list_hash(found.splits[split]) for split in finished}
    lost = {"left_out": left_out} if left_out else {}
    write_json(record_file(facts, out), {"membership": found.membership, **hashes, **lost})
    if found.membership != "manifest" or out.resolve() != found.tree.root.resolve():
        for split, path in manifest_files(facts, out, prepared=False).items():
            write_manifest(path, finished[split])
    for split, path in manifest_files(facts, out, prepared=True).items():
        prefix = copy_prefix(facts, split)
        write_manifest(path, {f"{prefix}{key}": entry for key, entry in _without(finished[split], left_out).items()})
    for split in splits_of(facts):
        _captions_file(facts, split, out).unlink(missing_ok=True)


def _captions_file(facts: DataSet, split: str, out: Path) -> Path:
    """Where generated captions are kept until the manifests appear."""
    return out / f".{copy_prefix(facts, split).removesuffix('_224/')}_captions.json"


def _summary(found: Listing, out: Path, made: int, left_out: dict[str, str]) -> dict:
    copies, skips = manifest_files(found.dataset, out, prepared=True), Skips()
    for key, reason in left_out.items():
        kind, _, why = reason.partition(": ")
        skips.add(kind, f"{key}: {why}" if why else key)
    return {
        "name": found.dataset.name,
        "out": str(out),
        "counts": {split: sum(sample.key not in left_out for sample in found.splits[split]) for split in copies},
        "classes": len(found.class_names),
        "copies_made": made,
        "left_out": {kind: {"count": count, "first": skips.first[kind]} for kind, count in skips.counts.items()},
        "membership": found.membership,
        "manifests": [str(path) for path in copies.values()],
    }


def _progress(samples: list[Sample], label: str):
    from tqdm import tqdm

    return tqdm(samples, desc=label, unit="image", disable=None)
