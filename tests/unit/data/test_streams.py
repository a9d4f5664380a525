"""Orderings against their definitions, written a second time and plainly; files against the published style."""

import json

import numpy as np
import pytest

from flopwise.core.errors import UserError
from flopwise.data import streams
from flopwise.data.streams import cut, entry, read_stream, write_stream

ENTRIES = [entry("digits", str(i)) for i in range(10)]
SIZES = {"greek": 6, "flags": 5, "charts": 7, "solids": 1, "tiles": 9}
MANY = [entry(name, f"{name} {i}") for name, size in SIZES.items() for i in range(size)]
RELEASES = [["flags"], ["tiles", "greek"], ["solids", "charts"]]


def test_random_stream_is_a_permutation_that_the_seed_decides():
    assert sorted(streams.random_stream(ENTRIES, 1)) == sorted(ENTRIES)
    assert streams.random_stream(ENTRIES, 1) == streams.random_stream(ENTRIES, 1) != streams.random_stream(ENTRIES, 2)


def test_similarity_stream_is_the_greedy_walk_of_a_second_implementation():
    embeddings = np.random.default_rng(0).normal(size=(len(MANY), 5))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings[7] = embeddings[3]  # a tie: the lower index comes first
    walk = [MANY.index(item) for item in streams.similarity_stream(MANY, embeddings, 3)]
    assert streams.similarity_stream(MANY, embeddings, 4)[0] != MANY[walk[0]]
    wanted, left = [walk[0]], set(range(len(MANY))) - {walk[0]}
    while left:
        cosines = {i: sum(a * b for a, b in zip(embeddings[i], embeddings[wanted[-1]])) for i in left}
        best = min(i for i in left if cosines[i] > max(cosines.values()) - 1e-12)
        wanted.append(best)
        left.remove(best)
    assert walk == wanted


def test_performance_goes_from_high_to_low_scores_with_ties_by_name_then_data_set():
    entries = [entry("b", "cat"), entry("a", "cat"), entry("a", "Bat"), entry("a", "dog"), entry("c", "eel")]
    ordered = streams.performance_stream(entries, [0.5, 0.5, 0.5, 0.9, -np.inf])
    assert ordered == [entry("a", "dog"), entry("a", "Bat"), entry("a", "cat"), entry("b", "cat"), entry("c", "eel")]


def test_frequency_goes_from_rare_to_frequent_with_names_of_equal_spelling_side_by_side():
    entries = [entry("x", "House"), entry("x", "zebra"), entry("a", "house"), entry("a", "sky")]
    ordered = streams.frequency_stream(entries, [7, 0, 7, 9])
    assert ordered == [entry("x", "zebra"), entry("a", "house"), entry("x", "House"), entry("a", "sky")]


def contains(caption: str, name: str) -> bool:
    """Whether the words of `name` stand in `caption` one after another; letter by letter, without expressions."""

    def spaced(text: str) -> str:
        text = text.casefold().replace("_", " ")
        return " " + " ".join("".join(c if c.isalnum() or c == " " else f" {c} " for c in text).split()) + " "

    return spaced(name) in spaced(caption)


def test_concept_frequency_counts_captions_as_a_second_implementation_does():
    captions = ["A red CAR.", "a red carpet", "car, car and car", "the old_car park", "Straße mit t-shirt", "", "T-SHIRT!",
                "the letter ß", "old  car", "c++ (book)", "10 o'clock"]  # fmt: skip
    names = [
        "car",
        "red",
        "old car",
        "t-shirt",
        "t shirt",
        "strasse",
        "Car Park",
        "ss",
        "c++",
        "o'clock",
        "zebra",
        "CAR",
    ]
    counts = streams.caption_counts(names, captions)
    assert counts == [sum(contains(caption, name) for caption in captions) for name in names]
    assert dict(zip(names, counts))["car"] == 4  # once per caption, not in "carpet"
    assert dict(zip(names, counts))["zebra"] == 0


def test_time_stream_mixes_the_sets_of_a_group_and_keeps_groups_in_order():
    stream = streams.time_stream(MANY, RELEASES, 0)
    number = {name: index for index, group in enumerate(RELEASES) for name in group}
    groups = [number[streams.dataset_of(item)] for item in stream]
    assert groups == sorted(groups)
    assert sorted(stream) == sorted(MANY)
    assert streams.runs(stream) > len(SIZES)
    assert stream != streams.time_stream(MANY, RELEASES, 1)


def test_dataset_stream_has_one_run_per_set_in_the_order_of_release():
    stream = streams.dataset_stream(MANY, RELEASES, 0)
    assert list(dict.fromkeys(map(streams.dataset_of, stream))) == ["flags", "tiles", "greek", "solids", "charts"]
    assert streams.runs(stream) == len(SIZES)
    assert sorted(stream) == sorted(MANY)
    assert stream != streams.dataset_stream(MANY, RELEASES, 1)


def test_random_streams_have_as_many_runs_as_chance_gives():
    sizes, total = SIZES.values(), len(MANY)
    expected = total - (sum(size**2 for size in sizes) - total) / total  # two neighbours are of one set by chance
    found = [streams.runs(streams.random_stream(MANY, seed)) for seed in range(300)]
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / 300**0.5)


def test_releases_group_by_number_and_follow_the_given_order_inside():
    groups = {"b": 2, "a": 1, "c": 2, "d": 7}
    assert streams.releases(groups, ["d", "c", "b", "a"]) == [["a"], ["c", "b"], ["d"]]


