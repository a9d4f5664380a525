import json
import re
import sys

import pytest
import yaml

from flopwise.config import ROOT, load
from flopwise.config.load import read_yaml, scales
from flopwise.core.errors import UserError
from flopwise.generate import write_generated
from flopwise.studies import NAMES


@pytest.fixture
def user_file(tmp_path):
    def write(**content):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_scales_are_the_folders_from_small_to_large():
    assert scales() == ("smoke", "laptop", "evening", "workstation", "paper")
    assert set(scales()) == {path.name for path in (ROOT / "config" / "scales").iterdir()}


@pytest.mark.parametrize("scale", scales())
def test_every_preset_loads_and_says_what_it_assumes(scale):
    settings = load(scale=scale)
    assert settings.config.scale == scale
    assert settings.preset.title
    assert str(settings.results).endswith(scale)


def test_generated_files_are_in_sync():
    stale = write_generated(check=True)
    assert not stale, "`flopwise config` writes them again:\n" + "\n".join(stale.values())


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: f"{path.relative_to(ROOT)}"
)
def test_every_yaml_file_names_its_schema_and_keeps_to_it(path):
    jsonschema = pytest.importorskip("jsonschema")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert named, "the first line names the schema, for editors"
    content = read_yaml(path)
    jsonschema.validate(content, json.loads((path.parent / named[1]).read_text()))
    assert yaml.safe_load(path.read_text()) == content  # libyaml takes what plain YAML readers do not


def continual(**values) -> dict:
    return {"overrides": {"continual": values}}


