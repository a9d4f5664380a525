"""What a run has cost, nothing unbooked, beside what it may cost."""

import os
import sys
import time
from statistics import median

from flopwise.config import Settings
from flopwise.core.errors import RunFailure
from flopwise.core.io import read_json
from flopwise.provenance import meter
from flopwise.provenance.job import ASKED, Job
from flopwise.provenance.lineage import records

ENGINE = "engine: parsing and scheduling"
BETWEEN = "shells, end of interpreters, failed jobs"
AGAIN = "jobs made again or deleted since"
FREE = {ASKED: ", asked for", AGAIN: ", held against nothing"}
REFERENCE = 8.1  # ms of the training step that jobs time, on the quiet machine of the ledgers (docs/engine.md)
OVER = 1.5  # times what it may spend: from here on the check fails


def close(settings: Settings) -> None:
    """Book this Snakemake process for good, with what its jobs counted: the records of some will be replaced one day."""
    name, times = os.environ[meter.VARIABLE].partition("/")[2], os.times()
    own = [record["cost"]["cpu_seconds"] for _, record in records(settings) if record["cost"].get("engine") == name]
    children = times.children_user + times.children_system
    wall = time.time() - meter.started(name)
    try:
        meter.book(
            settings.results, name, times.user + times.system, children, jobs_seconds=sum(own), wall_seconds=wall
        )
    except RunFailure as error:  # a run does not fail at its last breath for want of a number
        print(f"flopwise: {error}", file=sys.stderr)


def core_seconds(settings: Settings, running: Job | None = None) -> dict[str, tuple[float, int]]:
    """CPU seconds by rule, and number of jobs; last, what no job counts: Snakemake's own process in all invocations,
    what lies between it and the jobs, and work whose record is gone. running: the job that asks, counted so far."""
    rows: dict[str, tuple[float, int]] = {}
    costs = [
        (record["rule"], record["cost"])
        for path, record in records(settings)
        if not (running and path == running.lineage)
    ]
    counted: dict[str, float] = {}
    for rule, cost in costs:
        seconds, jobs = rows.get(rule, (0.0, 0))
        rows[rule] = (seconds + cost["cpu_seconds"], jobs + 1)
        if name := cost.get("engine"):
            counted[name] = counted.get(name, 0.0) + cost["cpu_seconds"]
    if running:
        meter.around(running)
        rows[running.rule] = (meter.own()["cpu_seconds"], 1)
    books = {path.stem: read_json(path) for path in sorted((settings.results / "engine").glob("*.json"))}
    alone = sum(cost.get("engine_seconds", 0.0) for _, cost in costs)
    between = again = 0.0
    for name, book in books.items():
        jobs = book.get("jobs_seconds", counted.get(name, 0.0))
        between += max(0.0, book["children_seconds"] - jobs)
        again += max(0.0, jobs - counted.get(name, 0.0))
    rows[BETWEEN] = (between, sum(jobs for _, jobs in rows.values()))
    rows[ENGINE] = (alone + sum(book["engine_seconds"] for book in books.values()), len(books))
    return rows | ({AGAIN: (again, 0)} if again > 0.05 else {})


def inside(cost: dict) -> float:
    """CPU seconds of training and evaluation in a job."""
    return cost.get("train_seconds", 0.0) + cost.get("evaluate_seconds", 0.0)


def by_rule(settings: Settings, running: Job | None = None) -> list[dict]:
    """Rows of the cost table: CPU seconds by rule, the most expensive first, and what training and evaluation took inside;
    then each study and last all together, with the share of the latter."""
    within: dict[str, float] = {}
    of_study = dict.fromkeys(settings.preset.ledger, (0.0, 0.0))
    for _, record in records(settings):
        part, cost = inside(record["cost"]), record["cost"]["cpu_seconds"]
        within[record["rule"]] = within.get(record["rule"], 0.0) + part
        if record["study"] in of_study:
            of_study[record["study"]] = tuple(map(sum, zip(of_study[record["study"]], (cost, part))))
    found = sorted(core_seconds(settings, running).items(), key=lambda item: -item[1][0])
    rows = [_cost(rule, seconds, within.get(rule, 0.0), jobs or None) for rule, (seconds, jobs) in found]
    sums = {f"study {name}": both for name, both in of_study.items() if both[0]}
    sums["all"] = (sum(seconds for _, (seconds, _) in found), sum(within.values()))
    return rows + [_cost(f"{name}: {100 * part / max(seconds, 1e-9):.0f} % training and evaluation", seconds, part)
                   for name, (seconds, part) in sums.items()]  # fmt: skip


def _cost(what: str, seconds: float, part: float, jobs: int | None = None) -> dict:
    shown = round(part, 1) if part else None
    return {"rule": what, "jobs": jobs, "CPU seconds": round(seconds, 1), "of them training and evaluation": shown}


def by_study(settings: Settings, running: Job | None = None) -> dict[str, float]:
    """CPU seconds by study, all that its jobs count, and of everything else (`other`), Snakemake's process included; work whose
    record is gone stands by itself."""
    found = dict.fromkeys(settings.preset.ledger, 0.0)
    for _, record in records(settings):
        if record["study"]:
            found[record["study"]] = found.get(record["study"], 0.0) + record["cost"]["cpu_seconds"]
    rows = {rule: seconds for rule, (seconds, _) in core_seconds(settings, running).items()}
    again = {AGAIN: rows.pop(AGAIN)} if AGAIN in rows else {}
    return {**found, "other": max(0.0, sum(rows.values()) - sum(found.values())), **again}


def ledger(settings: Settings, running: Job | None = None) -> list[dict]:
    """For each study and for all else: core-seconds it may spend, those it used, and `counted`, what is held against the
    former, as seconds of the machine that the ledger was measured on: of a study training and evaluation, each job by the
    small training step that it timed itself, so that a slow or a busy machine fails nothing. Nothing is held against
    seeds that a person asked for, nor against work that was done again."""
    used, counted = by_study(settings, running), dict.fromkeys(settings.preset.ledger, 0.0)
    speeds = []
    for _, record in records(settings):
        cost = record["cost"]
        speed = REFERENCE / cost.get("training_step_ms", REFERENCE)
        speeds += [speed] if "training_step_ms" in cost else []
        if record["study"] in counted:
            counted[record["study"]] += inside(cost) * speed
    counted["other"] = used["other"] * (median(speeds) if speeds else 1.0)
    rows = [
        {"study": name, "allowed": allowed, "used": used[name], "counted": counted[name], "share": counted[name] / allowed,
         "over": counted[name] > OVER * allowed}
        for name, allowed in settings.preset.ledger.items()
    ]  # fmt: skip
    return rows + [
        {"study": name, "allowed": None, "used": used[name], "counted": 0.0, "share": None, "over": False}
        for name in (ASKED, AGAIN) if name in used
    ]  # fmt: skip


def ledger_text(rows: list[dict]) -> str:
    """The ledger for a reader."""
    return "\n".join(
        f"{row['study']}: {row['used']:,.0f} core-seconds"
        + (
            f"; {row['counted']:,.0f} counted of {row['allowed']:,.0f} allowed"
            if row["allowed"]
            else FREE[row["study"]]
        )
        + (": over by more than half" if row["over"] else "")
        for row in rows
    )
