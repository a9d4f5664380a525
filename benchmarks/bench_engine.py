"""Snakemake's own process over thousands of trivial jobs, with the workflow's mends and without: threads, open files,
memory, passes of the scheduler and CPU time, by parts of the finished jobs."""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from common import show

PAGE = resource.getpagesize()
SNAKEFILE = """
import os, threading
from snakemake.scheduling.job_scheduler import JobScheduler
from flopwise import engine

select = JobScheduler.job_selector

def counted(self, jobs):
    times = os.times()
    with open("passes.tsv", "a") as stream:
        files, pages = len(os.listdir("/proc/self/fd")), int(open("/proc/self/statm").read().split()[1])
        print(self.finished_jobs, threading.active_count(), times.user + times.system, files, pages, sep="\\t", file=stream)
    return select(self, jobs)

JobScheduler.job_selector = counted

onstart:
    for mend in config["mends"].split("+"):
        getattr(engine, mend, lambda scheduler: None)(workflow.scheduler)

rule all:
    input: [f"out/{number}" for number in range(config["jobs"])]

rule one:
    output: "out/{number}"
    shell: "sleep 0.2; touch {output}"
"""


def run(jobs: int, mends: str, parts: int) -> list[dict]:
    """A row for each part of the jobs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Snakefile").write_text(SNAKEFILE)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", "--quiet", "all"]
        subprocess.run([*command, "--config", f"jobs={jobs}", f"mends={mends}"], cwd=folder, capture_output=True)
        passes = [tuple(map(float, line.split())) for line in (folder / "passes.tsv").read_text().splitlines()]
    rows, size = [], jobs // parts
    for start in range(0, jobs, size):
        part = [one for one in passes if start <= one[0] < start + size]
        if len(part) > 1:
            done = part[-1][0] - part[0][0]
            rows.append(
                {"mends": mends, "jobs": f"{start}-{start + size}", "threads": int(max(one[1] for one in part)),
                 "open files": int(max(one[3] for one in part)), "MB": max(one[4] for one in part) * PAGE / 1e6,
                 "passes per job": len(part) / done, "CPU ms per job": 1000 * (part[-1][2] - part[0][2]) / done}
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--parts", type=int, default=3)
    parser.add_argument("--mends", nargs="+", default=["tame+narrow", "tame", "none"], help="of flopwise.engine")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = [row for mends in arguments.mends for row in run(arguments.jobs, mends, arguments.parts)]
    show(rows, arguments.json)


if __name__ == "__main__":
    main()
