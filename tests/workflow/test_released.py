"""Released encoders on a real set, by the rules of `workstation`: a small transformer and a small copy of ADE20K."""

import json

import pandas
import pytest
import yaml
from scene_trees import ade20k

from conftest import copy

pytestmark = pytest.mark.slow
TINY = "vit_tiny_patch16_224"


def shrink(tree, root) -> None:
    """Let the scale `workstation` of a tree run this study alone, on the small copies, in seconds."""
    folder = tree.path / "config" / "scales" / "workstation"
    for other in folder.glob("*.yaml"):  # the other studies read data of their own
        if other.stem not in ("scale", "efficiency"):
            other.unlink()
    scale, study = (yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("scale", "efficiency"))
    scale["data"] = {"kind": "embedded"}
    tiny = {"width": 192, "depth": 12, "heads": 3, "patch": 16, "stem": "patches", "network": TINY}
    source = {"size": "b16", "images": 1e9, "source": "a test"}
    study |= {
        "sizes": {"b16": tiny}, "released": ["one", "two"], "released_seeds": 2, "job": {"threads": 1},
        "checkpoints": {
            "one": {"pretrained": f"{TINY}.augreg_in21k", "method": "supervised", "pool": "imagenet-21k", **source},
            "two": {"pretrained": f"{TINY}.augreg_in21k_ft_in1k", "method": "mae", "pool": "imagenet-1k", **source},
        },
        "scenes": {"side": 48, "stride": 32, "steps": 8, "batch_size": 2, "trial_steps": 4, "trials": [0.5, 1], "held_out": 4,
                   "precision": "fp32"},
        "experiments": {"random-vit": {"size": ["b16"], "seeds": 2}},
    }  # fmt: skip
    for name, content in {"scale": scale, "efficiency": study}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    config = {"data_root": str(root / "data"), "weights_root": str(root / "weights")}
    (tree.path / "config" / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy in which the study has run to its figures."""
    from safetensors.torch import save_file

    from flopwise.models import zoo

    root, tree = tmp_path_factory.mktemp("copies"), copy(tmp_path_factory.mktemp("released"))
    ade20k(root / "data")
    for tag in ("augreg_in21k", "augreg_in21k_ft_in1k"):
        (root / "weights" / TINY).mkdir(parents=True, exist_ok=True)
        save_file(
            zoo.create(f"{TINY}.{tag}", device="cpu").state_dict(), root / "weights" / TINY / f"{tag}.safetensors"
        )
    shrink(tree, root)
    figures = ("budgets", "pools")
    targets = [f"results/workstation/lineage/efficiency_{name}_figures.json" for name in figures]
    targets.append("results/workstation/efficiency/tables/claims.json")
    done = tree.snakemake("--cores", "2", "--quiet", "all", "--config", "scale=workstation", "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree


def test_the_study_runs_to_its_tables_and_figures(tree):
    study = tree.path / "results" / "workstation" / "efficiency"
    final = pandas.read_csv(study / "tables" / "final.csv")
    assert set(final["cell"]) == {
        "one-s0",
        "one-s1",
        "two-s0",
        "two-s1",
        *(f"scratch-imagenet-1k-b16-f1-s{seed}" for seed in (0, 1)),
    }
    scores = final[final["metric"] == "miou"].set_index("cell")
    assert scores["value"].between(0, 100).all()
    record = json.loads((study / "pretrain" / "supervised" / "b16" / "part0" / "runs.json").read_text())["one-s0"]
    assert scores.loc["one-s0", "gflops"] == pytest.approx(record["images"] * record["image_flops"] / 1e9)
    gain = final[final["metric"] == "gain"].set_index("cell")["value"]
    assert gain["two-s1"] == pytest.approx(
        scores.loc["two-s1", "value"] - scores.loc["scratch-imagenet-1k-b16-f1-s1", "value"]
    )
    drawn = pandas.read_csv(study / "figures" / "efficiency_released.csv")
    assert set(drawn["budget"]) == {"one", "two"}
    assert not list((tree.path / "results" / "workstation" / "state").rglob("*.safetensors"))


def test_what_is_not_there_is_said_before_anything_runs(tree, tmp_path):
    done = tree.flopwise("--scale", "workstation", "data", "missing")
    assert (done.returncode, done.stdout) == (0, "nothing is missing\n")
    config = tree.path / "config" / "config.yaml"
    kept = config.read_text()
    try:
        config.write_text(yaml.safe_dump({"data_root": str(tmp_path), "weights_root": str(tmp_path)}))
        done = tree.flopwise("--scale", "workstation", "data", "missing")
    finally:
        config.write_text(kept)
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 2
    assert any(f"efficiency checkpoint one: {TINY}.augreg_in21k is missing" in line for line in lines)
    assert any("data set ade20k of the efficiency study: no ADEChallengeData2016/" in line for line in lines)
