"""Methods that keep a CLIP model up to date, one file each; the file's name is the method's name.

A method says which parameters train and what is deployed; the protocol around it (`studies.continual.train`) is the
same for all. To add one, add a file that defines `METHOD`: `my_method.py` is `my-method` everywhere. A method whose
`prepare` takes `rank` is called with its rank: `lora.py` is `lora-r4`, `lora-r64`. Files are imported when needed, so
that editing one re-runs the cells that use it and no others."""

import ast
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from flopwise.core.errors import UserError


@dataclass(frozen=True)
class Method:
    """How one method differs from plain fine-tuning.

    prepare(model, generator, **prepare_options): choose what trains (`requires_grad`), attach adapters; in place.
    merge(trained, deployed, initial, **merge_options) -> weights deployed after a task; None deploys the trained ones.
        All are state dicts of the plain model: after this task, after the previous task, before the first one.
    train_from: where the next task starts, "trained" or "deployed" weights.
    joint: all tasks at once instead of one after another."""

    prepare: Callable[..., None]
    merge: Callable[..., dict] | None = None
    train_from: str = "trained"
    joint: bool = False
    prepare_options: dict = field(default_factory=dict)
    merge_options: dict = field(default_factory=dict)


@cache
def families() -> dict[str, bool]:
    """Name of every method file (with dashes) -> whether the method takes a rank. Imports nothing."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        functions = [
            node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        arguments = [a.arg for f in functions if f.name == "prepare" for a in f.args.kwonlyargs]
        found[path.stem.replace("_", "-")] = "rank" in arguments
    return found


def _parts(name: str) -> tuple[str, int | None]:
    """(file's name with dashes, rank) of the method called `name`; raises `UserError` if there is none."""
    ranked = re.fullmatch(r"(.+)-r([1-9]\d*)", name)
    family, rank = (ranked[1], int(ranked[2])) if ranked and families().get(ranked[1]) else (name, None)
    if families().get(family) is not (rank is not None):
        allowed = [f"{known}-r<rank>" if takes_rank else known for known, takes_rank in families().items()]
        raise UserError(f"method {name!r} does not exist; allowed are {', '.join(allowed)}")
    return family, rank


def module_name(name: str) -> str:
    """Full name of the module of the method called `name`."""
    return f"{__name__}.{_parts(name)[0].replace('-', '_')}"


def load(name: str) -> Method:
    """The method called `name` (published spelling, lower case with dashes)."""
    method: Method = importlib.import_module(module_name(name)).METHOD
    rank = _parts(name)[1]
    return replace(method, prepare_options={**method.prepare_options, "rank": rank}) if rank else method
