"""Learning-rate schedules as pure functions of (task, step). FoMo-in-Flux, official code.

Symbols: n step in the task (0-based), N steps per task, t task (0-based), w warm-up steps, k cool-down steps, eta the
peak, eta_min = floor x eta. Schedules whose formula holds t look across tasks ("meta" schedules)."""

import math
from collections.abc import Callable
from numbers import Integral, Real

from flopwise.core.errors import UserError


def _cosine(n: int, N: int, w: int, low: float, peak: float) -> float:
    """Linear warm-up, then half a cosine: low + (1 + cos(pi (n - w + 1) / (N - w))) / 2 * (peak - low)."""
    if n < w:
        return peak * (n + 1) / w
    return low + 0.5 * (1 + math.cos(math.pi * (n - w + 1) / (N - w))) * (peak - low)


def _cosine_task_peak(t: int, N: int, w: int, low: float, eta: float) -> float:
    """eta_t: where one cosine over all tasks so far stands at the start of task t; eta_0 = eta."""
    if t == 0:
        return eta
    span = N - w
    return low + 0.5 * (1 + math.cos(math.pi * (t * span + 1) / ((t + 1) * span))) * (eta - low)


def _rsqrt(n: int, N: int, w: int, k: int, low: float, peak: float, factor: Callable[[int], float] | None = None):
    """Linear warm-up, inverse square root, linear cool-down to zero over the last k steps (k = 0: none).

    `factor(n)` replaces sqrt(w / n) where a schedule remembers earlier tasks."""
    if n < w:
        return peak * (n + 1) / w
    value = low + (factor(n) if factor else math.sqrt(w / n)) * (peak - low)
    return value * (k - (n - (N - k)) - 1) / k if n >= N - k else value


def _cosine_dynamic(t, n, N, w, k, low, eta, warmup):
    """Warm-up to eta_t, then the single cycle over the whole horizon so far: step tN + n of (t + 1)N."""
    if n < w:
        return _cosine_task_peak(t, N, w, low, eta) * (n + 1) / w
    horizon = (t + 1) * N
    return _cosine(t * N + n, horizon, _count(warmup, horizon), low, eta)


def _rsqrt_autoregressive(t, n, N, w, k, low, eta, warmup):
    peak = eta if t == 0 else low + math.sqrt((t + 1) * w / (t * N + w)) * (eta - low)
    return _rsqrt(n, N, w, k, low, peak)


def _rsqrt_continued(t, n, N, w, k, low, eta, warmup):
    peak = eta if t == 0 else low + math.sqrt(w / (t * (N - k) - (t - 1) * w)) * (eta - low)
    return _rsqrt(n, N, w, k, low, peak)


def _rsqrt_recovered(t, n, N, w, k, low, eta, warmup):
    """One infinite inverse square root: the steps of earlier tasks count, without their warm-ups and cool-downs. As in
    the official code, the warm-up's target lies below the curve that follows it for t > 0."""
    past = t * (N - k - w)
    peak = eta if t == 0 else low + math.sqrt(w / (2 * past)) * (eta - low)
    if n < w:
        return peak * (n + 1) / w
    return _rsqrt(n, N, w, k, low, eta, lambda m: math.sqrt(w / (m + past)))


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": lambda t, n, N, w, k, low, eta, warmup: eta,
    "cosine": lambda t, n, N, w, k, low, eta, warmup: _cosine(n, N, w, low, eta),
    "rsqrt": lambda t, n, N, w, k, low, eta, warmup: _rsqrt(n, N, w, k, low, eta),
    "cosine-autoregressive": lambda t, n, N, w, k, low, eta, warmup: _cosine(
        n, N, w, low, _cosine_task_peak(t, N, w, low, eta)
    ),
    "cosine-dynamic": _cosine_dynamic,
    "rsqrt-autoregressive": _rsqrt_autoregressive,
    "rsqrt-continued": _rsqrt_continued,
    "rsqrt-recovered": _rsqrt_recovered,
}


PER_TASK = ("constant", "cosine", "rsqrt")


def _count(share: float, steps: int) -> int:
    """A share below 1 of `steps`, rounded up; 1 or more is an absolute count."""
    return math.ceil(share * steps) if share < 1 else int(share)


def learning_rate(
    name: str,
    task: int,
    step: int,
    steps_per_task: int,
    peak: float = 1.0,
    warmup: float = 0.1,
    cooldown: float = 0.1,
    floor: float = 1e-3,
) -> float:
    """Learning rate of optimiser step `step` (0-based) in task `task` (0-based).

    `warmup`, `cooldown`: share of the task's steps, or a count where >= 1; 0: none. `floor`: lowest value as a share of
    `peak`. Raises `UserError` for an unknown name, a step outside the task, and values that make no sense.
    """
    if name not in SCHEDULES:
        raise UserError(f"schedule {name!r} does not exist; allowed are {', '.join(SCHEDULES)}")
    _check(task, step, steps_per_task, {"peak": peak, "warmup": warmup, "cooldown": cooldown, "floor": floor})
    w, k = max(1, _count(warmup, steps_per_task)), _count(cooldown, steps_per_task)
    if task > 0 and name not in PER_TASK and steps_per_task <= w + k:
        raise UserError(
            f"schedule {name!r} looks across tasks and needs more than {w + k} steps in each, not {steps_per_task}"
        )
    return SCHEDULES[name](task, step, steps_per_task, w, k, floor * peak, peak, warmup)


def _check(task: int, step: int, steps_per_task: int, numbers: dict[str, float]) -> None:
    for name, value in {"task": task, "step": step, "steps_per_task": steps_per_task}.items():
        if not isinstance(value, Integral) or value < 0:
            raise UserError(f"{name} is {value!r}; allowed are whole numbers from 0")
    if step >= steps_per_task:
        raise UserError(f"step {step} lies outside a task of {steps_per_task} steps")
    for name, value in numbers.items():
        highest = 1 if name == "floor" else math.inf
        if not isinstance(value, Real) or not (0 <= value <= highest and math.isfinite(value)):
            allowed = "from 0 to 1" if name == "floor" else "from 0"
            raise UserError(f"{name} is {value!r}; allowed are finite numbers {allowed}")
