"""The jobs of every scale fit together: what one reads another makes, and nothing is made twice."""

from collections import Counter

import pytest

from flopwise.config import load
from flopwise.config.load import scales
from flopwise.core.errors import UserError
from flopwise.workflow import Workflow


@pytest.fixture(scope="module", params=scales())
def flow(request, tmp_path_factory) -> Workflow:
    """Nothing has run, and no seeds were added to a claim."""
    return Workflow(load(scale=request.param, results=str(tmp_path_factory.mktemp("results"))))


def jobs(flow: Workflow):
    return [flow.job(rule, name) for rule, names in flow.rules.items() for name in names]


def test_what_a_job_reads_another_makes_and_nothing_is_made_twice(flow):
    made = Counter(path for job in jobs(flow) for path in job.outputs)
    assert [path for path, times in made.items() if times > 1] == []
    assert {path for job in jobs(flow) for path in job.inputs} <= set(made)


def test_no_job_works_for_nothing(flow):
    read = {path for job in jobs(flow) for path in job.inputs}
    idle = {job.rule for job in jobs(flow) if not read & set(job.outputs)}
    assert idle == {"report", "report_pdf"}


def test_every_job_has_its_own_record_and_state(flow):
    for place in ("lineage", "state"):
        assert max(Counter(getattr(job, place) for job in jobs(flow)).values()) == 1


def test_every_source_exists(flow):
    assert [path for path in {path for job in jobs(flow) for path in job.sources} if not path.is_file()] == []


def test_a_job_that_does_not_exist_is_named():
    flow = Workflow(load(scale="smoke"))
    with pytest.raises(
        UserError, match=r"rule 'continual_trian' does not exist at this scale; there are .*among them continual_train"
    ):
        flow.job("continual_trian")
    with pytest.raises(UserError, match=r"data_set has no job 'digitz'; there are .*among them digits"):
        flow.job("data_set", "digitz")


def test_settings_decide_and_what_a_job_asks_a_machine_for_does_not(tmp_path):
    def digests(overrides: str) -> dict[str, str]:
        (tmp_path / "config.yaml").write_text(f"scale: smoke\noverrides: {overrides}\n")
        flow = Workflow(load(tmp_path / "config.yaml"))
        return {f"{job.rule}:{job.name}": job.settings_digest for job in jobs(flow)}

    plain = digests("{}")
    assert digests("{continual: {job: {memory_mb: 9999}}}") == plain
    slower = digests("{continual: {learning_rate: 1.0e-4}}")
    assert {name.partition(":")[0] for name in plain if plain[name] != slower[name]} == {
        "continual_plan", "continual_train", "continual_tune", "continual_collect", "continual_claims", "report", "report_pdf",
    }  # fmt: skip
