"""The merges that a cell may ask for, by name: plain data, values of the grid axis `merge`. Imports no torch."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from flopwise.methods.merging import OPERATORS

WEIGHTINGS: dict[str, Callable[[int], float]] = {  # official code of FoMo-in-Flux; shares are normalised to sum to 1
    "uniform": lambda i: 1.0,
    "linear": lambda i: float(i),
    "sqrt": lambda i: math.sqrt(i),
    "quadratic": lambda i: float(i**2),
    "cubic": lambda i: float(i**3),
    "fifth": lambda i: float(i**5),
    "tenth": lambda i: float(i**10),
    "log": lambda i: math.log(i + 1),
    "exp": lambda i: 2.0 ** (i - 1),
}
DEFAULT = "interpolation"


@dataclass(frozen=True)
class Merge:
    """How weights are combined.

    operator, options, lines, as_released: as `flopwise.methods.merging.merge` takes them; options that are not named have
        the operator's defaults.
    weight: share w of the newer of two models; None: equal shares.
    weighting: a name in `WEIGHTINGS`, how the shares of many models grow with the task i = 1 .. n that they were trained
        on; reverse: the newest model gets the share of i = 1, the oldest that of i = n."""

    operator: str
    options: dict = field(default_factory=dict)
    weight: float | None = None
    weighting: str | None = None
    reverse: bool = False
    lines: bool | dict = False
    as_released: bool = False


TIES_FAMILY = ("ties", "dare-ties", "breadcrumbs-ties")
MERGES: dict[str, Merge] = {
    **{name: Merge(name) for name in OPERATORS},
    **{f"w{tenths / 10}": Merge("interpolation", weight=tenths / 10) for tenths in range(1, 11) if tenths != 5},
    **{f"slerp-w{w}": Merge("slerp", weight=w) for w in (0.1, 0.3, 0.7, 0.9)},
    **{f"task-arithmetic-{a}": Merge("task-arithmetic", {"scaling": a}) for a in (0.1, 0.3, 0.8)},
    **{f"{name}-p{p}": Merge(name, {"prune": p}) for name in TIES_FAMILY for p in (0.2, 0.8)},
    **{name: Merge("interpolation", weighting=name) for name in WEIGHTINGS},
    **{
        f"{name}-reverse": Merge("interpolation", weighting=name, reverse=True)
        for name in WEIGHTINGS
        if name != "uniform"
    },
    **{f"{name}-lines": Merge(name, lines=True) for name in OPERATORS},
    **{f"task-arithmetic-lines-{s}": Merge("task-arithmetic", lines={"shape": s}) for s in ("quadratic", "sqrt")},
    "slerp-w0.1-as-released": Merge("slerp", weight=0.1, as_released=True),
    "slerp-w0.9-as-released": Merge("slerp", weight=0.9, as_released=True),
    "model-stock-as-released": Merge("model-stock", as_released=True),
    "interpolation-lines-as-released": Merge("interpolation", lines=True, as_released=True),
}
