"""The same rules on real data: small trees in the sets' own layouts, a pool of two shards, a released checkpoint."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import time

import numpy as np
import pandas
import pytest
import yaml
from PIL import Image
from real_trees import make, put

from conftest import copy

pytestmark = pytest.mark.slow
ADAPTATION, EVALUATION = ["dtd", "cifar100", "fscoco"], ["imagenet_r", "mscoco"]
JOB = "vit-xs-8/f1/uniform/full-ft/all"
RESULTS = ("csv", "chunks.csv", "inside.csv")


def shard(path, samples: int) -> None:
    """A tar shard; its first picture is none, which is seen when it is listed, its second is cut, which is not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number in range(samples):
            image = {0: b"no picture", 1: picture(1)[:700]}.get(number, picture(number))
            for ending, content in (("jpg", image), ("txt", f"a photo of number {number}".encode())):
                member = tarfile.TarInfo(f"{number:05d}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((56, 40)).save(stream, "JPEG")
    return stream.getvalue()


def retrieval_sets(data) -> None:
    """FS-COCO's pairs of sketch and text, and MS COCO's images with five captions each."""
    for number in range(40):
        name = f"{1 + number // 20}/{number:012d}"
        put(data / "FSCOCO" / "fscoco" / "raster_sketches" / f"{name}.jpg", picture(number))
        put(data / "FSCOCO" / "fscoco" / "text" / f"{name}.txt", ("A giraffe eats", "Two zebras run")[number % 2])
    lines = ["raw,filename,split"]
    for number in range(12):
        said = str([f"caption {k} of picture {number}" for k in range(5)]).replace('"', '""')
        lines.append(f'"{said}",{number}.jpg,test')
        put(data / "MSCOCO" / "images_mscoco_2014_5k_test" / f"{number}.jpg", picture(100 + number))
    put(data / "MSCOCO" / "annotations.csv", "\n".join(lines))


def shrink(tree, root) -> None:
    """Let the scale `workstation` of a tree name the small copies and finish in seconds."""
    folder = tree.path / "config" / "scales" / "workstation"
    for other in folder.glob("*.yaml"):  # the other studies read data of their own
        if other.stem not in ("scale", "continual"):
            other.unlink()
    scale, study = (yaml.safe_load((folder / f"{name}.yaml").read_text()) for name in ("scale", "continual"))
    scale["data"] |= {"adaptation": ADAPTATION, "evaluation": EVALUATION, "allow_subset": True}
    study |= {
        "defaults": {"model": "vit-xs-8", "horizon": "t2"}, "models": {"vit-xs-8": {"pretrained": "random"}},
        "horizons": {"t2": 2}, "budget_gflops": 24, "rounding": "within", "batch_size": 16, "learning_rate": 1.0e-3,
        "tuning": {}, "runs_per_job": 0, "checkpoint_every_steps": 5, "job": {"threads": 1},
        "experiments": {"methods": {"seeds": 1, "evaluate": "steps", "method": ["full-ft", "lnfit"]}},
    }  # fmt: skip
    for name, content in {"scale": scale, "continual": study}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    config = {"data_root": str(root / "data"), "weights_root": str(root / "weights")}
    (tree.path / "config" / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    from safetensors.torch import save_file

    from flopwise.models import clip

    root = tmp_path_factory.mktemp("copies")
    for name in ("dtd", "cifar100", "imagenet_r"):
        make(name, root / "data")
    retrieval_sets(root / "data")
    for number, samples in enumerate((20, 30)):
        shard(root / "data" / "LAION400M" / f"{number:05d}.tar", samples)
    (root / "weights" / "vit-xs-8").mkdir(parents=True)
    save_file(clip.create("vit-xs-8", seed=1).state_dict(), root / "weights" / "vit-xs-8" / "random.safetensors")
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory, root):
    """A copy in which the study has run as far as its tables."""
    tree = copy(tmp_path_factory.mktemp("real"))
    shrink(tree, root)
    target = "results/workstation/continual/tables/final.csv"
    done = tree.snakemake("--cores", "2", "--quiet", "all", "--config", "scale=workstation", "--", target)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree


def test_the_study_runs_to_its_tables(tree):
    study = tree.path / "results" / "workstation" / "continual"
    zero = pandas.read_csv(study / "start" / "vit-xs-8" / "zero_shot.csv").set_index("dataset")
    assert list(zero.index) == [*ADAPTATION, *EVALUATION]
    assert (zero.loc["fscoco", "metric"], zero.loc["cifar100", "metric"]) == ("recall_at_5", "top1")
    assert (zero.loc["mscoco", "n"], zero.loc["fscoco", "n"]) == (12, 8)
    assert zero.loc["mscoco", "chance"] == pytest.approx(500 / 12)
    final = pandas.read_csv(study / "tables" / "final.csv")
    assert set(final["method"]) == {"full-ft", "lnfit"}
    assert final["value"].between(0, 100).all()
    assert set(final["status"]) == {"done"}
    (result, *_) = json.loads((study / "train" / f"{JOB}.json").read_text())
    drawn = [steps * size for steps, size in zip(result["steps"], (8, 6))]  # the pool's part of a batch of 16
    assert result["replaced_images"] == pytest.approx([2 / 48 * count for count in drawn], abs=1)


def test_the_card_says_what_was_read_and_names_no_folder_of_this_machine(tree, root):
    data = tree.path / "results" / "workstation" / "data"
    card = json.loads((data / "dtd" / "card.json").read_text())
    assert card["warnings"][0].startswith(f"{card['counts']['train']:,} train images, expected 1,880")
    assert card["where"] == "DTD"
    assert len(card["listing"]["test"]["sha256"]) == 64
    pool = json.loads((data / "pool" / "card.json").read_text())
    assert (pool["counts"]["train"], pool["shards"], pool["pool"]) == (48, 2, "laion_400m")
    assert pool["left_out"] == {"no image, or one of too many pixels": 2}
    for path in data.rglob("*"):
        assert path.is_dir() or str(root).encode() not in path.read_bytes(), path


def test_nothing_is_to_do_after_it_and_nothing_is_missing(tree):
    target = "results/workstation/continual/tables/final.csv"
    done = tree.snakemake("--dry-run", "--config", "scale=workstation", "--", target)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert tree.flopwise("--scale", "workstation", "data", "missing").stdout == "nothing is missing\n"


def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(tree, tmp_path):
    made = tree.path / "results" / "workstation"
    folder = tmp_path / "r" / "workstation"
    for part in ("data", "continual/base", "continual/streams"):
        shutil.copytree(made / part, folder / part)
    own = ("--scale", "workstation", "--results", str(tmp_path / "r"))
    command = [sys.executable, "-m", "flopwise", *own, "run", "continual_train", JOB]
    running = subprocess.Popen(command, cwd=tree.path, env=tree.environment)
    while not list(folder.glob("state/continual_train/**/state.json")):
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    running.kill()
    assert running.wait() == -9
    done = tree.run(*command)
    assert done.returncode == 0, done.stderr
    again, whole = (root / "continual" / "train" / JOB for root in (folder, made))
    for ending in RESULTS:
        assert again.with_suffix(f".{ending}").read_bytes() == whole.with_suffix(f".{ending}").read_bytes()
    counts = [json.loads(path.with_suffix(".json").read_text())[0]["replaced_images"] for path in (again, whole)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("damage", "job", "message"),
    [
        (
            lambda root: shutil.rmtree(root / "data" / "DTD"),
            ("data_set", "dtd"),
            "holds neither the folder DTD nor the archive DTD.tar",
        ),
        (lambda root: shutil.rmtree(root / "data" / "LAION400M"), ("data_pool", "pool"), "pool laion_400m"),
    ],
)
def test_a_missing_set_is_one_line_and_status_2(tmp_path, root, damage, job, message):
    mine = tmp_path / "copies"
    shutil.copytree(root, mine)
    damage(mine)
    tree = copy(tmp_path / "tree")
    shrink(tree, mine)
    listed = tree.flopwise("--scale", "workstation", "data", "missing")
    assert listed.returncode == 2
    assert len(listed.stdout.splitlines()) == 1
    done = tree.flopwise("--scale", "workstation", "--results", str(tmp_path / "out"), "run", *job)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("out/**/card.json"))
