import json

import pytest
import yaml

from flopwise.config import ROOT, load
from flopwise.config.load import scales
from flopwise.core.errors import UserError
from flopwise.generate import write_generated


@pytest.fixture
def user_file(tmp_path):
    def write(**content):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.mark.parametrize("scale", scales())
def test_every_preset_loads_and_says_what_it_assumes(scale):
    settings = load(scale=scale)
    assert settings.config.scale == scale
    assert settings.preset.title
    assert str(settings.results).endswith(scale)


def test_generated_files_are_in_sync():
    assert write_generated(check=True) == []


def test_presets_and_defaults_validate_against_the_generated_schema():
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "config" / "config.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((ROOT / "config" / "config.yaml").read_text()), schema)
    preset = {**schema["$defs"]["Scale"], "$defs": schema["$defs"]}
    for scale in scales():
        jsonschema.validate(yaml.safe_load((ROOT / "config" / "scales" / scale / "scale.yaml").read_text()), preset)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"scale": "huge"}, r"scale 'huge' does not exist; allowed are smoke, laptop, evening, workstation, paper"),
        ({"scael": "smoke"}, r"unknown key 'scael' \(did you mean 'scale'\?\); allowed here are scale, results"),
        ({"results": 7}, r"results is 7; allowed: .*string"),
        (
            {"overrides": {"continual": {"bach_size": 3}}},
            r"overrides.continual of .*: unknown key 'bach_size' \(did you mean 'batch_size'\?\)",
        ),
        (
            {"overrides": {"continual": {"batch_size": "many"}}},
            r"overrides.continual of .*: batch_size is 'many'; allowed: .*integer",
        ),
        (
            {"overrides": {"continual": {"budget_gflops": -5}}},
            r"budget_gflops is -5; allowed: .*greater than 0",
        ),
        (
            {"overrides": {"continual": {"budgets": {"f1": {"multiple": -1}}}}},
            r"budgets.f1.multiple is -1; allowed: .*greater than 0",
        ),
        (
            {"overrides": {"continual": {"mixtures": {"uniform": [0.5, 0.5, 0.5]}}}},
            r"mixture 'uniform' is \[0.5, 0.5, 0.5\], sum 1.5; allowed are shares >= 0 that sum to 1",
        ),
        (
            {"overrides": {"continual": {"mixtures": {"uniform": [float("nan"), 0.5, 0.5]}}}},
            r"mixture 'uniform' is \[nan, 0.5, 0.5\], sum nan; allowed are shares >= 0 that sum to 1",
        ),
        (
            {"overrides": {"continual": {"defaults": {"method": "full-tf"}}}},
            r"method 'full-tf' does not exist; allowed are .*full-ft, .*lora-r<rank>",
        ),
        (
            {"overrides": {"continual": {"defaults": {"stream": "sorted"}}}},
            r"defaults.stream is 'sorted'; allowed are random, similarity",
        ),
        (
            {"overrides": {"continual": {"experiments": {"x": {"title": "t", "seeds": 1, "merge": ["ties"]}}}}},
            r"method 'full-ft' cannot have merge 'ties': it merges nothing",
        ),
        (
            {"overrides": {"continual": {"defaults": {"pool": "pond"}}}},
            r"continual.defaults.pool is 'pond'; allowed are pool",
        ),
        (
            {"overrides": {"continual": {"experiments": {"x": {"title": "t", "seeds": 1, "horizon": ["per-set"]}}}}},
            r"experiments.x: horizon 'per-set' cuts at every new data set and needs stream dataset-incremental",
        ),
        (
            {"overrides": {"continual": {"experiments": {"x": {"title": "t", "seeds": 1, "recipe": ["raw"]}}}}},
            r"experiments.x.recipe is 'raw'; allowed are mended, as-released",
        ),
        (
            {
                "overrides": {
                    "continual": {
                        "experiments": {
                            "x": {
                                "title": "t",
                                "seeds": 1,
                                "method": ["ewc-as-released"],
                                "temperature": ["learned", "tau0.5"],
                            }
                        }
                    }
                }
            },
            r"experiments.x: method 'ewc-as-released' needs a learned temperature, not 'tau0.5', a fixed one",
        ),
        ({"overrides": {"data": {"adaptation": ["digitz"]}}}, r"data set 'digitz' is not part of the embedded world"),
    ],
)
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


def test_overrides_replace_single_values(user_file):
    changed = load(user_file(scale="smoke", overrides={"continual": {"learning_rate": 0.5}})).preset.continual
    same = load(scale="smoke").preset.continual
    assert changed.learning_rate == 0.5
    assert changed.model_dump(exclude={"learning_rate"}) == same.model_dump(exclude={"learning_rate"})
