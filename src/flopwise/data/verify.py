"""Compare a user's copy of a data set with its row of the catalogue, and say exactly what is missing or wrong."""

import csv
import io
from collections import Counter
from functools import cache
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.root import ROOT
from flopwise.core.text import composed, read_text
from flopwise.data.catalogue import DataSet, dataset
from flopwise.data.formats import OTHER_FORMATS
from flopwise.data.listing import Listing, Sample
from flopwise.data.manifests import (
    copy_prefix,
    file_list_hash,
    open_listing,
    read_record,
    record_file,
    splits_of,
    stays_inside,
)
from flopwise.data.readers.inspect import Contents, contents
from flopwise.data.readers.sets import CLASSES_OF_LISTS

PUBLISHED = ROOT / "config" / "file_lists.csv"
EXAMPLES = 5


def verify(name: str, root: Path | str, quick: bool = False) -> dict:
    """What holds of the copy of `name` in `root`; `ok` is true if nothing is wrong. With `quick` no image or other large file is
    opened.

    `problems`: kind -> count and up to five examples; `counts` and `classes`: expected and found; `per_class`: smallest
    and largest number of images of a class, and classes without one; `file_lists`: SHA-256 of what is in each split."""
    facts = dataset(name)
    result: dict = {"name": name, "title": facts.title, "root": str(root), "ok": False, "problems": {}, "notes": []}
    if facts.reader in OTHER_FORMATS:
        return _verify_other(facts, Path(root), quick, result)
    try:
        found = open_listing(name, root)
    except RunFailure as error:
        _add(result, "cannot be read as a whole", str(error))
        return result
    result["read_by"] = {"manifest": "manifests"}.get(found.membership, f"layout, {found.membership}")
    result["prepared"] = found.prepared
    for problem in found.problems:
        _add(result, _kind(problem.what), f"{problem.path}: {problem.what}")
    _compare_counts(result, found)
    _check_samples(result, found)
    _compare_lists(result, found)
    if not quick:
        _check_images(result, found)
    else:
        result["notes"].append("images were not opened (quick)")
    result["notes"] += found.skips.lines()
    result["ok"] = not result["problems"]
    return result


def verify_text(result: dict) -> str:
    """The result as lines; control characters in names are shown as escapes."""
    lines = [f"{result['title']} in {result['root']}: {'right' if result['ok'] else 'WRONG'}"]
    unit = " images" if "per_class" in result else ""
    if "read_by" in result:
        lines.append(f"  read by {result['read_by']}" + (", copies of 224 pixels" if result.get("prepared") else ""))
    for split, count in result.get("counts", {}).items():
        if count == {"expected": 0, "found": 0}:
            continue
        classes = result.get("per_class", {}).get(split)
        sizes = f"; {classes['smallest']} to {classes['largest']} a class" if classes else ""
        lines.append(f"  {split}: {_of(count)}{unit}{sizes}")
    if "classes" in result:
        lines.append(f"  classes: {_of(result['classes'])}")
    for kind, problem in result["problems"].items():
        lines.append(f"  {problem['count']:,} x {kind}")
        lines += [f"      {example}" for example in problem["examples"]]
    lines += [f"  note: {note}" for note in result["notes"]]
    return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in lines)


def _of(count: dict) -> str:
    """Found and, where the row says it, expected."""
    return f"{count['found']:,}" + ("" if count["expected"] is None else f" of {count['expected']:,}")


def _verify_other(facts: DataSet, root: Path, quick: bool, result: dict) -> dict:
    """`verify` for a set that is no list of images with classes or captions."""
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; --root is the folder that holds {facts.folder}/")
    try:
        found = contents(facts, root / facts.folder)
    except (RunFailure, UserError) as error:
        _add(result, "cannot be read as a whole", str(error))
        return result
    result["read_by"] = f"layout, {facts.reader}"
    for kind, example in found.problems:
        _add(result, kind, example)
    if quick:
        result["notes"].append("files were not opened one by one (quick)")
    else:
        for check in _progress(list(found.checks), f"{facts.name}: opening files", "file"):
            check(lambda kind, example, count=1: _add(result, kind, example, count))
    _compare_parts(result, facts, found)
    result["ok"] = not result["problems"]
    return result


def _compare_parts(result: dict, facts: DataSet, found: Contents) -> None:
    known = {part: count for part, count in found.counts.items() if count.found is not None}
    result["counts"] = {part: {"expected": count.expected, "found": count.found} for part, count in known.items()}
    for part, count in known.items():
        if count.expected in (None, count.found):
            continue
        line = f"{part}: {count.found} found, {count.expected} expected"
        if count.exact:
            _add(result, "wrong number of samples", line)
        else:
            result["notes"].append(line)
    if found.classes is not None:
        result["classes"] = {"expected": facts.n_classes, "found": found.classes}
        if facts.n_classes not in (None, found.classes):
            _add(result, "wrong number of classes", f"{found.classes} found, {facts.n_classes} expected")
    result["notes"] += found.notes


