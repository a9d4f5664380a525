"""What became of the claims, in words: the same on the page, in the PDF and on the console."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flopwise.core.choices import among
from flopwise.core.claims import DIRECTION, INCONCLUSIVE, NOT_REPRODUCED, NOT_TESTABLE, REPRODUCED
from flopwise.core.errors import UserError
from flopwise.core.judge import REASONS
from flopwise.report import words

ORDER = (REPRODUCED, DIRECTION, NOT_REPRODUCED, INCONCLUSIVE, NOT_TESTABLE)  # decided ones first
OUTCOMES = {REPRODUCED: REPRODUCED, DIRECTION: REPRODUCED, NOT_REPRODUCED: NOT_REPRODUCED, INCONCLUSIVE: INCONCLUSIVE}

DIFFERENT = {  # what a claim stands for -> heading of the list of those that were not reproduced
    "published": "What came out differently from what the papers say",
    "hypothesis": "Our own hypotheses that did not hold; no paper states them",
    "contrary": "Readings that contradict another claim and did not hold",
}
VALIDATION = (
    "Validation mode: part of the training data stands for the test data. No claim is judged, and a score that is called "
    "“test” on this page is a validation score."
)


@dataclass(frozen=True)
class Judged:
    """What became of one study: its checks of the instrument, and its claims, decided ones first."""

    id: str
    title: str
    checks: list[Mapping]
    claims: list[Mapping]


def apart(judged: Sequence[Mapping]) -> tuple[list[Mapping], list[Mapping]]:
    """(checks of the instrument, claims)"""
    return tuple([one for one in judged if (one["stands_for"] == "check") == check] for check in (True, False))


def by_study(judged: Sequence[Mapping], titles: Mapping[str, str]) -> list[Judged]:
    """Checks and claims study by study, in the order of `titles` (by the study's name); a study without a title has its name."""
    names = dict.fromkeys(one.get("study", "") for one in judged)
    found = []
    for name in sorted(names, key=lambda name: [*titles].index(name) if name in titles else len(titles)):
        checks, claims = apart([one for one in judged if one.get("study", "") == name])
        found.append(Judged(name, titles.get(name, name), checks, ordered(claims)))
    return found


def holds(check: Mapping) -> str:
    """What became of a check, in a word or two."""
    if check["verdict"] == NOT_TESTABLE and check["reason"].startswith(REASONS["scale"]):
        return "not run"
    return {"reproduced": "holds", "not reproduced": "fails"}.get(check["verdict"], "open")


def instrument(checks: Sequence[Mapping]) -> str:
    """Whether models of this scale answer at all, in a sentence; empty without checks."""
    ran = [check for check in checks if holds(check) != "not run"]
    lost = [check for check in ran if holds(check) != "holds"]
    if not lost:
        return (
            f"All {len(ran)} checks of the instrument{' that were run' * (len(ran) < len(checks))} hold." if ran else ""
        )
    which = "; ".join(f"{check['title']} ({holds(check)})" for check in lost)
    return (
        f"{len(ran) - len(lost)} of {len(ran)} checks of the instrument hold. Not so: {which}. "
        "No verdict is given on a claim that waits for these."
    )


def responds(studies: Sequence[Judged]) -> str:
    """The same over several studies, without names of checks."""
    told = [(study.title, Counter(map(holds, study.checks))) for study in studies]
    counts = [
        (title, own["holds"], own.total() - own["not run"]) for title, own in told if own.total() > own["not run"]
    ]
    if all(good == all_of_them for _, good, all_of_them in counts):
        return instrument([check for study in studies for check in study.checks])
    return (
        "Checks of the instrument that hold: "
        + ", ".join(f"{good} of {n} ({title})" for title, good, n in counts)
        + "."
    )


def ordered(claims: Sequence[Mapping]) -> list[Mapping]:
    """The claims with decided ones first, otherwise in their own order."""
    return sorted(claims, key=lambda claim: ORDER.index(claim["verdict"]))


def answers(sentences: Sequence[Mapping], claims: Sequence[Mapping]) -> list[dict]:
    """What a study found, a sentence per entry of its chapter's `answer`: text, number, interval, and the names of claim
    and figure. An entry has wordings by verdict; a claim that is not tested gets its reason. Raises UserError for a claim
    that does not exist, or a wording that is missing."""
    known, found = {claim["id"]: claim for claim in claims}, []
    for entry in sentences:
        if entry["claim"] not in known:
            raise UserError(f"a chapter's answer names claim {entry['claim']!r}; {among(entry['claim'], known)}")
        if lacking := {*OUTCOMES.values()} - {*entry}:
            raise UserError(f"a chapter's answer on {entry['claim']} has no wording for {', '.join(sorted(lacking))}")
        claim = known[entry["claim"]]
        outcome = OUTCOMES.get(claim["verdict"])
        unanswered = f"Not answered here, {claim['reason'].partition(':')[0]}: “{claim['title']}”"
        text = entry[outcome] if outcome else unanswered
        about = f"{claim['quantity']}: {measured(claim)} {interval(claim)}".rstrip() if outcome else ""
        found.append({"text": text, "about": about, "claim": claim["id"], "figure": entry["figure"]})
    return found


def different(claims: Sequence[Mapping]) -> list[tuple[str, list[Mapping]]]:
    """The claims that were not reproduced under the heading that says whose claims they were; only headings with any."""
    lost = [claim for claim in claims if claim["verdict"] == "not reproduced"]
    groups = [(title, [claim for claim in lost if claim["stands_for"] == kind]) for kind, title in DIFFERENT.items()]
    return [(title, group) for title, group in groups if group]


def measured(claim: Mapping) -> str:
    """+1.50 points; empty where nothing was measured."""
    if claim["effect"] is None:
        return ""
    if claim["kind"] == "count":
        return f"{round(claim['effect'] * claim['n'])} of {claim['n']}"
    if claim["kind"] == "exact":
        return "1 row that differs" if claim["effect"] == 1 else f"{claim['effect']:g} {claim['unit']}"
    return f"{words.signed(claim['effect'])} {claim['unit']}"


def units(claim: Mapping) -> str:
    """5 seeds, 12 pairs; empty where nothing was measured."""
    name = {"exact": "row", "dataset": "data set"}.get(claim["unit_of_inference"], claim["unit_of_inference"])
    return f"{claim['n']} {name}{'' if claim['n'] == 1 else 's'}" if claim["n"] else ""


def interval(claim: Mapping) -> str:
    """[+0.50, +2.50]; empty where there is none."""
    return (
        ""
        if claim["low"] is None or claim["kind"] in ("exact", "count")
        else f"[{words.signed(claim['low'])}, {words.signed(claim['high'])}]"
    )


def survives(claim: Mapping) -> bool:
    """Whether the effect differs from the claim's threshold at 5 % after Holm's correction over all such claims."""
    return claim["p_holm"] is not None and claim["p_holm"] < 0.05


def chance(claims: Sequence[Mapping]) -> str:
    """What chance alone would give among the claims that an interval decides; empty for fewer than two."""
    tested = [claim for claim in claims if claim["p_holm"] is not None]
    if len(tested) < 2:
        return ""
    decided = [claim for claim in tested if claim["verdict"] != "inconclusive"]
    by_chance = f"about {len(tested) / 40:.1f}"
    return (
        f"{len(tested)} claims rest on such an interval. If there were nothing to find in any of them, {by_chance} would come "
        f"out as reproduced and {by_chance} as not reproduced by chance alone. Claims share runs (full fine-tuning and "
        "EMA-merging stand in most), so chance verdicts come in clumps: a run that happens to be good moves several at once. "
        f"{sum(map(survives, decided))} of the {len(decided)} verdicts other than inconclusive survive Holm's correction over "
        "all such claims of their study."
    )


def decided(claim: Mapping) -> str:
    """What the claim's added seeds say, beside its verdict; empty where none were added."""
    one = claim.get("decision")
    if not one:
        return ""
    if one["stale"]:
        return "seeds were added to it in an earlier run; what they said is not about these results"
    outcome = "" if one["verdict"] == "inconclusive" else f"{one['verdict']} "
    lost = f" ({one['seeds'] - one['n']} more diverged)" if one["seeds"] > one["n"] else ""
    return (
        f"{'decided' if outcome else 'still undecided'} with {one['n']} seeds{lost} by group-sequential intervals: {outcome}"
        f"{measured({**claim, **one})} {interval({**claim, **one})}; {one['cost']['trainings']} trainings more, "
        f"{one['cost']['core_seconds']:,.0f} core-seconds"
    )


def look(claim: Mapping, most: int) -> str:
    """A claim's numbers at one look, in a line, with what the added seeds have cost so far."""
    return (
        f"  {claim['seeds']:>2} of {most} seeds  {measured(claim)} {interval(claim)}  {claim['verdict']}  "
        f"{claim['cost']['core_seconds']:,.0f} core-seconds"
    )


def added(claims: Sequence[Mapping]) -> str:
    """What became of all claims that seeds were added to; empty without any."""
    found = [claim["decision"] for claim in claims if claim.get("decision") and not claim["decision"]["stale"]]
    if not found:
        return ""
    counts = Counter(one["verdict"] for one in found)
    which = "1 inconclusive claim" if len(found) == 1 else f"{len(found)} inconclusive claims"
    became = ", ".join(f"{n} {'still ' * (verdict == 'inconclusive')}{verdict}" for verdict, n in counts.items())
    return (
        f"Seeds were added to {which} one at a time: {became}, by intervals that allow for every look (5 % over all of them). "
        "The counts of verdicts are those of the run's own seeds."
    )


def calibration(rates: Sequence[Mapping]) -> list[dict[str, str]]:
    """The measured error rates as rows of a table."""
    return [
        {
            "kind of rule": row["kind"],
            "seeds": str(row["seeds"]),
            "as in": row["example"],
            "reproduced": f"{100 * row['reproduced']:.1f} %",
            "not reproduced": f"{100 * row['not_reproduced']:.1f} %",
            "Monte-Carlo error": f"{100 * row['monte_carlo_error']:.1f} %",
        }
        for row in rates
    ]


def console(judged: Sequence[Mapping], chapters: Sequence[Mapping] = ()) -> list[str]:
    """Study by study its answers, whether its instrument responds, a line per claim that was tested, one more where seeds were
    added, what came out differently, and the counts. `chapters`: with id, title and answer."""
    answer = {chapter["id"]: chapter.get("answer", ()) for chapter in chapters}
    lines = []
    for study in by_study(judged, {chapter["id"]: chapter["title"] for chapter in chapters}):
        lines += [study.title] * bool(study.title)
        for one in answers(answer.get(study.id, ()), study.claims):
            lines.append(f"  {one['text']} ({one['about']})" if one["about"] else f"  {one['text']}")
        lines += [f"  {instrument(study.checks)}"] * bool(study.checks)
        for claim in study.claims:
            if claim["verdict"] != NOT_TESTABLE:
                lines.append(
                    f"  {claim['verdict']:<16} {claim['title']:<48} {measured(claim)} {interval(claim)}".rstrip()
                )
                lines += [f"    {decided(claim)}"] * bool(decided(claim))
        for title, group in different(study.claims):
            lines.append(f"  {title}: {'; '.join(claim['title'] for claim in group)}")
        counts = Counter(claim["verdict"] for claim in study.claims)
        lines.append("  " + ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
        lines += [f"  {added(study.claims)}"] * bool(added(study.claims))
    return lines
