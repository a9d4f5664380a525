"""What a study says of itself. Planning, rules, report and audit know no study by name: they ask each of these."""

from collections.abc import Iterable
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from flopwise.config import Settings
from flopwise.config.files import claims_file, preset_files
from flopwise.core.choices import among, check
from flopwise.core.errors import UserError
from flopwise.provenance.job import ASKED, Job
from flopwise.studies import NAMES, decide
from flopwise.studies.regime import Quantity

if TYPE_CHECKING:  # they import pandas
    from flopwise.core.claims import Claim
    from flopwise.core.judge import Context


class Study:
    """One study at one scale; `studies/<name>/study.py` derives its own `Study` from this, without torch or pandas.

    name: short name, everywhere the same. verbs: its steps in order, each the rule `<name>_<verb>`; `plan`, `collect` and
    `claims` every study has, the others stand in workflow/rules/<name>.smk. wildcards: for each verb with several jobs,
    the wildcards of its rule, whose values joined by `/` are a job's name. tables: names of the tidy tables that `collect`
    writes, `cells` among them, with at least the columns cell, training, seed, status and diverged_at; the page shows
    `regime`, where there is one: rows of `regime` and what a run adds. asked: verbs whose jobs no rule makes: they run when a
    person asks for them (`flopwise decide`).

    For each verb a study says what its jobs read and write in `_<verb>(name)` and does one in `_run_<verb>(job)`."""

    name: str
    verbs: tuple[str, ...]
    asked: tuple[str, ...] = ("decide",)
    wildcards: ClassVar[dict[str, tuple[str, ...]]] = {}
    tables: tuple[str, ...]

    def __init__(self, settings: Settings):
        self.settings = settings
        self.config = getattr(settings.preset, self.name)
        self.folder = settings.results / self.name
        self._jobs: dict[tuple[str, str], Job] = {}
        self._names: dict[str, dict[str, None]] = {}

    def names(self, verb: str) -> list[str]:
        """Names of all jobs of a verb; `[""]` where it is one job."""
        return [""]

    def job(self, verb: str, name: str = "") -> Job:
        """What a job reads and writes. Raises `UserError` where there is no job of that name."""
        if verb in self.asked:  # not kept: what it reads may have come since
            facts = getattr(self, f"_{verb}")(name)
            return Job(f"{self.name}_{verb}", self.settings.results, name, study=ASKED, **facts)
        key = (verb, name)
        if key not in self._jobs:
            allowed = self._names.setdefault(verb, dict.fromkeys(self.names(verb)))
            if name not in allowed:
                raise UserError(f"{verb} job {name!r} does not exist at this scale; {among(name, allowed)}")
            facts = getattr(self, f"_{verb}")(*([name] if name else []))
            self._jobs[key] = Job(f"{self.name}_{verb}", self.settings.results, name, study=self.name, **facts)
        return self._jobs[key]

    def run(self, verb: str, job: Job) -> dict | None:
        """Do the job; returns what it knows of its cost (gflops, train_seconds, evaluate_seconds), for the record."""
        return getattr(self, f"_run_{verb}")(job)

    def table(self, name: str) -> Path:
        """Where `collect` writes a table."""
        return self.folder / "tables" / f"{name}.csv"

    def resources(self, verb: str) -> dict:
        """What a verb's jobs ask for; a job that failed gets a multiple of memory (MB) and time (minutes)."""
        return {"threads": 1, "memory_mb": 4000, "minutes": 60, "gpus": 0}

    def allowed(self) -> dict[str, Iterable[str]]:
        """Values that each wildcard of its rules may have; `part` needs none."""
        return {}

    def facts(self) -> dict[str, tuple[object, tuple[Path, ...]]]:
        """What notebooks may ask for by `<study>.<fact>`: a value, most often a folder, and the files behind it."""
        return {"tables": (self.folder / "tables", tuple(map(self.table, self.tables)))}

    def price(self) -> dict:
        """Before anything runs: cells, models (names), gflops by stage, mafs (GFLOPs), checkpoint_bytes. What it calls
        stands in `studies/<name>/price.py`, which the cost tables depend on."""
        raise NotImplementedError

    def setup(self) -> list[tuple[str, str, str]]:
        """Rows of the set-up table: what, in the paper, in this run. What it calls stands in `studies/<name>/setup.py`,
        which the page depends on."""
        return []

    def regime(self) -> list[Quantity]:
        """Quantities that decide how runs behave, known before anything runs: the paper's beside this scale's. What it
        calls stands in `studies/<name>/regime.py`."""
        return []

    @property
    def regime_table(self) -> tuple[Path, ...]:
        """The table of these quantities, where the study writes one."""
        return (self.table("regime"),) if "regime" in self.tables else ()

    def missing(self) -> list[str]:
        """What the study reads from the user's copies and does not find, a line each."""
        return []

    @cached_property
    def whole(self) -> dict:
        """All settings of the study but those that decide no result: what it may spend, what its jobs ask a machine for."""
        return self.config.model_dump(mode="json", exclude={"job", "max_core_seconds"})

    @property
    def named_in_figures(self) -> tuple[str, ...]:
        """Modules that figures find by name: those of methods, which say what they are called."""
        return ()

    @property
    def validation(self) -> bool:
        """Whether the scores are of validation data: then no claim is judged."""
        return False

    def claim_context(self, tables: Path) -> "Context":
        """What `core.judge.judge_all` needs to know beside the claims; `tables`: folder of the study's tables. What it
        calls stands in `studies/<name>/claims.py`."""
        raise NotImplementedError

    def _claims(self) -> dict:
        return {
            "inputs": tuple(map(self.table, self.tables)), "outputs": (self.folder / "tables" / "claims.json",),
            "modules": (f"flopwise.studies.{self.name}.claims", "flopwise.config.claims", "flopwise.core.judge"),
            "extra_sources": (claims_file(self.name), *preset_files(self.name)), "settings": self.whole,
        }  # fmt: skip

    def _run_claims(self, job: Job) -> None:
        from flopwise.config.claims import read_claims
        from flopwise.core.io import write_json
        from flopwise.core.judge import judge_all

        context = self.claim_context(job.inputs[0].parent)
        write_json(job.outputs[0], judge_all(read_claims(claims_file(self.name)), context))

    # seeds that are added to one claim -------------------------------------------------------------------------------

    @cached_property
    def claims(self) -> dict[str, "Claim"]:
        """The claims of the study by their names, checks of the instrument first."""
        from flopwise.config.claims import read_claims

        return {claim.id: claim for claim in read_claims(claims_file(self.name))}

    def claim(self, name: str) -> "Claim":
        """A claim with a rule. Raises UserError where there is none of that name."""
        claim = self.claims[check("claim", name, self.claims)]
        if claim.rule is None:
            raise UserError(f"{name} has no rule: {claim.note}")
        return claim

    def decide_before(self, claim: str, most: int) -> list[Job]:
        """Jobs that make what added seeds of a claim need, up to `most` seeds in all; they run once, before the first."""
        return []

    def decide_seed(self, claim: str, seed: int) -> list[Job]:
        """Jobs that run the cells of a claim with `seed`, side by side; none for a seed that the scale itself runs. The first
        output of each lies in the folder `runs` of the decision. What they call stands in `studies/<name>/seeds.py`."""
        raise UserError(f"seeds cannot be added to claims of the study {self.name}")

    def with_added(self, tables: dict, jobs: list[Job]) -> dict:
        """The study's tables with the rows that jobs of added seeds have written."""
        raise NotImplementedError

    @property
    def decisions(self) -> tuple[Path, ...]:
        """What became of the claims that seeds were added to, a file each."""
        return tuple(sorted(self.folder.glob("decide/*/decision.json")))

    def _decide(self, claim: str) -> dict:
        return decide.facts(self, self.claim(claim).id)

    def _run_decide(self, job: Job) -> None:
        decide.conclude(self, job)


def studies(settings: Settings) -> dict[str, Study]:
    """The studies that the scale runs, by name."""
    running = [name for name in NAMES if getattr(settings.preset, name) is not None]
    return {name: import_module(f"flopwise.studies.{name}.study").Study(settings) for name in running}