def _add(result: dict, kind: str, example: str, count: int = 1) -> None:
    problem = result["problems"].setdefault(kind, {"count": 0, "examples": []})
    problem["count"] += count
    if len(problem["examples"]) < EXAMPLES:
        problem["examples"].append(example)


def _kind(what: str) -> str:
    """A problem without its details, which stand behind a colon or semicolon."""
    return what.split(":")[0].split(";")[0]


def _compare_counts(result: dict, found: Listing) -> None:
    facts = found.dataset
    expected = {"train": facts.n_train, "test": facts.n_test}
    result["counts"] = {
        split: {"expected": expected[split], "found": len(found.splits[split])} for split in ("train", "test")
    }
    for split, count in result["counts"].items():
        if count["expected"] not in (None, count["found"]):
            _add(result, "wrong number of images", f"{split}: {count['found']} found, {count['expected']} expected")
    result["classes"] = {"expected": facts.n_classes, "found": len(found.class_names)}
    if facts.n_classes is not None and len(found.class_names) not in (
        facts.n_classes,
        CLASSES_OF_LISTS.get(facts.name),
    ):
        _add(result, "wrong number of classes", f"{len(found.class_names)} found, {facts.n_classes} expected")
    result["per_class"] = {}
    for split, samples in found.splits.items():
        if not samples or not found.class_names:
            continue
        counts = Counter(sample.target for sample in samples)
        empty = [name for target, name in enumerate(found.class_names) if not counts[target]]
        sizes = [counts[target] for target in range(len(found.class_names))]
        result["per_class"][split] = {"smallest": min(sizes), "largest": max(sizes), "empty": empty, "counts": sizes}
        if empty:
            result["notes"].append(f"{split}: classes without an image: {len(empty)}, for example {empty[:EXAMPLES]}")


def _check_samples(result: dict, found: Listing) -> None:
    seen: dict[str, str] = {}
    for split, samples in found.splits.items():
        for sample in samples:
            name = composed(sample.key)
            if name in seen:
                _add(result, "image listed twice", f"{sample.key} ({seen[name]} and {split})")
            seen[name] = split
            if not stays_inside(sample.key):
                _add(result, "path that climbs out of the folder", sample.key)
            elif sample.source.path not in found.tree:
                _add(result, "missing file", sample.source.path.encode("utf-8", "backslashreplace").decode())


def _compare_lists(result: dict, found: Listing) -> None:
    """Against the published lists (known for some sets) and those that `prepare` recorded."""
    record, recorded = record_file(found.dataset, found.tree.root), read_record(found.dataset, found.tree.root)
    if recorded is None:
        _add(result, "recorded file list is damaged", record.name)
        recorded = {}
    result["file_lists"] = {}
    for split in splits_of(found.dataset):
        mine = _hash(found, split, found.splits[split])
        published = published_lists().get((found.dataset.name, split))
        result["file_lists"][split] = {"sha256": mine, "published": published, "recorded": recorded.get(split)}
        if found.prepared and recorded.get("left_out"):
            continue  # what has no copy is a problem already
        if recorded.get(split, mine) != mine:
            _add(
                result,
                "file list differs from the recorded one",
                f"{split}: {mine}, {record.name} has {recorded[split]}",
            )
        if published is None or published == mine:
            continue
        own = recorded.get("membership", "manifest") != "manifest" and recorded.get(split) == mine
        if found.membership == "manifest" and not own:
            _add(result, "file list differs from the published one", f"{split}: {mine}, published {published}")
        else:
            result["notes"].append(
                f"{split}: membership differs from the published manifest; put the manifests into the root"
            )


def _hash(found: Listing, split: str, samples: list[Sample]) -> str:
    return file_list_hash(samples, copy_prefix(found.dataset, split) if found.prepared else "")


@cache
def published_lists() -> dict[tuple[str, str], str]:
    """(data set, split) -> SHA-256 of the published file list, where it is known."""
    lines = csv.DictReader(io.StringIO(read_text(PUBLISHED, UserError), newline=""))
    return {(line["name"], line["split"]): line["sha256"] for line in lines}


def _check_images(result: dict, found: Listing) -> None:
    samples = [sample for part in found.splits.values() for sample in part if sample.source.path in found.tree]
    for sample in _progress(samples, f"{found.dataset.name}: opening images", "image"):
        try:
            found.image(sample)
        except RunFailure as error:
            message = str(error).removeprefix(f"{found.tree.where}/")
            _add(result, "image that cannot be read", message)


def _progress(items: list, label: str, unit: str):
    from tqdm import tqdm

    return tqdm(items, desc=label, unit=unit, disable=None)
