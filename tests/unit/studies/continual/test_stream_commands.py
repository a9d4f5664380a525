"""Building streams from data and weights, and the command line of `flopwise stream`."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from flopwise.cli import app
from flopwise.config import load
from flopwise.core.errors import RunFailure, UserError
from flopwise.data.build import build_to
from flopwise.data.store import Split, open_set, write_set
from flopwise.data.streams import KINDS, PUBLISHED_RELEASES, class_of, entry, read_stream, reverse_of, runs
from flopwise.data.world import WORLD
from flopwise.models import clip
from flopwise.studies.continual.commands import _check_inputs
from flopwise.studies.continual.orderings import StreamMaterial, build_stream
from flopwise.studies.continual.start import build_streams

SETS = ("solids", "digits", "leaves")
MODEL = "vit-xs-8"


def settings_for(results, score="similarity"):
    changes = {"data": {"adaptation": list(SETS), "train_per_class": 3}, "continual": {"performance_score": score}}
    return load(scale="smoke", results=str(results), overrides=changes)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Three small data sets, a pool of three captions and initial weights."""
    folder = tmp_path_factory.mktemp("results")
    settings = settings_for(folder)
    for name in SETS:
        build_to(settings.preset.data, name, settings.results / "data" / name)
    pool = Split(np.zeros((3, 32, 32, 3), np.uint8), np.zeros(3, np.int64), ["A Ball", "the ball, the cube", "7"])
    write_set(settings.results / "data" / "pool", pool, {"name": "pool"})
    clip.save(settings.results / "continual" / "base" / MODEL, MODEL, clip.create(MODEL, seed=1).state_dict())
    return folder


def material(results, score="similarity") -> StreamMaterial:
    settings = settings_for(results, score)
    return StreamMaterial(settings, MODEL, settings.results / "continual" / "base" / MODEL)


