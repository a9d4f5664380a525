"""A training that can be stopped at any moment and goes on: bit for bit on a CPU, on a GPU as far as its kernels allow."""

from collections.abc import Callable

from flopwise.core.checkpoint import StateFolder, joined, parted
from flopwise.core.device import Placement
from flopwise.core.loop import optimiser_tensors, progress_bar, restore_optimiser, update
from flopwise.core.seeds import drawn_inside


def train(
    model, optimiser, state: StateFolder, steps: int, loss: Callable, rate: Callable, *, every: int, clip_norm: float,
    placement: Placement, seed_of: Callable[[int], int], label: str, first: int = 0, losses: list[float] | None = None,
    after: Callable[[int], None] = lambda step: None,
) -> float:  # fmt: skip
    """Lower `loss(step)`, a scalar tensor, in the steps from `first` to `steps` at the rate `rate(step)`, from the state where
    there is one. Returns the seconds of the placement's clock, those before an interruption included.

    every: steps from state to state; one is kept at the end, too. seed_of: of what a step draws inside the model (dropped
    branches): each begins anew, so that no generator has to be kept. losses: those of all steps are put here, on top of what it
    holds. after(step): called after each update. Raises `Diverged`."""
    losses, seconds, began = [] if losses is None else losses, 0.0, placement.clock()
    if (kept := state.load()) is not None:
        first, parts = kept[0], parted(kept[1])
        model.load_state_dict(parts["model"])
        restore_optimiser(optimiser, parts["optimiser"])
        losses[:], seconds = kept[2]["losses"], kept[2]["seconds"]
    for step in progress_bar(first, steps, label):
        with drawn_inside(seed_of(step), placement.device):
            value = loss(step)
        losses.append(update(value, optimiser, rate(step), clip_norm=clip_norm))
        after(step)
        if (step + 1) % every == 0 or step + 1 == steps:
            tensors = {"model": model.state_dict(), "optimiser": optimiser_tensors(optimiser)}
            spent = seconds + placement.clock() - began
            state.save(step + 1, joined(tensors), {"losses": losses, "seconds": spent})
    return seconds + placement.clock() - began


def warmed(step: int, steps: int, warm_up: int) -> float:
    """Share of the peak: linear from 0 over the warm-up, then linear to 0."""
    return min(1.0, (step + 1) / max(1, warm_up)) * min(1.0, (steps - step) / max(1, steps - warm_up))
