"""GLUE's tasks: the official layouts as the `datasets` package reads them, quotes and short rows included."""

import csv
import json

import numpy as np
import pytest

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.readers.glue import TASKS, read_parquet, read_tsv, splits_of

# One header per task as in the official files, a row, and where its texts and its label stand (0-based).
PAIRS = "index\tsentence1\tsentence2\tlabel"
STSB = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"
PARSES = "\t".join(f"sentence{n}_{kind}" for kind in ("binary_parse", "parse") for n in (1, 2))
MNLI = f"index\tpromptID\tpairID\tgenre\t{PARSES}\tsentence1\tsentence2\tlabel1\tgold_label"
LAYOUTS = {
    "cola": ("", (3,), 1, ["gj04\t1\t\tHe said \"no.", "gj04\t0\t*\tThem says it's\xa0so"]),
    "sst2": ("sentence\tlabel", (0,), 1, ['"quoted\t1', "plain \t0"]),
    "mrpc": ("\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String", (3, 4), 0, ['1\t7\t8\tHe said "a .\tA "', "0\t1\t2\tb\tc"]),
    "qqp": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", (3, 4), 5, ['1\t2\t3\tWhy "x?\tWhy?\t1']),
    "stsb": (STSB, (7, 8), 9, ["0\tmain\tMS\t2012\t1\tnone\tnone\tA plane.\tA \"plane\t4.750"]),
    "mnli": (MNLI, (8, 9), 11, ["\t".join(["0", *"123abcd", 'P "x', "H", "neutral", "contradiction"])]),
    "qnli": ("index\tquestion\tsentence\tlabel", (1, 2), 3, ['0\tWhat "?\tThat\u2028it\tnot_entailment']),
    "rte": (PAIRS, (1, 2), 3, ["0\tOne\x85line\tTwo\tentailment", '1\t"\t"\tnot_entailment']),
}  # fmt: skip


def write(root, task: str, split: str = "train", header: str | None = None, rows: list[str] | None = None):
    path = root / TASKS[task].folder / f"{split}.tsv"
    path.parent.mkdir(exist_ok=True)
    lines = [LAYOUTS[task][0] if header is None else header, *(LAYOUTS[task][3] if rows is None else rows)]
    path.write_bytes("".join(f"{line}\n" for line in lines if line).encode())
    return path


@pytest.mark.parametrize("task", TASKS)
def test_every_official_layout_agrees_with_the_datasets_package(tmp_path, task):
    datasets = pytest.importorskip("datasets")
    header, texts, label, rows = LAYOUTS[task]
    path = write(tmp_path, task)
    mine = read_tsv(tmp_path, task, "train")
    options = {"delimiter": "\t", "quoting": csv.QUOTE_NONE, "keep_default_na": False, "header": None}
    names = [str(n) for n in range(rows[0].count("\t") + 1)]
    options |= {"column_names": names, "skiprows": int(bool(header)), "lineterminator": "\n"}
    options["features"] = datasets.Features({name: datasets.Value("string") for name in names})
    theirs = datasets.load_dataset(
        "csv", data_files=str(path), cache_dir=str(tmp_path / "cache"), split="train", **options
    )
    assert mine.texts == [tuple(row[str(place)] for place in texts) for row in theirs]
    expected = [row[str(label)] for row in theirs]
    if task == "stsb":
        np.testing.assert_allclose(mine.labels, [float(value) for value in expected])
    else:
        assert [mine.classes[index] for index in mine.labels] == expected
    assert mine.skips.counts == {}