def test_the_published_releases_are_15_groups_of_41_sets():
    names = [name for group in streams.PUBLISHED_RELEASES for name in group]
    assert (len(streams.PUBLISHED_RELEASES), len(names), len(set(names))) == (15, 41, 41)
    assert names.index("fru92") + 1 == names.index("places365") == names.index("veg200") - 1


def test_every_ordering_has_a_reverse():
    assert len(set(streams.KINDS)) == 12
    assert all(streams.reverse_of(streams.reverse_of(kind)) == kind for kind in streams.KINDS)
    assert {streams.reverse_of(kind) for kind in streams.ORDERINGS} == set(streams.KINDS) - set(streams.ORDERINGS)


# tasks


@pytest.mark.parametrize(
    ("tasks", "size", "larger"), [(20, 919, 1), (50, 367, 31), (100, 183, 81), (200, 91, 181)]
)  # the published stream of 18,381 entries
def test_golden_chunk_sizes(tasks, size, larger):
    sizes = [len(chunk) for chunk in cut([str(i) for i in range(18_381)], tasks)]
    assert sizes == [size + 1] * larger + [size] * (tasks - larger)


def test_chunks_are_contiguous_and_complete():
    assert sum(cut(ENTRIES, 3), []) == ENTRIES
    with pytest.raises(UserError, match="cannot be cut into 11 tasks; allowed are 1 to 10"):
        cut(ENTRIES, 11)


def test_cutting_at_data_sets_gives_a_task_per_set():
    parts = cut(MANY, "datasets")
    assert [len(part) for part in parts] == list(SIZES.values())
    assert sum(parts, []) == MANY
    with pytest.raises(UserError, match=r"'greek' comes back \(entry 29: 'greek\+\+\+more'\)"):
        cut([*MANY, entry("greek", "more")], "datasets")


# files

PUBLISHED = '[\n    "CUB200+++green jay",\n    "INATURALIST2021+++caf\\u00e9 \\u2603",\n    "CUB200+++a+++b"\n]'


def test_files_round_trip_byte_for_byte_in_the_published_style(tmp_path):
    (tmp_path / "a.json").write_text(PUBLISHED)
    stream = read_stream(tmp_path / "a.json")
    assert stream[1:] == ["INATURALIST2021+++café ☃", "CUB200+++a+++b"]
    write_stream(tmp_path / "b.json", stream)
    assert (tmp_path / "b.json").read_bytes() == PUBLISHED.encode("ascii")


def test_folders_and_handles_are_mapped_to_the_names_used_here_and_back(tmp_path):
    names = {"CUB200": "cub200", "INATURALIST2021": "inaturalist2021"}
    (tmp_path / "a.json").write_text(PUBLISHED)
    stream = read_stream(tmp_path / "a.json", names=names)
    assert stream == ["cub200+++green jay", "inaturalist2021+++café ☃", "cub200+++a+++b"]
    write_stream(tmp_path / "handles.json", stream)
    assert read_stream(tmp_path / "handles.json", known=set(stream), names=names) == stream
    write_stream(tmp_path / "folders.json", stream, names={name: folder for folder, name in names.items()})
    assert (tmp_path / "folders.json").read_bytes() == PUBLISHED.encode("ascii")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[", "is not JSON"),
        (b"", "is not JSON"),
        (b'["digits+++caf\xe9"]', r"is not UTF-8 \(byte 0xe9 in line 1; perhaps"),
        (b'{"a": 1}', "holds a dict; it must be a JSON list of strings"),
        (b"[]", "holds no entries"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'["digits+++1", ["digits+++2"]]', "entry 2 is a list"),
        (b'["digits+++1", 7]', "entry 2 is 7"),
        (b'["digits+++1", "digits++2"]', "entry 2 is 'digits\\+\\+2'; entries must be strings"),
        (b'["digits+++"]', "entry 1 is 'digits\\+\\+\\+'"),
        (b'["digits+++1", "digits+++1"]', "'digits\\+\\+\\+1' more than once"),
        (b'["digit+++1"]', "data set 'digit' is none of this scale's; near matches are 'digits'"),
        (b'["digits+++1", "digits+++eleven"]', "entry 2 .*digits has no such class; allowed are '0', '1'"),
    ],
)
def test_bad_stream_files(tmp_path, content, message):
    (tmp_path / "stream.json").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_stream(tmp_path / "stream.json", ENTRIES)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "stream.json") in str(error.value)


def test_a_stream_file_has_a_mark_or_names_in_another_form(tmp_path):
    (tmp_path / "stream.json").write_bytes(b'\xef\xbb\xbf["birds+++e\\u0301tourneau", "birds+++rale d\'eau"]')
    stream = ["birds+++\u00e9tourneau", "birds+++rale d'eau"]
    assert read_stream(tmp_path / "stream.json", set(stream)) == stream
    (tmp_path / "stream.json").write_bytes(json.dumps(stream).encode("utf-16"))
    with pytest.raises(UserError, match=r"stream file .* is not UTF-8 \(byte 0xff in line 1; it looks like UTF-16\)"):
        read_stream(tmp_path / "stream.json")


def test_an_unknown_class_names_near_ones_whatever_their_case(tmp_path):
    (tmp_path / "stream.json").write_text(json.dumps(["birds+++green jai"]))
    with pytest.raises(UserError, match="near matches are 'Green Jay'"):
        read_stream(tmp_path / "stream.json", [entry("birds", "Green Jay"), entry("birds", "crow")])
