"""From claims and a study's tables to verdicts, with no knowledge of the study."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flopwise.core.calibration import calibrate
from flopwise.core.claims import INCONCLUSIVE, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED, Claim, verdict
from flopwise.core.rules import Estimate, Point, Rule, Tables
from flopwise.core.statistics import holm

REASONS = {
    "validation": "validation mode",
    "scale": "not run at this scale",
    "diverged": "runs diverged",
    "rule": "no rule",
    "gate": "the instrument does not respond",
    "undecided": "whether the instrument responds is not decided",
}


@dataclass(frozen=True)
class Planned:
    """What the preset of one scale runs. defaults: of the axes. rows: per table, the axis values and the seed of every run
    that it will hold."""

    defaults: Point
    rows: Mapping[str, Sequence[Mapping[str, object]]]
    _counts: dict = field(default_factory=dict, repr=False)

    def units(self, table: str, point: Point, over: tuple[str, ...]) -> int:
        """Units of inference at a point; of pairs, those of the side that has fewer."""
        rows = self.rows.get(table, ())
        axes = next(iter(rows), {})
        fixed = {
            a: v for a, v in self.defaults.items() if a in axes and a not in over
        } | point  # as `Rule.runs` selects
        names = tuple(sorted(fixed))
        if (table, over, names) not in self._counts:
            found = self._counts[table, over, names] = {}
            for row in rows:
                sides = found.setdefault(tuple(row.get(name) for name in names), [set() for _ in over])
                for side, name in zip(sides, over):
                    side.add(row.get(name))
        return min(map(len, self._counts[table, over, names].get(tuple(fixed[name] for name in names), [()])))


@dataclass(frozen=True)
class Context:
    """What a study says of itself to have its claims judged. axes: columns of the tables that make up a point. planned:
    by scale, this one among them. validation: the tables hold no test scores, so nothing is judged. runs: table with a row
    for every run and metric, from which error rates are measured."""

    study: str
    scale: str
    tables: Tables
    axes: tuple[str, ...]
    planned: Mapping[str, Planned]
    validation: bool = False
    runs: str = "final"

    @property
    def defaults(self) -> Point:
        return self.planned[self.scale].defaults


def scales_of(rule: Rule | None, planned: Mapping[str, Planned]) -> list[str]:
    """The scales that run every point of a rule with as many units as its interval needs."""
    if rule is None:
        return []
    points = [(side.table or rule.table, point) for side in rule.sides() for point in side.points]
    return [
        scale for scale, plan in planned.items()
        if all(plan.units(table, point, rule.over) >= rule.fewest for table, point in points)
    ]  # fmt: skip


def judge_all(claims: Iterable[Claim], context: Context) -> dict:
    """`claims`: the verdicts, with p-values corrected for all tests of the study. `calibration`: how often the rules err
    where nothing is to be found."""
    claims, found = list(claims), {}
    for claim in claims:
        found[claim.id] = judge(claim, context, [found[gate] for gate in claim.gates])
    tested = [one for one in found.values() if one["p_value"] is not None and one["stands_for"] != "check"]
    for result, adjusted in zip(tested, holm([result["p_value"] for result in tested])):
        result["p_holm"] = adjusted
    tables, rules = context.tables, [(claim.id, claim.rule) for claim in claims if claim.rule]
    counts = {result["id"]: result["n"] for result in tested}
    rates = calibrate(rules, counts, tables, context.defaults, context.runs, context.axes)
    return {"claims": list(found.values()), "calibration": rates}


def judge(claim: Claim, context: Context, gates: Iterable[Mapping] = ()) -> dict:
    """The claim with its verdict, in plain data. `effect`, `low`, `high` are in the quantity's own sign and unit; `n` counts
    units of inference, `n_seeds` does where these are seeds; `diverged` counts the runs of each side and how many of them
    diverged. gates: the verdicts on the claims that stand in `claim.gates`."""
    rule, scales = claim.rule, scales_of(claim.rule, context.planned)
    result = claim.model_dump(mode="json", exclude={"rule", "unit"}) | {
        "study": context.study, "rule": rule.words() if rule else "no rule: see the note",
        "kind": rule.kind if rule else None, "rule_sha256": claim.rule_sha256, "scales": scales,
        "unit": claim.unit or (rule.unit if rule else "points"),
        "unit_of_inference": rule.unit_of_inference if rule else None,
        **_numbers(rule, Estimate()), "verdict": NOT_TESTABLE, "reason": "", "p_holm": None, "diverged": [],
    }  # fmt: skip
    closed = [gate for gate in gates if gate["verdict"] != REPRODUCED]
    shut = [gate for gate in closed if gate["verdict"] in (NOT_REPRODUCED, NOT_TESTABLE)]
    untested = "validation" if context.validation else "rule" if rule is None else ""
    untested = untested or ("scale" if context.scale not in scales else "gate" if shut else "")
    if untested:
        return result | {"reason": REASONS[untested] + _gates(shut if untested == "gate" else [])}
    estimate, lost = rule.measure(context.tables, context.defaults), _diverged(rule, context)
    result |= _numbers(rule, estimate) | {"diverged": lost, "reason": _reason(rule, estimate, lost)}
    outcome = verdict(estimate, rule.claimed_range(), rule.stated_size())
    if closed and outcome != NOT_TESTABLE:
        return result | {"verdict": INCONCLUSIVE, "p_value": None, "reason": REASONS["undecided"] + _gates(closed)}
    return result | {"verdict": outcome}


def _numbers(rule: Rule | None, estimate: Estimate) -> dict:
    seeds = estimate.n if rule and rule.unit_of_inference == "seed" else 0
    names = ("n", "effect", "low", "high", "p_value", "smallest_detectable")
    return {name: getattr(estimate, name) for name in names} | {"n_seeds": seeds}


def _gates(gates: Iterable[Mapping]) -> str:
    """: the title of each gate that did not hold, with its number."""
    parts = []
    for gate in gates:
        ends = "" if gate["low"] is None else f" [{gate['low']:.3g}, {gate['high']:.3g}]"
        number = gate["reason"] if gate["effect"] is None else f"{gate['effect']:.3g} {gate['unit']}{ends}"
        parts.append(f"{gate['title']}: {gate['verdict']}, {number}")
    return "".join(f"{'; ' if i else ': '}{part}" for i, part in enumerate(parts))


def _diverged(rule: Rule, context: Context) -> list[dict]:
    """Per side of the rule: its words, whether the claim says it is worse, its runs, and how many of them diverged."""
    found = []
    for side in rule.sides():
        frames = [rule.runs(side, point, context.tables, context.defaults) for point in side.points]
        if not all("status" in frame for frame in frames):
            continue
        status = [frame.drop_duplicates([*{*rule.over, "seed"} & {*frame.columns}])["status"] for frame in frames]
        lost = sum(int((one != "done").sum()) for one in status)
        found.append({"side": side.words, "worse": side.worse, "runs": sum(map(len, status)), "diverged": lost})
    return found


def _reason(rule: Rule, estimate: Estimate, sides: list[dict]) -> str:
    """Why there is no verdict, or over which runs there is one; empty where all runs finished."""
    lost = [side for side in sides if side["diverged"]]
    if not lost:
        few = f"one {rule.unit_of_inference} only" if estimate.n else REASONS["scale"]
        return estimate.detail or (few if estimate.low is None else "")
    agreement = {
        True: ", which agrees with the claim that this side is worse but gives no number",
        False: ", which speaks against the claim that this side is better but gives no number",
        None: "",
    }
    parts = [
        f"{side['diverged']} of {side['runs']} runs of ({side['side']}){agreement[side['worse']]}" for side in lost
    ]
    end = (
        f"; the interval is over the {estimate.n} {rule.unit_of_inference}s without" if estimate.low is not None else ""
    )
    return f"{REASONS['diverged']}: {'; '.join(parts)}{end}"
