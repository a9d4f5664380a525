"""`flopwise audit PATH`: where a result comes from, and whether every hash on the way still holds."""

from pathlib import Path

from flopwise.config.load import ROOT
from flopwise.core.errors import UserError
from flopwise.core.io import read_json, sha256_file
from flopwise.provenance.lineage import hash_path


def _lineage_folder(path: Path) -> Path:
    """The lineage folder of the results tree that holds `path`."""
    for parent in path.parents:
        if (parent / "lineage").is_dir():
            return parent / "lineage"
    raise UserError(f"{path} lies in no results folder; give a file under results/<scale>/")


def _producer(path: str, records: dict[str, dict]) -> str | None:
    """File of the record whose job wrote `path`, itself or the folder that holds it."""
    for file, record in records.items():
        for output in record["outputs"]:
            if path == output or path.startswith(output + "/"):
                return file
    return None


def audit_path(path: Path, *, rerun: bool = False) -> dict:
    """Facts about `path`: the record of the job that made it, the records of everything upstream, and what no longer
    holds (`problems`, empty when `verified`)."""
    if not path.exists():
        raise UserError(f"{path} does not exist; `snakemake {path}` makes it if a rule does")
    relative = path.resolve().relative_to(Path.cwd()) if path.resolve().is_relative_to(Path.cwd()) else path
    files = sorted(_lineage_folder(relative).rglob("*.json"))
    records = {str(file): read_json(file) for file in files}
    producer = _producer(str(relative), records)
    if producer is None:
        raise UserError(f"no rule of this workflow made {path}: no lineage record names it")
    chain, todo = {}, [producer]
    while todo:
        file = todo.pop()
        if file in chain:
            continue
        chain[file] = records[file]
        todo += [found for item in records[file]["inputs"] if (found := _producer(item, records))]
    checked: dict[str, str | None] = {}
    problems = [problem for file, record in chain.items() for problem in _problems(file, record, checked)]
    record = chain[producer]
    facts = {
        "path": str(relative), "sha256": hash_path(relative), "rule": record["rule"], "job": record["job"],
        "command": f"snakemake --force {relative}", "record": producer, "inputs": record["inputs"],
        "sources": record["sources"], "code": record["code"], "versions": record["versions"],
        "cells": sorted({cell for r in chain.values() for cell in r["cells"]}),
        "seeds": sorted({seed for r in chain.values() for seed in r["seeds"]}),
        "cost": {key: sum(r["cost"].get(key, 0) for r in chain.values()) for key in ("gflops", "cpu_seconds")},
        "upstream": [{"rule": r["rule"], "job": r["job"], "record": file} for file, r in sorted(chain.items())],
        "hashes_checked": len(checked), "problems": problems, "verified": not problems,
    }  # fmt: skip
    if rerun:
        facts["rerun"] = _rerun(relative, record)
        if not facts["rerun"]["identical"]:
            facts["problems"].append(f"{relative} made again is not the same, byte for byte")
            facts["verified"] = False
    return facts


def _problems(file: str, record: dict, checked: dict[str, str | None]):
    for kind in ("outputs", "inputs", "sources"):
        for name, expected in record[kind].items():
            path = ROOT / name if kind == "sources" else Path(name)
            key = str(path)
            if key not in checked:
                checked[key] = hash_path(path) if path.exists() else None
            if checked[key] is None:
                yield f"{name} is gone ({kind[:-1]} in {file})"
            elif checked[key] != expected:
                yield f"{name} has changed since it was used ({kind[:-1]} in {file})"


def _rerun(path: Path, record: dict) -> dict:
    """Make a figure's notebook run again in a temporary folder and compare the file byte for byte."""
    import tempfile

    from flopwise.report.commands import rerun_notebook

    if not record["rule"].endswith("_figures"):
        raise UserError(f"--rerun compares what notebooks draw; to re-make {path} run `snakemake --force {path}`")
    with tempfile.TemporaryDirectory() as folder:
        again = rerun_notebook(record["job"], path, Path(folder))
        return {"sha256": sha256_file(again), "identical": sha256_file(again) == sha256_file(path)}


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
