"""The page: self-contained, complete, escaped, the same twice."""

import re
from html.parser import HTMLParser

import fixtures
import pytest

from flopwise.core.errors import RunFailure, UserError
from flopwise.report import kept, page, verdicts, words
from flopwise.report.chapters import outline
from flopwise.studies.regime import CAPTION, Quantity

pytestmark = pytest.mark.slow

EVIL = "<script>alert(1)</script><img src=http://example.org/x.png onerror=alert(2)>"
ANSWER = {"claim": "continual-1", "figure": "continual_trajectories", "reproduced": "Do", "not reproduced": "Do not",
          "inconclusive": "Wait"}  # fmt: skip
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reader(HTMLParser):
    """Collects tags, and checks that they are nested."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def content(smoke_run, world_run, repository) -> dict:
    made = page.Made(
        "continual_trajectories_figures", "snakemake x.svg", 5, "0.1.0", "ab" * 32, ("../x.svg", "../x.csv")
    )
    chapters = [
        page.Chapter(
            "continual", "Keeping up", EVIL, source="arXiv", setup=[{"Item": "T", "Paper": "20", "This run": EVIL}],
            regime=[Quantity("steps per task", 1420, EVIL, 16.5)],
            deviations=[EVIL], notebooks=[smoke_run / "continual.ipynb"], figures=smoke_run / "figures",
            made={"continual_trajectories": made}, answer=[{**ANSWER, "claim": f"continual-{n}"} for n in (1, 3, 4, 5)],
            picture="continual_trajectories",
        ),
        page.Chapter(
            "world", "The data", "What?", notebooks=[world_run / "world.ipynb"], figures=world_run / "figures"
        ),
    ]  # fmt: skip
    return {
        "scale": "smoke", "chapters": chapters, "claims": fixtures.claims(), "calibration": fixtures.calibration(),
        "facts": {"version": "0.1.0", "seeds": 1, "runs": 7, "core_seconds": 31.0, "wall_seconds": 240, "note": EVIL},
        "costs": [{"Study": "continual", "Planned": 900.0, "Measured": 31.5}],
        "provenance": {"Python": "3.11", EVIL: [EVIL]}, "problems": [EVIL, {"what": EVIL, "command": EVIL}],
        "sources": repository / "report",
    }  # fmt: skip


@pytest.fixture(scope="module")
def html(content) -> str:
    return page.render(**content)


@pytest.fixture(scope="module")
def tags(html) -> list:
    reader = Reader(html)
    assert reader.open == []
    return reader.tags


def test_refers_to_nothing_outside_itself(html, tags):
    for _, attributes in tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"url\(\s*['\"]?(?!#|%23|data:)", html)
    assert "@import" not in html


def test_the_regime_stands_beside_the_papers_where_a_chapter_has_one(html):
    assert html.count("the paper's and this run's</h3>") == 1
    part = html.split("the paper's and this run's</h3>")[1].split("</table>")[0]
    assert CAPTION.replace("'", "&#39;") in part
    assert [cell in part for cell in ("1,420", "16.5", "0.0116", "not kept")] == [True] * 4


def test_needs_no_script_and_lets_none_in(html, tags):
    assert "script" not in {tag for tag, _ in tags}
    assert not any(name.startswith("on") for _, attributes in tags for name in attributes)
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6


def test_names_every_claim_its_verdict_in_words_and_its_rule(html):
    for claim in fixtures.claims():
        row = html.split(f'id="claim-{claim["id"]}"')[1].split("</details>")[0]
        assert f">{claim['verdict']}</span>" in row
        assert claim["rule_sha256"] in row


def test_begins_with_an_answer_to_each_question_with_its_number_and_its_figure(content, html):
    part = html[html.index('class="answer"') :]
    part = part[: part.index("</ol>")]
    texts = [re.sub(r"<[^>]+>", "", line).strip() for line in part.split("<li>")[1:]]
    assert [text.partition(". ")[0] for text in texts[:3]] == ["Do", "Do not", "Wait"]
    assert "GM(ema-merge) - GM(full-ft): +1.50 points [+0.50, +2.50] (claim, figure 1)" in texts[0]
    assert texts[3].startswith("Not answered here, one seed only: “Larger models forget less")
    assert html.index('class="answer"') < html.index('id="claims"')
    wrong = page.Chapter("c", "C", "?", answer=[{**ANSWER, "claim": "continual-9"}])
    with pytest.raises(UserError, match="answer names claim 'continual-9'; "):
        page.render(**{**content, "chapters": [wrong]})
    with pytest.raises(UserError, match="no wording for inconclusive"):
        verdicts.answers([{key: value for key, value in ANSWER.items() if key != "inconclusive"}], fixtures.claims())


def test_decided_claims_stand_first_and_those_not_tested_are_folded(content, html):
    claims = fixtures.claims()
    html = page.render(**{**content, "chapters": [], "claims": claims[::-1]})
    places = [html.index(f'id="claim-{claim["id"]}"') for claim in claims]
    assert places == sorted(places)
    assert html.index("1 claim not tested at this scale") < places[-1]


def test_a_run_stands_beside_the_kept_one(content):
    claims = fixtures.claims()
    other = {claim["id"]: dict(claim) for claim in claims}
    other["continual-2"] |= {"verdict": "inconclusive", "low": 0.0, "high": 1.0}
    other["continual-3"] |= {"verdict": "inconclusive", "low": 5.0, "high": 6.0}
    other["continual-4"] |= {"rule_sha256": "f" * 64}
    run = kept.Kept("laptop-2", {"date": "2026-01-01", "commit": "ab" * 20, "machine": {"processor": "a chip"}}, other)
    assert [kept.beside(claim, run) for claim in claims] == [*kept.OUTCOMES, ""]
    assert {kept.beside(claim, None) for claim in claims} == {""}
    html = page.render(**{**content, "chapters": [], "claims": claims, "kept": run})
    assert (
        "2026-01-01, commit abababababab, a chip): of 4 checks and claims that both tested, 1 same verdict, 1 " in html
    )
    assert "different: inconclusive, −0.50 [+5.00, +6.00]" in html


def test_of_a_study_that_did_not_run_last_the_run_before_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    for name, rows in {"x-1": ("one-1,a", "two-1,b"), "x-2": ("two-1,c", "two-2,d"), "x-10": ("three-1,e",)}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "claims.csv").write_text("\n".join(["id,verdict", *rows]))
        (tmp_path / name / "run.json").write_text(f'{{"date": "{name}"}}')
    found = kept.latest("x")
    assert (found.name, found.facts["date"]) == ("x-10 and x-2 and x-1", "x-10")
    assert {key: row["verdict"] for key, row in found.claims.items()} == {
        "three-1": "e", "two-1": "c", "two-2": "d", "one-1": "a",
    }  # fmt: skip
    assert kept.latest("y") is None


def test_whose_claims_came_out_differently_is_kept_apart(content):
    claim = {**fixtures.claims()[2], "verdict": "not reproduced"}
    whose = {
        "published": "from what the papers say",
        "hypothesis": "Our own hypotheses",
        "contrary": "Readings that contradict",
    }
    claims = [{**claim, "id": kind, "title": f"title of {kind}", "stands_for": kind} for kind in whose]
    page_text = page.render(**{**content, "chapters": [], "claims": claims})
    for kind, title in whose.items():
        part = page_text.split(title)[1].split("</ul>")[0]
        assert [f"title of {other}" in part for other in whose] == [other == kind for other in whose]


def test_says_why_a_claim_was_not_tested_what_chance_gives_and_what_survives_correction(html):
    rows = [html.split(f'id="claim-continual-{number}"')[1].split("</details>")[0] for number in range(1, 6)]
    assert "one seed only" in rows[4]
    assert "Needs 2 model scales." in rows[4]
    assert ["survives Holm" in row for row in rows] == [True, True, False, False, False]
    assert "4 claims rest on such an interval" in html
    assert "about 0.1 would come out as reproduced" in html
    assert "2 of the 3 verdicts other than inconclusive survive" in html


def test_error_rates_of_the_rules_are_printed_once_or_said_to_be_missing(content, html):
    assert html.count("2.4 %") == html.count("3.1 %") == 1
    without = page.render(**{**content, "chapters": [], "calibration": []})
    assert ("was not measured" in html, "was not measured" in without) == (False, True)


def test_validation_mode_has_a_banner(content, html):
    assert "Validation mode" not in html
    assert page.render(**{**content, "chapters": [], "validation": True}).count("Validation mode") == 1


def test_the_console_says_units_and_what_came_out_differently():
    claims = fixtures.claims()
    claims[2] |= {"unit": "points per position", "stands_for": "hypothesis"}
    lines = verdicts.console(claims)
    assert lines[3].endswith("−0.50 points per position [−1.50, +0.50]")
    assert claims[4]["title"] not in "".join(lines)
    assert lines[-1].endswith("1 not testable at this scale")
    assert f"  Our own hypotheses that did not hold; no paper states them: {claims[2]['title']}" in lines
    chapters = [{"id": "continual", "title": "Keeping up", "answer": [{**ANSWER, "claim": claims[2]["id"]}]}]
    assert verdicts.console(claims, chapters)[:2] == ["Keeping up", lines_of_answer(claims[2])]


def lines_of_answer(claim: dict) -> str:
    return f"  Do not ({claim['quantity']}: {verdicts.measured(claim)} {verdicts.interval(claim)})"


def test_studies_stand_apart_each_with_its_own_checks():
    """Two studies: one whose check fails, one whose check holds."""
    check, *_ = claims = fixtures.claims()
    checks = [
        check | {"id": "a", "study": "transfer", "stands_for": "check", "verdict": "not reproduced"},
        check | {"id": "b", "stands_for": "check"},
    ]
    titles = {"continual": "Keeping up", "transfer": "Learning"}
    found = verdicts.by_study([*checks, *claims], titles)
    assert [(study.title, len(study.checks), len(study.claims)) for study in found] == [
        ("Keeping up", 1, len(claims)),
        ("Learning", 1, 0),
    ]
    assert verdicts.responds(found) == "Checks of the instrument that hold: 1 of 1 (Keeping up), 0 of 1 (Learning)."
    assert verdicts.responds(found[:1]) == "All 1 checks of the instrument hold."
    absent = {**checks[0], "verdict": "not testable at this scale", "reason": "not run at this scale"}
    assert verdicts.instrument([checks[1], absent]) == "All 1 checks of the instrument that were run hold."
    assert verdicts.responds(verdicts.by_study([absent], titles)) == ""
    assert verdicts.instrument(found[1].checks).startswith(
        f"0 of 1 checks of the instrument hold. Not so: {check['title']} (fails)"
    )


def decided(claim: dict, **options) -> dict:
    """The claim after seeds were added to it."""
    cost = {"trainings": 16, "core_seconds": 312.4, "gflops": 5000.0}
    found = {
        "verdict": "reproduced",
        "n": 11,
        "seeds": 11,
        "effect": 0.9,
        "low": 0.2,
        "high": 1.6,
        "cost": cost,
        "stale": False,
    }
    return claim | {"decision": found | options}


def test_what_added_seeds_say_stands_beside_the_verdict_and_is_counted_apart(content):
    claims = fixtures.claims()
    undecided = [decided(claim, **own) for claim, own in zip([claims[3]] * 2, ({}, {"verdict": "inconclusive"}))]
    undecided[1]["id"] += "-second"
    text = page.render(**{**content, "chapters": [], "claims": [*claims[:3], *undecided, claims[4]]})
    row = text.split(f'id="claim-{claims[3]["id"]}"')[1].split("</details>")[0]
    assert ">inconclusive</span>" in row
    assert (
        "decided with 11 seeds by group-sequential intervals: reproduced +0.90 points [+0.20, +1.60]; 16 trainings more"
        in row
    )
    assert "Seeds were added to 2 inconclusive claims one at a time: 1 reproduced, 1 still inconclusive" in text
    assert "still undecided with 11 seeds by group-sequential intervals: +0.90 points" in text
    assert "2 inconclusive</span>" in text
    assert "Seeds were added" not in page.render(**{**content, "chapters": [], "claims": claims})


def test_the_console_says_what_added_seeds_say_and_that_it_may_be_about_other_results():
    claims = fixtures.claims()
    lines = verdicts.console([*claims[:3], decided(claims[3]), claims[4]])
    assert any(line.startswith("    decided with 11 seeds by group-sequential intervals: reproduced") for line in lines)
    assert lines[-1].startswith("  Seeds were added to 1 inconclusive claim one at a time: 1 reproduced")
    lines = verdicts.console([*claims[:3], decided(claims[3], stale=True), claims[4]])
    assert any("not about these results" in line for line in lines)
    assert lines[-1].startswith("  1 reproduced, ")


def test_every_image_has_a_text_and_a_size(tags):
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 13
    assert all(len(image["alt"]) > 20 and int(image["width"]) > 100 and int(image["height"]) > 50 for image in images)


def test_links_lead_somewhere_and_anchors_are_unique(tags):
    anchors = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    assert {attributes["href"][1:] for tag, attributes in tags if tag == "a"} <= set(anchors)


def test_shows_how_a_figure_was_made(html):
    part = html.split('id="figure-continual-trajectories"')[1].split("</figure>")[0]
    for text in ("continual_trajectories_figures", "snakemake x.svg", "5 files", "0.1.0", "ab" * 32, "../x.csv"):
        assert text in part


def test_sets_formulas_without_a_script(html):
    assert "<math" in html
    assert "\\mathrm" not in html


def test_is_small_and_the_same_twice(content, html, tmp_path):
    page.build(tmp_path / "report.html", **content)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    assert len(html.encode()) < 5_000_000


def test_a_missing_figure_is_one_line(content, tmp_path):
    chapter = page.Chapter("c", "C", "?", notebooks=content["chapters"][0].notebooks, figures=tmp_path)
    with pytest.raises(RunFailure, match=r"continual_trajectories.svg is missing; `snakemake"):
        page.render(**{**content, "chapters": [chapter]})


def test_an_unknown_verdict_and_a_repeated_id_are_refused(content):
    claim = fixtures.claims()[0]
    with pytest.raises(UserError, match="verdict is 'proved'; allowed are reproduced"):
        page.render(**{**content, "claims": [{**claim, "verdict": "proved"}]})
    with pytest.raises(UserError, match="'continual-1' names two parts"):
        page.render(**{**content, "claims": [claim, claim]})


def test_a_run_without_claims_or_problems_says_so(content):
    html = page.render(**{**content, "chapters": [], "claims": [], "problems": [], "facts": {}})
    assert "This run tested no claims." in html
    assert "Nothing failed" in html


def test_every_item_of_every_checklist_is_answered(repository):
    lists = page.checklists(repository / "report" / "checklists")
    assert len(lists) >= 3
    for checklist in lists:
        assert checklist["title"]
        for item in checklist["items"]:
            assert item["question"].strip()
            assert item["answer"] in ("Yes", "Partly", "No", "Not applicable")
            assert len(item["where"].strip()) > 10


def test_every_chapter_names_a_notebook_that_exists(repository):
    for chapter in outline():
        assert chapter["question"]
        assert all((repository / "notebooks" / f"{name}.py").is_file() for name in chapter["notebooks"])


def test_a_checklist_in_another_encoding_is_named(tmp_path):
    (tmp_path / "own.yaml").write_bytes("title: Prüfung\n".encode("utf-8-sig"))
    assert page.checklists(tmp_path) == [{"title": "Prüfung"}]
    (tmp_path / "own.yaml").write_bytes("title: Prüfung\n".encode("cp1252"))
    with pytest.raises(UserError, match=r"own\.yaml is not UTF-8 \(byte 0xfc in line 1"):
        page.checklists(tmp_path)


def test_checks_stand_apart_from_claims_and_in_the_first_paragraph(content):
    one, two = ({**claim, "id": f"check-{claim['id']}", "stands_for": "check"} for claim in fixtures.claims()[:3:2])
    checks = [{**one, "title": "There is something to learn"}, {**two, "title": "Seeds agree"}]
    html = page.render(**{**content, "claims": [*checks, *fixtures.claims()]})
    lead = html[html.index('class="lead"') : html.index("</header>")]
    assert "Checks of the instrument that hold: 1 of 2 (Keeping up)." in lead
    assert "1 of 2 checks of the instrument hold. Not so: Seeds agree (fails)." in html
    assert html.count('class="claim" id="claim-check-') == 2
    tally = html[html.index('class="tally"') :]
    assert "1 reproduced" in tally[: tally.index("</p>")]


def test_prose_sets_names_and_subscripts_and_escapes_the_rest():
    assert words.prose("rho_pos of `views` < A_KA") == ("ρ<sub>pos</sub> of <code>views</code> &lt; A<sub>KA</sub>")
    assert "<script>" not in words.prose(f"`{EVIL}`")
