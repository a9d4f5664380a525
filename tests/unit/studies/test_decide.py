"""`flopwise decide`: what it refuses, and its course on a study whose trainings are numbers in a list."""

from types import SimpleNamespace

import numpy as np
import pytest
from claim_tables import claim, context, judged, table

from flopwise.config import load
from flopwise.core.errors import UserError
from flopwise.core.io import read_json, write_json
from flopwise.provenance.job import Job
from flopwise.studies import decide
from flopwise.studies.study import studies

COST = {"cpu_seconds": 10.0, "gflops": 3.0}


# refusals ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def found(tmp_path):
    """Calls `find` for a claim of the laptop scale after a run in which every check holds, but for `verdicts`."""

    def call(name: str, overrides=None, **verdicts):
        settings = load(scale="laptop", results=str(tmp_path), overrides=overrides or {})
        known = studies(settings)
        study = known["continual"]
        rows = [
            {"id": one.id, "title": one.title, "rule_sha256": one.rule_sha256, "reason": "why", "low": None, "n": 3,
             "verdict": "reproduced" if one.stands_for == "check" else "inconclusive"}
            for one in study.claims.values()
        ]  # fmt: skip
        for row in rows:
            row |= {"low": -1.0} | verdicts.get(row["id"].replace("-", "_"), {})
        write_json(study.job("claims").outputs[0], {"claims": rows})
        return decide.find(known, name)

    return call


