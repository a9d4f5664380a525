"""What the workflow adds to Snakemake's own process: two mends of its scheduler, a line on what failed. Called from
workflow/rules/engine.smk; docs/engine.md says why."""

import sys
import threading
from collections import defaultdict
from heapq import nlargest
from pathlib import Path

WINDOW = 50  # ready jobs of a rule that a pass of the scheduler looks at, or twice as many as may run at once


def tame(scheduler) -> None:
    """Let the scheduler wake itself only where ready jobs wait for the rate limit, one timer at a time.

    Snakemake (9.27.1) ends every pass that saw ready jobs by starting a timer that wakes it again after the limit's
    timespan, one second, also where the limit (100 jobs a second) is nowhere near; that pass starts the next. Each finished
    job adds such a chain, which lives as long as jobs are ready, so that threads and passes grow with the jobs that are
    done. Nothing is lost without them: jobs that wait for cores or memory are woken by the job that frees these. The limit
    itself stays, the default and one that a user gives with --max-jobs-per-timespan. Where Snakemake has changed what
    this touches, it is left alone."""
    limiter, wake = getattr(scheduler, "job_rate_limiter", None), getattr(scheduler, "_schedule_reevalutation", None)
    names = ("get_free_jobs", "register_jobs", "timespan")
    if wake is None or not hasattr(scheduler, "_open_jobs") or not all(hasattr(limiter, name) for name in names):
        return
    ask, register = limiter.get_free_jobs, limiter.register_jobs
    pending, free = threading.Event(), 0

    def get_free_jobs() -> int:
        nonlocal free
        free = ask()
        return free

    def register_jobs(count: int) -> None:
        nonlocal free
        free -= count
        register(count)

    def wake_scheduler() -> None:
        pending.clear()  # first: the pass that this starts may have to set the next timer
        scheduler._open_jobs.release()

    def wake_once(delay: float) -> None:
        if delay != limiter.timespan:  # a queue of inputs, which has a rhythm of its own
            wake(delay)
            return
        # what was free when this pass chose its jobs: submitting them to a cluster may outlast the timespan, after which
        # the limiter would say that nothing waits for it. A sample of the ready jobs leaves others behind all the same.
        if (free <= 0 or getattr(scheduler, "subsample", None)) and not pending.is_set():
            pending.set()
            timer = threading.Timer(delay, wake_scheduler)
            timer.daemon = True  # a finished workflow does not wait for it
            timer.start()

    limiter.get_free_jobs, limiter.register_jobs = get_free_jobs, register_jobs
    scheduler._schedule_reevalutation = wake_once


def narrow(scheduler) -> None:
    """Let a pass of the scheduler look at some of the ready jobs of each rule, those of highest priority and lowest number.

    Snakemake (9.27.1) works out anew, in every pass, the resources and the size of every input of every ready job, so that
    a finished job costs what there are ready ones. Jobs of one rule ask for alike resources: where those seen do not fit,
    the others would not either. As every rule has a window of its own, and more jobs in it than may run at once, none is
    held up. Where Snakemake has changed what this touches, it is left alone."""
    kind, most = type(scheduler), getattr(scheduler, "global_resources", {})
    ready = getattr(kind, "open_jobs", None)
    slots = min((most[name] for name in ("_cores", "_nodes") if isinstance(most.get(name), int)), default=sys.maxsize)
    if not isinstance(ready, property) or slots == sys.maxsize:
        return
    size = max(WINDOW, 2 * slots)

    def some(self) -> list:
        jobs = ready.fget(self)
        if len(jobs) <= size:
            return jobs
        groups, rules = [], defaultdict(list)
        for job in jobs:
            (groups if job.is_group() else rules[job.rule.name]).append(job)
        first = (nlargest(size, each, key=lambda job: (job.priority, -job.jobid)) for each in rules.values())
        return [*groups, *(job for each in first for job in each)]

    scheduler.__class__ = type(kind.__name__, (kind,), {"open_jobs": property(some)})


def tell(scheduler) -> None:
    """Say in a line per failed job what it said last and where; with `--quiet rules` Snakemake says only that it failed."""
    for job in sorted(getattr(scheduler, "failed", ()), key=lambda job: job.jobid):
        for log in map(Path, () if job.is_group() else job.log):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
            last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
            print(f"{job.rule.name} failed: {last} ({log})", file=sys.stderr)
