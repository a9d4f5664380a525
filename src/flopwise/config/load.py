"""Read config.yaml and a scale preset; every mistake becomes one line that names the key, what was given and what is
allowed."""

import typing
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from flopwise.config.fields import did_you_mean
from flopwise.config.files import ROOT, read_yaml, scale_file, scales
from flopwise.config.grids import composed
from flopwise.config.models import STUDIES, Config, Scale
from flopwise.core.errors import UserError

__all__ = ["ROOT", "Settings", "load", "merged", "preset", "read_yaml", "scales", "validated"]


@dataclass(frozen=True)
class Settings:
    """One resolved configuration: the user's file plus the preset it names."""

    config: Config
    preset: Scale

    @property
    def results(self) -> Path:
        """results/<scale>: where everything of this scale lies."""
        return Path(self.config.results) / self.config.scale


def merged(base: dict, changes: dict) -> dict:
    """`base` with the values of `changes`, nested dicts merged key by key."""
    result = dict(base)
    for key, value in changes.items():
        result[key] = merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return result


def _explain(error: dict, where: str, model: type[BaseModel]) -> str:
    """One line for one of pydantic's errors."""
    path = ".".join(str(part) for part in error["loc"])
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        for part in error["loc"][:-1]:
            field = getattr(model, "model_fields", {}).get(part)
            model = next((m for m in _models(field.annotation) if m), model) if field else model
        known = list(getattr(model, "model_fields", {}))
        hint = did_you_mean(str(error["loc"][-1]), known)
        return f"{where}: unknown key {path!r}{hint}; allowed here are {', '.join(known)}"
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{where}: {path}: {message}" if path else f"{where}: {message}"
    if kind == "missing":
        return f"{where}: key {path!r} is missing"
    return f"{where}: {path or 'the whole'} is {given!r}; allowed: {message[0].lower()}{message[1:]}"


def _models(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


def validated(model: type[BaseModel], value: dict, where: str):
    """`value` as `model`. Raises UserError, one line, for the first mistake."""
    return _explained(lambda: model.model_validate(value), where, model)


def _explained(make, where: str, model: type[BaseModel]):
    try:
        return make()
    except ValidationError as error:
        raise UserError(_explain(error.errors()[0], where, model)) from None
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None


def load(file: Path | str | None = None, **changes) -> Settings:
    """Settings from `config/config.yaml` (or `file`), `changes` (for example `scale="smoke"`) on top."""
    path = Path(file) if file else ROOT / "config" / "config.yaml"
    raw = merged(read_yaml(path), {key: value for key, value in changes.items() if value is not None})
    config = validated(Config, raw, str(path))
    if config.scale not in (allowed := scales()):
        raise UserError(f"scale {config.scale!r} does not exist; allowed are {', '.join(allowed)}")
    return Settings(config, preset(config.scale, config.overrides, path))


def preset(scale: str, overrides: dict | None = None, user: Path | None = None) -> Scale:
    """The scale and its studies, with the overrides of the user's file if there are any. Each file is validated by itself,
    so that a mistake is found where it was written."""
    overrides = overrides or {}
    own = {name: value for name, value in overrides.items() if name not in STUDIES}
    where = _where(scale_file(scale), "overrides" if own else "", user)
    values = merged(read_yaml(scale_file(scale)), own)
    for name, module in STUDIES.items():
        file, changes = scale_file(scale, name), overrides.get(name, {})
        if name in values:
            raise UserError(f"{where}: key {name!r} belongs into a file of its own, {name}.yaml")
        if file.is_file():
            if not isinstance(changes, dict):
                raise UserError(f"{user}: overrides.{name} is {changes!r}; allowed: keys and values of {name}.yaml")
            source = _where(file, f"overrides.{name}" if changes else "", user)
            values[name] = _section(module, name, merged(read_yaml(file), changes), source)
        elif changes:
            raise UserError(f"{user}: overrides.{name}: scale {scale!r} does not run the study {name}")
    return validated(Scale, values, where)


def _section(module, name: str, value: dict, where: str) -> BaseModel:
    """A study at this scale: what its preset chooses of the study's experiments. The names on the axes stand beside these;
    a preset may add some."""
    file = ROOT / "config" / "experiments" / f"{name}.yaml"
    raw = read_yaml(file)
    full = validated(module.EXPERIMENTS, raw, _where(file))
    preset = validated(module.PRESET, merged(raw | {"experiments": {}}, value), where)
    return _explained(lambda: composed(module.CONFIG, full.experiments, preset), where, module.CONFIG)


def _where(file: Path, changed: str = "", user: Path | None = None) -> str:
    return f"{file.relative_to(ROOT)}" + (f" with {changed} of {user}" if changed else "")
