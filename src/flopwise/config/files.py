"""Where the configuration's files lie, and how they are read."""

from pathlib import Path

import yaml

from flopwise.core.errors import UserError
from flopwise.core.root import ROOT
from flopwise.core.text import read_text

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same result, ten times as fast


def read_yaml(path: Path) -> dict:
    """Keys and values of a file. Raises UserError where it cannot be read or holds something else."""
    try:
        value = yaml.load(read_text(path, UserError), Loader=LOADER)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {_fault(error)}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold keys and values, not {type(value).__name__}")
    return value


def _fault(error: yaml.YAMLError) -> str:
    """Line, column and what is wrong there."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return (
        f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
        if mark and problem
        else " ".join(str(error).split())
    )


def scale_file(scale: str, name: str = "scale") -> Path:
    """config/scales/<scale>/<name>.yaml: of the scale itself, or of a study there."""
    return ROOT / "config" / "scales" / scale / f"{name}.yaml"


def claims_file(study: str) -> Path:
    """config/claims/<study>.yaml: the claims of a study."""
    return ROOT / "config" / "claims" / f"{study}.yaml"


def lock_file(study: str) -> Path:
    """config/claims/<study>.lock.json: the hashes of the rules of its claims."""
    return ROOT / "config" / "claims" / f"{study}.lock.json"


def scales() -> tuple[str, ...]:
    """Names of the scales, the folders of config/scales, by what they may spend beside their studies."""
    found = {
        path.parent.name: read_yaml(path).get("max_core_seconds")
        for path in (ROOT / "config" / "scales").glob("*/scale.yaml")
    }
    return tuple(sorted(found, key=lambda scale: (found[scale] if isinstance(found[scale], int | float) else 0, scale)))


def preset_files(study: str) -> tuple[Path, ...]:
    """Every file that decides what some scale runs of a study."""
    names = ("scale", study)
    files = [scale_file(scale, name) for scale in scales() for name in names]
    return ROOT / "config" / "experiments" / f"{study}.yaml", *(path for path in files if path.is_file())
