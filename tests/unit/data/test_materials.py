"""Materials for the other studies: deterministic, splits disjoint, truth exact by a second computation."""

import dataclasses
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from flopwise.config import load
from flopwise.core.errors import UserError
from flopwise.data.materials import MATERIALS, battles, clips, english, grammar, layers, pixels, pools, scenes
from flopwise.data.materials.build import build_material
from flopwise.data.materials.letters import unpack
from flopwise.data.materials.validation import validation_samples
from flopwise.data.store import open_arrays
from flopwise.data.world import WORLD

pytestmark = pytest.mark.slow

SIZES = {
    name: {split: min(count, {"pools": 300, "battles": 8}.get(one.module, 200)) for split, count in one.sizes.items()}
    for name, one in MATERIALS.items()
} | {"text": {"train": 300_000, "validation": 60_000}}
PREFIXED = [name for name, one in MATERIALS.items() if one.module not in ("battles", "grammar", "text", "text_tasks")]
SAMPLE = {
    "segmentation": "images",
    "cues": "images",
    "quadrants": "images",
    "flow": "frame1",
    "clips": "video",
    "battles": "units",
}
FLOW = [name for name in MATERIALS if name.startswith("flow-")]
BUILD = "import sys; from flopwise.data.materials.build import build_material as b; [b(n, s, f'{sys.argv[1]}/{n}') for n, s in "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("materials")
    for name, sizes in SIZES.items():
        build_material(name, sizes, folder / name)
    return folder


@pytest.fixture(scope="module")
def stored(folder):
    return {name: open_arrays(folder / name, verify=True) for name in MATERIALS}


def rows(array) -> list[bytes]:
    return [row.tobytes() for row in np.asarray(array)]


@pytest.mark.parametrize("name", MATERIALS)
def test_facts_are_complete(name, stored):
    one, card = MATERIALS[name], stored[name].card
    assert re.fullmatch("[a-z0-9-]+", name)
    assert name not in WORLD
    assert one.study in ("efficiency", "transfer", "perceiver")
    assert all(dataclasses.asdict(one).values())
    assert card["licence"]
    assert min(card["counts"].values()) > 0
    assert set(card["arrays"]) == set(stored[name].arrays)
    described = [key for key in card["fields"] if "<" not in key]
    assert all(any(n.endswith(key) for n in (*stored[name].arrays, *stored[name].documents)) for key in described)


def test_another_process_with_another_hash_seed_makes_the_same_bytes(folder, tmp_path):
    code = f"{BUILD}{SIZES!r}.items()]"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in MATERIALS:
        assert open_arrays(tmp_path / name).card == open_arrays(folder / name).card


@pytest.mark.parametrize("name", PREFIXED)
def test_fewer_samples_are_the_first_ones(name, stored, tmp_path):
    build_material(name, dict.fromkeys(MATERIALS[name].sizes, 70), tmp_path)
    few = open_arrays(tmp_path)
    for key, array in few.arrays.items():
        np.testing.assert_array_equal(array, stored[name].arrays[key][: len(array)])
    for key, captions in few.documents.items():
        assert captions == stored[name].documents[key][:70]


@pytest.mark.parametrize(
    "name", [name for name, one in MATERIALS.items() if one.module in SAMPLE and len(one.sizes) > 1]
)
def test_no_training_sample_is_a_test_sample(name, stored):
    kind, held_out = SAMPLE[MATERIALS[name].module], list(MATERIALS[name].sizes)[1]
    train, test = (rows(stored[name].arrays[f"{split}_{kind}"]) for split in ("train", held_out))
    assert not set(train) & set(test)


def test_no_line_of_the_small_language_is_in_two_splits(stored):
    arrays = stored["grammar"].arrays
    pairs = [("train", "validation"), *((f"{task}_train_first", f"{task}_test_first") for task in grammar.TASKS)]
    for train, held_out in pairs:
        assert len(set(rows(arrays[train]))) == len(arrays[train])
        assert not set(rows(arrays[train])) & set(rows(arrays[held_out]))


