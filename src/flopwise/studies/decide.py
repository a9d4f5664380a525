"""Seeds where they are needed: `flopwise decide CLAIM` adds seeds to the cells of one claim, one at a time, until it is decided
or a cap is reached. In <results>/<scale>/<study>/decide/<claim>/ stand

    design.json      the looks and their critical values, fixed before the first seed is added
    runs/            what the trainings of added seeds scored
    decision.json    every look, the verdict, and what it cost

No table of the run and no other claim changes. `study` is a `flopwise.studies.study.Study`. Imports no torch and no pandas
before they are needed."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flopwise.core.choices import check
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import read_json, write_json
from flopwise.provenance import ledger, meter
from flopwise.provenance.job import Job
from flopwise.provenance.lineage import current, same_code

KINDS = ("difference", "trend", "equivalence")  # whose number is a mean over seeds that do not depend on each other
MOST = 100  # seeds, as in a preset
DEFAULT = 20


def find(studies: Mapping, name: str) -> tuple:
    """(study, claim, the run's judgement of every claim of the study). Raises UserError for a claim that added seeds cannot
    decide, with the reason."""
    whose = {claim: study for study in studies.values() for claim in study.claims}
    study = whose[check("claim", name, whose)]
    claim = study.claim(name)
    if claim.stands_for == "check":
        raise UserError(f"{name} is a check of the instrument; checks are judged on the scale's own runs alone")
    if claim.rule.kind not in KINDS or claim.rule.over != ("seed",):
        own = f"{claim.rule.kind} over {claim.rule.unit_of_inference}s"
        raise UserError(f"{name}: its rule is a {own}; seeds can be added to {', '.join(KINDS)} over seeds")
    if study.validation:
        raise UserError(f"{name} is not judged in validation mode")
    judged = {one["id"]: one for one in read_json(study.job("claims").outputs[0])["claims"]}
    own = judged.get(name, {})
    if own.get("rule_sha256") != claim.rule_sha256:
        raise UserError(f"{name}: the run judged another rule than the one in config/claims; run snakemake again first")
    for gate in (judged[gate] for gate in claim.gates):
        if gate["verdict"] != "reproduced":
            raise UserError(f"{name} waits for a check that does not hold: {gate['title']} ({gate['verdict']})")
    if own["low"] is None:
        raise UserError(f"{name} is {own['verdict']}: {own['reason']}")
    return study, claim, judged


def decided(study, claim, judged: Mapping, most: int | None, cores: int, command: Sequence[str], say: Callable) -> dict:
    """Add seeds until the claim is decided or there are `most`; returns the content of decision.json. A call that was
    interrupted is taken up where it was.

    command: what runs one job, before its rule and name. say: is told each look, and how many seeds there may be, at once."""
    for job in (study.job(verb, name) for verb in study.verbs for name in study.names(verb)):
        if not same_code(job):
            name = " ".join(filter(None, (job.rule, job.name)))
            raise UserError(f"{name} ran with other code or settings than there are now; run snakemake first")
    most = _cap(study, claim.id, most)
    with _alone(folder(study, claim.id)):
        design = _design(study, claim, judged[claim.id], most)
        meter.announce(main=True)  # the jobs book this process as their engine
        try:
            for look in looks(study, claim, design, lambda jobs: _make(jobs, cores, command)):
                say(look, design["most"])
            job = study.job("decide", claim.id)
            _make([job], 1, command)
        finally:
            ledger.close(study.settings)
    return read_json(job.outputs[0])


def conclude(study, job: Job) -> None:
    """Write decision.json from the design and the runs that there are."""
    from flopwise.core.sequential import METHOD

    def refuse(jobs: Sequence[Job]) -> None:
        if missing := [one.name for one in jobs if not current(one)]:
            raise UserError(f"{claim.id} needs {missing[0]}, which is not made; `flopwise decide {claim.id}` does all")

    claim, file = study.claim(job.name), design_file(study, job.name)
    if not file.exists():
        raise UserError(f"{claim.id} has no design; `flopwise decide {claim.id}` makes it")
    design = read_json(file)
    judged = {one["id"]: one for one in read_json(study.job("claims").outputs[0])["claims"]}[claim.id]
    found = list(looks(study, claim, design, refuse))
    texts = ("title", "rule_sha256", "kind", "unit", "unit_of_inference")
    numbers = ("n", "effect", "low", "high", "verdict")
    write_json(job.outputs[0], {
        "claim": claim.id, "study": study.name, "scale": study.settings.config.scale, "method": METHOD,
        **{key: judged[key] for key in texts}, "ordinary": {key: judged[key] for key in numbers},
        "first": design["first"], "most": design["most"], "looks": found, **found[-1],
    })  # fmt: skip


def facts(study, claim: str) -> dict:
    """What the job that concludes reads, writes and depends on."""
    judging = study.job("claims")
    own = {"flopwise.studies.decide", f"flopwise.studies.{study.name}.seeds"}
    return {
        "inputs": (*judging.inputs, *judging.outputs, design_file(study, claim), *_made(study, claim)),
        "outputs": (decision_file(study, claim),), "modules": (*judging.modules, *sorted(own)),
        "extra_sources": judging.extra_sources, "settings": judging.settings,
    }  # fmt: skip


def folder(study, claim: str) -> Path:
    return study.folder / "decide" / claim


def design_file(study, claim: str) -> Path:
    return folder(study, claim) / "design.json"


def decision_file(study, claim: str) -> Path:
    return folder(study, claim) / "decision.json"


def planned(study, claim: str) -> int:
    """How many seeds the scale itself runs at every point of the claim."""
    return next(seed for seed in range(MOST + 1) if study.decide_seed(claim, seed))


def looks(study, claim, design: Mapping, make: Callable[[Sequence[Job]], None]) -> Iterator[dict]:
    """The looks of a design, one after the other until one decides. n: seeds that finished all runs; seeds: those tried;
    cost: of all seeds added so far. make: sees to it that the jobs of the next seed have run."""
    import numpy

    from flopwise.core.claims import INCONCLUSIVE, verdict
    from flopwise.core.rules import Estimate
    from flopwise.core.sequential import Design

    intervals, rule = Design(design["first"], design["most"], tuple(design["critical"])), claim.rule
    context, trained = study.claim_context(study.job("claims").inputs[0].parent), []
    cost = {"trainings": 0, "core_seconds": 0.0, "gflops": 0.0}
    for seed in range(design["planned"] - 1, design["most"]):
        if seed >= design["planned"]:
            before = study.decide_before(claim.id, design["most"]) if not trained else []
            new = study.decide_seed(claim.id, seed)
            make(before)
            make(new)
            trained += new
            cost = _with_cost(cost, new, before)
        values = numbers(rule, study.with_added(context.tables, trained), context.defaults)
        values = numpy.array([value for other, value in values.items() if other <= seed])
        effect, low, high = map(float, intervals.interval(values))
        outcome = verdict(Estimate(len(values), effect, low, high), rule.claimed_range(), rule.stated_size())
        yield {
            "n": len(values), "seeds": seed + 1, "effect": effect, "low": low, "high": high, "verdict": outcome,
            "cost": cost,
        }  # fmt: skip
        if outcome != INCONCLUSIVE:
            return


def numbers(rule, tables: Mapping, defaults: Mapping) -> dict[int, float]:
    """What the rule makes of each seed that finished all its runs."""
    grid = rule.grid(tables, defaults)
    return {int(seed): float(value) for seed, value in zip(grid.index, rule.combine(grid.to_numpy(dtype=float)))}


def _with_cost(spent: Mapping, trained: Sequence[Job], others: Sequence[Job]) -> dict:
    """`spent` and what these jobs took, from their records."""
    costs = [read_json(job.lineage)["cost"] for job in (*trained, *others)]
    sums = {"core_seconds": "cpu_seconds", "gflops": "gflops"}
    return {"trainings": spent["trainings"] + len(trained)} | {
        name: round(spent[name] + sum(cost.get(key, 0.0) for cost in costs), 3) for name, key in sums.items()
    }


def _cap(study, claim: str, most: int | None) -> int:
    """Seeds at most: those asked for, else the design's, else the default. Raises UserError where they add nothing."""
    file, there = design_file(study, claim), planned(study, claim)
    most = most or (read_json(file)["most"] if file.exists() else DEFAULT)
    if not there < most <= MOST:
        raise UserError(f"--max-seeds is {most}; the run has {there} seeds already, allowed are {there + 1} to {MOST}")
    return most


def _design(study, claim, own: Mapping, most: int) -> dict:
    """The design of the claim: the one that stands in its folder, or a new one, written down. Raises UserError where another
    is asked for after seeds have been added: a second design on the same seeds would err more often than the first may."""
    from flopwise.core.sequential import Design

    file = design_file(study, claim.id)
    kept = read_json(file) if file.exists() else {}
    context = study.claim_context(study.job("claims").inputs[0].parent)
    start = numbers(claim.rule, context.tables, context.defaults)
    asked = {
        "claim": claim.id, "rule_sha256": claim.rule_sha256, "first": own["n"],
        "planned": planned(study, claim.id), "most": most,
        "start": {str(seed): value for seed, value in start.items()},
    }  # fmt: skip
    changed = [key for key in asked if key in kept and kept[key] != asked[key]]
    if kept and (not changed or _made(study, claim.id)):
        if changed == ["most"]:
            raise UserError(
                f"{claim.id} was designed for at most {kept['most']} seeds before the first was added; another number, on the "
                f"same seeds, would err in more than 5 % of cases; ask for --max-seeds {kept['most']}, or delete {file.parent}"
            )
        if changed:
            raise UserError(
                f"{file} is about other results ({', '.join(changed)}); delete {file.parent} to design anew"
            )
        return kept
    design = asked | {"critical": list(Design.of(own["n"], most).critical)}
    write_json(file, design)
    return design


def _made(study, claim: str) -> list[Path]:
    """The scores of added seeds that are there."""
    return sorted((folder(study, claim) / "runs").glob("*.csv"))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process, and no training that a killed one has left behind, works in the folder."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(handle, True)  # a job holds it too: it may outlive this process
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunFailure(
            f"{folder.name} is being decided by another process, or its last training still runs"
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def _make(jobs: Sequence[Job], cores: int, command: Sequence[str]) -> None:
    """Run the jobs that are not made yet, up to `cores` side by side, each in a process of its own that writes its log."""
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda job: _run(job, command), [job for job in jobs if not current(job)]))


def _run(job: Job, command: Sequence[str]) -> None:
    log = job.results / "logs" / job.rule / f"{job.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream:
        done = subprocess.run([*command, job.rule, job.name], stdout=stream, stderr=stream, close_fds=False)
    if done.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise RunFailure(f"{job.rule} {job.name} failed: {lines[-1] if lines else 'no message'} ({log})")
