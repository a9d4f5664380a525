"""Building blocks of the typed configuration: strict models whose every field says what it is and where it comes from."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from flopwise.core.choices import near


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def setting(default, description: str, source: str, *, table: str | None = None, **bounds):
    """A configuration field: default (`...` where required), description, source (a paper, `official code`,
    `our choice`), bounds, and for a field that holds a name the `table` in which it is a key."""
    facts = {"source": source} | ({"table": table} if table else {})
    return Field(default, description=description, json_schema_extra=facts, **bounds)


class StudyPreset(Strict):
    """What every study's file of a scale holds."""

    max_core_seconds: float = setting(
        ..., "core-seconds that the study may spend here; what it used is printed beside it", "our choice", gt=0
    )


class JobResources(Strict):
    """What a job that trains or evaluates asks a machine for."""

    threads: int = setting(1, "CPU threads", "our choice", ge=1, le=256)
    gpus: int = setting(0, "GPUs", "our choice", ge=0, le=1)
    memory_mb: int = setting(4000, "main memory; a job that failed asks for as much again", "our choice", ge=500)
    minutes: int = setting(240, "time; a job that failed asks for as much again", "our choice", ge=1)


def source_of(field: FieldInfo) -> str:
    return (field.json_schema_extra or {}).get("source", "")


def table_of(field: FieldInfo) -> str | None:
    return (field.json_schema_extra or {}).get("table")


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """` (did you mean 'the nearest'?)`, or nothing."""
    return "".join(f" (did you mean {name!r}?)" for name in near(given, allowed, 1))


def check_known(where: str, given: Iterable[str], allowed: Iterable[str]) -> None:
    """Raise ValueError for the first name that is not allowed; `where` is the path of its key."""
    for name in given:
        if name not in allowed:
            raise ValueError(
                f"{where} is {name!r}{did_you_mean(name, allowed)}; allowed are {', '.join(dict.fromkeys(allowed))}"
            )


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
