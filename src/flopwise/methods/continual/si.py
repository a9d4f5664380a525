"""Synaptic intelligence: full fine-tuning with a quadratic penalty that holds weights which earlier tasks relied on.

L + c sum_i Omega_i (theta_i - theta*_i)^2 with c = 0.5. At every step, with the clipped gradient g of the whole loss and
the step's learning rate: omega <- omega + rate g^2. At the end of a task: Omega <- Omega + omega / ((theta - theta*)^2 +
xi) with xi = 1; theta* <- theta; omega <- 0. FoMo-in-Flux, official code. rate g^2 is the loss that plain gradient
descent would have gained; the displacement that AdamW really makes does not enter."""

from flopwise.methods.continual import Method
from flopwise.methods.continual.full_ft import prepare


class SynapticIntelligence:
    """The penalty; importance, running path integral and anchor of every parameter in `named`."""

    def __init__(self, named: dict, *, strength: float = 0.5, damping: float = 1.0):
        self.named, self.strength, self.damping = named, strength, damping
        self.anchor = {name: p.detach().clone() for name, p in named.items()}
        self.path = {name: p.detach().new_zeros(p.shape) for name, p in named.items()}
        self.importance: dict = {}

    def penalty(self):
        if not self.importance:
            return None
        distances = ((self.importance[name] * (p - self.anchor[name]).square()).sum() for name, p in self.named.items())
        return self.strength * sum(distances)

    def before_update(self, rate: float) -> None:
        for name, parameter in self.named.items():
            if parameter.grad is not None:  # the loss does not reach it: its path integral does not grow
                self.path[name].addcmul_(parameter.grad, parameter.grad, value=rate)

    def end_task(self, loss_of_batch, batches) -> None:
        for name, parameter in self.named.items():
            now = parameter.detach()
            gained = self.path[name] / ((now - self.anchor[name]).square() + self.damping)
            self.importance[name] = self.importance[name] + gained if name in self.importance else gained
            self.anchor[name] = now.clone()
            self.path[name].zero_()

    def tensors(self) -> dict:
        kinds = {"anchor": self.anchor, "path": self.path, "importance": self.importance}
        return {f"{kind}/{name}": value for kind, held in kinds.items() for name, value in held.items()}

    def restore(self, tensors: dict) -> None:
        for path, value in tensors.items():
            kind, _, name = path.partition("/")
            getattr(self, kind)[name] = value


METHOD = Method(
    prepare, label="SI", group="regularisers", regulariser=SynapticIntelligence,
    device_state=2,  # path integral and importance; the published code keeps the anchor in host memory
)  # fmt: skip
