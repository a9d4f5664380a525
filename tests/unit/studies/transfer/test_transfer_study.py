"""The study around its transfers: published lists, prices, claims, mistakes of the configuration, the command for any pair."""

import base64
import io
import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from flopwise import cli
from flopwise.config import load
from flopwise.config.claims import read_claims
from flopwise.config.files import claims_file
from flopwise.core.errors import UserError
from flopwise.models import miniature
from flopwise.models.checkpoints import checkpoints
from flopwise.models.weights import read
from flopwise.report.transfer import pair as page
from flopwise.studies.transfer import complementary, network, pictures, price, regime
from flopwise.studies.transfer.plan import Grid
from flopwise.studies.transfer.study import Study

PAPER = load(scale="paper").preset.transfer


def test_the_paper_scale_has_the_published_models_and_pairs():
    grid = Grid(PAPER)
    main = [cell for cell in grid.cells.values() if {"published", "published-contrastive"} & set(cell.experiments)]
    pairs = {(cell.student, cell.teacher) for cell in main if cell.method == "kl-dp"}
    assert len(pairs) == 400
    assert [one for one in pairs if one[0] == one[1]] == [("resmlp-36-224", "resmlp-36-224")]
    assert len(main) == 400 * 7
    whole = [cell for cell in grid.cells.values() if cell.amount == "whole"]
    assert len(whole) == 8 * 3 * 3  # the paper's fourth teacher is not identified
    known = {row.name: row for row in checkpoints().values() if row.study == "transfer"}
    for name in PAPER.models:
        row = known[PAPER.zoo[name].pretrained]
        assert float(row.params_m) == pytest.approx(PAPER.zoo[name].params_m, abs=0.01)
    moved = [name for name in PAPER.models if PAPER.zoo[name].family_published]
    assert moved == ["mixnet-l", "mixnet-s"]


def test_pairs_are_drawn_as_the_official_code_draws_them():
    drawn = complementary.pairs(PAPER)
    known = [name for name in PAPER.models if not PAPER.zoo[name].tuned_on]
    first = np.random.RandomState(0).choice(len(known), 2, replace=False)
    assert drawn[0] == tuple(known[k] for k in first)
    assert len(drawn) <= 466
    assert len(set(drawn)) == len(drawn)
    assert all(teacher != student for teacher, student in drawn)


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_kept_logits_cost_less_than_asked_ones_and_the_student_costs_the_same(scale, monkeypatch):
    monkeypatch.setattr(price, "forward_gflops", lambda model, classes: 1.0)
    monkeypatch.setattr(price, "parameters", lambda model, classes: 1e6)
    table = price.cells_table(load(scale=scale))
    kept = table[table["view"] == "plain"]
    assert (kept["kept_gflops"] < kept["asked_gflops"]).all()
    plain = table[table["method"] != "crd"]  # whose contrast with a memory bank is charged too
    assert (plain["student_gflops"] == 3 * plain["steps_planned"] * plain["batch_size"]).all()
    one = table[(table["method"] == "kl-dp")].iloc[0]
    assert one["asked_gflops"] == pytest.approx(one["student_gflops"] * (1 + 2 / 3)), (
        "teacher and frozen student, forward"
    )


def test_several_teachers_are_charged_for_what_they_are_asked(monkeypatch):
    monkeypatch.setattr(price, "forward_gflops", lambda model, classes: 1.0)
    monkeypatch.setattr(price, "parameters", lambda model, classes: 1e6)
    table = price.cells_table(load(scale="smoke")).set_index("method")
    single, three = table.loc["kl-dp"].iloc[0], table.loc["kl-dp-up"]
    assert three["student_gflops"] == 3 * single["student_gflops"]
    assert three["asked_gflops"] == pytest.approx(3 * single["asked_gflops"]), "each teacher in its turn"
    assert table.loc["kl-dp-parallel", "asked_gflops"] == pytest.approx(single["student_gflops"] * (1 + 4 / 3))


def test_no_check_of_the_instrument_compares_methods_and_every_claim_waits_for_all():
    claims = read_claims(claims_file("transfer"))
    checks = [claim for claim in claims if claim.stands_for == "check"]
    assert len(checks) == 7
    for check in checks:
        methods = {point["method"] for side in check.rule.sides() for point in side.points if "method" in point}
        assert len(methods) <= 1, check.id
    gates = {check.id for check in checks}
    assert all(set(claim.gates) == gates for claim in claims if claim.rule and claim.stands_for != "check")
    numbers = {claim.id.removeprefix("transfer-").rstrip("bcde") for claim in claims if claim.stands_for != "check"}
    assert numbers == {str(k) for k in range(1, 23)}  # 22 is ours


