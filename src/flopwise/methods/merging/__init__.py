"""Merging of model weights in weight space. Importing this imports no torch."""

from math import isfinite
from numbers import Real

from flopwise.core.errors import UserError

DEFAULTS: dict[str, dict] = {  # operator -> its options; official code of FoMo-in-Flux
    "interpolation": {"coefficients": None},
    "slerp": {"coefficients": None},
    "task-arithmetic": {"scaling": 1.0},
    "ties": {"prune": 0.7, "scaling": 1.0},
    "dare-ties": {"prune": 0.7, "scaling": 1.0},
    "breadcrumbs-ties": {"prune": 0.7, "top_prune": 0.01, "scaling": 1.0},
    "magmax": {"scaling": 1.0},
    "model-stock": {"eps": 1e-8},
    "random": {"scaling": 1.0},
    "tall-masks": {"scaling": 1.0, "tolerance": 0.4, "threshold": 0},
}
OPERATORS = tuple(DEFAULTS)
PAIRWISE = ("slerp", "model-stock")  # operators of exactly two models
LINES = {"start": 0.5, "slope": 0.5, "shape": "linear"}


def merge(
    operator: str,
    weights: list[dict],
    base: dict,
    *,
    lines=None,
    generator=None,
    as_released=False,
    buffers=(),
    **options,
) -> dict:
    """Merge the state dicts `weights` (parameter name -> tensor), all descended from `base`, into a new one.

    Operators act on the flattened vector of all floating-point tensors given (pass one tower at a time), slerp and
    model-stock tensor by tensor. Tensors of integers, running statistics of batch normalisation and what `buffers` names
    besides are no weights: they are those of the first model (the newer one; `flopwise.methods.deployment` says why).
    Options, with defaults in `DEFAULTS`:
    coefficients: one share per model, in the order of `weights`, with sum 1 (interpolation and slerp; equal shares): a
        sequence, an array or a tensor
    scaling: alpha, the factor of the merged change (task-arithmetic, the ties family, magmax, random, tall-masks)
    prune: share of entries dropped; those whose magnitude is at least the k-th smallest stay, k = floor(prune x size),
        under breadcrumbs-ties at least the (k + 1)-th: the official code drops k entries there, k - 1 under ties;
        dare-ties drops at random with this probability
    top_prune: share of the largest entries dropped as well (breadcrumbs-ties)
    eps: keeps the ratio of model-stock finite
    tolerance, threshold: lambda and the votes needed (tall-masks)
    lines: LiNeS, which replaces `scaling`: True or a dictionary with some (or none) of start, slope, shape (linear,
        quadratic, sqrt)
    generator: torch.Generator of random and dare-ties; a fixed one if not given
    as_released: repeat three defects of the official code: slerp's first share multiplies the second model, LiNeS
        scales the interpolated weights themselves instead of their change, and model-stock extrapolates without bound
        where changes point apart; it changes no other operator

    Raises `UserError` for an unknown operator or option, a value outside its range, a wrong number of models, or tensors
    that do not match."""
    import torch

    from flopwise.methods.merging.flat import Layout
    from flopwise.methods.merging.folds import FOLDS
    from flopwise.methods.merging.operators import PAIRS, merge_pair, scale_layers

    options, lines = resolve(operator, len(weights), lines, options, as_released)
    _check_tensors(weights, base)
    layout = Layout(base, buffers)
    origin, models = layout.flatten(base), [layout.flatten(state) for state in weights]
    if operator in PAIRS:
        merged = merge_pair(PAIRS[operator], layout, *models, origin, options)
    else:
        shares = options.pop("coefficients", None) or [1.0] * len(models)
        fold = FOLDS[operator](origin, **options)
        generator = generator or torch.Generator().manual_seed(0)
        for model, share in zip(models, shares):
            fold.add(model, generator, share)
        merged = fold.merged()
    if lines:
        scale_layers(merged, origin, layout, lines, as_released and operator == "interpolation")
    return layout.unflatten(merged, weights[0])