@pytest.mark.parametrize(
    ("task", "split", "header", "row", "texts"),
    [
        ("cola", "test", "index\tsentence", "0\tBill whistled.", ("Bill whistled.",)),
        ("sst2", "test", "index\tsentence", "0\tuneasy mishmash", ("uneasy mishmash",)),
        ("mrpc", "test", "index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t1\t2\ta\tb", ("a", "b")),
        ("qqp", "test", "id\tquestion1\tquestion2", "0\ta?\tb?", ("a?", "b?")),
        ("stsb", "test", STSB.removesuffix("\tscore"), "0\tm\tf\t2\t1\ts\ts\ta\tb", ("a", "b")),
        ("mnli", "test_matched", MNLI.rsplit("\t", 2)[0], "0\t1\t2\t3\ta\tb\tc\td\tp\th", ("p", "h")),
        ("rte", "test", "index\tsentence1\tsentence2", "0\ta\tb", ("a", "b")),
    ],
)
def test_test_splits_have_other_columns_and_no_labels(tmp_path, task, split, header, row, texts):
    write(tmp_path, task, split, header, [row])
    found = read_tsv(tmp_path, task, split)
    assert found.texts == [texts]
    assert found.labels is None


def test_rows_that_cannot_be_right(tmp_path):
    write(tmp_path, "qqp", rows=[*LAYOUTS["qqp"][3], "9\t9\t9\tonly one?"])
    found = read_tsv(tmp_path, "qqp", "train")
    assert len(found.texts) == 1
    assert found.skips.counts == {"a row with missing columns": 1}
    for task, row, reason in (
        ("qqp", "1\t2\t3\ta\tb\t1\textra", "line 2: 7 columns, expected 6"),
        ("rte", "0\tone\ttwo", "line 2: 3 columns, expected 4"),
        ("cola", "gj04\t1\tsentence", "line 1: 3 columns, expected 4"),
        ("rte", "0\ta\tb\tneutral", "line 2: label 'neutral', allowed are entailment, not_entailment"),
        ("stsb", "0\tm\tf\t2\t1\ts\ts\ta\tb\tnan", "line 2: score 'nan', allowed are numbers from 0 to 5"),
    ):
        write(tmp_path, task, rows=[row])
        with pytest.raises(RunFailure, match=reason):
            read_tsv(tmp_path, task, "train")


def test_files_of_another_task_or_encoding_are_refused(tmp_path):
    write(tmp_path, "qnli", header=LAYOUTS["rte"][0], rows=LAYOUTS["rte"][3])
    with pytest.raises(UserError, match="is not qnli's file: no column 'question'"):
        read_tsv(tmp_path, "qnli", "train")
    path = write(tmp_path, "rte")
    path.write_bytes(path.read_bytes() + b"2\ta\xe9\tb\tentailment\n")
    with pytest.raises(RunFailure, match=r"train\.tsv is not UTF-8"):
        read_tsv(tmp_path, "rte", "train")
    with pytest.raises(UserError, match=r"dev\.tsv is missing"):
        read_tsv(tmp_path, "rte", "dev")
    with pytest.raises(UserError, match="'wnli' does not exist; allowed are cola"):
        read_tsv(tmp_path, "wnli", "dev")
    with pytest.raises(UserError, match="mnli has no split 'dev'; allowed are train, dev_matched"):
        read_tsv(tmp_path, "mnli", "dev")
    assert splits_of("rte") == ("train", "dev", "test")


def parquet(tmp_path, task: str, names: list[str], labels: list[int], with_names: bool = True) -> str:
    """A file as the hub's copy of GLUE has it, written by the `datasets` package."""
    datasets = pytest.importorskip("datasets")
    rows = {column: [f"{column} {n}" for n in range(len(labels))] for column in TASKS[task].columns}
    rows |= {"label": labels, "idx": list(range(len(labels)))}
    kinds = {
        "label": datasets.ClassLabel(names=names) if names else datasets.Value("float32"),
        "idx": datasets.Value("int32"),
    }
    kinds |= {column: datasets.Value("string") for column in TASKS[task].columns}
    path = str(tmp_path / f"{task}.parquet")
    datasets.Dataset.from_dict(rows, features=datasets.Features(kinds)).to_parquet(path)
    if not with_names:
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).replace_schema_metadata(None), path)
    return path


def test_parquet_labels_are_translated_by_name_not_by_position(tmp_path):
    path = parquet(tmp_path, "mnli", ["contradiction", "entailment", "neutral"], [0, 1, 2, 1])
    found = read_parquet([path, path], "mnli", "dev_matched")
    assert [found.classes[index] for index in found.labels] == [
        "contradiction",
        "entailment",
        "neutral",
        "entailment",
    ] * 2
    assert found.texts[1] == ("premise 1", "hypothesis 1")
    scores = read_parquet([parquet(tmp_path, "stsb", [], [0.5, 4.75])], "stsb", "dev").labels
    np.testing.assert_allclose(scores, [0.5, 4.75])
    assert scores.dtype == np.float32