# pools and scenes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", pools.POOLS)
def test_pools_are_as_noisy_as_they_say(name):
    pool = pools.POOLS[name]
    arrays, documents, facts = pools.make(name, {"train": 4000}, 0)
    assert arrays["train_junk"].mean() == pytest.approx(pool.junk, abs=0.03)
    assert ("train_labels" in arrays) == pool.labelled
    captions = documents["train_captions"]
    assert len(captions) == len(arrays["train_images"])
    if pool.labelled:
        counts = np.bincount(arrays["train_labels"], minlength=24)
        assert counts.max() / counts.min() < 2 if pool.tail == 0 else counts.max() / counts.min() > 3
        plain = [
            text == f"a photo of a {pools.CLASSES[label]}" for text, label in zip(captions, arrays["train_labels"])
        ]
        assert np.mean(plain) == pytest.approx(1 - pool.poor_captions, abs=0.03)
    else:
        assert facts["shares"]["captions that say nothing or wrong"] > 0.5


def test_captions_of_annotated_scenes_name_every_class_that_shows(stored):
    one = stored["pool-coco"]
    for caption, present in zip(one.documents["train_captions"], one.arrays["train_present"]):
        named = set(re.split(r", | and | on ", caption.replace("a ", "")))
        assert {scenes.CLASSES[k] for k in np.flatnonzero(present)} <= named


@pytest.mark.parametrize("scale", ["smoke", "laptop", "evening"])
def test_pools_grow_from_annotated_scenes_to_the_web_at_every_scale(scale):
    made = load(scale=scale).preset.data.materials
    order = ("coco", "in1k", "in21k", "jft", "align")
    cut = [pools.cuts(f"pool-{name}", made[f"pool-{name}"]["train"]) for name in order]
    sizes = [sizes[name] for sizes, name in zip(cut, order)]
    assert sizes == sorted(set(sizes))
    assert cut[1]["in1k-large"] == sizes[-1]  # the control: as many images as the largest pool, all curated


def test_cards_say_which_pools_are_cut_from_a_material(stored):
    assert stored["pool-in1k"].card["pools"] == {"in1k": 75, "in1k-large": 300}
    curated = int((~np.asarray(stored["pool-align"].arrays["train_junk"])).sum())
    assert stored["pool-align"].card["pools"] == {"align": 300, "align-curated": curated}


def test_scenes_show_two_or_three_things(stored):
    things, grounds = scenes.several(np.random.default_rng(0), 400)
    counts = np.bincount((things >= 0).sum(1), minlength=4)
    assert counts[:2].tolist() == [0, 0]
    assert min(counts[2:]) > 150
    assert (
        0.3 < np.mean(grounds[:, 0] != grounds[:, 1]) < 0.45
    )  # half are drawn with a second one, a quarter of those alike


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, "") for name, one in MATERIALS.items() if set(one.sizes) == {"train", "test"} and name != "text-tasks"]
    + [("text-tasks", "area"), ("grammar", "agreement")],
)
def test_a_fifth_of_the_training_samples_stands_for_test_samples_while_settings_are_tuned(name, task, stored):
    one, key = stored[name], f"{task}_train" if task else "train"
    assert "random fifth" in one.card["validation"]
    held, arrays = validation_samples(one, task), one.arrays
    if name == "battles":
        games = np.asarray(arrays["train_game"])
        assert set(games[held]).isdisjoint(np.delete(games, held))
        assert len(set(games[held])) == pytest.approx(len(set(games)) / 5, abs=1)
        return
    targets = np.asarray(arrays.get(f"{key}_targets", arrays.get(f"{key}_labels", np.zeros(SIZES[name]["train"], int))))
    assert len(set(held)) == pytest.approx(len(targets) / 5, abs=1)
    shares = np.bincount(targets[held], minlength=targets.max() + 1) - np.bincount(targets) / 5
    assert np.abs(shares).max() < 1


def test_masks_end_where_the_colour_of_a_plain_thing_ends():
    rng = np.random.default_rng(4)
    things, grounds = rng.integers(0, 4, (64, 1)), np.stack([rng.integers(0, 4, 64)] * 2, 1)
    image, classes = scenes.draw(rng, things, grounds, (5, 9), 6)
    for picture, mask, thing, ground in zip(image, classes, things[:, 0], grounds[:, 0]):
        inside = mask == thing + len(scenes.GROUNDS)
        colour = np.median(picture[inside], axis=0)
        assert np.abs(picture[inside] - colour).max() < 1e-3
        assert (np.abs(picture[mask == ground] - colour).max(-1) > 1e-3).all()
        assert set(np.unique(mask)) <= {ground, thing + len(scenes.GROUNDS), scenes.IGNORE}


