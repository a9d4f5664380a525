"""Building blocks of the typed configuration: strict models whose every field says what it is and where it comes from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def setting(default, description: str, source: str, *, table: str | None = None, **bounds):
    """A configuration field: default (`...` where required), description, source (a paper, `official code`,
    `our choice`), bounds, and for a field that holds a name the `table` in which it is a key."""
    facts = {"source": source} | ({"table": table} if table else {})
    return Field(default, description=description, json_schema_extra=facts, **bounds)


def source_of(field: FieldInfo) -> str:
    return (field.json_schema_extra or {}).get("source", "")


def table_of(field: FieldInfo) -> str | None:
    return (field.json_schema_extra or {}).get("table")


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
