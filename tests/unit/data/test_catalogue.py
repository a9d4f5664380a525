"""The catalogue of real data sets agrees with the published tables, and says what is wrong with a row."""

import csv
import math
from pathlib import Path

import pytest

from flopwise.config import ROOT, load
from flopwise.core.errors import UserError
from flopwise.data.catalogue import FILE, catalogue, dataset

FOMO = [row for row in catalogue().values() if row.streams]


def of(role: str, task: str | None = None):
    return [row for row in FOMO if row.role == role and task in (None, row.task)]


def test_63_sets_in_the_published_roles():
    assert len(FOMO) == 63
    assert (len(of("adaptation", "classification")), len(of("adaptation", "retrieval"))) == (40, 1)
    assert (len(of("evaluation", "classification")), len(of("evaluation", "retrieval"))) == (20, 2)


@pytest.mark.parametrize(
    ("role", "sums"), [("adaptation", (1_759_790, 453_062, 18_392)), ("evaluation", (462_171, 314_419, 4_653))]
)
def test_column_sums_are_those_of_the_published_rows(role, sums):
    assert tuple(sum(getattr(row, key) for row in of(role)) for key in ("n_train", "n_test", "n_classes")) == sums


def test_every_cell_that_is_published_is_the_published_one():
    """fomo_facts.csv was typed from the data tables, the official code and the stream files, not from the catalogue."""

    def published(path: Path) -> dict:
        with path.open(encoding="utf-8", newline="") as stream:
            return {line["name"]: line for line in csv.DictReader(stream, strict=True)}

    facts, rows = published(Path(__file__).parent / "fomo_facts.csv"), published(ROOT / FILE)
    assert list(facts) == [row.name for row in FOMO]
    assert {name: {key: rows[name][key] for key in line} for name, line in facts.items()} == facts


def test_streams_hold_18381_classes():
    assert sum(row.n_classes_in_streams for row in of("adaptation")) == 18_381
    assert all(row.n_classes_in_streams is None for row in of("evaluation"))


def test_published_zero_shot_accuracies_give_the_known_aggregates():
    scores = {role: [row.zero_shot_vit_b_32 for row in of(role)] for role in ("adaptation", "evaluation")}
    adaptation, evaluation = (sum(part) / len(part) for part in scores.values())
    assert adaptation == pytest.approx(38.47, abs=0.005)
    assert evaluation == pytest.approx(67.93, abs=0.005)
    assert math.sqrt(adaptation * evaluation) == pytest.approx(51.12, abs=0.005)


def test_adaptation_sets_fall_into_15_release_groups():
    assert {row.release_group for row in of("adaptation")} == set(range(1, 16))
    assert dataset("flowers102").release_group == 1


@pytest.mark.parametrize("scale", ["paper", "workstation"])
def test_scales_name_the_sets_of_the_catalogue(scale):
    data = load(scale=scale).preset.data
    assert list(data.adaptation) == [row.name for row in of("adaptation")]
    assert list(data.evaluation) == [row.name for row in of("evaluation")]


def test_a_class_name_goes_into_the_template_as_it_is():
    assert dataset("mtsd").primer("stop {0}") == 'A centered photo of a "stop {0}" traffic sign.'


@pytest.mark.parametrize(
    ("given", "near"),
    [("cifar_100", "cifar100"), ("DomainNet-Sketch", "domainnet_sketch"), ("zzz", f"lists {len(catalogue())}")],
)
def test_an_unknown_name_is_answered_with_near_ones(given, near):
    with pytest.raises(UserError) as caught:
        dataset(given)
    assert near in str(caught.value)
    assert "\n" not in str(caught.value)


HEADER, FIRST, *REST = (ROOT / FILE).read_text().splitlines()
OTHER = next(line for line in REST if line.startswith("imagenet_1k,"))  # of another study, read by a general reader


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER, FIRST, FIRST], "listed twice"),
        ([HEADER, FIRST.replace("json_map", "json_mapp")], "reader is 'json_mapp'"),
        ([HEADER, FIRST.replace("A photo of a {}.", "A photo.")], "template"),
        ([HEADER, FIRST.replace(",2720,", ",many,")], "n_train is 'many'"),
        ([HEADER, FIRST.replace(",2720,", ",,")], "n_train"),
        ([HEADER, FIRST.replace("AI2DIAGRAMS", "../AI2")], "folder"),
        ([HEADER, FIRST.replace(",public,", ",free,")], "access is 'free'"),
        ([HEADER, FIRST.replace(",adaptation,", ",adaption,")], "role is 'adaption'"),
        ([HEADER, OTHER.replace("This is a photo of {}", "")], "template is ''"),
        ([HEADER, FIRST + ",more"], "number of cells"),
        ([HEADER.replace("licence", "license"), FIRST], "columns"),
    ],
)
def test_a_wrong_row_is_named_in_one_line(tmp_path, lines, said):
    path = tmp_path / "datasets.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=said) as caught:
        catalogue(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
