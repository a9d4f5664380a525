"""Real data sets: the listing of a user's copy, checked against its row of the catalogue, as a small stored set."""

from collections import Counter
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.build import facts_of
from flopwise.data.catalogue import facts_of_row
from flopwise.data.files import ImageFiles
from flopwise.data.listing import Listing, Sample
from flopwise.data.manifests import copy_prefix, file_list_hash, open_listing
from flopwise.data.pools import build_pool_listing
from flopwise.data.readers.sets import CLASSES_OF_LISTS
from flopwise.data.store import BuiltSet, Split, write_set
from flopwise.data.strings import Strings
from flopwise.data.tree import Tree
from flopwise.data.validation import held_out
from flopwise.data.verify import published_lists

OWN_DRAW = "own draw"


def build_catalogue(data, name: str, root: Path | str | None, out: Path) -> None:
    """Write the listing of data set `name`, or of one of the scale's pools, to the folder `out`."""
    if name in data.pools:
        build_pool_listing(name, data.pools[name].source, root, out)
        return
    facts_of(data, name)
    build_real(name, root, out, allow_subset=data.allow_subset)


def build_real(name: str, root: Path | str | None, out: Path, *, allow_subset: bool = False) -> dict:
    """Read the user's copy of `name` below `root` and write its listing to `out`; returns the card. Images stay where
    they are; every path is relative to `root`.

    Raises `UserError` where the copy is missing, damaged or has other counts than the catalogue. Counts of a set drawn
    here (membership `own draw`), and smaller ones with `allow_subset`, are a warning in the card instead."""
    found = listing_of(name, root)
    wanted = ("train", "test") if found.dataset.role == "adaptation" else ("test",)
    warnings = _count_warnings(found, wanted, allow_subset)
    splits = {key: split_of(found, found.splits[key]) for key in wanted}
    if found.dataset.role == "evaluation":
        splits["validation"] = _validation(found)
    facts = {
        **facts_of_row(name), "where": found.dataset.folder, "membership": found.membership, "prepared": found.prepared,
        "warnings": warnings, "left_out": _left_out(found),
        "listing": {key: _list_facts(found, key) for key in wanted},
    }  # fmt: skip
    built = BuiltSet(splits.get("train"), splits["test"], list(found.class_names), splits.get("validation"))
    return write_set(out, built, facts)


def listing_of(name: str, root: Path | str | None) -> Listing:
    """The listing of the user's copy; whatever is wrong with it is a `UserError`."""
    if root is None:
        raise UserError(
            f"data set {name!r} is a real one: set `data_root` in config/config.yaml to the folder of your copies"
        )
    try:
        found = open_listing(name, root)
        found.check_archive()
        return found
    except RunFailure as error:
        raise UserError(
            f"data set {name}: {error}; `flopwise data verify {name} --root {root}` says what is wrong"
        ) from error


def _count_warnings(found: Listing, wanted: tuple[str, ...], allow_subset: bool) -> list[str]:
    facts, warnings = found.dataset, []
    expected = {"train": facts.n_train, "test": facts.n_test}
    counts = [(f"{key} images", len(found.splits[key]), (expected[key],)) for key in wanted]
    classes = (facts.n_classes, CLASSES_OF_LISTS.get(facts.name, facts.n_classes))
    for what, has, right in [*counts, ("classes", len(found.class_names), classes)]:
        if has in right:
            continue
        message = f"{has:,} {what}, expected {right[0]:,}"
        if not (found.membership == OWN_DRAW or (allow_subset and 0 < has < max(right))):
            raise UserError(
                f"data set {facts.name}: {found.tree.where} holds {message}; `flopwise data verify {facts.name} --root "
                f"{found.tree.root}` says more"
            )
        warnings.append(message)
    lost = [
        sample.source.path for key in wanted for sample in found.splits[key] if sample.source.path not in found.tree
    ]
    if lost:
        raise UserError(
            f"data set {facts.name}: {len(lost):,} files are missing, the first is {found.tree.where / lost[0]}"
        )
    return warnings


def _left_out(found: Listing) -> dict[str, int]:
    """Reason -> how many files or entries of the copy are not in the listing for it, passed over by the rule of the set or
    at fault; entries that are kept do not count."""
    reasons = [problem.what.removeprefix("left out: ") for problem in found.problems if not problem.kept]
    counts = Counter(reason.split(":")[0].split(";")[0] for reason in reasons) + Counter(found.skips.counts)
    return dict(sorted(counts.items()))


def _list_facts(found: Listing, key: str) -> dict:
    prefix = copy_prefix(found.dataset, key) if found.prepared else ""
    published = published_lists().get((found.dataset.name, key))
    return {"sha256": file_list_hash(found.splits[key], prefix), "published": published}


def _validation(found: Listing) -> Split | None:
    """A fifth of the training images of a set that nothing trains on; None where the copy lacks some of them."""
    samples = found.splits["train"]
    if not samples or any(sample.source.path not in found.tree for sample in samples):
        return None
    held = held_out(np.asarray([sample.target for sample in samples]), found.dataset.name)
    return split_of(found, [samples[index] for index in held])


def split_of(found: Listing, samples: list[Sample]) -> Split:
    """Samples of the listing: places of images, targets, captions."""
    captions = [found.captions(sample) for sample in samples]
    ends = np.cumsum([len(own) for own in captions], dtype=np.int64)
    several = len(samples) > 0 and int(ends[-1]) != len(samples)
    return Split(
        image_files(found.tree, samples), np.asarray([sample.target for sample in samples], dtype=np.int64),
        [caption for own in captions for caption in own], ends if several else None,
    )  # fmt: skip


def image_files(tree: Tree, samples: list[Sample]) -> ImageFiles:
    """Where the images of `samples` are: files of their own, members of <FOLDER>.tar, or images of array files."""
    numbers = [sample.source.index for sample in samples]
    spans = [None if number is not None else tree.place(s.source.path) for s, number in zip(samples, numbers)]
    boxes = [sample.source.box for sample in samples]
    stored = [tree.stored(sample.source.path) for sample in samples]
    names = [f"{tree.folder}.tar" if span else f"{tree.folder}/{path}" for path, span in zip(stored, spans)]
    paths = {name: place for place, name in enumerate(dict.fromkeys(names))}
    archived = any(span is not None for span in spans)
    return ImageFiles(
        tree.root, Strings.of(paths), np.asarray([paths[name] for name in names], dtype=np.int32),
        spans=np.asarray([span or (0, -1) for span in spans], dtype=np.int64) if archived else None,
        numbers=np.asarray(numbers, dtype=np.int64) if any(number is not None for number in numbers) else None,
        boxes=np.asarray([box or (0, 0, 0, 0) for box in boxes], dtype=np.int32) if any(boxes) else None,
        sizes=np.asarray([(tree.root / path).stat().st_size for path in paths], dtype=np.int64) if archived else None,
    )  # fmt: skip
