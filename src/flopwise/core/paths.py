"""Paths as people write them: `~` and environment variables mean what they mean in a shell, wherever a path is given."""

import os
import re
from pathlib import Path

from flopwise.core.errors import UserError


def expanded(path: str) -> str:
    """`path` with a leading `~` or `~name` and each `$NAME` or `${NAME}` replaced. Raises UserError for a name that means
    nothing: left as it is, it would become a folder called `~` or `$NAME`."""
    for name in re.findall(r"\$\{?(\w+)", path):
        if name not in os.environ:
            raise UserError(f"{path!r}: the environment variable {name} is not set")
    known = os.path.expanduser(os.path.expandvars(path))
    if known.startswith("~"):
        raise UserError(f"{path!r}: {known.split('/')[0]} is no user's home; allowed are ~, ~user and plain paths")
    return known


def given(path: Path | None) -> Path | None:
    """The same for an option of the command line: a shell leaves `--root=~/data` as it is."""
    return None if path is None else Path(expanded(str(path)))
