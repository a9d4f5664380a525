"""Merging of model weights in weight space."""

from collections.abc import Callable

from flopwise.core.errors import UserError


def interpolation(weights: list[dict], base: dict, *, coefficients: list[float] | None = None) -> dict:
    """sum_i w_i theta_i with sum_i w_i = 1; w_i = 1/n unless given, in the order of `weights`."""
    if coefficients is None:
        coefficients = [1 / len(weights)] * len(weights)
    if len(coefficients) != len(weights) or abs(sum(coefficients) - 1) > 1e-6:
        raise UserError(f"coefficients {coefficients} must be {len(weights)} numbers, one per model, that sum to 1")
    return {
        name: sum(share * state[name] for share, state in zip(coefficients, weights))
        if value.is_floating_point()
        else value
        for name, value in weights[0].items()
    }


OPERATORS: dict[str, Callable[..., dict]] = {"interpolation": interpolation}


def merge(operator: str, weights: list[dict], base: dict, **options) -> dict:
    """Merge the state dicts `weights` (parameter name -> tensor), all descended from `base`, into one.

    Options by operator: `coefficients` (interpolation: one weight per model, in the order of `weights`)."""
    if operator not in OPERATORS:
        raise UserError(f"merge operator {operator!r} does not exist; allowed are {', '.join(OPERATORS)}")
    if not weights:
        raise UserError("merging needs at least one model")
    return OPERATORS[operator](weights, base, **options)
