"""The smoke scale from end to end, then everything that depends on it having run."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas
import pytest

from flopwise.report.chapters import outline
from flopwise.studies import NAMES

pytestmark = pytest.mark.slow
RESULTS = "results/smoke"
JOB = "vit-xs-8/f1/uniform/lora-r4/all"


def test_all_that_is_promised_exists(smoke):
    results = smoke.path / RESULTS
    assert (results / "report" / "report.html").stat().st_size > 100_000
    assert (smoke.path / "report" / "report.html").read_bytes() == (results / "report" / "report.html").read_bytes()
    cells = pandas.read_csv(results / "continual" / "tables" / "cells.csv")
    assert set(cells["status"]) == {"done"}
    assert np.allclose(cells["charged_gflops"], cells["planned_gflops"])
    executed = cells["executed_gflops"] / cells["charged_gflops"]
    assert executed.between(0.3, 1).all(), "the lean forward leaves out padding and what nothing reads, adds nothing"
    one_step = cells["charged_share"] / (cells["steps_planned"] + cells["end_passes"] * cells["tasks_planned"])
    assert (cells["charged_share"] <= 1 + 1e-9).all(), "no run spends more than its budget"
    assert (cells["charged_share"] >= np.minimum(0.97, 1 - one_step * (1 + cells["end_passes"]))).all()


def test_the_regime_stands_beside_the_papers(smoke):
    regime = pandas.read_csv(smoke.path / RESULTS / "continual" / "tables" / "regime.csv").set_index("quantity")
    planned = json.loads(smoke.flopwise("--scale", "smoke", "plan", "--json").stdout)["studies"]["continual"]["regime"]
    told = {row["quantity"]: row["here"] for row in planned}
    assert regime["here"][: len(planned)].to_dict() == pytest.approx(told)
    zero_shot = pandas.read_csv(smoke.path / RESULTS / "continual" / "tables" / "zero_shot.csv")
    adapted = zero_shot[(zero_shot["model"] == "vit-xs-8") & (zero_shot["role"] == "adaptation")]
    assert regime.loc["zero-shot A_KA, %", "here"] == pytest.approx(adapted["value"].mean())
    assert np.isfinite(regime.loc["A_KA that the oracle gains, points", "here"])
    page = (smoke.path / RESULTS / "report" / "report.html").read_text()
    assert all(
        f">{name.replace('A_KA', 'A<sub>KA</sub>').replace('A_ZS', 'A<sub>ZS</sub>')}<" in page for name in regime.index
    )


def test_no_study_is_over_its_ledger_by_more_than_half(smoke):
    done = smoke.flopwise("--scale", "smoke", "ledger", "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "continual: " in done.stdout


def test_a_second_run_has_nothing_to_do(smoke):
    assert smoke.planned() == {}


def test_a_kept_run_stands_beside_the_next(smoke):
    done = smoke.flopwise("--scale", "smoke", "report", "keep")
    assert done.returncode == 0, done.stderr
    kept = smoke.path / "docs" / "runs" / "smoke-1"
    try:
        tables = [f"{name}.csv" for chapter in outline() for name in chapter.get("kept", ())]
        assert len(tables) >= 2 * len(NAMES)
        assert {path.name for path in kept.iterdir()} == {"claims.csv", "cost.csv", "run.json", *tables}
        cost = pandas.read_csv(kept / "cost.csv").set_index("rule")["CPU seconds"]
        assert cost.iloc[-1] == pytest.approx(
            cost[[not name.startswith(("study", "all:")) for name in cost.index]].sum(), abs=2
        )
        assert smoke.planned() == {"report": 1}
        summary = smoke.flopwise("--scale", "smoke", "report", "summary").stdout
        assert "Beside smoke-1, kept of this scale in the repository" in summary
        assert " same verdict." in summary
    finally:
        shutil.rmtree(smoke.path / "docs")


def test_a_touch_does_nothing_and_an_edit_re_runs_what_depends_on_it(smoke):
    notebook = smoke.path / "notebooks" / "continual_trajectories.py"
    method = smoke.path / "src" / "flopwise" / "methods" / "continual" / "lora.py"
    texts = {path: path.read_text() for path in (notebook, method)}
    for path in texts:
        path.touch()
    assert smoke.planned() == {}
    notebook.write_text(texts[notebook] + "\n# %% [markdown]\n# One more line.\n")
    assert smoke.planned() == {"continual_trajectories_figures": 1, "report": 1}
    notebook.write_text(texts[notebook])
    method.write_text(texts[method] + "\n# one more line\n")
    planned = smoke.planned()
    method.write_text(texts[method])
    assert planned["continual_train"] == planned["continual_evaluate"] == 1
    assert "continual_pretrain" not in planned
    assert "data_set" not in planned
    assert smoke.planned() == {}


def test_one_core_gives_the_same_bytes_as_two(smoke):
    """From the data to a training; of the sets some are made again, the others are taken over."""
    again = {"digits", "flags", "scenes", "typefaces", "icon-search"}
    for card in (smoke.path / RESULTS / "data").glob("*/card.json"):
        record = smoke.path / RESULTS / "lineage" / "data_set" / f"{card.parent.name}.json"
        if record.exists() and card.parent.name not in again:
            shutil.copytree(card.parent, smoke.path / "results1" / "smoke" / "data" / card.parent.name)
            put = smoke.path / "results1" / "smoke" / "lineage" / "data_set" / record.name
            put.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(record, put)
    targets = [f"results1/smoke/continual/train/{JOB}{end}" for end in (".csv", ".chunks.csv")]
    one = ("--config", "scale=smoke", "results=results1", "--", *targets)
    assert smoke.planned(*one[2:])["data_set"] == len(again)
    done = smoke.snakemake("--cores", "1", "--quiet", "all", *one)
    assert done.returncode == 0, done.stdout + done.stderr
    # a card holds the hash of each of its files
    made = [f"results1/smoke/data/{name}/card.json" for name in (*again, "pool")]
    for target in (*targets, *made, "results1/smoke/data/index.json"):
        assert (smoke.path / target).read_bytes() == (smoke.path / target.replace("results1", "results")).read_bytes()


def test_a_job_killed_three_times_ends_with_the_same_bytes(smoke):
    results = smoke.path / "results2" / "smoke"
    for part in ("data", "continual/base", "continual/streams"):
        shutil.copytree(smoke.path / RESULTS / part, results / part)
    out = results / "continual" / "train" / f"{JOB}.csv"
    own = ("--scale", "smoke", "--results", "results2")
    command = [sys.executable, "-m", "flopwise", *own, "run", "continual_train", JOB]
    seen = []
    for _ in range(3):
        process = subprocess.Popen(command, cwd=smoke.path, env=smoke.environment)
        seen.append(_wait_for_progress(results / "state" / "continual_train" / JOB, seen, process))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not out.exists()
    assert len(set(seen)) == 3, "each kill must come later in the run than the one before"
    done = subprocess.run(command, cwd=smoke.path, env=smoke.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (smoke.path / RESULTS / "continual" / "train" / f"{JOB}.csv").read_bytes()
    state = results / "state" / "continual_train" / JOB
    assert not state.exists() or not list(state.iterdir())


def _wait_for_progress(state, seen, process):
    """Wait until the job has saved a state that was not there at the kills before; returns it."""
    for _ in range(3000):
        assert process.poll() is None, "the job ended before it could be killed"
        now = sorted((path.parent.name, _position(path)) for path in state.glob("*/state.json"))
        if now and tuple(now) not in seen:
            return tuple(now)
        time.sleep(0.01)
    raise AssertionError("the job saved no state")


def _position(path):
    try:
        return json.loads(path.read_text())["position"]
    except (OSError, ValueError):
        return None


def test_audit_holds_and_notices_a_change(smoke):
    figure = f"{RESULTS}/continual/figures/continual_final.svg"
    done = smoke.flopwise("audit", figure, "--json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert facts["verified"]
    assert facts["rule"] == "continual_trajectories_figures"
    assert {step["rule"] for step in facts["upstream"]} >= {"data_set", "continual_pretrain", "continual_train"}
    table = smoke.path / RESULTS / "continual" / "tables" / "final.csv"
    text = table.read_text()
    table.write_text(text.replace("gm", "GM", 1))
    done = smoke.flopwise("audit", figure)
    table.write_text(text)
    assert done.returncode == 1
    assert "final.csv has changed since it was used" in done.stderr


def test_audit_rerun_draws_the_same_bytes(smoke):
    done = smoke.flopwise("audit", f"{RESULTS}/continual/figures/continual_final.svg", "--rerun", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rerun"]["identical"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("absent.svg", 2, "does not exist"),
        ("Snakefile", 2, "lies in no results folder"),
        (f"{RESULTS}/logs/report.log", 2, "no rule"),
    ],
)
def test_audit_of_what_is_no_result(smoke, path, status, message):
    done = smoke.flopwise("audit", path)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_snakemakes_own_report_works(smoke):
    done = smoke.snakemake("--config", "scale=smoke", "--report", "own.zip")
    assert done.returncode == 0, done.stderr
    assert (smoke.path / "own.zip").stat().st_size > 100_000
