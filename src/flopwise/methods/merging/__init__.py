"""Merging of model weights in weight space. Importing this imports no torch."""

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
    operator: str, weights: list[dict], base: dict, *, lines=None, generator=None, as_released=False, **options
) -> dict:
    """Merge the state dicts `weights` (parameter name -> tensor), all descended from `base`, into a new one.

    Operators act on the flattened vector of all floating-point tensors given (pass one tower at a time), slerp and
    model-stock tensor by tensor; tensors of integers are those of the first model. Options, with defaults in `DEFAULTS`:
    coefficients: one share per model, in the order of `weights`, with sum 1 (interpolation and slerp; equal shares)
    scaling: alpha, the factor of the merged change (task-arithmetic, the ties family, magmax, random, tall-masks)
    prune: share of entries dropped; those whose magnitude is at least the k-th smallest stay, k = floor(prune x size);
        dare-ties drops at random with this probability
    top_prune: share of the largest entries dropped as well (breadcrumbs-ties)
    eps: keeps the ratio of model-stock finite
    tolerance, threshold: lambda and the votes needed (tall-masks)
    lines: LiNeS, which replaces `scaling`: True or a dictionary with some of start, slope, shape (linear, quadratic, sqrt)
    generator: torch.Generator of random and dare-ties; a fixed one if not given
    as_released: repeat two defects of the official code: slerp's first share multiplies the second model, and LiNeS
        scales the interpolated weights themselves instead of their change

    Raises `UserError` for an unknown operator or option, a wrong number of models, or tensors that do not match."""
    import torch

    from flopwise.methods.merging.flat import Layout
    from flopwise.methods.merging.operators import combine, scale_layers

    options, lines = resolve(operator, len(weights), lines, options, as_released)
    _check_tensors(weights, base)
    layout = Layout(base)
    if generator is None:
        generator = torch.Generator().manual_seed(0)
    origin = layout.flatten(base)
    merged = combine(operator, [layout.flatten(state) for state in weights], origin, layout, options, generator)
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
    _check_values(operator, models, options)
    resolved = {**DEFAULTS[operator], **options}
    if lines:
        given = {} if lines is True else dict(lines)
        if "scaling" in options:
            raise UserError("`lines` and `scaling` are both given; LiNeS replaces the factor `scaling`")
        if not set(given) <= set(LINES) or given.get("shape", "linear") not in ("linear", "quadratic", "sqrt"):
            raise UserError(f"lines is {lines!r}; allowed keys are {', '.join(LINES)}, shapes linear, quadratic, sqrt")
        lines = {**LINES, **given}
    if as_released and operator == "slerp" and resolved["coefficients"]:
        resolved["coefficients"] = resolved["coefficients"][::-1]
    return resolved, lines or None


def _check_values(operator: str, models: int, options: dict) -> None:
    shares = options.get("coefficients")
    if shares is not None and (len(shares) != models or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6):
        raise UserError(f"coefficients {list(shares)} must be {models} numbers >= 0, one per model, that sum to 1")
    for name in ("prune", "top_prune"):
        share, whole = options.get(name, 0), operator != "dare-ties"
        if not 0 <= share <= 1 or (share == 1 and not whole):
            raise UserError(f"{name} is {share:g}; allowed is a share from 0 to 1{'' if whole else ', 1 excluded'}")


def _check_tensors(weights: list[dict], base: dict) -> None:
    for number, state in enumerate(weights, 1):
        if state.keys() != base.keys():
            odd = sorted(state.keys() ^ base.keys())[0]
            raise UserError(f"model {number} and the base do not have the same tensors: {odd!r} is in one of them only")
        for name, value in state.items():
            if value.shape != base[name].shape:
                shapes = f"{tuple(value.shape)}, not {tuple(base[name].shape)} as in the base"
                raise UserError(f"tensor {name!r} of model {number} has shape {shapes}")