def features(name: str, texts: list[str], images) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit-length features of texts and images, one at a time."""
    network = clip.create(MODEL, seed=1).eval()
    with torch.no_grad():
        u = [network.encode_text(clip.tokenizer(MODEL)([text]))[0] for text in texts]
        z = [network.encode_image(clip.preprocess(np.array(image)[None]))[0] for image in images]
    return torch.stack([x / x.norm() for x in u]), torch.stack([x / x.norm() for x in z])


@pytest.mark.parametrize("score", ["similarity", "accuracy"])
def test_scores_are_the_means_per_class_of_a_second_implementation(results, score):
    found = material(results, score)
    expected = []
    for name in SETS:
        stored = open_set(settings_for(results).results / "data" / name)
        primed = [WORLD[name].template.format(label) for label in stored.class_names]
        texts = stored.train.captions if score == "similarity" else primed
        u, z = features(name, texts, stored.train.images)
        for target in range(len(stored.class_names)):
            members = np.flatnonzero(stored.train.targets == target)
            if score == "similarity":
                expected.append(np.mean([float(z[i] @ u[i]) for i in members]))
            else:
                expected.append(np.mean([int((z[i] @ u.T).argmax()) == target for i in members]))
    np.testing.assert_allclose(found.scores, expected, atol=1e-5)
    stream = build_stream(found, "performance", 0)
    assert [found.scores[found.entries.index(item)] for item in stream] == sorted(found.scores, reverse=True)


def test_every_kind_holds_all_classes_and_reverses_are_exact(results):
    found = material(results)
    for kind in KINDS:
        stream = build_stream(found, kind, 5)
        assert sorted(stream) == sorted(found.entries), kind
        assert stream == build_stream(found, reverse_of(kind), 5)[::-1], kind
    assert runs(build_stream(found, "dataset-incremental", 5)) == len(SETS)
    assert build_stream(found, "performance", 5) == build_stream(found, "performance", 6)


def test_frequency_counts_the_stored_pool(results):
    stream = build_stream(material(results), "frequency", 0)
    assert [class_of(item) for item in stream[-3:]] == ["7", "cube", "ball"]  # in one, one and two captions


def test_similarity_of_weights_decides_the_similarity_stream(results):
    found = material(results)
    stream = build_stream(found, "similarity", 0)
    first, second = (found.entries.index(item) for item in stream[:2])
    cosines = found.class_features @ found.class_features[first]
    cosines[first] = -1
    assert second == int(cosines.argmax())


def test_what_decided_the_order_is_recorded(results, tmp_path):
    found = material(results, "accuracy")
    wanted = {(kind, 0): tmp_path / f"{kind}.json" for kind in ("performance", "frequency-reverse")}
    rows = build_streams(found.settings, MODEL, found.weights, wanted)
    assert "top-1 accuracy" in rows[0]["rule"]
    assert f"{len(found.entries) - 3} of {len(found.entries)} names occur in none" in rows[1]["rule"]
    assert [row["runs"] for row in rows] == [runs(read_stream(path)) for path in wanted.values()]


def test_build_writes_the_same_stream_as_the_workflow_and_says_what_decided_it(results, tmp_path):
    settings = load(scale="smoke", results=str(results))
    expected = build_stream(StreamMaterial(settings, MODEL, material(results).weights), "similarity-reverse", 2)
    arguments = ["stream", "build", "similarity-reverse", "--seed", 2, "--out", tmp_path / "stream.json"]
    done = flopwise("--results", results, *arguments)
    assert read_stream(tmp_path / "stream.json") == expected
    assert "most similar name, vit-xs-8; reversed; seed 2" in done.stdout
    done = flopwise("--results", results, "stream", "build", "frequency", "--out", tmp_path / "f.json", "--json")
    assert json.loads(done.stdout)["seed"] is None


def flopwise(*arguments: str):
    return CliRunner().invoke(app, ["--scale", "smoke", *map(str, arguments)])


def test_build_needs_no_data_where_names_alone_decide(tmp_path):
    out = tmp_path / "stream.json"
    for kind in ("random", "time-reverse", "dataset-incremental"):
        done = flopwise("--results", tmp_path / "none", "stream", "build", kind, "--seed", 3, "--out", out, "--json")
        assert done.exit_code == 0, done.exception
        assert json.loads(done.stdout)["entries"] == len(read_stream(out))
    assert runs(read_stream(out)) == 19


@pytest.mark.parametrize(
    ("kind", "targets"),
    [
        ("similarity", ["continual/base/vit-xs-8"]),
        ("performance-reverse", ["continual/base/vit-xs-8", "data/{solids,digits,leaves}"]),
        ("frequency", ["data/pool"]),
    ],
)
def test_build_names_the_targets_that_make_what_is_missing(tmp_path, kind, targets):
    settings = settings_for(tmp_path / "none")
    with pytest.raises(RunFailure) as caught:
        _check_inputs(settings, kind, MODEL)
    targets = " ".join(f"{tmp_path}/none/smoke/{target}" for target in targets)
    assert f"`snakemake --config scale=smoke results={tmp_path / 'none'} -- {targets}` makes" in str(caught.value)


def test_where_sets_are_the_users_own_every_ordering_names_all_that_are_missing(tmp_path):
    made = tmp_path / "workstation" / "data"
    for name in load(scale="workstation").preset.data.adaptation[2:]:
        (made / name).mkdir(parents=True)
    arguments = ["--scale", "workstation", "--results", tmp_path, "stream", "build", "random", "--out", tmp_path / "x"]
    done = flopwise(*arguments)
    assert isinstance(done.exception, RunFailure)
    assert f"needs {made}/ai2diagrams and 1 more, not yet made" in str(done.exception)
    assert f" -- {made}/{{ai2diagrams,artbench10}}` makes what is missing" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream", "build", "alphabetical", "--out", "x"], "stream kind 'alphabetical' does not exist; allowed are r"),
        (["stream", "build", "random", "--out", "x", "--model", "vit-g"], "model 'vit-g' is none of this scale's; all"),
        (["stream", "build", "random", "--out", ""], "--out is '.', an existing folder; allowed is the name of a file"),
        (["stream", "describe", "no-such-file"], "stream file no-such-file cannot be read: No such file"),
        (["stream", "describe", "no-such-file", "--tasks", "-1"], "--tasks is '-1'; allowed are a whole number from 1"),
        (["--scale", "nope", "stream", "describe", "f"], "scale 'nope' does not exist; allowed are smoke, laptop"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    done = flopwise(*arguments)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)


def test_describe_reads_a_file_of_data_sets_unknown_here(tmp_path):
    stream = [entry(name.upper(), f"class {i}") for group in PUBLISHED_RELEASES for name in group for i in range(3)]
    (tmp_path / "stream.json").write_text(json.dumps([*stream, "\x1b[31mred+++\x85"]))
    facts = json.loads(flopwise("stream", "describe", tmp_path / "stream.json", "--tasks", 50, "--json").stdout)
    assert (facts["entries"], facts["datasets"], facts["runs"]) == (124, 42, 42)
    assert facts["tasks"] == [3] * 24 + [2] * 26
    assert facts["entries_per_dataset"]["CUB200"] == 3
    text = flopwise("stream", "describe", tmp_path / "stream.json", "--tasks", "datasets").stdout
    assert "42 tasks of 1 to 3 entries" in text
    assert "\x1b" not in text


def test_describe_counts_what_is_not_known_here(tmp_path):
    strange = ["NOWHERE+++x", "flowers102+++pinc primrose", "FLOWERS102+++zzz", "digits+++eleven"]
    fine = ["FLOWERS102+++pink primrose", "digits+++3", "CUB200+++any bird", "COUNTRY211+++Andorra"]
    (tmp_path / "stream.json").write_text(json.dumps([*strange, *fine]))
    done = flopwise("stream", "describe", tmp_path / "stream.json", "--tasks", 2, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["unknown"] == {
        "data_set": {"count": 1, "examples": strange[:1]},
        "class": {"count": 3, "examples": strange[1:]},
        "not_compared": ["CUB200"],
    }
    text = flopwise("stream", "describe", tmp_path / "stream.json", "--tasks", 2).stdout
    assert "1 entries of a data set that is not known here, for example NOWHERE+++x\n" in text
    assert "3 entries of a class that is not known here, for example flowers102+++pinc primrose, " in text
    assert "classes of 1 data sets were not compared" in text
