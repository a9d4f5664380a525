"""Methods that keep a CLIP model up to date, one short file each.

A method says which parameters train, what is added to the loss, where the next task starts and what is deployed; the
protocol around it (`studies.continual.train`) is the same for all. To add one, add a file that defines `METHOD`:
`my_method.py` is `my-method` everywhere. A method whose `prepare` takes `rank` is called with its rank: `lora.py` is
`lora-r4`, `lora-r64`. A file of several methods defines `METHODS`, a dictionary under their names. Files are found by
their names and imported by no statement, so that editing one re-runs the cells that use it and no others; none imports
torch at its top."""

import importlib
import inspect
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Protocol

from flopwise.core.errors import UserError

STARTS = ("latest", "initial", "all", "unrolled", "with-initial")
DEPLOYS = ("latest", "all", "unrolled", "with-initial")
OTHERS = "other methods"
GROUPS = ("selective updates", "adapters and low-rank updates", "regularisers", "merging", OTHERS)  # order of panels


class Regulariser(Protocol):
    """A penalty on leaving earlier tasks' weights. It holds the trained parameters themselves, under their names."""

    def penalty(self):
        """Scalar tensor added to the loss of every step; None while there is nothing to add (first task)."""

    def before_update(self, rate: float) -> None:
        """Called with the step's learning rate after gradients are clipped, before the optimiser changes weights."""

    def end_task(self, loss_of_batch: Callable, batches: Iterable) -> None:
        """Called after a task's last step; `loss_of_batch(batch)` is the task's loss without penalty."""

    def tensors(self) -> dict:
        """Everything that must survive an interruption, by name."""

    def restore(self, tensors: dict) -> None:
        """Put back what `tensors` returned."""


@dataclass(frozen=True)
class Method:
    """How one method differs from plain fine-tuning. theta_t: weights trained on task t; f: the merge of the cell.

    prepare(model, generator, **prepare_options): choose what trains (`requires_grad`), attach adapters; in place. Raises
        `UserError` where a choice by name finds nothing in a tower (`flopwise.models.selection`).
    init: where task t + 1 starts. `latest`: the model just goes on (adapters and all); `initial`: theta_0;
        `all`: f([theta_1 .. theta_t]); `unrolled`: m_t = f([theta_t, m_{t-1}]); `with-initial`: f([theta_t, theta_0]).
    deploy: what is evaluated after task t; the same words.
    unroll_from_initial: m_0 = theta_0 (EMA, ZS) instead of m_1 = theta_1.
    joint: all tasks at once instead of one after another.
    regulariser(named_parameters, **regulariser_options) -> Regulariser, over the parameters that train.
    fisher: the regulariser looks at data of the task once more when it ends (as many samples as the preset says).
    optimiser(groups, learning_rate) -> a torch optimiser whose state consists of tensors, for groups of `params` with their
        `weight_decay`; None: AdamW.
    vectors: last names of trained parameters that are vectors, though stored as matrices: they do not decay.
    learned_temperature: makes sense only where the temperature trains.

    What the price needs to know besides; the cost table is that of the published code:
    published_options: more options of `prepare`, for what the published code holds in memory and never uses.
    device_state: arrays of the trained parameters' size that the published code keeps on the device between steps.

    label, group: its name for readers (a rank is added) and the panel it is drawn in, one of `GROUPS` or one of its own;
    None: a reference, drawn in all."""

    prepare: Callable[..., None]
    init: str = "latest"
    deploy: str = "latest"
    unroll_from_initial: bool = True
    joint: bool = False
    regulariser: Callable[..., Regulariser] | None = None
    fisher: bool = False
    optimiser: Callable | None = None
    vectors: tuple[str, ...] = ()
    learned_temperature: bool = False
    prepare_options: dict = field(default_factory=dict)
    regulariser_options: dict = field(default_factory=dict)
    published_options: dict = field(default_factory=dict)
    device_state: int = 0
    label: str = ""
    group: str | None = OTHERS

    def __post_init__(self):
        assert self.init in STARTS
        assert self.deploy in DEPLOYS

    def end_passes(self, batch_size: int, fisher_samples: int) -> int:
        """Extra passes at the end of a task, of which each costs as much as a training step."""
        return math.ceil(fisher_samples / batch_size) if self.fisher else 0

    @property
    def step(self) -> tuple:
        """All that decides what a step costs: methods that differ only in what they deploy have it in common."""
        options = (*sorted(self.prepare_options.items()), *sorted(self.published_options.items()))
        return self.prepare, options, self.fisher, self.device_state

    @property
    def merges(self) -> frozenset[str]:
        """The merged weights that it starts from or deploys: some of `all`, `unrolled`, `with-initial`."""
        return frozenset({self.init, self.deploy} - {"latest", "initial"})


