"""Verdicts on FoMo-in-Flux's claims from the study's tables."""

from pathlib import Path

from flopwise.config import ROOT, Settings
from flopwise.config.load import read_yaml, validated
from flopwise.core.calibration import error_rates, residuals
from flopwise.core.claims import Claim, judge
from flopwise.core.io import read_table, write_json
from flopwise.core.rules import Tables
from flopwise.core.statistics import holm
from flopwise.studies.continual.plan import AXES

STUDY = "continual"


def claims_file(study: str = STUDY) -> Path:
    return ROOT / "config" / "claims" / f"{study}.yaml"


def read_claims(path: Path) -> list[Claim]:
    return [validated(Claim, claim, str(path)) for claim in read_yaml(path)["claims"]]


def judge_all(settings: Settings, tables_folder: Path, out: Path) -> None:
    """Apply every rule of config/claims/continual.yaml to the tables. Writes to `out` (JSON) `claims`, the verdicts, and
    `calibration`, how often the rules err where nothing is to be found."""
    tables = {name: read_table(tables_folder / f"{name}.csv") for name in ("final", "trajectory")}
    study = settings.preset.continual
    defaults = study.defaults.model_dump()
    validation = study.evaluation.split == "validation"
    claims = read_claims(claims_file())
    verdicts = [judge(claim, settings.config.scale, tables, defaults, validation=validation) for claim in claims]
    tested = [result for result in verdicts if result["p_value"] is not None]
    for result, adjusted in zip(tested, holm([result["p_value"] for result in tested])):
        result["p_holm"] = adjusted
    calibration = calibrate(claims, verdicts, tables, defaults)
    write_json(out, {"claims": [{**result, "study": STUDY} for result in verdicts], "calibration": calibration})


def calibrate(claims: list[Claim], verdicts: list[dict], tables: Tables, defaults: dict[str, str]) -> list[dict]:
    """Error rates per kind of rule and number of seeds, each with the first tested rule of that kind that compares runs."""
    found, rows = residuals(tables["final"], list(AXES)), {}
    for claim, result in zip(claims, verdicts):
        key = (result["kind"], result["n_seeds"])
        if result["p_value"] is None or not found or key in rows:
            continue
        width = claim.rule.grid(tables, defaults).shape[1]
        if 1 < width <= min(grid.shape[1] for grid in found.values()):
            rates = error_rates(found, claim.rule, width, result["n_seeds"])
            rows[key] = {"kind": key[0], "seeds": key[1], "points": width, "example": claim.id, **rates}
    return [rows[key] for key in sorted(rows)]