def experiment(name: str, **choice) -> dict:
    return continual(experiments={name: choice})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"scale": "huge"}, r"scale 'huge' does not exist; allowed are smoke, laptop, evening, workstation, paper"),
        ({"scael": "smoke"}, r"unknown key 'scael' \(did you mean 'scale'\?\); allowed here are scale, results"),
        ({"results": 7}, r"results is 7; allowed: .*string"),
        ({"overrides": {"dta": {}}}, r"laptop/scale.yaml with overrides of .*: unknown key 'dta' \(did you mean 'data'\?\)"),
        ({"overrides": {"continual": 3}}, r"overrides.continual is 3; allowed: keys and values"),
        (continual(bach_size=3), r"with overrides.continual of .*: unknown key 'bach_size' \(did you mean 'batch_size'\?\)"),
        (continual(batch_size="many"), r"laptop/continual.yaml with .*: batch_size is 'many'; allowed: .*integer"),
        (continual(own_learning_rates={"lora": 0}), r": own_learning_rates.lora is 0; allowed: .*greater than 0"),
        (continual(own_learning_rates={"lora-r4": 1e-3}), r"own_learning_rates is 'lora-r4'.*; allowed are .*lora"),
        (continual(budget_gflops=-5), r": budget_gflops is -5; allowed: .*greater than 0"),
        (continual(budgets={"f1": {"multiple": -1}}), r": budgets.f1.multiple is -1; allowed: .*greater than 0"),
        (
            continual(mixtures={"uniform": [0.5, 0.5, 0.5]}),
            r"mixture 'uniform' is \[0.5, 0.5, 0.5\], sum 1.5; allowed are shares >= 0 that sum to 1",
        ),
        (continual(mixtures={"uniform": [float("nan"), 0.5, 0.5]}), r"mixture 'uniform' is \[nan, 0.5, 0.5\], sum nan; allowed"),
        (
            continual(defaults={"method": "full-tf"}),
            r"method 'full-tf' does not exist; allowed are .*full-ft, .*lora-r<rank>",
        ),
        (continual(defaults={"stream": "sorted"}), r"defaults.stream is 'sorted'; allowed are random, similarity"),
        (continual(defaults={"pool": "pond"}), r"continual.defaults.pool is 'pond'.*; allowed are pool"),
        (continual(defaults={"recipe": "raw"}), r"defaults.recipe is 'raw'; allowed are mended, as-released"),
        (continual(defaults={"merge": "ties"}), r"method 'full-ft' cannot have merge 'ties': it merges nothing"),
        (continual(defaults={"horizon": "per-set"}), r"'per-set' cuts at every new data set and needs stream dataset-"),
        (
            continual(defaults={"method": "ewc-as-released", "temperature": "tau0.5"}),
            r"defaults: method 'ewc-as-released' needs a learned temperature, not 'tau0.5', a fixed one",
        ),
        (experiment("operatos"), r"experiments is 'operatos' \(did you mean 'operators'\?\); allowed are headline, "),
        (experiment("headline", sedes=2), r"unknown key 'experiments.headline.sedes' \(did you mean 'seeds'\?\)"),
        (experiment("headline", seeds=0), r"experiments.headline.seeds is 0; allowed: .*greater than or equal to 1"),
        (
            experiment("headline", method=["ema-merg"]),
            r"experiments.headline.method is 'ema-merg' \(did you mean 'ema-merge'\?\); allowed are full-ft, ema-merge",
        ),
        (
            experiment("operators", method=["initial-unrolled"], merge=["ties"]),
            r"experiments.operators: no grid has method initial-unrolled with merge ties",
        ),
        (
            experiment("model-scale", model=["vit-b-32"]),
            r"experiments.model-scale.model is 'vit-b-32'.*; allowed are vit-xs-8, vit-s-8",
        ),
        (
            continual(models={"vit-b-32": {"pretrained": "openai"}}),
            r"continual.models.vit-b-32: pictures made here have 32 x 32 pixels, too few for it; allowed are perceiver-xs",
        ),
        (continual(models={"vit-b-33": {"pretrained": "x"}}), r"models: model 'vit-b-33' does not exist; allowed are perceiv"),
        (
            continual(models={"roberta-vit-b-32": {"pretrained": "x"}}),
            r"models: model roberta-ViT-B-32 cannot be trained here: its text tower \(roberta-base\) would have to be downl",
        ),
        (
            continual(models={"vit-b-32.openai": {"pretrained": "openai"}}),
            r"models: is 'vit-b-32.openai'; the tag of a released checkpoint belongs into its key `pretrained`",
        ),
        ({"overrides": {"data": {"adaptation": ["digitz"]}}}, r"data set 'digitz' is not part of the embedded world"),
        ({"overrides": {"data": {"adaptation": []}}}, r"data.adaptation is empty; the study continual needs"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_key_value_and_what_is_allowed(user_file, content, message):
    with pytest.raises(UserError, match=message) as caught:
        load(user_file(**content))
    assert "\n" not in str(caught.value)


def test_broken_yaml_and_missing_file(tmp_path):
    (tmp_path / "broken.yaml").write_text("scale: [")
    with pytest.raises(UserError, match="is not valid YAML"):
        load(tmp_path / "broken.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_file_in_another_encoding_is_one_line(tmp_path, encoding):
    path = tmp_path / "config.yaml"
    path.write_bytes("scale: smoke  # für später\n".encode(encoding))
    if encoding == "utf-8-sig":
        assert load(path).config.scale == "smoke"
        return
    with pytest.raises(UserError, match=r"config\.yaml is not UTF-8 \(.*\): save it as UTF-8$") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_overrides_replace_single_values(user_file):
    changed = load(user_file(scale="smoke", **continual(learning_rate=0.5))).preset.continual
    same = load(scale="smoke").preset.continual
    assert changed.learning_rate == 0.5
    assert changed.model_dump(exclude={"learning_rate"}) == same.model_dump(exclude={"learning_rate"})


def test_overrides_may_name_a_value_and_choose_it(user_file):
    values = {
        "rates": {"lr3": 2.5},
        "budgets": {"f1-published": {"multiple": 2}},
        "experiments": {"rates": {"rate": ["lr3"]}},
    }
    study = load(user_file(scale="smoke", **continual(**values))).preset.continual
    values = {
        "rates": {"lr3": 2.5},
        "budgets": {"f1-published": {"multiple": 2}},
        "experiments": {"rates": {"rate": ["lr3"]}},
    }
    assert [grid.rate for grid in study.experiments["rates"].grids] == [("lr3",)]
    assert [grid.method for grid in study.experiments["rates"].grids] == [("full-ft",)], "what the scale chose stays"


def test_a_scale_without_a_studys_file_does_not_run_it(tmp_path, monkeypatch):
    own = tmp_path / "config" / "scales" / "tiny"
    own.mkdir(parents=True)
    (own / "scale.yaml").write_text("{title: t, max_core_seconds: 1, data: {}}")
    (tmp_path / "config" / "config.yaml").write_text("scale: tiny")
    for module in ("files", "load"):
        monkeypatch.setattr(sys.modules[f"flopwise.config.{module}"], "ROOT", tmp_path)
    preset = load().preset
    assert all(getattr(preset, name) is None for name in NAMES)
    assert preset.data.adaptation == ()


def test_a_family_may_have_a_learning_rate_of_its_own_whatever_the_rank():
    study = load(scale="laptop").preset.continual.model_copy(
        update={"learning_rate": 1e-3, "own_learning_rates": {"lora": 1e-2}, "rates": {"lr1": 1.0, "lr3": 3.0}}
    )
    found = [study.peak_rate(method, rate) for method in ("full-ft", "lora-r4", "lora-r64") for rate in ("lr1", "lr3")]
    assert found == pytest.approx([1e-3, 3e-3, 1e-2, 3e-2, 1e-2, 3e-2])