def test_score_of_the_commonest_class_is_that_of_scikit_learn(stored):
    from sklearn.metrics import jaccard_score

    masks = np.asarray(stored["segmentation"].arrays["validation_masks"])
    truth = masks[masks != scenes.IGNORE]
    commonest = np.full_like(truth, np.bincount(truth).argmax())
    (baseline,) = stored["segmentation"].card["baselines"].values()
    assert 100 * jaccard_score(truth, commonest, average="macro") == pytest.approx(baseline, abs=0.01)


def test_cues_show_the_value_of_the_class_as_often_as_their_reliability_says():
    from flopwise.data.materials import cues

    arrays, _, _ = cues.make("cues", {"train": 64, "test": 6000}, 0)
    for cue, number in enumerate(cues.CUES):
        targets = arrays["test_targets"]
        agrees = arrays["test_shown"][:, cue] == arrays["class_values"][targets, cue]
        reliability = arrays["class_reliability"][:, cue]
        expected = reliability + (1 - reliability) / number
        found = np.array([agrees[targets == k].mean() for k in range(20)])
        assert np.abs(found - expected).max() < 0.12
    np.testing.assert_allclose(arrays["class_attributes"].sum(1), arrays["class_reliability"].sum(1), rtol=1e-6)
    assert Counter(arrays["class_families"].tolist()) == dict.fromkeys(range(5), 4)


# flow ---------------------------------------------------------------------------------------------------------------


def landing(arrays, index):
    """Where the pixels of frame 1 land in frame 2 (rows, columns), and whether the four pixels around that place all show
    the same layer as the pixel, or none of them does."""
    flow, first, second = (arrays[f"test_{key}"][index] for key in ("flow", "layers1", "layers2"))
    height, width = first.shape
    row, column = np.mgrid[:height, :width] + flow[..., ::-1].transpose(2, 0, 1).astype(float)
    low = np.clip(np.floor(row).astype(int), 0, height - 2), np.clip(np.floor(column).astype(int), 0, width - 2)
    around = np.stack([second[low[0] + a, low[1] + b] for a in (0, 1) for b in (0, 1)]) == first
    inside = (row >= 0) & (row <= height - 1) & (column >= 0) & (column <= width - 1)
    return row, column, inside, around.all(0), ~around.any(0)


@pytest.mark.parametrize("name", FLOW)
def test_warping_the_second_frame_back_gives_the_first(name, stored):
    arrays = stored[name].arrays
    errors, still, round_trip = [], [], []
    for index in range(60):
        row, column, inside, same, _ = landing(arrays, index)
        seen = inside & same & ~arrays["test_occluded"][index]
        first, second, back = (arrays[f"test_{key}"][index].astype(float) for key in ("frame1", "frame2", "backward"))
        warped = np.stack([map_coordinates(second[..., c], [row, column], order=1) for c in range(3)], -1)
        returned = np.stack([map_coordinates(back[..., c], [row, column], order=1) for c in range(2)], -1)
        errors.append(np.abs(warped - first)[seen])
        still.append(np.abs(second - first)[seen])
        round_trip.append(np.abs(returned + arrays["test_flow"][index])[seen])
    assert np.concatenate(errors).mean() < 0.3 * np.concatenate(still).mean()
    assert np.concatenate(round_trip).max() < 0.01


@pytest.mark.parametrize("name", FLOW)
def test_occlusion_agrees_with_what_the_second_frame_shows(name, stored):
    arrays = stored[name].arrays
    wrong = known = 0
    for index in range(60):
        _, _, inside, same, other = landing(arrays, index)
        occluded = arrays["test_occluded"][index]
        assert occluded[~inside].all()
        wrong += (inside & same & occluded).sum() + (inside & other & ~occluded).sum()
        known += (inside & (same | other)).sum()
    assert wrong < 0.002 * known  # pieces thinner than a pixel


def test_a_shift_by_whole_pixels_moves_bytes_and_nothing_else():
    rng = np.random.default_rng(0)
    identity, shift = np.tile([1.0, 0, 0, 1], (64, 1)), rng.integers(-2, 3, (64, 2)).astype(float)
    ground = layers.Affine(identity, np.zeros((64, 2)), np.zeros((64, 2)))
    piece = layers.Affine(identity, np.zeros((64, 2)), shift)
    scene = [
        layers.Layer(layers.cloudy(rng, 64, (4,), 120), layers.everywhere, ground.forward, ground.inverse),
        layers.Layer(layers.cloudy(rng, 64, (3,), 120), lambda x, y: x * x + y * y < 20, piece.forward, piece.inverse),
    ]
    drawn = layers.render(scene, *(axis.astype(float) for axis in pixels.grid(15, 15)))
    for n, (right, down) in enumerate(shift.astype(int)):
        moved = np.roll(drawn["layers1"][n] == 1, (down, right), (0, 1))
        np.testing.assert_array_equal(drawn["layers2"][n] == 1, moved)
        np.testing.assert_array_equal(
            drawn["frame2"][n][moved], np.roll(drawn["frame1"][n], (down, right), (0, 1))[moved]
        )
        hidden = (drawn["layers1"][n] == 0) & moved
        np.testing.assert_array_equal(drawn["occluded"][n], hidden)