@pytest.mark.parametrize(
    ("changes", "verbs"),
    [
        ({"tuning": {"epochs": 3}}, {"zoo"}),
        ({"heads": {"epochs": 3}}, {"zoo"}),
        ({"side": 160}, {"zoo", "predictions", "flips", "transfer"}),
        ({"dataset": "caltech256_transfer"}, {"zoo", "predictions", "flips", "transfer"}),
    ],
)
def test_what_decides_a_job_is_among_its_settings(changes, verbs):
    before, after = Study(load(scale="paper")), Study(load(scale="paper", overrides={"transfer": changes}))
    changed = {
        verb for verb in ("zoo", "predictions", "flips", "transfer")
        if before.job(verb, before.names(verb)[0]).settings != after.job(verb, after.names(verb)[0]).settings
    }  # fmt: skip
    assert changed == verbs


def test_the_regime_is_the_papers_at_the_papers_scale():
    quantities = {one.quantity: one for one in regime.planned(load(scale="paper"))}
    assert set(quantities) == set(regime.PLANNED)
    for name in (
        "passes over the transfer set",
        "share of the training data transferred on, %",
        "students",
        "teachers of a student",
    ):
        assert quantities[name].factor == pytest.approx(1), name
    laptop = {one.quantity: one for one in regime.planned(load(scale="laptop"))}
    assert laptop["passes over the transfer set"].kept
    assert laptop["share of the training data transferred on, %"].kept


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": ["mixer-a", "mixer-b", "nobody"]}, "models is 'nobody'"),
        ({"zoo": {"mixer-a": {"network": "mixer"}}}, "zoo.mixer-a.network is 'mixer'"),
        ({"zoo": {"mixer-a": {"augment": ["rotate"]}}}, "zoo.mixer-a.augment is 'rotate'"),
        (
            {"experiments": {"several": {"method": ["kl-dp-up"]}}, "teams": {"trio": ["nobody"]}},
            "teacher trio is 'nobody'",
        ),
        ({"dataset": "imagenet_1k"}, "needs either `material` or `dataset`"),
        ({"material": "flow-road"}, "no pictures to train and test on"),
        ({"material": None, "dataset": "imagenet_1k", "split": "validation"}, "transfer.split is 'validation'"),
        ({"material": None, "dataset": "imagenet_1k"}, "a network for embedded pictures"),
        ({"views": {"seeded": {"distort": []}}}, "without `distort` all views are the same"),
    ],
)
def test_mistakes_of_the_configuration_are_one_line(tmp_path, values, message):
    (tmp_path / "own.yaml").write_text(json.dumps({"scale": "smoke", "overrides": {"transfer": values}}))
    with pytest.raises(UserError, match=message) as caught:
        load(tmp_path / "own.yaml")
    assert "\n" not in str(caught.value)


def test_pictures_of_a_real_set_are_decoded_as_they_are_asked_for(tmp_path):
    base = tmp_path / "CALTECH256" / "caltech256" / "256_ObjectCategories"
    for label, name in enumerate(("001.ak47", "002.american-flag")):
        (base / name).mkdir(parents=True)
        for k in range(12):
            Image.new("RGB", (50, 40), (100 * label, 10 * k, 0)).save(base / name / f"{label:03d}_{k:04d}.jpg")
    data = pictures.real("caltech256_transfer", str(tmp_path), 32, threads=2)
    assert (len(data.train), len(data.test), len(data.classes)) == (20, 4, 2), "five sixths and one sixth"
    some = data.train.images[np.array([3, 0])]
    assert some.shape == (2, 32, 32, 3)
    assert np.array_equal(data.train.images[3], some[0])
    assert np.array_equal(data.test.images[1:3], np.stack([data.test.images[1], data.test.images[2]]))
    reds = data.train.images[data.share(0.5)][..., 0].mean((1, 2))
    assert np.allclose(reds, 100 * data.train.targets[data.share(0.5)], atol=6)
    with pytest.raises(UserError, match="lies below `data_root`"):
        pictures.real("caltech256_transfer", None, 32)


