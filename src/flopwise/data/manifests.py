"""FoMo-in-Flux's own manifests: `<FOLDER>_<split>.json`, and `<FOLDER>_<split>_224.json` for pre-resized copies.

An object {image path: {classname, default_caption, primer_caption, synthetic_caption, synthetic_merged_caption,
target}}; captions are a string, a list of strings or null. Images are at <root>/<FOLDER>/<image path>; the path of a
copy begins with `<FOLDER>_<split>_224/`. A set whose manifests lie in the root is read by them, whatever its layout.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import composed, decoded, is_utf8, json_of
from flopwise.data.catalogue import DataSet, dataset
from flopwise.data.formats import READERS
from flopwise.data.listing import Listing, Sample, Source
from flopwise.data.readers import read_layout
from flopwise.data.readers.sets import CLASSES_OF_LISTS, SPLITS_OF_MANIFESTS
from flopwise.data.tree import Problem, Tree

CAPTIONS = ("default_caption", "primer_caption", "synthetic_caption", "synthetic_merged_caption")
KEYS = ("classname", *CAPTIONS, "target")


def open_listing(name: str, root: Path | str, copies: bool = True) -> Listing:
    """The data set `name` of the catalogue as it lies in `root`: by manifests of copies (if `copies`), else by manifests,
    else by its own layout. Raises `UserError` for an unknown name or root, `RunFailure` for what is missing or damaged."""
    facts = dataset(name)
    if facts.reader not in READERS:
        raise UserError(no_images(facts))
    tree = Tree(root, facts.folder)
    small, manifests = (manifest_files(facts, tree.root, prepared) for prepared in (True, False))
    if copies and small and all(path.is_file() for path in small.values()):
        found = _by_manifests(facts, tree, small, prepared=True)
        if any(sample.source.path in tree for sample in _first_samples(found)):
            return found
    there = [path.is_file() for path in manifests.values()]
    if any(there) and not all(there):
        absent = next(path for path in manifests.values() if not path.is_file())
        raise RunFailure(
            f"{absent} is missing: the manifests of {name} are {', '.join(p.name for p in manifests.values())}"
        )
    if there and all(there):
        return _by_manifests(facts, tree, manifests, prepared=False)
    return _renamed(read_layout(facts, tree))


def no_images(facts: DataSet) -> str:
    """Why a set is not read as a list of images with classes or captions."""
    if not facts.reader:
        return (
            f"data set {facts.name!r} is private: no copy can be had; `flopwise data describe {facts.name}` says more"
        )
    return (
        f"data set {facts.name!r} has a format of its own ({facts.reader}) and is used as it is: nothing is prepared; "
        f"`flopwise data verify {facts.name}` checks a copy"
    )


def splits_of(facts: DataSet) -> dict[str, str]:
    """The splits a set has, and what its manifests call them; one whose size the row does not say is there."""
    names = SPLITS_OF_MANIFESTS.get(facts.name, {})
    present = {"train": facts.n_train, "test": facts.n_test}
    return {split: names.get(split, split) for split, count in present.items() if count != 0}


def stem(facts: DataSet) -> str:
    """How names of manifests and of folders of copies begin. Sets of the other studies may lie in the folder of one of
    the 63 and be split otherwise, so theirs hold the set's name too."""
    return facts.folder if facts.streams else f"{facts.folder}_{facts.name}"


def manifest_files(facts: DataSet, root: Path, prepared: bool) -> dict[str, Path]:
    suffix = "_224" if prepared else ""
    return {split: root / f"{stem(facts)}_{name}{suffix}.json" for split, name in splits_of(facts).items()}


def class_file(facts: DataSet, root: Path) -> Path:
    return root / f"{stem(facts)}_classnames.json"


def record_file(facts: DataSet, root: Path) -> Path:
    """Where `prepare` records the hashes of the file lists, and what has no copy."""
    return root / f"{stem(facts)}_files.json"


