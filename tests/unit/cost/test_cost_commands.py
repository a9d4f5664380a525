"""The command line of `flopwise cost`: keys of the JSON, one-line errors with near names."""

import json

import pytest
from typer.testing import CliRunner

from flopwise.core.errors import UserError
from flopwise.cost import memory, price
from flopwise.cost.commands import app
from flopwise.cost.names import METHODS
from flopwise.methods.continual import load

STEP_KEYS = {"gflops_per_step", "peak_memory_gb", "memory_multiplier", "maf_per_step"}
SMALL = ["--model", "open_clip:ViT-S-32-alt", "--batch-size", "4"]


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def error(*arguments: str) -> str:
    result = run(*arguments)
    assert isinstance(result.exception, UserError), result
    message = str(result.exception)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["open_clip:ViT-S-32-alt", "timm:resnet18", "perceiver:language-bytes"])
def test_forward_json(name):
    result = run("forward", name, "--json")
    assert result.exit_code == 0, result
    row = json.loads(result.stdout)
    assert set(row) == {"model", "params_m", "gflops"}
    assert row["model"] == name
    assert "gflops" in run("forward", name).stdout


@pytest.mark.slow
def test_step_json():
    result = run("step", *SMALL, "--method", "lora-r4", "--json")
    assert result.exit_code == 0, result
    row = json.loads(result.stdout)
    assert set(row) == STEP_KEYS
    assert 0 < row["memory_multiplier"] < 1


def fake_costs(monkeypatch, gflops=63394.7585, seconds=46.5917):
    """Replace the counting by one known cost, to look at what the table makes of it."""

    def step_cost(subject, method, batch_size, convention, precision):
        extra = load(method).end_passes(batch_size, price.FISHER_SAMPLES)
        total = round(seconds * memory.GIB * (1.0132 if extra else 1))
        return price.StepCost(gflops, extra, memory.Peak(total, total, 0, 0))

    monkeypatch.setattr(price, "step_cost", step_cost)
    monkeypatch.setattr(price.subjects, "load", lambda name: None)


@pytest.mark.parametrize(("accounting", "ewc"), [("published", [14, 6, 3, 1]), ("per-task-once", [1303, 462, 182, 42])])
def test_table_json(monkeypatch, accounting, ewc):
    fake_costs(monkeypatch)
    options = ("--model", "open_clip:ViT-B-16", "--batch-size", "512", "--budget", "1.8e9", "--accounting", accounting)
    result = run("table", *options, "--json")
    assert result.exit_code == 0, result
    rows = {row.pop("method"): row for row in json.loads(result.stdout)["rows"]}
    assert tuple(rows) == METHODS
    assert all(set(row) == {*STEP_KEYS, "steps"} for row in rows.values())
    assert list(rows["ewc"]["steps"].values()) == ewc
    assert list(rows["full-ft"]["steps"]) == ["20", "50", "100", "200"]
    assert rows["full-ft"]["steps"]["20"] == (1420 if accounting == "published" else 1419)
    assert "ewc" in run("table", *options).stdout


@pytest.mark.slow
def test_table_leaves_out_methods_that_do_not_fit():
    result = run("table", "--model", "timm:resnet18", "--batch-size", "2", "--json")
    assert result.exit_code == 0, result
    table = json.loads(result.stdout)
    assert {row["method"] for row in table["rows"]} == set(METHODS) - set(table["left_out"])
    assert {"locked-text", "locked-image", "lora-r4"} <= set(table["left_out"])
    assert "left out" in result.stderr


@pytest.mark.parametrize(
    ("name", "like", "millions"),
    [
        ("timm:vit_tiny_patch16_224.augreg_in21k", "timm:vit_tiny_patch16_224", 9.7),  # 21,843 classes
        ("timm:resnet18.a1_in1k", "timm:resnet18", 11.69),
        ("open_clip:ViT-B-32.metaclip_400m", "open_clip:ViT-B-32", 151.28),
    ],
)
def test_a_name_with_a_tag_is_the_model_of_that_checkpoint(name, like, millions):
    row, plain = (json.loads(run("forward", one, "--json").stdout) for one in (name, like))
    assert row["model"] == name
    assert row["params_m"] == pytest.approx(millions, rel=0.01)
    assert row["gflops"] == pytest.approx(plain["gflops"], rel=0.02)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm:resnet18.a1_in2k", "tag of timm model resnet18 'a1_in2k' is unknown; allowed: "),
        ("timm:resnett18.a1_in1k", "did you mean resnet18"),
        ("open_clip:ViT-B-32.laion2b", "model ViT-B-32 has no released checkpoint 'laion2b'"),
        ("open_clip:ViT-B-33.openai", "did you mean ViT-B-32"),
    ],
)
def test_a_tag_that_does_not_exist_is_one_line(name, said):
    assert said in error("forward", name)


@pytest.mark.parametrize("model", ["timm:skresnet18", "timm:seresnet50"])
def test_a_batch_of_one_is_priced_or_refused_in_a_line(model):
    """Selective kernels normalise pooled maps, one value per channel; squeeze and excitation does not."""
    if model == "timm:skresnet18":
        said = error("step", "--model", model, "--batch-size", "1")
        assert said.startswith(
            "timm:skresnet18 cannot be trained on batches of 1 sample (Expected more than 1 value per channel"
        )
        assert said.endswith("give --batch-size 2 or more")
    else:
        assert run("step", "--model", model, "--batch-size", "1", "--json").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["forward", "open_clip:ViT-B-17"], "ViT-B-16"),
        (["forward", "open_clip:vit-b-16"], "ViT-B-16"),
        (["forward", "timm:resnet-50"], "resnet50"),
        (["forward", "perceiver:language-byte"], "language-bytes"),
        (["forward", "openclip:ViT-B-16"], "open_clip"),
        (["forward", "ViT-B-16"], "LIBRARY:NAME"),
        (["forward", "open_clip:roberta-ViT-B-32"], "roberta-base"),
        (["step", *SMALL, "--method", "lora"], "lora-r4"),
        (["step", *SMALL, "--convention", "software"], "hardware"),
        (["step", *SMALL, "--precision", "fp8"], "fp16"),
        (["step", "--model", "timm:resnet18", "--method", "locked-text"], "towers"),
        (["step", "--model", "timm:resnet18", "--method", "vera-r4"], "in_proj_weight"),
        (["step", "--model", "open_clip:RN50", "--method", "vera-r4"], "image tower"),
        (["step", "--model", "perceiver:language-bytes"], "forward"),
        (["step", "--model", "open_clip:coca_ViT-B-32", "--batch-size", "2"], "captioning"),
        (["step", "--model", "open_clip:ViT-B-16", "--batch-size", "0"], "at least 1"),
        (["table", "--model", "open_clip:ViT-B-16", "--batch-size", "-3"], "at least 1"),
        (["table", "--model", "open_clip:ViT-B-16", "--budget", "0"], "positive"),
        (["table", "--model", "open_clip:ViT-B-16", "--budget", "nan"], "positive"),
        (["table", "--model", "open_clip:ViT-B-16", "--accounting", "once"], "per-task-once"),
    ],
)
def test_one_line_errors_with_near_names(arguments, near):
    assert near in error(*arguments)
