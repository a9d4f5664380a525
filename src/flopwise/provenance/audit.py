"""`flopwise audit PATH`: where a result comes from, and whether every hash on the way still holds."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from flopwise.config.load import ROOT
from flopwise.core.errors import UserError
from flopwise.core.io import read_json, sha256_file
from flopwise.core.paths import making
from flopwise.provenance.job import ASKED, Job
from flopwise.provenance.lineage import hash_input, hash_path

KINDS = {"outputs": hash_path, "inputs": hash_input, "sources": hash_path}


def results_of(path: Path) -> Path:
    """The folder results/<scale> that holds `path`."""
    for parent in path.parents:
        if (parent / "lineage").is_dir():
            return parent
    raise UserError(f"{path} lies in no results folder; give a file under results/<scale>/")


def inside(path: Path) -> Path:
    """`path` as records name it: relative to the working directory where it lies below it."""
    if not path.exists():
        raise UserError(f"{path} does not exist; `{making(path)}` makes it if a rule does")
    return path.resolve().relative_to(Path.cwd()) if path.resolve().is_relative_to(Path.cwd()) else path


def _producer(path: str, records: dict[str, dict]) -> str | None:
    """File of the record whose job wrote `path`, itself or the folder that holds it."""
    for file, record in records.items():
        for output in record["outputs"]:
            if path == output or path.startswith(output + "/"):
                return file
    return None


def _upstream(producer: str, records: dict[str, dict]) -> dict[str, dict]:
    """The record of the producing job and those of all jobs before it, by file."""
    makers = {output: file for file, record in records.items() for output in record["outputs"]}
    chain, todo = {}, [producer]
    while todo:
        file = todo.pop()
        if file in chain:
            continue
        chain[file] = records[file]
        todo += [found for item in records[file]["inputs"] if (found := makers.get(item))]
    return chain


def audit_path(path: Path, job_of: Callable[[str, str], Job], rerun: Callable[[Job, Path], Path] | None = None) -> dict:
    """Facts about `path`: the record of the job that made it, the records of everything upstream, and what no longer
    holds (`problems`, empty when `verified`).

    job_of(rule, name): the job as code and configuration describe it now. rerun(job, path): make the file again in a
    folder of its own and return it; it must be the same, byte for byte."""
    relative = inside(path)
    records = {str(file): read_json(file) for file in sorted((results_of(relative) / "lineage").rglob("*.json"))}
    producer = _producer(str(relative), records)
    if producer is None:
        raise UserError(f"no rule of this workflow made {path}: no lineage record names it")
    chain = _upstream(producer, records)
    checked: dict[tuple, str | None] = {}
    problems = [problem for file, record in chain.items() for problem in _problems(file, record, checked, job_of)]
    record = chain[producer]
    facts = {
        "path": str(relative), "sha256": hash_path(relative), "rule": record["rule"], "job": record["job"],
        "command": _again(record, relative), "record": producer, "inputs": record["inputs"],
        "sources": record["sources"], "settings": record["settings"], "code": record["code"],
        "versions": record["versions"],
        "cells": sorted({cell for r in chain.values() for cell in r["cells"]}),
        "seeds": sorted({seed for r in chain.values() for seed in r["seeds"]}),
        "cost": {key: sum(r["cost"].get(key, 0) for r in chain.values()) for key in ("gflops", "cpu_seconds")},
        "upstream": [{"rule": r["rule"], "job": r["job"], "record": file} for file, r in sorted(chain.items())],
        "hashes_checked": len(checked), "problems": problems, "verified": not problems,
    }  # fmt: skip
    if rerun:
        again = sha256_file(rerun(job_of(record["rule"], record["job"]), relative))
        facts["rerun"] = {"sha256": again, "identical": again == facts["sha256"]}
        if not facts["rerun"]["identical"]:
            facts["problems"].append(f"{relative} made again is not the same, byte for byte")
            facts["verified"] = False
    return facts


def _again(record: dict, path: Path) -> str:
    """What makes a file again: Snakemake, or the job itself where no rule makes it."""
    by_hand = f"flopwise --scale {results_of(path).name} run {record['rule']} {record['job']}"
    return by_hand if record["study"] == ASKED else making(path, force=True)


def _problems(file: str, record: dict, checked: dict[tuple, str | None], job_of) -> Iterator[str]:
    """What changed since the job ran: the bytes of a file, what the job would read now, its settings."""
    for kind, hash_of in KINDS.items():
        for name, expected in record[kind].items():
            path = ROOT / name if kind == "sources" else Path(name)
            key = (str(path), hash_of)
            if key not in checked:
                checked[key] = hash_of(path) if path.exists() else None
            if checked[key] is None:
                yield f"{name} is gone ({kind[:-1]} in {file})"
            elif checked[key] != expected:
                yield f"{name} has changed since it was used ({kind[:-1]} in {file})"
    try:
        job = job_of(record["rule"], record["job"])
    except UserError as error:
        yield f"{error} (record {file})"
        return
    for kind, now in (("inputs", map(str, job.inputs)), ("sources", (str(p.relative_to(ROOT)) for p in job.sources))):
        for name in sorted(set(now) - set(record[kind])):
            yield f"{name} would be read now and was not then ({kind[:-1]} in {file})"
    yield from (f"{change} (settings in {file})" for change in changes(record["settings"], as_json(job.settings)))


def as_json(value):
    """A value as it comes back from a JSON file."""
    return json.loads(json.dumps(value))


def changes(before, now, where: str = "") -> Iterator[str]:
    """What differs between two values of the same shape, a line each: the key's path, the old and the new value."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            yield from changes(before.get(key), now.get(key), f"{where}.{key}".strip("."))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now)):
            yield from changes(old, new, f"{where}[{index}]")
    elif before != now:
        yield f"{where or 'the value'} was {_short(before)}, is {_short(now)}"


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def audit_text(facts: dict) -> str:
    """The audit for a reader."""
    code = facts["code"]
    changed = " with changes not committed" if code["changed"] else ""
    lines = [
        f"{facts['path']}",
        f"  sha256   {facts['sha256']}",
        f"  made by  rule {facts['rule']}" + (f", job {facts['job']}" if facts["job"] else ""),
        f"  again    {facts['command']}",
        f"  code     flopwise {code['flopwise']}, commit {code['commit'] or 'unknown'}{changed}",
        f"  versions {', '.join(f'{k} {v}' for k, v in facts['versions'].items())}",
        f"  cells    {len(facts['cells'])}: {', '.join(facts['cells'][:4])}{' ...' if len(facts['cells']) > 4 else ''}",
        f"  seeds    {', '.join(map(str, facts['seeds'])) or 'none'}",
        f"  cost     {facts['cost']['gflops']:,.0f} GFLOPs, {facts['cost']['cpu_seconds']:,.0f} CPU seconds, upstream included",
        f"  inputs   {len(facts['inputs'])}",
        *(f"    {digest[:12]}  {name}" for name, digest in facts["inputs"].items()),
        f"  sources  {len(facts['sources'])} files",
        f"  upstream {len(facts['upstream'])} jobs",
        f"  checked  {facts['hashes_checked']} hashes: " + ("all hold" if facts["verified"] else "PROBLEMS"),
        *(f"    ! {problem}" for problem in facts["problems"]),
    ]
    return "\n".join(lines)
