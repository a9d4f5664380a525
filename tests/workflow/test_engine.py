"""The mend of Snakemake's scheduler, on a few hundred tiny jobs."""

import subprocess
import sys

import pytest

from flopwise.config import ROOT

JOBS = 200
MEND = f"include: {str(ROOT / 'workflow' / 'rules' / 'engine.smk')!r}"
SNAKEFILE = """
import threading
from pathlib import Path
from types import SimpleNamespace
from snakemake.scheduling.job_scheduler import JobScheduler

select = JobScheduler.job_selector

def counted(self, jobs):
    with open("passes.tsv", "a") as stream:
        print(self.finished_jobs, threading.active_count(), sep="\\t", file=stream)
    return select(self, jobs)

JobScheduler.job_selector = counted

flow = SimpleNamespace(settings=SimpleNamespace(results=Path("results")))
{mend}

rule all:
    input: [f"out/{{number}}" for number in range({jobs})]

rule one:
    output: "out/{{number}}"
    shell: "sleep 0.02; touch {{output}}"
"""


def passes(folder, *arguments: str, mend: str = MEND, jobs: int = JOBS) -> list[tuple[int, int]]:
    """(jobs finished, threads) at each pass of the scheduler that saw ready jobs."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(mend=mend, jobs=jobs))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", "--quiet", "all", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((folder / "out").iterdir())) == jobs
    return [tuple(map(int, line.split())) for line in (folder / "passes.tsv").read_text().splitlines()]


@pytest.mark.slow
def test_threads_and_passes_do_not_grow_with_finished_jobs(tmp_path):
    seen = passes(tmp_path)
    assert list((tmp_path / "results" / "engine").glob("*.json"))
    assert max(threads for _, threads in seen) < 8
    assert len(seen) <= JOBS + 10
    late = sum(finished > JOBS / 2 for finished, _ in seen)
    assert late <= JOBS / 2 + 5


@pytest.mark.slow
def test_the_fault_is_still_upstream(tmp_path):
    """Where this fails, the installed Snakemake needs the mend no more: raise the oldest version allowed and delete it."""
    assert max(threads for _, threads in passes(tmp_path, mend="")) > 20


@pytest.mark.slow
def test_a_limit_of_the_user_is_kept(tmp_path):
    """10 jobs in any 2 seconds: 30 take at least 4."""
    seen = passes(tmp_path, "--max-jobs-per-timespan", "10/2s", jobs=30)
    stamps = sorted(path.stat().st_mtime for path in (tmp_path / "out").iterdir())
    assert stamps[-1] - stamps[0] > 3.5
    assert max(threads for _, threads in seen) < 8


def test_another_snakemake_is_left_alone():
    from flopwise.engine import tame

    tame(object())
