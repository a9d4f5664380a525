"""What Snakemake makes of the workflow without running it."""

import json

import pytest

from flopwise.config.load import scales


@pytest.mark.slow
@pytest.mark.parametrize("scale", scales())
def test_dry_run_works_at_every_scale(tree, scale):
    done = tree.snakemake("--dry-run", "--quiet", "all", "--config", f"scale={scale}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_lint_is_clean(tree):
    done = tree.snakemake("--lint")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_plan_counts_the_jobs_that_snakemake_would_run(tree):
    planned = tree.planned()
    plan = json.loads(tree.flopwise("--scale", "smoke", "plan", "--json").stdout)
    assert sum(planned.values()) == plan["jobs"]["total"]
    assert {rule: plan["jobs"][rule] for rule in ("data_set", "continual_train")} == {
        rule: planned[rule] for rule in ("data_set", "continual_train")
    }
    assert plan["studies"]["continual"]["gflops"]["training"] > 0
    regime = {row["quantity"]: row for row in plan["studies"]["continual"]["regime"]}
    steps = regime["optimiser steps per task"]
    assert (steps["paper"], steps["kept"]) == (1420, False)
    assert steps["factor"] == steps["here"] / 1420
    assert regime["trials of tuning per method"]["source"] == "not sourced"
    text = tree.flopwise("--scale", "smoke", "plan").stdout
    assert all(name in text for name in regime)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scale=huge"], "scale 'huge' does not exist; allowed are smoke, laptop"),
        (["scael=smoke"], "--config scael: unknown key; allowed are scale, results"),
    ],
)
def test_a_mistake_on_snakemakes_command_line_is_one_line_and_status_2(tree, arguments, message):
    done = tree.snakemake("--dry-run", "--config", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("flopwise:")]) == 1
