"""Every rule finds its runs: at each scale that a claim lists, the preset runs each point of the rule with two seeds."""

from functools import cache

from flopwise.config import load
from flopwise.core.claims import Claim
from flopwise.core.rules import Side
from flopwise.studies.continual.claims import claims_file, read_claims
from flopwise.studies.continual.plan import AXES, Grid

FEWEST = 2


@cache
def seeds_by_point(scale: str) -> tuple[dict[str, str], dict[tuple, int], dict[tuple, int]]:
    """The defaults, and seeds by point: of all runs, and of those that are evaluated after each task."""
    study = load(scale=scale).preset.continual
    scored, followed = {}, {}
    for cell in Grid(study).cells.values():
        point = tuple(cell.axes().values())
        scored[point] = scored.get(point, 0) + 1
        if cell.evaluate != "final":
            followed[point] = followed.get(point, 0) + 1
    return study.defaults.model_dump(), scored, followed


def lacking(claim: Claim, scale: str, side: Side) -> list[str]:
    defaults, scored, followed = seeds_by_point(scale)
    seeds = followed if side.table == "trajectory" else scored
    kind = "runs evaluated after each task" if side.table == "trajectory" else "runs"
    missing = []
    for point in side.points:
        own = tuple({**defaults, **point}[axis] for axis in AXES)
        if seeds.get(own, 0) < FEWEST:
            name = ", ".join(f"{axis} {value}" for axis, value in point.items())
            missing.append(f"{claim.id} at {scale}: {seeds.get(own, 0)} {kind} of ({name})")
    return missing


def test_every_scale_that_a_claim_lists_runs_each_point_of_its_rule_with_two_seeds():
    missing = [
        line
        for claim in read_claims(claims_file())
        if claim.rule is not None
        for scale in claim.scales
        for side in claim.rule.sides()
        for line in lacking(claim, scale, side)
    ]
    assert not missing, f"{len(missing)} points lack seeds:\n" + "\n".join(missing)