def test_parquet_labels_that_are_hidden_or_cannot_be_named(tmp_path):
    names = list(TASKS["rte"].names)
    assert read_parquet([parquet(tmp_path, "rte", names, [-1, -1])], "rte", "test").labels is None
    with pytest.raises(RunFailure, match="1 of 2 labels are missing"):
        read_parquet([parquet(tmp_path, "rte", names, [-1, 1])], "rte", "dev")
    with pytest.raises(UserError, match="does not name the labels"):
        read_parquet([parquet(tmp_path, "rte", names, [0, 1], with_names=False)], "rte", "dev")
    with pytest.raises(UserError, match="labels yes, no, expected entailment, not_entailment"):
        read_parquet([parquet(tmp_path, "rte", ["yes", "no"], [0, 1])], "rte", "dev")
    with pytest.raises(UserError, match="no column 'question'"):
        read_parquet([parquet(tmp_path, "rte", names, [0])], "qnli", "dev")


def table(path, task: str, labels: list, **columns) -> str:
    """A Parquet file with the label names of `task`, written by pyarrow."""
    import pyarrow
    import pyarrow.parquet

    names = list(TASKS[task].names)
    content = {column: ["text"] * len(labels) for column in TASKS[task].columns} | {"label": labels} | columns
    facts = {"info": {"features": {"label": {"names": names}}}}
    whole = pyarrow.table(content).replace_schema_metadata({b"huggingface": json.dumps(facts).encode()})
    pyarrow.parquet.write_table(whole, path)
    return str(path)


@pytest.mark.parametrize(
    ("task", "labels", "reason"),
    [
        ("rte", [0, 7], "label 7, allowed are 0 to 1"),
        ("rte", [0, -2], "label -2, allowed are 0 to 1"),
        ("rte", [0, None], "label None, allowed"),
        ("rte", ["0"], "label '0', allowed"),
        ("stsb", [1.0, 5.5], "label 5.5, allowed are scores from 0 to 5"),
        ("stsb", [1.0, float("nan")], "label nan, allowed"),
        ("stsb", [None, 2.0], "label None, allowed"),
        ("rte", [], "holds no example"),
    ],
)
def test_parquet_labels_that_cannot_be_right_are_one_line(tmp_path, task, labels, reason):
    path = table(tmp_path / "x.parquet", task, labels)
    with pytest.raises(RunFailure, match=rf"x\.parquet: .*{reason}") as caught:
        read_parquet([path], task, "dev")
    assert "\n" not in str(caught.value)


def test_damaged_parquet_and_splits_without_a_file_or_row_are_refused(tmp_path):
    with pytest.raises(UserError, match="rte, split dev: no Parquet file was given"):
        read_parquet([], "rte", "dev")
    with pytest.raises(RunFailure, match=r"no\.parquet is missing"):
        read_parquet([tmp_path / "no.parquet"], "rte", "dev")
    with pytest.raises(RunFailure, match="a text is missing or no string"):
        read_parquet([table(tmp_path / "n.parquet", "rte", [0], sentence2=[None])], "rte", "dev")
    path = table(tmp_path / "x.parquet", "rte", [0, 1] * 50)
    content = (tmp_path / "x.parquet").read_bytes()
    for broken in (content[:-20], b"", content[:40] + bytes(40) + content[80:]):
        (tmp_path / "x.parquet").write_bytes(broken)
        with pytest.raises(RunFailure, match=r"x\.parquet is damaged or no Parquet file") as caught:
            read_parquet([path], "rte", "dev")
        assert "\n" not in str(caught.value)
    write(tmp_path, "rte", rows=[])
    with pytest.raises(RunFailure, match=r"train\.tsv holds no example"):
        read_tsv(tmp_path, "rte", "train")