def read_record(facts: DataSet, root: Path) -> dict | None:
    """What `prepare` recorded: `membership`, the hash of each split, and `left_out` (image path -> why it has no copy).
    Empty where there is no record, None where it is damaged."""
    path = record_file(facts, root)
    try:
        record = json_of(path.read_bytes(), path) if path.is_file() else {}
    except (OSError, RunFailure):
        return None
    texts = [record, record.get("left_out", {})] if isinstance(record, dict) else [None]
    right = all(isinstance(each, dict) for each in texts) and all(isinstance(w, str) for w in texts[1].values())
    return record if right else None


def copy_prefix(facts: DataSet, split: str) -> str:
    return f"{stem(facts)}_{splits_of(facts)[split]}_224/"


def file_list_hash(samples: list[Sample], prefix: str = "") -> str:
    """SHA-256 of the sorted lines "<image path> <tab> <target>"; `prefix` is taken off the paths first."""
    lines = sorted(f"{sample.key.removeprefix(prefix)}\t{sample.target}\n" for sample in samples)
    return hashlib.sha256("".join(lines).encode("utf-8", "backslashreplace")).hexdigest()


def stays_inside(path: str) -> bool:
    """Whether a relative path names something below its folder."""
    return bool(path) and not path.startswith("/") and "\0" not in path and ".." not in path.split("/")


def read_manifest(path: Path) -> tuple[dict[str, dict], list[Problem]]:
    """(entries by image path, what is wrong). Entries without a usable target or name are left out; of an image that
    is listed twice the first entry counts."""
    problems: list[Problem] = []
    inner: list[dict] = []

    def unique(pairs: list[tuple]) -> dict:
        found: dict = {}
        for key, value in pairs:
            if key in found:
                problems.append(Problem(f"{path.name}: {_shown(key)}", "key occurs twice; the first counts"))
            else:
                found[key] = value
        inner.append(found)
        return found

    try:
        content = json.loads(decoded(path.read_bytes(), path), object_pairs_hook=unique)
    except (OSError, ValueError, RecursionError) as error:
        raise RunFailure(f"{path} is not a manifest: {error}") from error
    if not isinstance(content, dict):
        raise RunFailure(f"{path} is not a manifest: it must hold one object, not a {type(content).__name__}")
    entries = {}
    for key, entry in content.items():
        faults = _faults(key, entry)
        where = f"{path.name}: {_shown(key)}"
        found = [Problem(where, fault, kept=not fault.startswith("left out")) for fault in faults]
        problems += found
        if all(problem.kept for problem in found):
            entries[key] = composed(entry)
    return entries, problems


def _shown(key: str) -> str:
    """A key as a message can show it: half a character is written as an escape."""
    return key.encode("utf-8", "backslashreplace").decode()


def write_manifest(path: Path, entries: dict[str, dict]) -> None:
    """Write a manifest, keys in the order given."""
    from flopwise.core.io import write_text

    write_text(path, json.dumps(entries, indent=1, ensure_ascii=False) + "\n")


def _faults(key: str, entry) -> list[str]:
    if not isinstance(entry, dict):
        return ["left out: not an object"]
    if not stays_inside(key):
        return ["left out: path that climbs out of the folder"]
    if not is_utf8(json.dumps([key, entry], ensure_ascii=False)):
        return ["left out: half a character, which no file can hold"]
    faults = []
    if type(entry.get("target")) is not int or entry["target"] < 0:
        faults.append(f"left out: target is not a whole number from 0: {entry.get('target')!r}")
    if not isinstance(entry.get("classname"), str | None):
        faults.append(f"left out: classname is not a string: {entry['classname']!r}")
    for name in CAPTIONS:
        value = entry.get(name)
        if not isinstance(value, str | None) and not (
            isinstance(value, list) and all(isinstance(v, str) for v in value)
        ):
            faults.append(f"left out: {name} is neither a string nor a list of strings")
    faults += [f"key is missing: {name}" for name in KEYS if name not in entry]
    return faults


def _captions(entry: dict) -> tuple[str, ...]:
    """What a sample is trained with: its own caption, else the generated one; else none (the primer)."""
    for name in ("default_caption", "synthetic_merged_caption"):
        value = entry.get(name)
        if value:
            return (value,) if isinstance(value, str) else tuple(value)
    return ()


