"""Snakemake's own process over thousands of trivial jobs, with the workflow's mend and without: threads, passes of the
scheduler and CPU seconds, by hundreds of finished jobs."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from common import show

SNAKEFILE = """
import os, threading
from snakemake.scheduling.job_scheduler import JobScheduler
from flopwise.engine import tame

select = JobScheduler.job_selector

def counted(self, jobs):
    times = os.times()
    with open("passes.tsv", "a") as stream:
        print(self.finished_jobs, threading.active_count(), times.user + times.system, sep="\\t", file=stream)
    return select(self, jobs)

JobScheduler.job_selector = counted

onstart:
    if config["mended"]:
        tame(workflow.scheduler)

rule all:
    input: [f"out/{number}" for number in range(config["jobs"])]

rule one:
    output: "out/{number}"
    shell: "sleep 0.2; touch {output}"
"""


def run(jobs: int, mended: bool) -> list[dict]:
    """A row for each third of the jobs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Snakefile").write_text(SNAKEFILE)
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--scheduler", "greedy", "--quiet", "all"]
        subprocess.run([*command, "--config", f"jobs={jobs}", f"mended={mended}"], cwd=folder, capture_output=True)
        passes = [tuple(map(float, line.split())) for line in (folder / "passes.tsv").read_text().splitlines()]
    rows = []
    for start in range(0, jobs, jobs // 3):
        part = [one for one in passes if start <= one[0] < start + jobs // 3]
        if len(part) > 1:
            done = part[-1][0] - part[0][0]
            rows.append(
                {"mended": str(mended), "jobs": f"{start}-{start + jobs // 3}", "threads": int(max(one[1] for one in part)),
                 "passes per job": len(part) / done, "CPU ms per job": 1000 * (part[-1][2] - part[0][2]) / done}
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    show([row for mended in (True, False) for row in run(arguments.jobs, mended)], arguments.json)


if __name__ == "__main__":
    main()
