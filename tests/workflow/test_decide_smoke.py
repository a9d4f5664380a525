"""Seeds added to one claim after the smoke scale has run, from the command line to the report."""

import json
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pandas
import pytest

from conftest import copy

pytestmark = pytest.mark.slow
RESULTS = "results/smoke"
TABLES = f"{RESULTS}/continual/tables"
CLAIMS = ("continual-4a", "continual-4b", "continual-4d", "continual-1")  # compare methods that have two seeds at smoke
MOST = "4"


@pytest.fixture(scope="module")
def decided(smoke, tmp_path_factory):
    """A copy of the finished run in which no claim waits for a check (models of this scale learn too little for that), and one
    of its inconclusive claims after `flopwise decide`, which was killed once."""
    tree = copy(tmp_path_factory.mktemp("decide"))
    for part in (RESULTS, ".snakemake"):
        shutil.copytree(smoke.path / part, tree.path / part)
    file = tree.path / "config" / "claims" / "continual.yaml"
    text = file.read_text()
    file.write_text(text[: text.index("checks:")] + text[text.index("claims:\n") :])
    done = tree.snakemake("--cores", "2", "--quiet", "all", "--config", "scale=smoke", "--", f"{TABLES}/claims.json")
    assert done.returncode == 0, done.stderr
    judged = {one["id"]: one for one in json.loads((tree.path / TABLES / "claims.json").read_text())["claims"]}
    name = next(name for name in CLAIMS if judged[name]["verdict"] == "inconclusive")
    before = {path.name: path.read_bytes() for path in (tree.path / TABLES).iterdir()}
    folder = tree.path / RESULTS / "continual" / "decide" / name
    command = ("--scale", "smoke", "decide", name, "--max-seeds", MOST)
    killed = _kill_after_a_seed(tree, command, folder)
    done = tree.flopwise(*command, "--json")
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(
        tree=tree, name=name, own=judged[name], folder=folder, command=command, before=before, killed=killed,
        looks=done.stderr, decision=json.loads(done.stdout),
    )  # fmt: skip


def _kill_after_a_seed(tree, command, folder) -> dict:
    """Kill the command when the first look at an added seed has been made; returns the times of what there is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flopwise", *command],
        cwd=tree.path,
        env=tree.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if f" 3 of {MOST} seeds" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    made = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.csv")}
    for _ in range(600):  # a training that is left behind keeps the claim until it ends
        done = tree.flopwise(*command[:-1], "5")
        if "being decided by another process" not in done.stderr:
            break
        time.sleep(0.5)
    assert done.returncode == 2
    assert f"designed for at most {MOST} seeds" in done.stderr, "another cap is refused once seeds were added"
    return made


def test_every_look_is_told_and_the_first_is_the_runs_own(decided):
    looks, own = decided.decision["looks"], decided.own
    assert decided.decision["ordinary"]["verdict"] == "inconclusive"
    assert (looks[0]["n"], looks[0]["effect"]) == (own["n"], own["effect"])
    assert looks[0]["low"] < own["low"] < own["high"] < looks[0]["high"]
    assert [look["n"] for look in looks] == list(range(2, 2 + len(looks)))
    assert decided.looks.count(f" of {MOST} seeds ") == len(looks)
    assert looks[-1]["verdict"] == decided.decision["verdict"]
    assert decided.decision["verdict"] != "inconclusive" or looks[-1]["n"] == int(MOST)


def test_what_was_finished_when_it_was_killed_is_not_trained_again(decided):
    assert len(decided.killed) >= 2
    now = {path.name: path.stat().st_mtime_ns for path in (decided.folder / "runs").glob("*.csv")}
    assert {name: now[name] for name in decided.killed} == decided.killed
    again = decided.tree.flopwise(*decided.command)
    assert again.returncode == 0, again.stderr
    assert {path.name: path.stat().st_mtime_ns for path in (decided.folder / "runs").glob("*.csv")} == now


def test_the_runs_own_tables_and_jobs_stay_and_only_the_page_is_made_again(decided):
    assert {path.name: path.read_bytes() for path in (decided.tree.path / TABLES).iterdir()} == decided.before
    assert decided.tree.planned() == {"report": 1}
    done = decided.tree.snakemake("--cores", "1", "--quiet", "all", "--config", "scale=smoke")
    assert done.returncode == 0, done.stderr
    page = (decided.tree.path / RESULTS / "report" / "report.html").read_text()
    row = page.split(f'id="claim-{decided.name}"')[1].split("</tr>")[0]
    assert ">inconclusive</span>" in row
    assert "by group-sequential intervals" in row
    summary = decided.tree.flopwise("--scale", "smoke", "report", "summary").stdout
    assert "Seeds were added to 1 inconclusive claim one at a time" in summary
    assert decided.tree.planned() == {}


def test_the_decision_can_be_audited_and_its_cost_is_booked(decided):
    done = decided.tree.flopwise("audit", f"{RESULTS}/continual/decide/{decided.name}/decision.json", "--json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0, facts["problems"]
    assert {step["rule"] for step in facts["upstream"]} >= {
        "continual_decide_train",
        "continual_decide_streams",
        "data_set",
    }
    assert facts["command"] == f"flopwise --scale smoke run continual_decide {decided.name}"
    rows = {
        row["study"]: row for row in json.loads(decided.tree.flopwise("--scale", "smoke", "ledger", "--json").stdout)
    }
    cost = decided.decision["cost"]
    assert 0 < cost["core_seconds"] < rows["decide"]["used"]
    assert cost["trainings"] == len(list((decided.folder / "runs").glob("*.csv")))
    table = decided.folder / "runs" / next(iter(decided.killed))
    text = table.read_text()
    table.write_text(text.replace("done", "diverged", 1))
    done = decided.tree.flopwise("audit", f"{RESULTS}/continual/decide/{decided.name}/decision.json")
    table.write_text(text)
    assert done.returncode == 1
    assert f"{table.name} has changed since it was used" in done.stderr


SAME = """
from dataclasses import replace
from pathlib import Path
from flopwise.config import load
from flopwise.core.io import read_table
from flopwise.studies.continual import seeds
from flopwise.studies.study import studies
study = studies(load(scale="smoke"))["continual"]
cell = replace(study.grid.cells["lora-r4-s1"], evaluate="final")
seeds.train(study.settings, [cell], Path("same.csv"), Path("state"), "")
final = read_table(study.table("final"))
seeds.with_added({"final": final}, [Path("same.csv")])["final"].tail(3).to_csv("same-final.csv", index=False)
"""


def test_an_added_seed_scores_as_the_run_itself_would_have(decided):
    """Seed 1, which the run has too."""
    done = decided.tree.run(sys.executable, "-c", SAME)
    assert done.returncode == 0, done.stderr
    own = pandas.read_csv(decided.tree.path / TABLES / "final.csv")
    numbers = ["value", "zero_shot", "delta"]
    own = own[own["cell"] == "lora-r4-s1"].set_index("metric")[numbers]
    found = pandas.read_csv(decided.tree.path / "same-final.csv").set_index("metric")[numbers]
    pandas.testing.assert_frame_equal(found, own, check_exact=False, rtol=1e-12)


def test_what_cannot_be_decided_is_one_line(decided, smoke):
    done = smoke.flopwise("--scale", "smoke", "decide", decided.name)
    assert done.returncode == 2
    assert f"{decided.name} waits for a check that does not hold" in done.stderr
    done = decided.tree.flopwise("--scale", "smoke", "decide", "continual-17", "--max-seeds", "9")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "seeds can be added to difference, trend, equivalence" in done.stderr
