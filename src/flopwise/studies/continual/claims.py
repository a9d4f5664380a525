"""Verdicts on FoMo-in-Flux's claims from the study's tables."""

from pathlib import Path

import numpy as np
import pandas

from flopwise.config import ROOT, Settings
from flopwise.config.load import read_yaml, validated
from flopwise.core.claims import Claim, false_positive_rate, judge
from flopwise.core.io import read_table, write_json
from flopwise.studies.continual.plan import AXES

STUDY = "continual"


def claims_file(study: str = STUDY) -> Path:
    return ROOT / "config" / "claims" / f"{study}.yaml"


def read_claims(path: Path) -> list[Claim]:
    return [validated(Claim, claim, str(path)) for claim in read_yaml(path)["claims"]]


def judge_all(settings: Settings, tables_folder: Path, out: Path) -> None:
    """Apply every rule of config/claims/continual.yaml to the tables; write the verdicts to `out` (JSON)."""
    tables = {name: read_table(tables_folder / f"{name}.csv") for name in ("final", "trajectory")}
    defaults = settings.preset.continual.defaults.model_dump()
    rate = calibration(tables["final"])
    verdicts = []
    for claim in read_claims(claims_file()):
        result = judge(claim, settings.config.scale, tables, defaults)
        verdicts.append({**result, "study": STUDY, "false_positive_rate": rate.get(result["n_seeds"])})
    write_json(out, verdicts)


def calibration(final: pandas.DataFrame) -> dict[int, float]:
    """False-positive rate of the engine under permuted labels, by number of seeds, from this run's own spread."""
    residuals = []
    for _, group in final[final["status"] == "done"].groupby(_POINT):
        values = group["value"].to_numpy()
        if len(values) > 1:
            residuals.append((values - values.mean()) * np.sqrt(len(values) / (len(values) - 1)))
    seeds = sorted({len(values) for values in residuals})
    return {n: false_positive_rate(residuals, n) for n in seeds if sum(map(len, residuals)) >= 2 * n}


_POINT = [*AXES, "metric"]
