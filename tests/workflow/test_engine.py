"""The engine does not pile up threads and passes with the jobs that it has finished."""

import json
import subprocess
import sys

import pytest

SNAKEFILE = """
import json, threading, time
from flopwise import engine

seen = {"threads": [], "passes": 0}

def watch():
    while True:
        seen["threads"].append(threading.active_count())
        time.sleep(0.1)

onstart:
    if config["mended"]:
        engine.without_piling_timers(workflow)
    wake = workflow.scheduler._open_jobs
    acquire = wake.acquire
    def counted(*args, **kwargs):
        seen["passes"] += 1
        return acquire(*args, **kwargs)
    wake.acquire = counted
    threading.Thread(target=watch, daemon=True).start()

onsuccess:
    with open("seen.json", "w") as stream:
        json.dump(seen, stream)

rule all:
    input: expand("out/{number}", number=range(config["jobs"]))

rule one:
    output: "out/{number}"
    shell: "touch {output}"
"""


def run(folder, jobs: int, mended: bool, *arguments: str) -> dict:
    (folder / "Snakefile").write_text(SNAKEFILE)
    own = ("--cores", "4", "--quiet", "all", *arguments, "--config", f"jobs={jobs}", f"mended={mended}")
    done = subprocess.run([sys.executable, "-m", "snakemake", *own], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "seen.json").read_text())


@pytest.mark.slow
def test_threads_do_not_grow_with_finished_jobs_as_they_do_without_the_mend(tmp_path):
    found = {}
    for mended in (True, False):
        folder = tmp_path / str(mended)
        folder.mkdir()
        found[mended] = run(folder, 250, mended)
    assert max(found[True]["threads"]) <= 12
    assert max(found[False]["threads"]) > 2 * max(found[True]["threads"]), "the mend can go: Snakemake has its own"
    assert found[True]["passes"] <= 270, "a pass for each finished job, and a few"


@pytest.mark.slow
def test_a_limit_that_the_user_asked_for_is_kept(tmp_path):
    import time

    start = time.monotonic()
    seen = run(tmp_path, 12, True, "--max-jobs-per-timespan", "3/2s")
    assert time.monotonic() - start > 6, "three jobs in any two seconds: twelve need more than six"
    assert max(seen["threads"]) <= 12


def test_other_versions_are_left_alone():
    from flopwise.engine import without_piling_timers

    without_piling_timers(object())
    without_piling_timers(type("Workflow", (), {"scheduler": None})())
