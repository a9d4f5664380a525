"""The mends of Snakemake's scheduler, on a few hundred tiny jobs."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from flopwise.config import ROOT
from flopwise.engine import WINDOW, narrow, tame, tell

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
        print(self.finished_jobs, threading.active_count(), len(jobs), sep="\\t", file=stream)
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


def passes(folder, *arguments: str, mend: str = MEND, jobs: int = JOBS) -> list[tuple[int, int, int]]:
    """(jobs finished, threads, ready jobs looked at) at each pass of the scheduler that saw ready jobs."""
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
    assert max(threads for _, threads, _ in seen) < 8
    assert len(seen) <= JOBS + 10
    late = sum(finished > JOBS / 2 for finished, *_ in seen)
    assert late <= JOBS / 2 + 5
    assert max(looked_at for *_, looked_at in seen) == WINDOW


@pytest.mark.slow
def test_the_faults_are_still_upstream(tmp_path):
    """Where this fails, the installed Snakemake needs a mend no more: raise the oldest version allowed and delete it."""
    seen = passes(tmp_path, mend="")
    assert max(threads for _, threads, _ in seen) > 20
    assert max(looked_at for *_, looked_at in seen) == JOBS


@pytest.mark.slow
def test_a_limit_of_the_user_is_kept(tmp_path):
    """10 jobs in any 2 seconds: 30 take at least 4."""
    seen = passes(tmp_path, "--max-jobs-per-timespan", "10/2s", jobs=30)
    stamps = sorted(path.stat().st_mtime for path in (tmp_path / "out").iterdir())
    assert stamps[-1] - stamps[0] > 3.5
    assert max(threads for _, threads, _ in seen) < 8


class Scheduler:
    def __init__(self, jobs: list, cores: int):
        self.jobs, self.global_resources = jobs, {"_cores": cores, "_nodes": sys.maxsize}

    @property
    def open_jobs(self) -> list:
        return list(self.jobs)


def ready(rule: str, count: int, priority=lambda number: 0) -> list:
    return [
        SimpleNamespace(
            rule=SimpleNamespace(name=rule), jobid=number, priority=priority(number), is_group=lambda: False
        )
        for number in range(count)
    ]


def test_a_window_holds_the_first_jobs_of_every_rule():
    """A rule with many ready jobs hides no other, and a job that was given priority is among those looked at."""
    scheduler = Scheduler([*ready("train", 500, lambda number: number == 450), *ready("draw", 3)], cores=2)
    narrow(scheduler)
    seen = [(job.rule.name, job.jobid) for job in scheduler.open_jobs]
    assert [number for rule, number in seen if rule == "train"] == [450, *range(WINDOW - 1)]
    assert [number for rule, number in seen if rule == "draw"] == [0, 1, 2]


def test_a_window_is_wider_than_what_may_run_at_once():
    for cores, expected in ((100, 200), (sys.maxsize, 500)):
        scheduler = Scheduler(ready("train", 500), cores)
        narrow(scheduler)
        assert len(scheduler.open_jobs) == expected


def test_another_snakemake_is_left_alone():
    other = SimpleNamespace(open_jobs=[1], global_resources={"_cores": 2})
    tame(other)
    narrow(other)
    assert other.open_jobs == [1]


def test_a_failed_job_is_told_by_its_last_line(tmp_path, capsys):
    log = tmp_path / "a.log"
    log.write_text("step 1\nflopwise: data_root is not set\n\n")
    job = lambda number, path: SimpleNamespace(  # noqa: E731
        jobid=number, log=[path], is_group=lambda: False, rule=SimpleNamespace(name="data_set")
    )
    tell(SimpleNamespace(failed=[job(2, tmp_path / "absent.log"), job(1, str(log))]))
    tell(SimpleNamespace())
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"data_set failed: flopwise: data_root is not set ({log})"
    assert "it said nothing" in second
