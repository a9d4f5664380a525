"""Run in a tree in which smoke has run: edit each thing that a job of each rule depends on, one after the other, and print
what the audit of the job did not name (nothing, if all is well), then how many edits were made."""

import json
import os
from pathlib import Path

from flopwise.config import ROOT, load
from flopwise.provenance.audit import _problems, changes
from flopwise.workflow import Workflow

flow = Workflow(load(scale="smoke"))
jobs = [flow.job(rule, name) for rule, names in flow.rules.items() for name in names]
made = {str(path): job for job in jobs for path in job.outputs}


def named(job, hashes: dict, edited: Path) -> bool:
    """Whether the audit of `job`, with `edited` hashed anew, says that it changed; nothing else may be said."""
    fresh = {key: value for key, value in hashes.items() if key[0] != str(edited)}
    problems = list(_problems("record", json.loads(job.lineage.read_text()), fresh, flow.job))
    return len(problems) == 1 and str(edited.relative_to(ROOT) if edited.is_absolute() else edited) in problems[0]


def edit(path: Path, check) -> bool:
    """Whether `check` notices a byte more at the end of `path`, which is then as it was, its time included."""
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(before + b"\n")
    try:
        return check()
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


edits = 0
for rule, names in flow.rules.items():
    if rule in flow.extra or not names:
        continue
    job = flow.job(rule, names[0])
    hashes: dict = {}
    assert list(_problems("record", json.loads(job.lineage.read_text()), hashes, flow.job)) == [], job
    for path in (*job.sources, *job.inputs):
        file = path if path.is_file() else path / "card.json"
        if path.is_dir() and not file.is_file():
            file = next(file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith("."))
        edits += 1
        if not edit(file, lambda path=path, job=job, hashes=hashes: named(job, hashes, path)):
            print(f"{rule}: {path}")
    for path in (path for path in job.inputs if (path / "card.json").is_file()):  # a file that the card vouches for
        maker, file = made[str(path)], next(iter(sorted(path.glob("*.npy"))))
        edits += 1
        if not edit(file, lambda maker=maker, path=path: named(maker, {}, path)):
            print(f"{rule}: {file}")
    if job.settings is not None:
        recorded = json.loads(job.lineage.read_text())["settings"]
        assert list(changes(recorded, {"other": 1})), rule
print(edits)
