"""Released encoders, and encoders pre-trained on real pictures, on a real set by the rules of `workstation`: a small transformer
and small copies of ImageNet, COCO, shards and ADE20K."""

import io
import json
import tarfile

import pandas
import pytest
import yaml
from real_trees import make, picture, put
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
    scale["data"] = {"kind": "catalogue", "pools": {"web": {"source": "laion_400m"}}}
    tiny = {"width": 192, "depth": 12, "heads": 3, "patch": 16, "stem": "patches", "network": TINY}
    source = {"size": "small", "images": 1e9, "source": "a test"}
    study |= {
        "sizes": {"small": tiny}, "released": ["one", "two"], "released_seeds": 2, "job": {"threads": 1}, "runs_per_job": 2,
        "checkpoints": {
            "one": {"pretrained": f"{TINY}.augreg_in21k", "method": "supervised", "pool": "imagenet-21k", **source},
            "two": {"pretrained": f"{TINY}.augreg_in21k_ft_in1k", "method": "mae", "pool": "imagenet-1k", **source},
        },
        "scenes": {"side": 48, "stride": 32, "steps": 4, "batch_size": 2, "trial_steps": 2, "trials": [0.5, 1], "held_out": 4,
                   "precision": "fp32"},
        "experiments": {
            "scratch": {"size": ["small"], "seeds": 2},
            "objectives": {"method": ["supervised"], "budget": ["f0.5", "f1"], "seeds": 1},
            "pools": {"method": ["clip"], "pool": ["coco", "align"]},
        },
        "budget_gflops": 60, "batch_size": 4, "warm_up_steps": 1, "pictures": {"precision": "fp32"},
        "methods": {"supervised": {"learning_rate": 1e-3},
                    "clip": {"learning_rate": 1e-3, "options": {"width": 32, "depth": 1, "heads": 2}}},
    }  # fmt: skip
    for name, content in {"scale": scale, "efficiency": study}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    config = {"data_root": str(root / "data"), "weights_root": str(root / "weights")}
    (tree.path / "config" / "config.yaml").write_text(yaml.safe_dump(config))


def pools(root) -> None:
    """Pictures to pre-train on: folders of classes, COCO's files, shards."""
    make("imagenet_1k", root)
    captions = [{"image_id": n, "id": 2 * n + k, "caption": f"a picture {k}"} for n in range(5) for k in range(2)]
    images = [{"id": n, "file_name": f"{n:012d}.jpg"} for n in range(6)]
    kinds = [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]
    objects = [{"image_id": n, "id": n, "category_id": 7 + 2 * (n % 2)} for n in range(4)]
    for image in images:
        put(root / "COCO2017" / "train2017" / image["file_name"], picture(size=(70, 50)))
    said = {"captions": {"annotations": captions}, "instances": {"annotations": objects, "categories": kinds}}
    for name, content in said.items():
        put(root / "COCO2017" / "annotations" / f"{name}_train2017.json", json.dumps({"images": images, **content}))
    shards(root / "LAION400M", 12)


def shards(folder, count: int) -> None:
    put(folder / "00000.tar", "")
    with tarfile.open(folder / "00000.tar", "w") as archive:
        for number in range(count):
            for ending, content in ((".jpg", picture(size=(60, 80))), (".txt", f"caption {number}!".encode())):
                member = tarfile.TarInfo(f"{number:05d}{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy in which the study has run to its figures."""
    from safetensors.torch import save_file

    from flopwise.models import zoo

    root, tree = tmp_path_factory.mktemp("copies"), copy(tmp_path_factory.mktemp("released"))
    ade20k(root / "data")
    pools(root / "data")
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
        *(f"scratch-in1k-small-f1-s{seed}" for seed in (0, 1)),
        *(f"supervised-in1k-small-{budget}-s0" for budget in ("f0.5", "f1")),
        *(f"clip-{pool}-small-f1-s0" for pool in ("coco", "align")),
    }
    scores = final[final["metric"] == "miou"].set_index("cell")
    assert scores["value"].between(0, 100).all()
    made = (json.loads(path.read_text()) for path in (study / "pretrain" / "supervised" / "small").glob("*/runs.json"))
    record = next(runs["one-s0"] for runs in made if "one-s0" in runs)
    assert scores.loc["one-s0", "gflops"] == pytest.approx(record["images"] * record["image_flops"] / 1e9)
    gain = final[final["metric"] == "gain"].set_index("cell")["value"]
    assert gain["two-s1"] == pytest.approx(
        scores.loc["two-s1", "value"] - scores.loc["scratch-in1k-small-f1-s1", "value"]
    )
    drawn = pandas.read_csv(study / "figures" / "efficiency_released.csv")
    assert set(drawn["budget"]) == {"one", "two"}
    assert not list((tree.path / "results" / "workstation" / "state").rglob("*.safetensors"))


def test_encoders_are_pre_trained_on_real_pictures_within_a_step_of_their_budget(tree):
    study = tree.path / "results" / "workstation" / "efficiency"
    cells = pandas.read_csv(study / "tables" / "cells.csv").set_index("cell")
    trained = cells[~cells["released"] & (cells["method"] != "scratch")]
    assert (trained["status"] == "done").all()
    budget = 60 * trained["budget"].map({"f0.5": 0.5, "f1": 1.0})
    assert ((budget - trained["gflops"]) < trained["step_gflops"]).all()
    assert (trained["gflops"] <= budget).all()
    assert set(trained["pool_images"]) == {12, 5}  # of ImageNet's copy and the shards; of COCO those that have captions
    costs = pandas.read_csv(study / "tables" / "costs.csv")
    assert set(costs["clock"]) == {"device"}


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
    for name, folder in {"ade20k": "ADEChallengeData2016", "imagenet_1k": "IMAGENET1K", "coco": "COCO2017"}.items():
        assert any(f"data set {name} of the efficiency study: no {folder}/" in line for line in lines)
