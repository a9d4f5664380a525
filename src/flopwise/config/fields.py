"""Building blocks of the typed configuration: strict models whose every field says what it is and where it comes from."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def setting(default, description: str, source: str, **bounds):
    """A configuration field: default (`...` where required), description, source (a paper, `official code`,
    `our choice`) and bounds."""
    return Field(default, description=description, json_schema_extra={"source": source}, **bounds)


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