def _by_manifests(facts: DataSet, tree: Tree, files: dict[str, Path], prepared: bool) -> Listing:
    problems, splits, named = list(tree.problems), {"train": [], "test": []}, {}
    if prepared:
        left_out = (read_record(facts, tree.root) or {}).get("left_out", {})
        problems += [Problem(key, reason) for key, reason in left_out.items()]
    names = _written_names(facts, tree, problems)
    read = {split: read_manifest(path) for split, path in files.items()}
    most = _most_classes(facts, names, sum(len(entries) for entries, _ in read.values()))
    for split, path in files.items():
        entries, faults = read[split]
        problems += faults
        for key, entry in entries.items():
            target, name = entry["target"], entry.get("classname")
            if target >= most:
                problems.append(Problem(f"{path.name}: {key}", f"left out: target is no class: {target} of {most}"))
                continue
            if name is not None and named.setdefault(target, name) != name:
                problems.append(
                    Problem(
                        f"{path.name}: {key}",
                        f"class names differ: target {target} is {named[target]!r} elsewhere, here {name!r}",
                        kept=True,
                    )
                )
            splits[split].append(Sample(key, target, _captions(entry), Source(key)))
    if names is None:
        names = [named.get(target, "") for target in range(max(named, default=-1) + 1)]
        problems += [
            Problem(f"target {i}", "no image of it, so no class name", kept=True)
            for i, name in enumerate(names)
            if not name
        ]
    if facts.n_classes:
        for split, samples in splits.items():
            splits[split] = [sample for sample in samples if sample.target < len(names)]
            problems += [
                Problem(sample.key, f"left out: target is no class: {sample.target} of {len(names)}")
                for sample in samples
                if sample.target >= len(names)
            ]
    found = Listing(facts, tree, tuple(names), splits, "manifest", tuple(problems), prepared)
    return _with_raw_sources(found)


def _most_classes(facts: DataSet, names: list[str] | None, entries: int) -> int:
    """How many classes a set can have: those of its row or its list of names, or where images are numbered as many as
    there are images; a larger target is a mistake, and a list of names up to it would fill the memory."""
    known = max(facts.n_classes or 0, CLASSES_OF_LISTS.get(facts.name, 0), len(names or ()))
    return known or max(facts.n_train or 0, facts.n_test or 0, entries)


def _with_raw_sources(found: Listing) -> Listing:
    """Images that manifests name, but that lie in an array file or are a part of a picture, are found through the
    set's own layout."""
    if all(sample.source.path in found.tree for sample in _first_samples(found)):
        return found
    try:
        raw = read_layout(found.dataset, found.tree)
    except RunFailure:
        return found  # `verify` names the files that are missing
    places = {composed(sample.key): sample.source for part in raw.splits.values() for sample in part}
    splits = {
        split: [sample._replace(source=places.get(composed(sample.key), sample.source)) for sample in samples]
        for split, samples in found.splits.items()
    }
    return dataclasses.replace(found, splits=splits)


def _first_samples(found: Listing) -> list[Sample]:
    return [samples[0] for samples in found.splits.values() if samples]


def _written_names(facts: DataSet, tree: Tree, problems: list[Problem]) -> list[str] | None:
    path = class_file(facts, tree.root)
    if not path.is_file():
        return None
    names = json_of(path.read_bytes(), path)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.append(Problem(path.name, "class names not used: not a list of strings", kept=True))
        return None
    return names


def _renamed(found: Listing) -> Listing:
    """The listing with the class names of `<FOLDER>_classnames.json`, where there is one."""
    problems = list(found.problems)
    names = _written_names(found.dataset, found.tree, problems)
    if names is not None and len(names) != len(found.class_names):
        file = class_file(found.dataset, found.tree.root).name
        what = f"class names not used: {len(names)} names for {len(found.class_names)} classes"
        problems.append(Problem(file, what, kept=True))
        names = None
    return dataclasses.replace(found, class_names=tuple(names or found.class_names), problems=tuple(problems))
