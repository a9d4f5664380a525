import numpy as np
import pytest

from flopwise.core.errors import UserError
from flopwise.data.streams import chunks, entry, random_stream, read_stream, similarity_stream, write_stream

ENTRIES = [entry("digits", str(i)) for i in range(10)]


@pytest.mark.parametrize(
    ("tasks", "size", "larger"), [(20, 919, 1), (50, 367, 31), (100, 183, 81), (200, 91, 181)]
)  # the published stream of 18,381 entries
def test_golden_chunk_sizes(tasks, size, larger):
    sizes = [len(chunk) for chunk in chunks([str(i) for i in range(18_381)], tasks)]
    assert sizes == [size + 1] * larger + [size] * (tasks - larger)


def test_chunks_are_contiguous_and_complete():
    assert sum(chunks(ENTRIES, 3), []) == ENTRIES
    with pytest.raises(UserError, match="cannot be cut into 11 tasks; allowed are 1 to 10"):
        chunks(ENTRIES, 11)


def test_random_stream_is_a_permutation_that_the_seed_decides():
    assert sorted(random_stream(ENTRIES, 1)) == sorted(ENTRIES)
    assert random_stream(ENTRIES, 1) == random_stream(ENTRIES, 1) != random_stream(ENTRIES, 2)


def test_similarity_stream_always_steps_to_the_nearest_unvisited():
    angles = np.linspace(0, 1, 10)
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    walk = [ENTRIES.index(item) for item in similarity_stream(ENTRIES, embeddings, 3)]
    assert sorted(walk) == list(range(10))
    for here, (current, following) in enumerate(zip(walk, walk[1:])):
        left = set(range(10)) - set(walk[: here + 1])
        assert abs(angles[following] - angles[current]) <= min(abs(angles[i] - angles[current]) for i in left) + 1e-9


def test_files_round_trip_byte_for_byte(tmp_path):
    write_stream(tmp_path / "a.json", ENTRIES)
    write_stream(tmp_path / "b.json", read_stream(tmp_path / "a.json", set(ENTRIES)))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not JSON"),
        ('{"a": 1}', "must be a JSON list of strings"),
        ('["digits+++1", "digits+++1"]', "'digits\\+\\+\\+1' more than once"),
        ('["digits+++eleven"]', "names 'digits\\+\\+\\+eleven', which no data set of this scale has"),
    ],
)
def test_bad_stream_files(tmp_path, text, message):
    (tmp_path / "stream.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_stream(tmp_path / "stream.json", set(ENTRIES))
