"""Runs that the repository keeps in docs/runs/: their small tables, beside which a report sets the run that it is about."""

import os
import platform
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from flopwise.config import ROOT
from flopwise.core.errors import UserError
from flopwise.core.io import read_json, read_table, write_json, write_table
from flopwise.provenance.ledger import by_rule, core_seconds, ledger
from flopwise.provenance.lineage import records
from flopwise.report import words

FOLDER = ROOT / "docs" / "runs"
SAME, INSIDE, DIFFERENT, CHANGED = OUTCOMES = (
    "same verdict", "another verdict, effect inside the kept interval", "different", "rule changed since",
)  # fmt: skip
COLUMNS = ("id", "title", "verdict", "effect", "low", "high", "n", "unit", "reason", "rule_sha256")


@dataclass(frozen=True)
class Kept:
    """A kept run: its name (`laptop-2`), the facts of its run.json, and its claims and checks by id, a row each."""

    name: str
    facts: Mapping
    claims: Mapping[str, Mapping]


def folders(scale: str) -> list[Path]:
    """Kept runs of a scale, the oldest first."""
    return sorted(FOLDER.glob(f"{scale}-[0-9]*"), key=lambda path: int(path.name.rpartition("-")[2]))


def files(scale: str) -> tuple[Path, ...]:
    """What `latest` reads."""
    return tuple(folder / name for folder in folders(scale) for name in ("run.json", "claims.csv"))


def latest(scale: str) -> Kept | None:
    """The last run that is kept of a scale; of studies that did not run in it, the last one in which they did."""
    claims, names = {}, []
    for folder in reversed(folders(scale)):
        table = read_table(folder / "claims.csv").astype(object)
        rows = table.where(table.notna(), None).to_dict("records")
        known = {_study(key) for key in claims}
        if new := {row["id"]: row for row in rows if _study(row["id"]) not in known}:
            claims |= new
            names.append(folder)
    return Kept(" and ".join(one.name for one in names), read_json(names[0] / "run.json"), claims) if names else None


def _study(claim: str) -> str:
    return claim.partition("-")[0]


def beside(claim: Mapping, kept: Kept | None) -> str:
    """What a claim of this run is beside the kept one, one of OUTCOMES; empty where either did not test it."""
    from flopwise.core.claims import NOT_TESTABLE  # imports pandas; rule files, which ask for `files`, need none

    other = kept and kept.claims.get(claim["id"])
    if not other or NOT_TESTABLE in (claim["verdict"], other["verdict"]):
        return ""
    if claim["rule_sha256"] != other["rule_sha256"]:
        return CHANGED
    if claim["verdict"] == other["verdict"]:
        return SAME
    return INSIDE if other["low"] is not None and other["low"] <= claim["effect"] <= other["high"] else DIFFERENT


def sentence(claims: Sequence[Mapping], kept: Kept | None) -> str:
    """How this run, checks included, compares with the kept one of its scale; empty where there is none."""
    found = Counter(filter(None, (beside(claim, kept) for claim in claims)))
    if not found:
        return ""
    counts = ", ".join(f"{found[outcome]} {outcome}" for outcome in OUTCOMES if found[outcome])
    made = (
        f"{kept.facts['date']}, commit {(kept.facts['commit'] or 'unknown')[:12]}, {kept.facts['machine']['processor']}"
    )
    return (
        f"Beside {kept.name}, kept of this scale in the repository ({made}): of {found.total()} checks and claims "
        f"that both tested, {counts}."
    )


def keep(workflow, claims: Sequence[Mapping], studies: Sequence[str], now: datetime | None = None) -> Path:
    """Write the small tables of finished `studies` to a folder of their own in docs/runs/: claims and checks, aggregates (the
    tables that chapters name under `kept`), cost by rule, and run.json with code, machine and time. Returns the folder. Raises
    `UserError`, before anything is written, where a table is not there."""
    settings = workflow.settings
    scale, past = settings.config.scale, folders(settings.config.scale)
    number = int(past[-1].name.rpartition("-")[2]) + 1 if past else 1
    out = FOLDER / f"{scale}-{number}"
    aggregates = [workflow.folder(notebooks[0]) / f"{name}.csv" for chapter, notebooks in workflow.chapters
                  for name in (chapter.get("kept", ()) if chapter["id"] in studies else ())]  # fmt: skip
    if lost := next((path for path in aggregates if not path.is_file()), None):
        raise UserError(f"{lost} is not there; the figures of its study are made by `snakemake --config scale={scale}`")
    out.mkdir(parents=True)
    import pandas

    write_table(out / "claims.csv", pandas.DataFrame([{key: claim[key] for key in COLUMNS} for claim in claims]))
    write_table(out / "cost.csv", pandas.DataFrame(by_rule(settings)))
    for path in aggregates:
        shutil.copyfile(path, out / path.name)
    write_json(out / "run.json", _facts(settings, now or datetime.now(UTC)))
    return out


def _facts(settings, now: datetime) -> dict:
    found = [record for _, record in records(settings)]
    codes = sorted({(str(one["code"]["commit"]), bool(one["code"]["changed"])) for one in found})
    steps = [one["cost"]["training_step_ms"] for one in found if "training_step_ms" in one["cost"]]
    walls = [read_json(path).get("wall_seconds") for path in sorted((settings.results / "engine").glob("*.json"))]
    return {
        "scale": settings.config.scale, "date": f"{now:%Y-%m-%d}", "commit": codes[-1][0] if len(codes) == 1 else None,
        "commits": [commit + ", with changes" * changed for commit, changed in codes],
        "machine": {
            "processor": _processor(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}",
            "training_step_ms": round(median(steps), 1) if steps else None,
        },
        "versions": found[-1]["versions"], "wall_seconds": [wall and round(wall) for wall in walls],
        "core_seconds": round(sum(seconds for seconds, _ in core_seconds(settings).values())),
        "ledger": {row["study"]: {"counted": round(row["counted"]), "allowed": row["allowed"]} for row in ledger(settings)},
    }  # fmt: skip


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def texts(claims: Sequence[Mapping], kept: Kept | None) -> dict[str, str]:
    """What the page shows of each claim's place beside the kept run, by id."""
    found = {}
    for claim in claims:
        if outcome := beside(claim, kept):
            other = kept.claims[claim["id"]]
            ends = "" if other["low"] is None else f" [{words.signed(other['low'])}, {words.signed(other['high'])}]"
            found[claim["id"]] = f"{outcome}: {other['verdict']}, {words.signed(other['effect'])}{ends}"
    return found