def test_truth_of_the_road_is_sparse_and_not_in_the_sky(stored):
    arrays = stored["flow-road"].arrays
    valid, sky = np.asarray(arrays["test_valid"]), np.asarray(arrays["test_layers1"]) == 0
    assert 0.1 < valid.mean() < 0.4
    assert not valid[sky].any()
    assert all(np.asarray(stored[name].arrays["test_valid"]).all() for name in FLOW if name != "flow-road")


# clips, battles -----------------------------------------------------------------------------------------------------


def test_sound_follows_what_is_seen(stored):
    arrays = stored["clips"].arrays
    sound, targets, tags = (np.asarray(arrays[f"test_{key}"]) for key in ("audio", "targets", "tags"))
    np.testing.assert_array_equal(tags[:, :4].argmax(1) * 2 + tags[:, 4:6].argmax(1), targets)
    power = np.abs(np.fft.rfft(sound, axis=1)) ** 2
    cycles = np.array(clips.PITCHES)[targets % 2] * clips.FRAMES
    np.testing.assert_array_equal(power[:, 1:].argmax(1) + 1, cycles)
    third = power[np.arange(len(sound)), 3 * cycles] / power[np.arange(len(sound)), cycles]
    np.testing.assert_array_equal(third > 0.05, tags[:, 7] == 1)
    frames = sound.reshape(len(sound), clips.FRAMES, -1).astype(float).std(2)
    grows = frames[:, -1] > frames[:, 0]
    assert grows[targets // 2 == 0].all()
    assert not grows[targets // 2 == 1].any()


def one_tick(state, focus, game):
    """The rules of a tick for one game, unit by unit."""
    place, health, kind = state.place[game].copy(), state.health[game].copy(), state.kind[game]
    for unit in range(16):
        if state.health[game, unit] <= 0:
            continue
        foes = [k for k in (range(8, 16) if unit < 8 else range(8)) if state.health[game, k] > 0]
        away = {k: np.hypot(*(state.place[game, k] - state.place[game, unit])) for k in range(16)}
        target = 8 + focus if unit < 8 else min(foes, key=away.get)
        if away[target] <= battles.RANGE[kind[unit]]:
            health[target] -= 0.35 * battles.DAMAGE[kind[unit]]
        else:
            pace = min(battles.SPEED[kind[unit]], away[target])
            place[unit] += pace * (state.place[game, target] - state.place[game, unit]) / away[target]
    return place, np.maximum(health, 0)


def test_a_tick_is_what_the_rules_say():
    state = battles.start(np.random.default_rng(1), 6)
    for _ in range(30):
        focus = battles.expert(state)
        after = battles.step(state, focus)
        for game in np.flatnonzero(~state.over):
            place, health = one_tick(state, focus[game], game)
            np.testing.assert_allclose(after.place[game], place, atol=1e-12)
            np.testing.assert_allclose(after.health[game], health, atol=1e-12)
        state = after


def test_the_expert_wins_where_chance_loses():
    def anyone(state):
        return np.where(state.alive[:, battles.UNITS :], noise.random((200, battles.UNITS)), -1).argmax(1)

    noise = np.random.default_rng(0)
    wins = [
        battles.play(policy, np.random.default_rng(2), 200).mean()
        for policy in (battles.expert, battles.weakest, anyone)
    ]
    assert wins[0] > wins[1] > wins[2]


def test_targets_of_battles_are_living_enemies_in_random_slots(stored):
    arrays = stored["battles"].arrays
    units, mask, target = (np.asarray(arrays[f"train_{key}"]) for key in ("units", "mask", "target"))
    row = np.arange(len(units))
    assert (units[row, target, 0] == 1).all()
    assert mask[row, target].all()
    assert not units[~mask].any()
    assert (units[mask][:, battles.FEATURES.index("hit points")] > 0).all()
    assert len(set(target)) == battles.SLOTS


# text ---------------------------------------------------------------------------------------------------------------


def passages(arrays, split):
    text, starts = bytes(np.asarray(arrays[f"{split}_bytes"])).decode("ascii"), np.asarray(arrays[f"{split}_starts"])
    assert starts[-1] == len(text)
    found = [text[a:b] for a, b in zip(starts, starts[1:])]
    assert all(passage.endswith("\n") and "\n" not in passage[:-1] for passage in found)
    return [passage.strip() for passage in found]


def test_text_is_split_by_document_without_overlap(stored):
    arrays = stored["text"].arrays
    train, validation = passages(arrays, "train"), passages(arrays, "validation")
    assert not set(np.asarray(arrays["train_documents"])) & set(np.asarray(arrays["validation_documents"]))
    assert not {text.lower() for text in train} & {text.lower() for text in validation}
    runs = [
        {" ".join(words[k : k + 8]) for text in part for words in [re.sub(r"[^a-z0-9]+", " ", text.lower()).split()]
         for k in range(len(words) - 7)} for part in (train, validation)
    ]  # fmt: skip
    assert len(runs[1]) > 1000
    assert not runs[0] & runs[1]
    assert stored["text"].card["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("Return the ``name`` of a\n    file that is open.", "Return the name of a file that is open."),
        (">>> f(1)\n2", None),
        ("Names\n-----", None),
        ("one that begins with a small letter and goes on.", None),
        ("Too short.", None),
    ],
)
def test_prose(block, text):
    assert english.prose(block) == text


def test_tasks_on_sentences_share_no_sentence_between_training_and_test(stored):
    arrays = stored["text-tasks"].arrays
    sides = {}
    for split in ("train", "test"):
        kept = [key for key in arrays if key.endswith(f"{split}_first") and not key.startswith("word-order")]
        sides[split] = {unpack(row).lower() for key in kept for row in arrays[key]}
    assert len(sides["test"]) > 300
    assert not sides["train"] & sides["test"]
    for key in arrays:
        if key.endswith("labels") and "similarity" not in key:
            assert len(set(Counter(np.asarray(arrays[key]).tolist()).values())) == 1
    scores = np.asarray(arrays["similarity_test_labels"])
    assert scores.min() >= 0
    assert scores.max() == 5


def test_a_moved_word_is_the_only_change(stored):
    arrays = stored["text-tasks"].arrays
    rows_, labels = arrays["word-order_train_first"], np.asarray(arrays["word-order_train_labels"])
    known = {s for part in english.read()[0].values() for p in part for s in english.sentences(p.text)}
    bags = {" ".join(sorted(sentence.split())) for sentence in known}
    for row, label in zip(rows_, labels):
        assert " ".join(sorted(unpack(row).split())) in bags
        assert label == 0 or unpack(row) in known


def test_verbs_of_the_small_language_agree(stored):
    arrays = stored["grammar"].arrays
    nouns = "|".join(stored["grammar"].card["words"]["noun"])
    right = re.compile(rf"\w+ (({nouns}) \w+it|({nouns})en \w+o) \w+")
    for row, label in zip(arrays["agreement_train_first"], arrays["agreement_train_labels"]):
        assert bool(right.fullmatch(unpack(row))) == bool(label)
    for row, label in zip(arrays["long-agreement_train_first"], arrays["long-agreement_train_labels"]):
        first, second, last = unpack(row).split(" . ")
        assert right.fullmatch(first)
        assert right.fullmatch(second)
        assert (last == ("lo" if first.split()[1].endswith("en") else "lit")) == bool(label)
    assert tuple(stored["grammar"].card["tasks"]) == grammar.TASKS


# at the edge --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("materials", "message"),
    [
        ({"pool": {"train": 3}}, "a material is 'pool'.*; allowed are pool-coco"),
        ({"clips": {"validation": 3}}, "material 'clips' has splits train, test, validation; needed are train, test"),
        ({"clips": {"train": 3, "test": 0}}, "greater than or equal to 1"),
    ],
)
def test_mistakes_in_a_preset_are_one_line(tmp_path, materials, message):
    import yaml

    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"scale": "smoke", "overrides": {"data": {"materials": materials}}}))
    with pytest.raises(UserError, match=message):
        load(path)


def test_a_material_that_the_scale_does_not_make():
    command = [sys.executable, "-m", "flopwise", "--scale", "paper", "run", "data_material", "clips"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "data_material has no job 'clips'; allowed are none" in done.stderr


def test_import_is_light():
    code = "import sys, flopwise.data.materials; print([m for m in ('numpy', 'PIL', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