ADAPTER = {  # what adapters of the attention and the perceptron have in common
    "group": "adapters and low-rank updates", "published_options": {"unused": True},
}  # fmt: skip


@cache
def _methods() -> dict[str, tuple[str, Method]]:
    """Name of every method (without its rank) -> (full name of its module, method)."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"{__name__}.{path.stem}")
        methods = getattr(module, "METHODS", None) or {path.stem.replace("_", "-"): module.METHOD}
        found |= {name: (module.__name__, method) for name, method in methods.items()}
    return found


@cache
def families() -> dict[str, bool]:
    """Name of every method (without its rank) -> whether it takes a rank."""
    return {name: "rank" in inspect.signature(method.prepare).parameters for name, (_, method) in _methods().items()}


def modules() -> tuple[str, ...]:
    """Full names of the modules of all methods."""
    return tuple(sorted({module for module, _ in _methods().values()}))


@cache
def _parts(name: str) -> tuple[str, int | None]:
    """(name without rank, rank) of the method called `name`; raises `UserError` if there is none."""
    ranked = re.fullmatch(r"(.+)-r([1-9]\d*)", name)
    family, rank = (ranked[1], int(ranked[2])) if ranked and families().get(ranked[1]) else (name, None)
    if families().get(family) is not (rank is not None):
        allowed = [f"{known}-r<rank>" if takes_rank else known for known, takes_rank in families().items()]
        raise UserError(f"method {name!r} does not exist; allowed are {', '.join(allowed)}")
    return family, rank


def family(name: str) -> str:
    """The method's name without its rank."""
    return _parts(name)[0]


def module_name(name: str) -> str:
    """Full name of the module of the method called `name`."""
    return _methods()[_parts(name)[0]][0]


@cache
def load(name: str) -> Method:
    """The method called `name` (published spelling, lower case with dashes)."""
    family, rank = _parts(name)
    method = _methods()[family][1]
    if rank is None:
        return method
    options = {**method.prepare_options, "rank": rank}
    return replace(method, prepare_options=options, label=f"{method.label or family}, rank {rank}")


def apply(name: str, model, generator, called: str, **options) -> None:
    """Make `model` ready for the method called `name`, in place, in training and in pricing alike.

    called: what messages call the model. options: more of `prepare`. Raises `UserError` where the method finds nothing to
    act on in the model or in one of its towers."""
    method = load(name)
    try:
        method.prepare(model, generator, **method.prepare_options, **options)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise UserError("nothing in the model trains")
    except UserError as error:
        raise UserError(f"method {name} does not fit {called}: {error}") from None


SHARED = {"latest": "full-ft", "initial": "zs-merge", "all": "all-all", "unrolled": "unrolled-all"}


@cache
def shared_training(name: str) -> str:
    """The method whose training a method shares: where only what is deployed differs, every task starts from the same
    weights. `full-ft` for all that just go on, `zs-merge` for all that start at theta_0, and so on; any other method,
    its own."""
    method = load(name)
    shared = "ema-merge" if method.init == "unrolled" and method.unroll_from_initial else SHARED.get(method.init, name)
    plain = load(shared)
    free = {name: getattr(plain, name) for name in ("deploy", "unroll_from_initial", "label", "group")}
    same = replace(method, **free) == plain
    return shared if same else name


@cache
def priced_as(name: str) -> str:
    """The first method, `full-ft` before all others, whose step costs what a step of `name` does."""
    known = ("full-ft", *(family for family, takes_rank in families().items() if not takes_rank))
    return next((other for other in known if load(other).step == load(name).step), name)


def merges_in_training(name: str) -> bool:
    """Whether how a cell merges changes its training, not just what it deploys."""
    return load(name).init not in ("latest", "initial")
