"""Slow weights that follow the fast ones of a training: momentum interpolation (arXiv 2211.03186, as used in 2310.17653)."""


class SlowWeights:
    """theta_slow <- tau theta_slow + (1 - tau) theta_fast after every `every`-th step, over the whole state dict (buffers
    too; those of whole numbers are copied). They start at the weights that `model` has when this is made.

    as_released: repeat what the official code does, whose state dicts are live references. Its slow weights are an alias
    of the fast ones until their first update, which comes after the first step of all; steps are counted from 0 in every
    epoch; and the swap for evaluation loses the fast weights, so that each epoch ends with fast = slow."""

    def __init__(self, model, every: int, tau: float, as_released: bool = False):
        self.model, self.every, self.tau, self.as_released = model, every, tau, as_released
        self.slow = {} if as_released else self._copy()
        self.steps = 0

    def after_step(self) -> None:
        """Called after every update of the fast weights."""
        due = self.steps % self.every == 0 if self.as_released else (self.steps + 1) % self.every == 0
        self.steps += 1
        if due:
            self._follow()

    def after_epoch(self) -> None:
        if self.as_released:
            self.model.load_state_dict(self.weights())
            self.steps = 0

    def weights(self) -> dict:
        """The state dict that is evaluated."""
        return self.slow or self._copy()

    def _copy(self) -> dict:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _follow(self) -> None:
        fast = self.model.state_dict()
        if not self.slow:  # an alias so far: tau fast + (1 - tau) fast
            self.slow = self._copy()
            return
        for name, value in fast.items():
            if value.is_floating_point():
                self.slow[name].mul_(self.tau).add_(value.detach(), alpha=1 - self.tau)
            else:
                self.slow[name].copy_(value)


def tau_for(share: float, updates: float) -> float:
    """The tau with which `updates` updates carry the slow weights `share` of the way to fast ones that stand still: 1 - share
    = tau^updates. The paper's tau = 0.9999 over its 5,000 updates carries them 39 %."""
    return (1 - share) ** (1 / max(1.0, updates))
