"""A study is added by adding files, those of tests/workflow/toy, and its name: plan, dry run, its own jobs, its chapter."""

import json
import shutil
from pathlib import Path

import pandas
import pytest

from conftest import copy

pytestmark = pytest.mark.slow
TARGETS = ("toy/tables/claims.json", "toy/figures/toy_means.csv")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = copy(tmp_path_factory.mktemp("toy"))
    names = tree.path / "src" / "flopwise" / "studies" / "__init__.py"
    added = [
        path
        for path in (Path(__file__).parent / "toy").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    for path in added:
        target = tree.path / path.relative_to(Path(__file__).parent / "toy")
        assert not target.exists(), "only files are added"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    names.write_text(names.read_text().replace('"continual"', '"continual", "toy"'))
    return tree


def test_the_frame_finds_it(tree):
    assert tree.flopwise("config").returncode == 0
    plan = json.loads(tree.flopwise("--scale", "smoke", "plan", "--json").stdout)
    assert plan["studies"]["toy"]["cells"] == 10
    assert plan["studies"]["toy"]["regime"] == []
    planned = tree.planned()
    assert (planned["toy_train"], planned["toy_means_figures"], planned["continual_train"]) == (
        2,
        1,
        plan["jobs"]["continual_train"],
    )
    assert sum(planned.values()) == plan["jobs"]["total"]
    done = tree.snakemake("--dry-run", "--quiet", "all", "--config", "scale=laptop")
    assert done.returncode == 0, "a scale without its file does not run it"


def test_its_jobs_run_are_recorded_and_judged(tree):
    assert tree.flopwise("config").returncode == 0
    targets = [f"results/smoke/{target}" for target in TARGETS]
    done = tree.snakemake("--cores", "2", "--quiet", "all", "--config", "scale=smoke", "--", *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    final = pandas.read_csv(tree.path / "results/smoke/toy/tables/final.csv")
    assert len(final) == 10
    (claim,) = json.loads((tree.path / targets[0]).read_text())["claims"]
    means = final.groupby("size")["value"].mean()
    assert claim["effect"] == pytest.approx(means["large"] - means["small"])
    assert claim["study"] == "toy"
    facts = json.loads(tree.flopwise("audit", targets[1], "--json").stdout)
    assert facts["verified"]
    assert {step["rule"] for step in facts["upstream"]} == {
        "toy_plan", "toy_train", "toy_collect", "toy_means_figures",
    }  # fmt: skip
