"""The tasks of GLUE from its official TSV files, or from the Parquet files of its copy on the Hugging Face hub.

TSV: UTF-8, tab-separated, no quoting at all: a quotation mark is a character like any other (readers of CSV that think
otherwise swallow line ends and merge rows). CoLA's training and development files have no header; QQP holds rows with
missing columns, which every published loader leaves out.

Parquet stores labels as integers whose order differs from task to task: they are translated by the names in the file's
schema, never by position.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.text import read_text
from flopwise.data.readers.parquet import batches
from flopwise.data.readers.skips import Skips


@dataclass(frozen=True)
class Task:
    """folder: of the official files; texts, label: column names in TSV; columns: names of the texts in Parquet;
    classes: label names in our order (empty: a score), as TSV writes them; names: as Parquet's schema does"""

    folder: str
    texts: tuple[str, ...]
    label: str
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class GlueSplit:
    """N examples: `texts` N tuples of one or two strings; `labels` int64 indices into `classes`, float32 scores from 0
    to 5 for STS-B, None where the split has no labels; `skips` what was left out."""

    texts: list[tuple[str, ...]]
    labels: np.ndarray | None
    classes: tuple[str, ...]
    skips: Skips


_PAIR = ("sentence1", "sentence2")
_ENTAILS = ("entailment", "not_entailment")
_NLI = ("entailment", "neutral", "contradiction")
_BINARY = ("0", "1")
_SAME = ("not_equivalent", "equivalent")
TASKS = {
    "cola": Task("CoLA", ("sentence",), "label", ("sentence",), _BINARY, ("unacceptable", "acceptable")),
    "sst2": Task("SST-2", ("sentence",), "label", ("sentence",), _BINARY, ("negative", "positive")),
    "mrpc": Task("MRPC", ("#1 String", "#2 String"), "Quality", _PAIR, _BINARY, _SAME),
    "qqp": Task(
        "QQP",
        ("question1", "question2"),
        "is_duplicate",
        ("question1", "question2"),
        _BINARY,
        ("not_duplicate", "duplicate"),
    ),
    "stsb": Task("STS-B", _PAIR, "score", _PAIR, (), ()),
    "mnli": Task("MNLI", _PAIR, "gold_label", ("premise", "hypothesis"), _NLI, _NLI),
    "qnli": Task("QNLI", ("question", "sentence"), "label", ("question", "sentence"), _ENTAILS, _ENTAILS),
    "rte": Task("RTE", _PAIR, "label", _PAIR, _ENTAILS, _ENTAILS),
}
SPLITS = {"mnli": ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched")}
_COLA = ("source", "label", "mark", "sentence")  # what its files without a header hold


def splits_of(task: str) -> tuple[str, ...]:
    return SPLITS.get(task, ("train", "dev", "test"))


def read_tsv(root: Path | str, task: str, split: str) -> GlueSplit:
    """`<root>/<folder>/<split>.tsv`. Raises `RunFailure` with the line number of a row that cannot be right."""
    spec, path = _task(task, split), Path(root) / TASKS[task].folder / f"{split}.tsv"
    lines = _lines(path)
    header = _COLA if task == "cola" and split != "test" else next(lines, (0, [""]))[1]
    labelled = not split.startswith("test")
    wanted = [*spec.texts, *([spec.label] if labelled else [])]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise UserError(f"{path} is not {task}'s file: no column {missing[0]!r} in {', '.join(header)[:200]!r}")
    places = [header.index(name) for name in wanted]
    texts, labels, skips = [], [], Skips()
    for number, fields in lines:
        if len(fields) != len(header):
            if task == "qqp" and len(fields) < len(header):
                skips.add("a row with missing columns", f"{path}, line {number}")
                continue
            raise RunFailure(f"{path}, line {number}: {len(fields)} columns, expected {len(header)}")
        values = [fields[place] for place in places]
        texts.append(tuple(values[: len(spec.texts)]))
        if labelled:
            labels.append(_label(spec, values[-1], f"{path}, line {number}"))
    if not texts:
        raise RunFailure(f"{path} holds no example")
    return GlueSplit(texts, _array(spec, labels) if labelled else None, spec.classes, skips)


def read_parquet(files: list[Path | str], task: str, split: str) -> GlueSplit:
    """One split from its Parquet files; `split` is named as in TSV. A split all of whose labels are -1 has none."""
    spec = _task(task, split)
    if not files:
        raise UserError(f"{task}, split {split}: no Parquet file was given")
    texts, labels, order = [], [], []
    for file in map(str, files):
        check = lambda schema, file=file: order.append(_order(file, spec, schema))  # noqa: E731
        for batch in batches(file, [*spec.columns, "label"], check):
            texts += zip(*(batch[name] for name in spec.columns))
            labels += (_stored(file, label, order[-1]) for label in batch["label"])
    if not texts:
        raise RunFailure(f"{files[0]}: the split holds no example")
    hidden = [label < 0 for label in labels]
    if any(hidden) and not all(hidden):
        raise RunFailure(f"{files[0]}: {sum(hidden)} of {len(labels)} labels are missing (-1)")
    if not all(isinstance(text, str) for pair in texts for text in pair):
        raise RunFailure(f"{files[0]}: a text is missing or no string")
    return GlueSplit(texts, None if all(hidden) else _array(spec, labels), spec.classes, Skips())


def read_split(folder: Path | str, task: str, split: str) -> GlueSplit:
    """From Parquet where that is what there is: <task>/<split>-*.parquet, as on the hub, dev called validation."""
    tables = _tables(Path(folder), task, split)
    return read_parquet(tables, task, split) if tables else read_tsv(folder, task, split)


def has_split(folder: Path | str, task: str, split: str) -> bool:
    return bool(_tables(Path(folder), task, split)) or (Path(folder) / TASKS[task].folder / f"{split}.tsv").is_file()


def _tables(folder: Path, task: str, split: str) -> list[Path]:
    return sorted((folder / task).glob(f"{split.replace('dev', 'validation')}-*.parquet"))


def _task(task: str, split: str) -> Task:
    if task not in TASKS:
        raise UserError(f"GLUE task {task!r} does not exist; allowed are {', '.join(TASKS)}")
    if split not in splits_of(task):
        raise UserError(f"{task} has no split {split!r}; allowed are {', '.join(splits_of(task))}")
    return TASKS[task]


def _lines(path: Path):
    """(line number, fields) of each line; only a line feed ends one."""
    try:
        stream = io.StringIO(read_text(path), newline="\n")
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    for number, line in enumerate(stream, start=1):
        yield number, line.rstrip("\r\n").split("\t")


def _label(spec: Task, text: str, where: str) -> int | float:
    if spec.classes:
        if text not in spec.classes:
            raise RunFailure(f"{where}: label {text[:40]!r}, allowed are {', '.join(spec.classes)}")
        return spec.classes.index(text)
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 5:
        raise RunFailure(f"{where}: score {text[:40]!r}, allowed are numbers from 0 to 5")
    return score


def _stored(file: str, label, order: list[int] | None) -> int | float:
    """Our label for a stored one: an index by `order`, or where that is None a score; -1: hidden."""
    if label == -1:
        return -1
    if order is None and isinstance(label, float) and 0 <= label <= 5:
        return label
    if order is not None and isinstance(label, int) and 0 <= label < len(order):
        return order[label]
    allowed = "scores from 0 to 5" if order is None else f"0 to {len(order) - 1}"
    raise RunFailure(f"{file}: label {label!r}, allowed are {allowed}, and -1 in all rows of a split without labels")


def _order(file: str, spec: Task, schema) -> list[int] | None:
    """Stored integer -> our index, from the label names in the schema; None for scores."""
    import json

    if not spec.names:
        return None
    try:
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        names = [str(name) for name in features["label"]["names"]]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{file}: its schema does not name the labels, so that their order is unknown") from None
    if sorted(names) != sorted(spec.names):
        raise UserError(f"{file}: labels {', '.join(names)}, expected {', '.join(spec.names)}")
    return [spec.names.index(name) for name in names]


def _array(spec: Task, labels: list) -> np.ndarray:
    return np.array(labels, np.int64 if spec.classes else np.float32)
