"""Tables of the world at a glance against numbers counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from flopwise.data.store import Split, StoredSet
from flopwise.data.streams import entry
from flopwise.report import captions
from flopwise.report.continual import orderings

BLOCKS = [entry(name, str(i)) for name in "abc" for i in range(4)]
MIXED = [entry(name, str(i)) for i in range(4) for name in "abc"]


@pytest.fixture
def frame() -> pd.DataFrame:
    streams = [BLOCKS, MIXED, BLOCKS[::-1]]
    return pd.DataFrame({"kind": ["dataset-incremental", "random", "dataset-incremental-reverse"], "rule": "r",
                         "runs": [3, 12, 3], "stream": streams})  # fmt: skip


def test_spread_of_a_set_is_the_standard_deviation_of_its_positions(frame):
    spread = orderings.comparison(frame)["Spread of a set, % of the stream"]
    block = np.std([0, 1, 2, 3]) / 12  # one block of four
    mixed = np.std([0, 3, 6, 9]) / 12  # every third place
    np.testing.assert_allclose(spread, [100 * block, 100 * mixed, 100 * block])


def test_agreement_is_one_with_itself_and_minus_one_with_the_reverse(frame):
    taus = orderings.agreement(frame).iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(taus, taus.T)
    np.testing.assert_allclose(np.diag(taus), 1)
    assert taus[0, 2] == pytest.approx(-1)
    places = [MIXED.index(item) for item in BLOCKS]
    signs = [np.sign(places[j] - places[i]) for j in range(12) for i in range(j)]
    assert taus[0, 1] == pytest.approx(np.mean(signs))


def test_noise_of_tau_is_that_of_random_orders():
    from scipy.stats import kendalltau

    generator = np.random.default_rng(0)
    taus = [kendalltau(np.arange(30), generator.permutation(30)).statistic for _ in range(2000)]
    assert np.std(taus) == pytest.approx(orderings.tau_noise(30), rel=0.06)


def test_membership_counts_the_classes_of_each_set_in_each_task(frame):
    sets = [SimpleNamespace(card={"name": name, "release_group": group}) for name, group in zip("abc", (1, 1, 2))]
    rows = orderings.membership(frame, sets, tasks=5)  # of 3, 3, 2, 2 and 2 classes
    table = rows.pivot(index=["ordering", "dataset"], columns="task", values="classes")
    np.testing.assert_array_equal(table.loc["dataset-incremental"], [[3, 1, 0, 0, 0], [0, 2, 2, 0, 0], [0, 0, 0, 2, 2]])
    np.testing.assert_array_equal(table.loc["random"], [[1, 1, 1, 1, 0], [1, 1, 1, 0, 1], [1, 1, 0, 1, 1]])
    assert rows["share"].tolist() == (25.0 * rows["classes"]).tolist()
    assert rows.drop_duplicates("dataset")[["dataset", "release_group"]].values.tolist() == [
        ["a", 1],
        ["b", 1],
        ["c", 2],
    ]


def _stored(name: str, role: str, texts: list[str]) -> StoredSet:
    split = Split(np.zeros((len(texts), 4, 4, 3), np.uint8), np.zeros(len(texts), np.int64), texts)
    card = {"name": name, "title": name.title(), "role": role}
    return StoredSet(card, split, None, ["one", "two"] if role != "pre-training" else [])


def test_caption_statistics_are_the_ones_counted_by_hand():
    pool = _stored("pool", "pre-training", ["A red ball.", "the red cube", "a red ball.", "A red ball."])
    one = _stored("birds", "adaptation", ["a red kite!", "a jay, a jay"])
    rows = captions.statistics([one], pool).set_index("name")
    assert rows.loc["pool", ["captions", "mean_words", "vocabulary", "unknown", "repeated"]].tolist() == [
        4,
        3,
        5,
        0,
        25,
    ]
    birds = rows.loc["birds"]
    assert (birds["classes"], birds["train"], birds["longest"], birds["vocabulary"]) == (2, 2, 4, 4)
    assert birds["mean_words"] == 3.5
    assert birds["unknown"] == pytest.approx(100 * 3 / 7)  # kite, jay, jay
