"""Turn a user's copy of a data set into manifests and images whose shorter side is 224 pixels."""

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
    record_file,
    splits_of,
    stays_inside,
    write_manifest,
)

SAVE_EVERY = 2_000  # generated captions are saved after so many images
Captioner = Callable[[object, str], str]  # (PIL image in RGB, class name) -> caption


def prepare(name: str, root: Path | str, out: Path | str | None = None, captioner: Captioner | None = None) -> dict:
    """Write `<FOLDER>_<split>.json`, `<FOLDER>_<split>_224.json`, the class names, hashes of the file lists, and the
    copies `<FOLDER>/<FOLDER>_<split>_224/<image path>` to `out` (default: `root`).

    A captioner is asked once per image that brings no caption; without one the caption is the primer of the class.
    Copies that are there already are kept, so an interrupted run goes on where it stopped; manifests appear last.
    Raises `RunFailure` that counts the images which are missing or cannot be read, after making all others."""
    root, out = Path(root), Path(out or root)
    found = open_listing(name, root)
    if found.prepared:
        return _summary(found, root, made=0)
    broken: list[str] = []
    finished: dict[str, dict[str, dict]] = {}
    made = 0
    for split in splits_of(found.dataset):
        finished[split], count = _split(found, split, out, captioner, broken)
        made += count
    if broken:
        raise RunFailure(
            f"{name}: {len(broken)} images are missing or cannot be read, for example {'; '.join(broken[:3])}; the "
            f"others are in {out / found.dataset.folder}; `flopwise data verify` lists them; mend them and run again"
        )
    _write_lists(found, finished, out)
    return _summary(found, out, made)


def _split(found: Listing, split: str, out: Path, captioner, broken: list[str]) -> tuple[dict[str, dict], int]:
    """Entries of the manifest of one split, and how many copies were made."""
    prefix, made = copy_prefix(found.dataset, split), 0
    kept = _captions_file(found.dataset, split, out)
    known = read_manifest(kept)[0] if kept.is_file() else {}
    entries: dict[str, dict] = {}
    for count, sample in enumerate(_progress(found.splits[split], f"{found.dataset.name} {split}"), 1):
        target = out / found.dataset.folder / prefix / sample.key
        entry = known.get(sample.key)
        if not stays_inside(sample.key):
            broken.append(f"{sample.key}: path that climbs out of the folder")
            continue
        wants_caption = captioner is not None and not sample.captions and entry is None
        try:
            image = None if _is_made(target) and not wants_caption else found.image(sample)
        except RunFailure as error:
            broken.append(str(error))
            continue
        if not _is_made(target):
            with atomic_path(target, flush=False) as temporary:
                temporary.write_bytes(small_copy(image))
            made += 1
        entries[sample.key] = entry or _entry(found, sample, image if wants_caption else None, captioner)
        if captioner is not None and count % SAVE_EVERY == 0:
            write_manifest(kept, entries)
    if captioner is not None:
        write_manifest(kept, entries)
    return entries, made


def _is_made(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


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


def _write_lists(found: Listing, finished: dict[str, dict[str, dict]], out: Path) -> None:
    facts = found.dataset
    if found.class_names:
        write_json(class_file(facts, out), list(found.class_names))
    hashes = {split: file_list_hash(found.splits[split]) for split in finished}
    write_json(record_file(facts, out), {"membership": found.membership, **hashes})
    if found.membership != "manifest" or out.resolve() != found.tree.root.resolve():
        for split, path in manifest_files(facts, out, prepared=False).items():
            write_manifest(path, finished[split])
    for split, path in manifest_files(facts, out, prepared=True).items():
        prefix = copy_prefix(facts, split)
        write_manifest(path, {f"{prefix}{key}": entry for key, entry in finished[split].items()})
    for split in splits_of(facts):
        _captions_file(facts, split, out).unlink(missing_ok=True)


def _captions_file(facts: DataSet, split: str, out: Path) -> Path:
    """Where generated captions are kept until the manifests appear."""
    return out / f".{copy_prefix(facts, split).removesuffix('_224/')}_captions.json"


def _summary(found: Listing, out: Path, made: int) -> dict:
    copies = manifest_files(found.dataset, out, prepared=True)
    return {
        "name": found.dataset.name,
        "out": str(out),
        "counts": {split: len(found.splits[split]) for split in copies},
        "classes": len(found.class_names),
        "copies_made": made,
        "membership": found.membership,
        "manifests": [str(path) for path in copies.values()],
    }


def _progress(samples: list[Sample], label: str):
    from tqdm import tqdm

    return tqdm(samples, desc=label, unit="image", disable=None)
