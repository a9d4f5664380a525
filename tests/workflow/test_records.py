"""Rules, commands and lineage records say the same, and the audit names whatever changed."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
RESULTS = "results/smoke"
PAGE = f"{RESULTS}/report/report.html"


def test_a_record_holds_what_snakemake_was_told(smoke):
    """Inputs and outputs of every job as Snakemake sees them are those of its record."""
    done = smoke.snakemake("--config", "scale=smoke", "--detailed-summary")
    assert done.returncode == 0, done.stderr
    told: dict[str, dict[str, set]] = {}
    for row in csv.DictReader(io.StringIO(done.stdout), delimiter="\t"):
        job = told.setdefault(row["log-file(s)"], {"inputs": set(filter(None, row["input-file(s)"].split(","))), "outputs": set()})
        job["outputs"].add(row["output_file"])
    records = [path.relative_to(smoke.path) for path in sorted((smoke.path / RESULTS / "lineage").rglob("*.json"))]
    assert len(records) == len(told) > 50
    for path in records:
        record = json.loads((smoke.path / path).read_text())
        job = told[str(path).replace("/lineage/", "/logs/").replace(".json", ".log")]
        no_code = {name for name in record["sources"] if not name.startswith("src/")}
        assert job["inputs"] == {*record["inputs"], *no_code}, path
        assert job["outputs"] == {*record["outputs"], str(path)}, path


def test_the_audit_names_every_edited_source_and_input_of_every_rule(smoke):
    done = smoke.run(sys.executable, str(Path(__file__).with_name("notices.py")))
    assert done.returncode == 0, done.stderr
    *unnoticed, edits = done.stdout.splitlines()
    assert unnoticed == []
    assert int(edits) > 500


def preset(text: str) -> str:
    return yaml.safe_dump({"scale": "smoke", "overrides": {"continual": {"learning_rate": 1.0e-4}}})


@pytest.mark.parametrize(
    ("path", "change", "result", "message"),
    [
        ("report/page.css", lambda text: text + "\n", PAGE, "report/page.css has changed"),
        ("report/checklists/3-code.yaml", lambda text: text + "\n", PAGE, "report/checklists/3-code.yaml has changed"),
        ("report/chapters/world.yaml", lambda text: text + "\n", PAGE, "report/chapters/world.yaml has changed"),
        ("config/config.yaml", preset, PAGE, "learning_rate was 0.0"),
        ("config/config.yaml", preset, f"{RESULTS}/continual/tables/final.csv", "learning_rate was 0.0"),
        (
            "notebooks/world.py", lambda text: text.replace("Evaluation sets, in the same way.", "Others."),
            f"{RESULTS}/world/figures/world_evaluation.svg", "notebooks/world.py has changed",
        ),
    ],
)  # fmt: skip
def test_the_audit_names_what_a_person_edits(smoke, path, change, result, message):
    file = smoke.path / path
    before = file.read_text()
    assert change(before) != before
    file.write_text(change(before))
    done = smoke.flopwise("audit", result)
    file.write_text(before)
    assert done.returncode == 1, done.stdout
    assert message in done.stdout
    assert "Traceback" not in done.stderr
