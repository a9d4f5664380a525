"""Read config.yaml and a scale preset; every mistake becomes one line that names the key, what was given and what is
allowed."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from flopwise.config.models import SCALES, Config, Scale
from flopwise.core.errors import UserError

ROOT = Path(os.environ.get("FLOPWISE_ROOT", Path(__file__).resolve().parents[3]))


@dataclass(frozen=True)
class Settings:
    """One resolved configuration: the user's file plus the preset it names."""

    config: Config
    preset: Scale

    @property
    def results(self) -> Path:
        """results/<scale>: where everything of this scale lies."""
        return Path(self.config.results) / self.config.scale


def read_yaml(path: Path) -> dict:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold keys and values, not {type(value).__name__}")
    return value


def merged(base: dict, changes: dict) -> dict:
    """`base` with the values of `changes`, nested dicts merged key by key."""
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return result


def _explain(error: dict, where: str, model: type[BaseModel]) -> str:
    """One line for one of pydantic's errors."""
    path = ".".join(str(part) for part in error["loc"]) or "(whole file)"
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        for part in error["loc"][:-1]:
            field = getattr(model, "model_fields", {}).get(part)
            model = next((m for m in _models(field.annotation) if m), model) if field else model
        known = list(getattr(model, "model_fields", {}))
        near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{where}: unknown key {path!r}{hint}; allowed here are {', '.join(known)}"
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{where}: {path}: {message}"
    if kind == "missing":
        return f"{where}: key {path!r} is missing"
    return f"{where}: {path} is {given!r}; allowed: {message[0].lower()}{message[1:]}"


def _models(annotation):
    import typing

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def validated(model: type[BaseModel], value: dict, where: str):
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError(_explain(error.errors()[0], where, model)) from None


def load(file: Path | str | None = None, **changes) -> Settings:
    """Settings from `config/config.yaml` (or `file`), `changes` (for example `scale="smoke"`) on top."""
    path = Path(file) if file else ROOT / "config" / "config.yaml"
    raw = merged(read_yaml(path), {key: value for key, value in changes.items() if value is not None})
    if raw.get("scale", "laptop") not in SCALES:
        raise UserError(f"scale {raw['scale']!r} does not exist; allowed are {', '.join(SCALES)}")
    config = validated(Config, raw, str(path))
    preset_path = ROOT / "config" / "scales" / f"{config.scale}.yaml"
    where = f"{preset_path.relative_to(ROOT)}" + (f" with the overrides of {path}" if config.overrides else "")
    preset = validated(Scale, merged(read_yaml(preset_path), config.overrides), where)
    return Settings(config, preset)