def resolve(operator: str, models: int, lines, options: dict, as_released: bool) -> tuple[dict, dict | None]:
    """All options of the operator with those not given at their defaults, and those of LiNeS or None."""
    if operator not in OPERATORS:
        raise UserError(f"merge operator {operator!r} does not exist; allowed are {', '.join(OPERATORS)}")
    unknown = sorted(set(options) - set(DEFAULTS[operator]))
    if unknown:
        raise UserError(
            f"merge operator {operator!r} has no option {unknown[0]!r}; it has {', '.join(DEFAULTS[operator])}"
        )
    if models < 1 or (operator in PAIRWISE and models != 2):
        need = "two models" if operator in PAIRWISE else "at least one model"
        raise UserError(f"merge operator {operator!r} needs {need}, not {models}")
    resolved = {**DEFAULTS[operator], **_checked(operator, models, options)}
    if operator == "breadcrumbs-ties" and resolved["prune"] + resolved["top_prune"] >= 1:
        shares = f"prune {resolved['prune']:g} and top_prune {resolved['top_prune']:g}"
        raise UserError(f"{shares} of {operator} drop every entry; allowed are shares whose sum is below 1")
    lines = _checked_lines(lines)
    if lines and "scaling" in options:
        raise UserError("`lines` and `scaling` are both given; LiNeS replaces the factor `scaling`")
    if as_released and operator == "slerp" and resolved["coefficients"]:
        resolved["coefficients"] = resolved["coefficients"][::-1]
    if as_released and operator == "model-stock":
        resolved["as_released"] = True
    return resolved, lines


def _checked(operator: str, models: int, options: dict) -> dict:
    """The options given, coefficients as a list of numbers."""
    for name, value in options.items():
        if name == "coefficients":
            continue
        _check_number(name, value)
        whole = operator != "dare-ties" or name != "prune"
        if name in ("prune", "top_prune") and (not 0 <= value <= 1 or (value == 1 and not whole)):
            raise UserError(f"{name} is {value:g}; allowed is a share from 0 to 1{'' if whole else ', 1 excluded'}")
    shares = options.get("coefficients")
    return options if shares is None else {**options, "coefficients": _checked_shares(shares, models)}


def _checked_shares(given, models: int) -> list[float]:
    try:
        shares = [float(share) for share in given]
    except (TypeError, ValueError):
        shares = []
    if len(shares) != models or not all(share >= 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        shown = " ".join(str(given).split())
        raise UserError(f"coefficients {shown} must be {models} numbers >= 0, one per model, that sum to 1")
    return shares


def _checked_lines(lines) -> dict | None:
    if lines is None or lines is False:
        return None
    given = {} if lines is True else lines
    if (
        not isinstance(given, dict)
        or not set(given) <= set(LINES)
        or given.get("shape", "linear") not in ("linear", "quadratic", "sqrt")
    ):
        raise UserError(
            f"lines is {lines!r}; allowed are True and a dictionary with keys among {', '.join(LINES)}, shapes linear, "
            "quadratic, sqrt"
        )
    for name in ("start", "slope"):
        _check_number(f"lines.{name}", given.get(name, 0))
    return {**LINES, **given}


def _check_number(name: str, value) -> None:
    if not isinstance(value, Real) or not isfinite(value):
        raise UserError(f"{name} is {value!r}; allowed is a finite number")


def _check_tensors(weights: list[dict], base: dict) -> None:
    if not any(value.is_floating_point() for value in base.values()):
        raise UserError("the base has no floating-point tensor, so that there is nothing to merge")
    for number, state in enumerate(weights, 1):
        if state.keys() != base.keys():
            odd = sorted(state.keys() ^ base.keys())[0]
            raise UserError(f"model {number} and the base do not have the same tensors: {odd!r} is in one of them only")
        for name, value in state.items():
            if value.shape != base[name].shape:
                shapes = f"{tuple(value.shape)}, not {tuple(base[name].shape)} as in the base"
                raise UserError(f"tensor {name!r} of model {number} has shape {shapes}")
