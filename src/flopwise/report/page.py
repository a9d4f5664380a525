"""The report: one HTML file that needs nothing but itself. Everything it shows is passed in as plain data.

    build("report.html", scale="laptop", chapters=[Chapter(...)], claims=[{...}], facts={...})

Texts and tables are escaped; figures go in as data URIs; there is no script and no reference to another host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flopwise.core.claims import NOT_TESTABLE
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import write_text
from flopwise.core.text import read_text
from flopwise.report import blocks, verdicts, words
from flopwise.report import kept as kept_runs
from flopwise.studies import regime
from flopwise.studies.regime import CAPTION, Quantity

VERDICTS = {  # word -> class of its badge
    "reproduced": "good",
    "direction only": "partly",
    "not reproduced": "bad",
    "inconclusive": "open",
    "not testable at this scale": "none",
}


@dataclass(frozen=True)
class Made:
    """How a figure or table came about; shown under it.

    rule: name of the rule. command: what re-makes just this. inputs: number of input files. code_version: of the run.
    lineage: hash over rule, inputs and sources. files: paths of its files relative to the report. note: anything else
    (cells, seeds, cost)."""

    rule: str
    command: str
    inputs: int
    code_version: str
    lineage: str
    files: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Chapter:
    """One study in the report.

    id: short name, also the anchor. source: the paper. question: one or two sentences. setup: the *paper vs this run*
    table, a list of dicts (or DataFrame) with columns to show. regime: quantities that decide how runs behave.
    deviations: one sentence each. notebooks: executed notebooks, shown in this order: their text, figures and tables.
    figures: folder that the notebooks wrote to. made: by name of figure or table. answer: wordings of what the summary says
    of it, as `verdicts.answers` takes them; picture: name of the figure that carries it."""

    id: str
    title: str
    question: str
    source: str = ""
    setup: object = ()
    regime: Sequence[Quantity] = ()
    deviations: Sequence[str] = ()
    notebooks: Sequence[Path | str] = ()
    figures: Path | str = ""
    made: Mapping[str, Made] = field(default_factory=dict)
    answer: Sequence[Mapping] = ()
    picture: str = ""


def build(out_html: Path | str, **content) -> None:
    """Write the report; arguments as for `render`. Raises RunFailure for a damaged notebook or missing figure."""
    write_text(out_html, render(**content))


def render(
    *,
    scale: str,
    chapters: Sequence[Chapter],
    claims: Sequence[Mapping],
    facts: Mapping,
    costs=(),
    provenance: Mapping[str, object] | None = None,
    problems: Sequence[Mapping | str] = (),
    sources: Path | str = "report",
    calibration: Sequence[Mapping] = (),
    validation: bool = False,
    kept: kept_runs.Kept | None = None,
) -> str:
    """The report as HTML text, the same for the same arguments.

    claims, calibration: as in `claims.json`. kept: the run of this scale that the repository keeps. validation: the scores
    are not of test data. facts: what the first paragraph says; every key is optional: title, hardware, version, commit,
    command, runs (deployed models), trainings, diverged, seeds, wall_seconds, core_seconds, note. costs: CPU seconds by rule,
    a table. provenance: label -> value (text, number or list).
    problems: what failed or is missing: texts, or dicts with `what`, `detail`, `command`. sources: folder with
    page.html.j2, page.css and checklists/*.yaml."""
    import jinja2

    sources = Path(sources)
    _check(chapters, claims, sources)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(sources), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
    )  # fmt: skip
    environment.filters |= {"prose": words.prose, "markdown": words.markdown, "duration": words.duration,
                            "count": words.count}  # fmt: skip
    counter = blocks.Counter()
    beside, compared = kept_runs.texts(claims, kept), kept_runs.sentence(claims, kept)
    judged = verdicts.by_study(claims, {chapter.id: chapter.title for chapter in chapters})
    claims = verdicts.apart(claims)[1]
    written = [_chapter(chapter, claims, counter) for chapter in chapters]
    return environment.get_template("page.html.j2").render(
        scale=scale,
        facts=dict(facts),
        regime_caption=CAPTION,
        style=words.Markup(read_text(sources / "page.css", UserError)),
        instrument=verdicts.responds(judged),
        answers=_answers(chapters, written, claims),
        studies=[_study(study, beside) for study in judged],
        compared=compared,
        tally=_tally(claims),
        chance=verdicts.chance(claims),
        added=verdicts.added(claims),
        different=verdicts.different([_claim(claim) for claim in claims]),
        calibration=blocks.table(verdicts.calibration(calibration)),
        validation=verdicts.VALIDATION if validation else "",
        chapters=written,
        costs=blocks.table(costs),
        provenance=[(label, value if isinstance(value, list | tuple) else [value])
                    for label, value in (provenance or {}).items()],
        problems=[{"what": problem} if isinstance(problem, str) else problem for problem in problems],
        checklists=checklists(sources / "checklists"),
    )  # fmt: skip


def checklists(folder: Path | str) -> list[dict]:
    """Answered checklists, by file name: title, source, items (question; answer: yes, partly, no, not applicable;
    where)."""
    return [_yaml(path) for path in sorted(Path(folder).glob("*.yaml"))]


def _yaml(path: Path):
    import yaml

    try:
        return yaml.safe_load(read_text(path, UserError))
    except FileNotFoundError as error:
        raise RunFailure(f"{path} is missing; it is part of the repository") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error


def _check(chapters: Sequence[Chapter], claims: Sequence[Mapping], sources: Path) -> None:
    for name in ("page.html.j2", "page.css"):
        if not (sources / name).is_file():
            raise RunFailure(f"{sources / name} is missing; it is part of the repository")
    ids = [chapter.id for chapter in chapters] + [claim["id"] for claim in claims]
    for identifier in ids:
        if ids.count(identifier) > 1:
            raise UserError(f"{identifier!r} names two parts of the report; each chapter and claim needs its own id")
    for claim in claims:
        if claim["verdict"] not in VERDICTS:
            raise UserError(f"claim {claim['id']}: verdict is {claim['verdict']!r}; allowed are {', '.join(VERDICTS)}")


def _claim(claim: Mapping) -> dict:
    """The claim with its numbers as text and the class of its badge."""
    smallest, scales = claim["smallest_detectable"], claim["scales"]
    return {
        **claim,
        "badge": VERDICTS[claim["verdict"]],
        "measured": verdicts.measured(claim),
        "interval": verdicts.interval(claim),
        "units": verdicts.units(claim),
        "smallest": "" if smallest is None else f"{words.plain(smallest)} {claim['unit']}",
        "survives": verdicts.survives(claim),
        "decided": verdicts.decided(claim),
        "scales": ", ".join(scales),
        "hash": claim["rule_sha256"][:12],
    }


def _study(study: verdicts.Judged, beside: Mapping[str, str]) -> dict:
    """Checks and claims of one study as the summary shows them. beside: by claim, its place beside the kept run."""
    claims = [_claim(claim) | {"beside": beside.get(claim["id"], "")} for claim in study.claims]
    return {
        "title": study.title,
        "instrument": verdicts.instrument(study.checks),
        "checks": [_claim(check) | {"holds": verdicts.holds(check)} for check in study.checks],
        "tested": [claim for claim in claims if claim["verdict"] != NOT_TESTABLE],
        "untested": [claim for claim in claims if claim["verdict"] == NOT_TESTABLE],
        "tally": _tally(study.claims),
    }


def _answers(chapters: Sequence[Chapter], written: Sequence[dict], claims: Sequence[Mapping]) -> list[dict]:
    """Per chapter that has an answer: its sentences, each with the number and anchor of its figure, and its picture."""
    figures = {part["name"]: part for chapter in written for part in chapter["parts"] if part["kind"] == "figure"}
    found = []
    for chapter in chapters:
        if sentences := verdicts.answers(chapter.answer, claims):
            sentences = [{**one, "figure": figures.get(one["figure"])} for one in sentences]
            found.append({"title": chapter.title, "sentences": sentences, "picture": figures.get(chapter.picture)})
    return found


def _tally(claims: Sequence[Mapping]) -> list[tuple[str, str, int]]:
    counts = {verdict: sum(claim["verdict"] == verdict for claim in claims) for verdict in VERDICTS}
    return [(verdict, VERDICTS[verdict], count) for verdict, count in counts.items() if count]


def _chapter(chapter: Chapter, claims: Sequence[Mapping], counter: blocks.Counter) -> dict:
    quantities, sources = regime.shown(chapter.regime)
    parts, own = [], [claim for claim in claims if claim.get("study") == chapter.id]
    for path in chapter.notebooks:
        parts += blocks.from_notebook(path, Path(chapter.figures), chapter.made, counter)
    return {
        "id": chapter.id,
        "title": chapter.title,
        "source": chapter.source,
        "question": chapter.question,
        "setup": blocks.table(chapter.setup),
        "regime": blocks.table(quantities),
        "regime_sources": sources,
        "deviations": list(chapter.deviations),
        "claims": own,
        "tally": _tally(own),
        "parts": parts,
        "headings": [heading for part in parts for heading in part.get("headings", [])],
    }
