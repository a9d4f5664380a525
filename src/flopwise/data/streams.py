"""Streams: in which order the classes of all data sets arrive, and how a stream is cut into tasks.

A stream is a list of K unique entries "<data set>+++<class name>". Six orderings, each with its exact reverse, stand
for six ways of deployment; the published builders were never released, the rules here are those that the published
files show. Stream files are FoMo-in-Flux's own: a JSON list of the entries."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from flopwise.core.choices import near
from flopwise.core.errors import UserError
from flopwise.core.io import write_text
from flopwise.core.seeds import numpy_generator
from flopwise.core.text import json_of

SEPARATOR = "+++"
ORDERINGS = ("random", "similarity", "performance", "frequency", "time", "dataset-incremental")
REVERSE = "-reverse"
KINDS = (*ORDERINGS, *(kind + REVERSE for kind in ORDERINGS))
SEEDLESS = ("performance", "frequency")  # sorted by a measured value, ties by name: every seed gives the same stream

# Release groups of the 41 published adaptation sets, oldest first, and the order inside a group, as the published
# time-incremental streams have them.
PUBLISHED_RELEASES = (
    ("flowers102",), ("cifar100",), ("sun397",), ("cub200",), ("fgvcaircraft",), ("birdsnap", "dtd", "zappos50k"),
    ("mitstates", "plantvillage"), ("ai2diagrams", "openimages"),
    ("clevr", "dsprites", "fru92", "places365", "veg200"), ("patternnet", "shapes3d"),
    ("domainnet_clipart", "domainnet_infograph", "domainnet_painting", "domainnet_sketch", "mvtecad_adapt",
     "mvtecad_eval", "objectnet"),
    ("clrs", "isicmelanoma", "mtsd"), ("country211", "df20mini", "inaturalist2021", "resisc45"),
    ("artbench10", "dollarstreet", "snake_clef", "fscoco"), ("obsc_animals", "obsc_things", "quilt", "synthclip106"),
)  # fmt: skip


def entry(dataset: str, class_name: str) -> str:
    return f"{dataset}{SEPARATOR}{class_name}"


def dataset_of(item: str) -> str:
    """The data set of an entry: the part before the first separator."""
    return item.partition(SEPARATOR)[0]


def class_of(item: str) -> str:
    return item.partition(SEPARATOR)[2]


def reverse_of(kind: str) -> str:
    """`<kind>-reverse` for an ordering, the ordering for its reverse."""
    return kind.removesuffix(REVERSE) if kind.endswith(REVERSE) else kind + REVERSE


# orderings ---------------------------------------------------------------------------------------------------------


def random_stream(entries: Sequence[str], seed: int) -> list[str]:
    """A uniform shuffle of all entries; of any other stream, too (`sequence_reshuffle` of the official code)."""
    return _shuffled(entries, seed, "random")


def similarity_stream(entries: Sequence[str], embeddings: np.ndarray, seed: int) -> list[str]:
    """A greedy walk from one class name to the most similar one not yet visited.

    `embeddings` (K, d): unit-length text features of the entries, in their order, under the initial model. The first
    entry is drawn with `seed`; ties go to the lower index."""
    current = int(numpy_generator(seed, "stream", "similarity").integers(len(entries)))
    unused = np.ones(len(entries), dtype=bool)
    walk = []
    while True:
        walk.append(entries[current])
        unused[current] = False
        if not unused.any():
            return walk
        current = int(np.argmax(np.where(unused, embeddings @ embeddings[current], -np.inf)))


def performance_stream(entries: Sequence[str], scores: Sequence[float]) -> list[str]:
    """From easy to hard: by falling `scores` (K,) of the initial model, ties by (class name, data set). No seed."""
    return _ranked(entries, [-score for score in scores])


def frequency_stream(entries: Sequence[str], counts: Sequence[int]) -> list[str]:
    """From rare to frequent: by rising `counts` (K,) in the pre-training pool, ties by (case-folded class name, data
    set). No seed."""
    return _ranked(entries, counts)


def time_stream(entries: Sequence[str], releases: Sequence[Sequence[str]], seed: int) -> list[str]:
    """Release groups in their order; the classes of all sets of a group are shuffled together. `releases`: names of
    the data sets of each group."""
    number = {name: index for index, group in enumerate(releases) for name in group}
    shuffled = _shuffled(entries, seed, "time")
    return sorted(shuffled, key=lambda item: number[dataset_of(item)])


def dataset_stream(entries: Sequence[str], releases: Sequence[Sequence[str]], seed: int) -> list[str]:
    """One block per data set, in the order of `releases` and inside a group as listed there; the classes of a set are
    shuffled inside its block."""
    position = {name: index for index, name in enumerate(name for group in releases for name in group)}
    shuffled = _shuffled(entries, seed, "dataset-incremental")
    return sorted(shuffled, key=lambda item: position[dataset_of(item)])


def releases(groups: dict[str, int], order: Sequence[str]) -> list[list[str]]:
    """Data sets by release group, oldest first. `groups`: data set -> group number; inside a group the sets stand as in
    `order`."""
    ordered = sorted(groups, key=lambda name: (groups[name], order.index(name)))
    return [list(group) for _, group in groupby(ordered, key=groups.__getitem__)]


def _shuffled(entries: Sequence[str], seed: int, kind: str) -> list[str]:
    return [entries[i] for i in numpy_generator(seed, "stream", kind).permutation(len(entries))]


def _ranked(entries: Sequence[str], keys: Sequence[float]) -> list[str]:
    order = sorted(zip(keys, entries), key=lambda pair: (pair[0], class_of(pair[1]).casefold(), dataset_of(pair[1])))
    return [item for _, item in order]


# concept frequency ---------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]")


def phrase(text: str) -> tuple[str, ...]:
    """Case-folded words of a text; every punctuation mark is one of its own, white space and underscores separate."""
    return tuple(_TOKEN.findall(text.casefold()))


def caption_counts(class_names: Sequence[str], captions: Iterable[str]) -> list[int]:
    """In how many captions each class name occurs as a phrase: its words one after another, whatever their case. "car"
    is in "A red CAR." and not in "a red carpet". One pass over the captions; each counts once."""
    wanted = [phrase(name) for name in class_names]
    lengths = sorted({len(words) for words in wanted})
    names, counts = set(wanted), Counter()
    for caption in captions:
        words = phrase(caption)
        windows = {words[i : i + n] for n in lengths for i in range(len(words) - n + 1)}
        counts.update(windows & names)
    return [counts[words] for words in wanted]


# tasks -------------------------------------------------------------------------------------------------------------


def cut(stream: Sequence[str], tasks: int | str) -> list[list[str]]:
    """Cut a stream into tasks: `tasks` chunks of equal size, or with "datasets" a new task at each new data set."""
    return dataset_chunks(stream) if tasks == "datasets" else chunks(stream, int(tasks))


def chunks(stream: Sequence[str], tasks: int) -> list[list[str]]:
    """Cut a stream of K entries into `tasks` contiguous chunks of floor(K / T) entries; the first K mod T get one more."""
    if not 1 <= tasks <= len(stream):
        raise UserError(
            f"a stream of {len(stream)} entries cannot be cut into {tasks} tasks; allowed are 1 to {len(stream)}"
        )
    quotient, larger = divmod(len(stream), tasks)
    bounds = [t * quotient + min(t, larger) for t in range(tasks + 1)]
    return [list(stream[a:b]) for a, b in zip(bounds, bounds[1:])]


def dataset_chunks(stream: Sequence[str]) -> list[list[str]]:
    """One task per data set, T = number of data sets; the stream must hold each data set in one block."""
    blocks = [list(block) for _, block in groupby(stream, key=dataset_of)]
    names = [dataset_of(block[0]) for block in blocks]
    again = next((index for index, name in enumerate(names) if name in names[:index]), None)
    if again is not None:
        position = sum(map(len, blocks[:again])) + 1
        raise UserError(
            f"a stream in which data set {names[again]!r} comes back (entry {position}: {blocks[again][0]!r}) cannot be "
            "cut at data sets; each must be one block, as in a dataset-incremental stream"
        )
    return blocks


def runs(stream: Iterable[str]) -> int:
    """Number of maximal runs of entries of the same data set."""
    return sum(1 for _ in groupby(stream, key=dataset_of))


# files -------------------------------------------------------------------------------------------------------------


def read_stream(
    path: Path | str, known: Collection[str] | None = None, names: dict[str, str] | None = None
) -> list[str]:
    """Read a stream file.

    `names`: other names of data sets that the file may use (folders such as CUB200, handles such as cub200) -> the name
    used here. With `known`, all entries there are, one outside it is an error that names it and what is near."""
    try:
        stream = json_of(Path(path).read_bytes(), f"stream file {path}", UserError)
    except OSError as error:
        raise UserError(f"stream file {path} cannot be read: {error.strerror}") from error
    _check_form(path, stream)
    if names is not None:
        stream = [entry(names.get(dataset_of(item), dataset_of(item)), class_of(item)) for item in stream]
    repeated = next((item for item, count in Counter(stream).items() if count > 1), None)
    if repeated is not None:
        raise UserError(f"stream file {path} holds the entry {_short(repeated)} more than once; entries must be unique")
    if known is not None:
        _check_known(path, stream, set(known))
    return stream


def write_stream(path: Path | str, stream: Sequence[str], names: dict[str, str] | None = None) -> None:
    """Write a stream byte for byte as the published files are: a JSON list, an entry a line, letters outside ASCII
    escaped. `names`: data set -> name in the file, such as its folder."""
    if names is not None:
        stream = [entry(names.get(dataset_of(item), dataset_of(item)), class_of(item)) for item in stream]
    write_text(path, json.dumps(list(stream), indent=4))


def _check_form(path: Path | str, stream) -> None:
    form = f'"<data set>{SEPARATOR}<class name>"'
    if not isinstance(stream, list):
        raise UserError(f"stream file {path} holds a {type(stream).__name__}; it must be a JSON list of strings {form}")
    if not stream:
        raise UserError(f"stream file {path} holds no entries; it must be a JSON list of strings {form}")
    for number, item in enumerate(stream, 1):
        if not isinstance(item, str) or not dataset_of(item) or not class_of(item):
            raise UserError(f"stream file {path}: entry {number} is {_short(item)}; entries must be strings {form}")


def _check_known(path: Path | str, stream: list[str], known: set[str]) -> None:
    stranger = next((item for item in stream if item not in known), None)
    if stranger is None:
        return
    where = f"stream file {path}: entry {stream.index(stranger) + 1} is {_short(stranger)}, but"
    sets = sorted(set(map(dataset_of, known)))
    name, label = dataset_of(stranger), class_of(stranger)
    if name not in sets:
        raise UserError(f"{where} data set {_short(name)} is none of this scale's; {_near(name, sets)}")
    labels = sorted(class_of(item) for item in known if dataset_of(item) == name)
    raise UserError(f"{where} data set {name} has no such class; {_near(label, labels)}")


def _near(given: str, allowed: list[str]) -> str:
    found = near(given, allowed)
    shown = found or allowed[:20]
    more = "" if found or len(allowed) <= 20 else f" and {len(allowed) - 20} more"
    return f"{'near matches' if found else 'allowed'} are {', '.join(map(repr, shown))}{more}"


def _short(item) -> str:
    """What was given, in at most 80 characters of one line."""
    text = f"a {type(item).__name__}" if isinstance(item, list | dict) else repr(item)
    return text if len(text) <= 80 else text[:77] + "..."
