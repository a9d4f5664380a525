"""What the workflow engine itself does and costs. Imported while the Snakefile is parsed: standard library only."""

import json
import os
import threading
import time
from pathlib import Path

STARTED = time.time()


def without_piling_timers(workflow) -> None:
    """Let Snakemake's scheduler wait for its rate limit with one timer at a time, and only while the limit is reached.

    Snakemake 9.27 starts a timer after every pass that had ready jobs, whether or not the limit (100 jobs a second unless
    the user says otherwise) was reached; each wakes the scheduler, whose pass starts the next. Every finished job adds
    such a chain, so that threads and passes grow with their number; docs/engine.md has the measurements. A limit that is
    reached is kept; without a limit, or where another version has other names, nothing is changed."""
    scheduler = getattr(workflow, "scheduler", None)
    limiter, wake = getattr(scheduler, "job_rate_limiter", None), getattr(scheduler, "_open_jobs", None)
    if wake is None or not hasattr(limiter, "get_free_jobs") or not hasattr(scheduler, "_schedule_reevalutation"):
        return
    pending = threading.Lock()

    def fire() -> None:
        pending.release()
        wake.release()

    def wait_for_free_slots(delay: float) -> None:
        if limiter.get_free_jobs() == 0 and pending.acquire(blocking=False):
            timer = threading.Timer(delay, fire)
            timer.daemon = True  # a run that ends does not wait for it
            timer.start()

    scheduler._schedule_reevalutation = wait_for_free_slots


def folder(results: Path | str) -> Path:
    """Where each finished run of Snakemake leaves what it cost."""
    return Path(results) / "engine"


def write_cost(results: Path | str) -> None:
    """Called in Snakemake's own process when a run ends: its CPU seconds, and those of all its finished children (jobs,
    their shells, jobs that were killed)."""
    times = os.times()
    facts = {
        "started": STARTED, "ended": time.time(), "engine": times.user + times.system,
        "children": times.children_user + times.children_system,
    }  # fmt: skip
    path = folder(results) / f"{STARTED:.0f}-{os.getpid()}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts))
    except OSError as error:  # a run must not fail at its last breath for want of a number
        print(f"flopwise: the cost of this run of Snakemake is not kept: {path}: {error.strerror}", flush=True)