def test_released_weights_are_checked(tmp_path):
    model = PAPER.zoo["regnety-006"]
    made = network.create(model, 1000)
    assert made.normalisation == (made.pretrained_cfg["mean"], made.pretrained_cfg["std"])
    name, _, tag = model.pretrained.partition(".")
    (tmp_path / name).mkdir()
    network.write_tensors(tmp_path / name / f"{tag}.safetensors", made.state_dict())
    found, headless = network.released(model, 1000, str(tmp_path))
    own = found.state_dict()
    assert not headless
    assert all((own[key] == value).all() for key, value in made.state_dict().items())
    with pytest.raises(UserError, match="below `weights_root`"):
        network.released(model, 1000, None)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two checkpoints and a folder of pictures of three classes."""
    here = tmp_path_factory.mktemp("pair")
    generator = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 4)):
        for label in range(3):
            folder = here / "data" / split / f"class {label}"
            folder.mkdir(parents=True)
            for k in range(count):
                pixels = generator.integers(0, 80, (40, 36, 3), np.uint8) + np.uint8(80 * label)
                Image.fromarray(pixels).save(folder / f"{k}.png")
    for seed, name in enumerate(("gmlp-d48", "mixer-d48")):
        network.save(here / name, miniature.create(name, 3, seed).state_dict())
    return here


def call(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["flopwise", "transfer", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code, *capsys.readouterr()


def options(here, **changes: str) -> list[str]:
    own = {
        "teacher": f"gmlp-d48:{here}/gmlp-d48/model.safetensors", "student": f"mixer-d48:{here}/mixer-d48/model.safetensors",
        "data": f"{here}/data", "out": f"{here}/out", "batch-size": "8", "epochs": "2", "learning-rate": "0.02", **changes,
    }  # fmt: skip
    return [part for name, value in own.items() for part in (f"--{name}", value)]


def test_any_pair_gets_a_page_with_its_flips(pair, monkeypatch, capsys):
    status, out, error = call(monkeypatch, capsys, *options(pair), "--json")
    assert status in (0, None), error
    facts = json.loads(out)
    accuracy = facts["accuracy"]
    assert accuracy["teacher"] - accuracy["student"] == pytest.approx(facts["rho_pos"] - facts["rho_neg"])
    assert (
        accuracy["after"] - accuracy["student"]
        == pytest.approx(facts["delta"])
        == pytest.approx(facts["gain"] - facts["loss"])
    )
    written = (pair / "out" / "pair.html").read_text()
    assert f"only the teacher is right: {facts['test_pictures'] * facts['rho_pos'] / 100:.0f}<" in written
    assert "http" not in written
    student = miniature.create("mixer-d48", 3)
    network.fit(student, read(pair / "out" / "student.safetensors"), "the new student")
    status, out, _ = call(monkeypatch, capsys, *options(pair, out=f"{pair}/flips"), "--only-flips")
    assert status in (0, None)
    assert "is there something to gain" in out
    assert not (pair / "flips" / "student.safetensors").exists()


def test_flips_are_shown_evenly_spread_with_their_classes():
    targets = np.arange(40) % 4
    wrong = (targets + 1) % 4
    images = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None, None] * 5, 3, 3) + np.zeros((40, 8, 8, 3), np.uint8)
    data = SimpleNamespace(test=SimpleNamespace(targets=targets, images=images), classes=["<a>", "b", "c", "d"])
    scores = {"teacher": targets, "student": np.where(np.arange(40) < 20, wrong, targets), "after": targets}
    shown = page.flips(SimpleNamespace(data=data, scores={name: {"predicted": one} for name, one in scores.items()}))
    assert [int(n) for n in re.findall(r"<h3>[^<]*: (\d+)</h3>", shown)] == [20, 0, 20, 0]
    assert shown.count("<img") == 24
    assert "<a>" not in shown
    assert "&lt;a&gt;" in shown
    pictures = re.findall(r"base64,([^\"]+)", shown)
    first, last = (np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[i]))))[0, 0, 0] for i in (0, 11))
    assert (first, last) == (0, 95)


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"teacher": "gmlp-d48"}, 2, "names no weights; give NETWORK:FILE"),
        ({"teacher": "gmlp-d48:{here}/none.pt"}, 2, "none.pt does not exist"),
        ({"teacher": "gmlp:{here}/gmlp-d48/model.safetensors"}, 2, "network 'gmlp' is unknown"),
        ({"teacher": "vit-d48:{here}/gmlp-d48/model.safetensors"}, 2, "does not fit"),
        ({"teacher": "gmlp-d48:{here}/broken.safetensors"}, 1, "is damaged"),
        ({"data": "{here}/five"}, 2, "tells 3 classes apart, the data have 5"),
        ({"data": "{here}/empty"}, 2, "holds no pictures"),
        ({"data": "{here}/gmlp-d48"}, 2, "has no folder train/"),
        ({"teacher": "gmlp-d48:{here}/nan.safetensors"}, 1, "teacher: the model's logits of picture 0 are not finite"),
        ({"method": "kl-dp-up"}, 2, "which is not for one teacher"),
        ({"method": "kl-pd"}, 2, "method 'kl-pd' is unknown"),
        ({"batch-size": "99"}, 2, "fewer than a batch"),
        ({"out": "{here}/broken.safetensors"}, 2, "a file; allowed is the name of a folder"),
    ],
)
def test_a_bad_pair_is_one_line(pair, monkeypatch, capsys, changes, status, message):
    (pair / "broken.safetensors").write_bytes(b"no weights")
    state = miniature.create("gmlp-d48", 3).state_dict()
    network.write_tensors(pair / "nan.safetensors", {name: value * float("nan") for name, value in state.items()})
    for folder, classes in (("five", 5), ("empty", 3)):
        for split in ("train", "test"):
            for label in range(classes):
                (pair / folder / split / f"class {label}").mkdir(parents=True, exist_ok=True)
    changes = {name: value.replace("{here}", str(pair)) for name, value in changes.items()}
    found, _, error = call(monkeypatch, capsys, *options(pair, **changes))
    assert (found, [line for line in error.splitlines() if "Traceback" in line]) == (status, []), error
    assert message in error
    assert len([line for line in error.splitlines() if line.startswith("flopwise: ")]) == 1
