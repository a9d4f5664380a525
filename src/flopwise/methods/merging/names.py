"""The merges that a cell may ask for, by name: plain data, values of the grid axis `merge`. Imports no torch.

A merge is an operator with its options, and two keys of its own: `weight`, the share w of the newer of two models, and
`weighting`, how the shares of many models grow with the task i = 1 .. n that they were trained on. Options that are not
named here have the operator's defaults."""

import math
from collections.abc import Callable

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
MERGES: dict[str, dict] = {
    **{name: {"operator": name} for name in OPERATORS},
    **{f"w{tenths / 10}": {"operator": "interpolation", "weight": tenths / 10} for tenths in range(1, 11) if tenths != 5},
    **{f"slerp-w{w}": {"operator": "slerp", "weight": w} for w in (0.1, 0.3, 0.7, 0.9)},
    **{f"task-arithmetic-{a}": {"operator": "task-arithmetic", "scaling": a} for a in (0.1, 0.3, 0.8)},
    **{f"{name}-p{p}": {"operator": name, "prune": p} for name in ("ties", "dare-ties", "breadcrumbs-ties") for p in (0.2, 0.8)},
    **{name: {"operator": "interpolation", "weighting": name} for name in WEIGHTINGS},
    **{
        f"{name}-reverse": {"operator": "interpolation", "weighting": name, "reverse": True}
        for name in WEIGHTINGS
        if name != "uniform"
    },
    **{f"{name}-lines": {"operator": name, "lines": True} for name in OPERATORS},
    **{f"task-arithmetic-lines-{s}": {"operator": "task-arithmetic", "lines": {"shape": s}} for s in ("quadratic", "sqrt")},
    "slerp-w0.1-as-released": {"operator": "slerp", "weight": 0.1, "as_released": True},
    "slerp-w0.9-as-released": {"operator": "slerp", "weight": 0.9, "as_released": True},
    "model-stock-as-released": {"operator": "model-stock", "as_released": True},
    "interpolation-lines-as-released": {"operator": "interpolation", "lines": True, "as_released": True},
}  # fmt: skip
