"""One meter: CPU seconds of everything that a run of the workflow cost, from the records of its jobs and from the engine.

Each job counts itself, finished children included, when it writes its record. What happens outside of that (the shell around
a job, the end of its interpreter, jobs that were killed) is in what the engine's process knows of its finished children;
what is left of that beside the records is booked as `outside of jobs`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from flopwise import engine
from flopwise.config import Settings
from flopwise.provenance.lineage import cpu_seconds, records

ENGINE, OUTSIDE = "workflow engine", "shells, ends of interpreters, killed jobs"


def core_seconds(settings: Settings) -> dict[str, tuple[float, int]]:
    """CPU seconds and number of jobs by rule, and of the two rows that belong to no job."""
    found: dict[str, tuple[float, int]] = {}
    written: list[tuple[float, float]] = []
    for path, record in records(settings):
        seconds, jobs = found.get(record["rule"], (0.0, 0))
        own = record["cost"]["cpu_seconds"]
        found[record["rule"]] = (seconds + own, jobs + 1)
        written.append((path.stat().st_mtime, own))
    runs = [*_finished(settings), *_running()]
    if runs:
        found[ENGINE] = (sum(run["engine"] for run in runs), 0)
        found[OUTSIDE] = (sum(_outside(run, written) for run in runs), 0)
    return found


def _outside(run: dict, written: Iterable[tuple[float, float]]) -> float:
    """What the finished children of a run of the engine cost beside what the records made in that time say; 0 where jobs
    ran elsewhere, as on a cluster."""
    booked = sum(own for made, own in written if run["started"] <= made <= run["ended"])
    return max(0.0, run["children"] - booked)


def _finished(settings: Settings) -> Iterator[dict]:
    for path in sorted(engine.folder(settings.results).glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _running() -> Iterator[dict]:
    """The run that this process is a job of, so far; this process counts as one of its children."""
    import psutil

    for process in psutil.Process().parents():
        try:
            if not any(
                Path(part).name == "snakemake" or part.endswith("snakemake/__main__.py")
                for part in process.cmdline()[:3]
            ):
                continue
            times = process.cpu_times()
        except psutil.Error:
            continue
        children = times.children_user + times.children_system
        yield {"started": process.create_time(), "ended": float("inf"), "engine": times.user + times.system,
               "children": children + cpu_seconds()}  # fmt: skip
        return


def by_study(settings: Settings) -> dict[str, float]:
    """CPU seconds by study, of everything that belongs to none together as `other`: what stands against the ledger."""
    rows = core_seconds(settings)
    found = dict.fromkeys(settings.preset.ledger, 0.0)
    for _, record in records(settings):
        own = record["study"] if record["study"] in found else "other"
        found[own] += record["cost"]["cpu_seconds"]
    found["other"] += sum(seconds for rule, (seconds, _) in rows.items() if rule in (ENGINE, OUTSIDE))
    return found
