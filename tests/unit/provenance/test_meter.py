"""What the meter counts, beside the operating system's own count for a process that was waited for."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flopwise.core.io import read_json, write_json
from flopwise.provenance import ledger, meter
from flopwise.provenance.job import ASKED, Job

BURN = "import time\ndef burn(s):\n    end = time.process_time() + s\n    while time.process_time() < end: pass\n"
END = "\nfrom flopwise.provenance import meter\nprint(json.dumps(meter.own()))"


def counted(code: str) -> tuple[dict, float]:
    """(what a process counts of itself at its end, what the system counts of it once it has ended)."""
    before = os.times()
    done = subprocess.run([sys.executable, "-c", f"import json\n{BURN}{code}{END}"], capture_output=True, text=True)
    after = os.times()
    return json.loads(done.stdout), (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def test_a_job_that_sleeps_costs_what_it_computes():
    own, system = counted("burn(0.3); time.sleep(1.5)")
    assert own["cpu_seconds"] == pytest.approx(system, abs=0.15)
    assert own["cpu_seconds"] < 1.2


def test_child_processes_and_their_peak_memory_count():
    own, system = counted(
        "import subprocess, sys; subprocess.run([sys.executable, '-c', \"import time\\nb = bytearray(300_000_000)\\n"
        'while time.process_time() < 0.7: pass"])'
    )
    assert own["cpu_seconds"] == pytest.approx(system, abs=0.15)
    assert own["cpu_seconds"] > 0.7
    assert 300 < own["peak_memory_mb"] < 400


def test_threads_of_a_long_job_count_to_its_end():
    """Nothing is sampled: what a job does between any two moments is counted."""
    own, system = counted(
        "import threading, hashlib\nwork = lambda: [hashlib.sha256(bytes(1_000_000)).digest() for _ in range(800)]\n"
        "threads = [threading.Thread(target=work) for _ in range(2)]\n[t.start() for t in threads]; [t.join() for t in threads]"
    )
    assert own["cpu_seconds"] == pytest.approx(system, abs=0.2)


# a run, from Snakemake's process to the ledger ---------------------------------------------------------------------------


class Settings:
    """What the ledger needs of the settings."""

    def __init__(self, results: Path):
        self.results, self.preset = results, self
        self.ledger = {"continual": 10.0, "other": 5.0}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    meter.announce(main=True)
    yield Settings(tmp_path)
    os.environ.pop(meter.VARIABLE, None)


def put(settings, name: str, study: str = "continual", **cost) -> None:
    rule = f"{study}_train" if study else "data_set"
    write_json(settings.results / "lineage" / f"{name}.json", {"rule": rule, "study": study, "cost": cost})


def book(settings, name: str, **facts) -> None:
    write_json(settings.results / "engine" / f"{name}.json", facts)


def total(settings) -> float:
    return sum(seconds for seconds, _ in ledger.core_seconds(settings).values())


def test_a_killed_job_is_booked(settings):
    """It leaves no record: the system's count of what Snakemake waited for holds it."""
    code = "import time\nwhile time.process_time() < 0.7: pass\nprint(flush=True)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.readline()  # it has computed, however busy the machine is
    process.send_signal(signal.SIGKILL)
    process.wait()
    ledger.close(settings)
    rows = ledger.core_seconds(settings)
    assert rows[ledger.BETWEEN][0] > 0.5
    times = os.times()
    assert total(settings) == pytest.approx(sum(times[:4]), abs=0.2)


def test_a_job_books_the_process_that_started_it(settings):
    code = (
        "from pathlib import Path; from flopwise.provenance import meter, job; "
        f"print(meter.around(job.Job('data_set', Path({str(settings.results)!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    name = os.environ[meter.VARIABLE].partition("/")[2]
    assert done.stdout.strip() == str({"engine": name})
    times = os.times()
    assert read_json(settings.results / "engine" / f"{name}.json")["engine_seconds"] == pytest.approx(
        times.user + times.system, abs=0.3
    )


def test_alone_on_a_cluster_the_process_around_a_job_is_the_jobs_own(settings):
    meter.announce(main=False)
    assert meter.around(Job("data_set", settings.results))["engine_seconds"] > 0
    assert not (settings.results / "engine").exists()


@pytest.mark.parametrize("value", ["", "main/2020-01-01T00-00-00-1", "main/2020-01-01T00-00-00-99999999"])
def test_by_hand_or_on_another_machine_nothing_is_around(settings, monkeypatch, value):
    monkeypatch.setenv(meter.VARIABLE, value)
    assert meter.around(Job("data_set", settings.results)) == {}


def test_invocations_add_up(settings):
    """Two invocations; a job of the first was made again in the second, one ran on a cluster, one by hand."""
    put(settings, "a", cpu_seconds=4.0, engine="first")
    put(settings, "b", cpu_seconds=3.0, engine="second")
    put(settings, "c", cpu_seconds=2.0, engine_seconds=0.5)
    put(settings, "d", study="", cpu_seconds=1.0)
    book(settings, "first", engine_seconds=1.0, children_seconds=10.0, jobs_seconds=9.0)
    book(settings, "second", engine_seconds=2.0, children_seconds=3.5)
    assert ledger.core_seconds(settings) == {
        "continual_train": (9.0, 3), "data_set": (1.0, 1),
        ledger.BETWEEN: (1.5, 4), ledger.ENGINE: (3.5, 2), ledger.AGAIN: (5.0, 0),
    }  # fmt: skip
    assert total(settings) == (1 + 10) + (2 + 3.5) + 2.5 + 1
    assert ledger.by_study(settings) == {"continual": 9.0, "other": 6.0, ledger.AGAIN: 5.0}
    assert ledger.ledger_text(ledger.ledger(settings)[-1:]) == (
        "jobs made again or deleted since: 5 core-seconds, held against nothing"
    )


def test_the_ledger_holds_training_and_evaluation_against_what_is_allowed(settings):
    slow = 2 * ledger.REFERENCE
    put(settings, "a", cpu_seconds=30.0, train_seconds=15.0, evaluate_seconds=5.0, training_step_ms=slow)
    study, other = ledger.ledger(settings)
    assert (study["used"], study["counted"], study["over"]) == (30.0, 10.0, False)
    put(settings, "b", cpu_seconds=30.0, train_seconds=12.0, training_step_ms=slow / 2)
    study, other = ledger.ledger(settings)
    assert (study["counted"], study["share"], study["over"]) == (22.0, 2.2, True)
    assert not other["over"]
    assert "continual: 60 core-seconds; 22 counted of 10 allowed: over" in ledger.ledger_text([study])


def test_seeds_that_a_person_asked_for_are_booked_and_held_against_nothing(settings):
    put(settings, "a", cpu_seconds=3.0, train_seconds=2.0)
    put(settings, "b", study=ASKED, cpu_seconds=900.0, train_seconds=800.0)
    study, other, asked = ledger.ledger(settings)
    assert (study["used"], other["used"], asked["used"]) == (3.0, 0.0, 900.0)
    assert not any(row["over"] for row in (study, other, asked))
    assert ledger.ledger_text([asked]) == "decide: 900 core-seconds, asked for"


def test_the_timed_step_draws_nothing_from_the_jobs_generator():
    import torch

    torch.manual_seed(0)
    before = torch.get_rng_state()
    with torch.no_grad():
        assert meter.training_step_ms(1) > 0
    assert torch.equal(torch.get_rng_state(), before)