def test_an_inconclusive_claim_on_means_is_taken(found):
    study, claim, judged = found("continual-4b")
    assert (study.name, claim.id, judged["continual-4b"]["verdict"]) == ("continual", "continual-4b", "inconclusive")
    assert found("continual-1", continual_1={"verdict": "reproduced"})[2]["continual-1"]["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("continual-4bb", {}, "claim 'continual-4bb' is unknown; did you mean continual-4b"),
        ("continual-3b", {}, "continual-3b has no rule: no rule; the sources do not say"),
        (
            "continual-17",
            {},
            "its rule is a spread over seeds; seeds can be added to difference, trend, equivalence",
        ),
        ("continual-check-oracle", {}, "is a check of the instrument"),
        (
            "continual-4b",
            {"continual_check_room": {"verdict": "not reproduced"}},
            "waits for a check that does not hold: The ",
        ),
        ("continual-4b", {"continual_4b": {"verdict": "not testable at this scale", "low": None}}, "this scale: why"),
        ("continual-4b", {"continual_4b": {"rule_sha256": "0"}}, "the run judged another rule"),
        ("continual-4b", {"overrides": {"continual": {"evaluation": {"split": "validation"}}}}, "in validation mode"),
    ],
)
def test_what_seeds_cannot_decide_is_refused_in_a_line(found, name, options, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        found(name, **options)


def test_a_study_that_cannot_add_seeds_says_so(tmp_path):
    study = studies(load(scale="laptop", results=str(tmp_path)))["continual"]
    with pytest.raises(UserError, match="seeds cannot be added to claims of the study continual"):
        super(type(study), study).decide_seed("continual-4b", 3)


# what one more seed takes ------------------------------------------------------------------------------------------------


@pytest.fixture
def laptop(tmp_path):
    return studies(load(scale="laptop", results=str(tmp_path)))["continual"]


def test_only_what_the_scale_does_not_run_is_trained(laptop):
    """Full fine-tuning has five seeds at `laptop`, LoRA three; of a shared training one is enough."""
    names = {seed: [job.name for job in laptop.decide_seed("continual-4b", seed)] for seed in (2, 3, 5)}
    assert names == {
        2: [], 3: ["continual-4b/lora-r4-s3"], 5: ["continual-4b/lora-r4-s5", "continual-4b/full-ft-s5"],
    }  # fmt: skip
    (shared,) = laptop.decide_seed("continual-16b", 3)
    assert shared.cells == ("offline-merge-exp-s3", "offline-merge-s3")
    assert decide.planned(laptop, "continual-4b") == decide.planned(laptop, "continual-16b") == 3


def test_streams_of_new_seeds_are_built_once_and_no_table_of_the_run_is_written(laptop):
    (streams,) = laptop.decide_before("continual-4b", 7)
    assert [path.name for path in streams.outputs] == ["random-s5.json", "random-s6.json"]
    assert laptop.decide_before("continual-4b", 5) == []
    (training, _) = laptop.decide_seed("continual-4b", 5)
    assert streams.outputs[0] in training.inputs
    assert [str(path.relative_to(laptop.folder)) for path in training.outputs] == [
        "decide/continual-4b/runs/lora-r4-s5.csv"
    ]
    ordinary = {path for verb in laptop.verbs for name in laptop.names(verb) for path in laptop.job(verb, name).outputs}
    assert not ordinary & {*streams.outputs, *training.outputs, *laptop.job("decide", "continual-4b").outputs}


@pytest.mark.parametrize(
    "name", ["", "continual-4b", "continual-4b/lora-r4-s1", "continual-4b/lora-r4", "x/lora-r4-s5"]
)
def test_a_training_that_the_claim_does_not_add_is_refused(laptop, name):
    with pytest.raises(UserError, match=r"unknown|no job"):
        laptop.job("decide_train", name)


# the course --------------------------------------------------------------------------------------------------------------


class Numbers:
    """A study of one claim: method `a` has the values of a list, by seed, `b` is 0; the scale runs three seeds."""

    name, validation, verbs = "numbers", False, ("claims",)

    def __init__(self, folder, values):
        self.folder, self.values, self.trained, self.same_code = folder, values, [], True
        self.settings = SimpleNamespace(results=folder, config=SimpleNamespace(scale="laptop"))
        self.one = claim("c", a={"method": "a"}, b={"method": "b"}, claimed="above")
        self.judged = {"c": judged(self.one, self.table(range(3)))}
        write_json(folder / "tables" / "claims.json", {"claims": [*self.judged.values()]})

    def table(self, seeds):
        return table({"a": [self.values[seed] for seed in seeds], "b": [0.0 for _ in seeds]})

    def claim(self, name):
        return self.one

    def claim_context(self, tables):
        return context({"final": self.table(range(3))})

    def names(self, verb):
        return [""]

    def job(self, verb, name=""):
        if verb == "claims":
            tables = self.folder / "tables"
            return Job("numbers_claims", self.folder, inputs=(tables / "final.csv",), outputs=(tables / "claims.json",))
        return Job("numbers_decide", self.folder, name, outputs=(decide.decision_file(self, name),))

    def decide_before(self, claim, most):
        return []

    def decide_seed(self, claim, seed):
        path = decide.folder(self, claim) / "runs" / f"s{seed}.csv"
        return (
            [Job("numbers_decide_train", self.folder, f"c/s{seed}", outputs=(path,), seeds=(seed,))] if seed > 2 else []
        )

    def with_added(self, tables, jobs):
        return {"final": self.table(range(3 + len(jobs)))}

    def run(self, most=8):
        """As `flopwise decide c --max-seeds <most>`; returns the decision and the looks that were told."""
        told = []
        decision = decide.decided(self, self.one, self.judged, most, 1, [], lambda look, most: told.append(look))
        return decision, told


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Makes a study of some values; its jobs run in this process."""

    def make(values):
        study = Numbers(tmp_path, values)

        def run(job, command):
            if job.rule == "numbers_decide":
                decide.conclude(study, job)
            else:
                study.trained += job.seeds
                job.outputs[0].parent.mkdir(parents=True, exist_ok=True)
                job.outputs[0].write_text("")
                write_json(job.lineage, {"cost": COST})

        monkeypatch.setattr(decide, "_run", run)
        monkeypatch.setattr(decide, "current", lambda job: all(path.exists() for path in job.outputs))
        monkeypatch.setattr(decide, "same_code", lambda job: study.same_code)
        monkeypatch.setattr(decide.ledger, "close", lambda settings: None)
        monkeypatch.setattr(decide.meter, "announce", lambda main: None)
        return study

    return make


CLEAR = [1.0, 3.0, 0.2, 2.0, 1.8, 2.1, 1.9, 2.2, 2.0]
NOTHING = [1.0, -1.0, 0.2, -0.3, 0.8, -0.9, 0.5, -0.2, 0.1]


def test_seeds_are_added_one_at_a_time_until_a_look_decides(study):
    one = study(CLEAR)
    assert one.judged["c"]["verdict"] == "inconclusive"
    decision, told = one.run()
    assert decision["verdict"] == "reproduced"
    assert one.trained == list(range(3, decision["n"]))
    assert decision["n"] < 8
    assert [look["verdict"] for look in told] == ["inconclusive"] * (len(told) - 1) + ["reproduced"]
    assert decision["looks"] == told
    assert [look["n"] for look in told] == list(range(3, decision["n"] + 1))
    assert decision["effect"] == pytest.approx(np.mean(CLEAR[: decision["n"]]))
    assert decision["ordinary"]["effect"] == one.judged["c"]["effect"] == told[0]["effect"]
    added = len(one.trained)
    assert decision["cost"] == {"trainings": added, "core_seconds": 10.0 * added, "gflops": 3.0 * added}


def test_the_cap_ends_it_undecided(study):
    one = study(NOTHING)
    decision, _ = one.run(6)
    assert (decision["verdict"], decision["n"], one.trained) == ("inconclusive", 6, [3, 4, 5])


def test_the_looks_are_fixed_before_the_first_seed_is_added(study, monkeypatch):
    one = study(CLEAR)
    seen = []
    run = decide._run
    monkeypatch.setattr(decide, "_run", lambda *job: (seen.append(read_json(decide.design_file(one, "c"))), run(*job)))
    one.run()
    assert seen[0] == seen[-1]
    assert (seen[0]["first"], seen[0]["most"], len(seen[0]["critical"])) == (3, 8, 6)


def test_a_second_call_trains_nothing_and_another_cap_is_refused(study):
    one = study(CLEAR)
    first, _ = one.run()
    trained = list(one.trained)
    assert one.run() == (first, first["looks"])
    assert one.run(None)[0] == first
    with pytest.raises(UserError, match=r"was designed for at most 8 seeds .* ask for --max-seeds 8, or delete"):
        one.run(7)
    assert one.trained == trained


def test_other_results_of_the_run_are_refused_once_seeds_were_added(study):
    one = study(CLEAR)
    one.run()
    with pytest.raises(UserError, match=r"is about other results \(start\)"):
        study([1.0, 3.0, 0.3, *CLEAR[3:]]).run()


def test_seeds_are_not_added_to_a_run_of_other_code(study):
    one = study(CLEAR)
    one.same_code = False
    with pytest.raises(UserError, match="numbers_claims ran with other code or settings than there are now"):
        one.run()
    assert one.trained == []


def test_before_any_seed_was_added_another_cap_is_another_design(study, monkeypatch):
    one = study(CLEAR)
    run = decide._run
    monkeypatch.setattr(decide, "_run", lambda job, command: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        one.run(5)
    monkeypatch.setattr(decide, "_run", run)
    assert one.run(8)[0]["most"] == 8


@pytest.mark.parametrize("most", [2, 3, 101])
def test_a_cap_that_adds_nothing_or_too_much_is_refused(study, most):
    one = study(CLEAR)
    with pytest.raises(UserError, match=rf"--max-seeds is {most}; the run has 3 seeds already, allowed are 4 to 100"):
        one.run(most)
    assert not decide.folder(one, "c").exists()


def test_two_at_once_are_refused(study):
    one = study(CLEAR)
    with decide._alone(decide.folder(one, "c")), pytest.raises(RuntimeError, match="being decided by another process"):
        one.run()


def test_a_seed_whose_run_diverged_counts_for_nothing_and_is_told(study):
    one = study(NOTHING)
    whole = one.table

    def table(seeds):
        frame = whole(seeds)
        return frame.assign(status=np.where(frame["seed"] == 4, "diverged", "done"))

    one.table = table
    decision, told = one.run(6)
    assert [(look["n"], look["seeds"]) for look in told] == [(3, 3), (4, 4), (4, 5), (5, 6)]
    assert decision["n"] == 5
