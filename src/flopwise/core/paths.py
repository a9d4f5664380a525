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


def not_below(folder: str, root: Path | str | None) -> str:
    """Why a data set's folder is not there, and what to do."""
    if root is None:
        return "`data_root` is not set; it stands in config/config.yaml"
    return f"no {folder}/ below data_root ({root})"


def making(path: Path | str, force: bool = False) -> str:
    """The command that makes a file of the workflow, with the scale and the results folder that its path lies in."""
    path, scales = Path(path), Path(__file__).parents[3] / "config" / "scales"
    place = next((n for n, part in enumerate(path.parts) if n and (scales / part).is_dir()), None)
    settings = [] if place is None else [f"scale={path.parts[place]}"]
    if place is not None and (root := Path(*path.parts[:place])) != Path("results"):
        settings.append(f"results={root}")
    options = [*(["--force"] if force else []), *(["--config", *settings] if settings else [])]
    return " ".join(["snakemake", *options, *(["--"] if options else []), str(path)])
