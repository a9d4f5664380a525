"""EWC: full fine-tuning with a quadratic penalty that holds weights where earlier tasks' Fisher information is large.

L + (lambda / 2) sum_i F_i (theta_i - theta*_i)^2 with lambda = 1. At the end of a task: F <- gamma F + (1/n) sum_b g_b^2
over n = ceil(50000 / batch size) batches of the task's own data, gamma = 1, g_b the gradient of the batch's mean loss;
theta* <- theta. (The contrastive loss of a sample depends on its batch, so that there is no gradient of a single sample
to square.) FoMo-in-Flux, official code, where n is at most the number of the task's batches; here n is fixed, because
the passes are priced and paid for before any data is read: a smaller task is gone through again, with other crops.

`ewc-as-released` repeats a slip of that code: in the Fisher pass the similarities are multiplied by the parameter
`logit_scale` itself instead of by its exponential. It needs a temperature that trains."""

from dataclasses import replace

from flopwise.methods.continual import Method
from flopwise.methods.continual.full_ft import prepare

SCALE = 2.0**10  # of the loss in the Fisher pass, so that small gradients survive fp16; exact in fp32 and bf16


class ElasticWeights:
    """The penalty; Fisher information and anchor of every parameter in `named`."""

    def __init__(self, named: dict, *, strength: float = 1.0, decay: float = 1.0, as_released: bool = False):
        self.named, self.strength, self.decay, self.as_released = named, strength, decay, as_released
        self.fisher: dict = {}
        self.anchor: dict = {}

    def penalty(self):
        if not self.fisher:
            return None
        distances = ((self.fisher[name] * (p - self.anchor[name]).square()).sum() for name, p in self.named.items())
        return self.strength / 2 * sum(distances)

    def before_update(self, rate: float) -> None:
        pass

    def end_task(self, loss_of_batch, batches) -> None:
        scale = self.named["logit_scale"] if self.as_released else None
        true = scale.detach().clone() if self.as_released else None
        if self.as_released:
            scale.data.log_()  # the model's exp(log s) multiplies by s
        fresh, count = self._squared_gradients(loss_of_batch, batches)
        if self.as_released:
            fresh["logit_scale"].div_(true.square())  # by the chain rule: the gradient by s, not by log s
            scale.data.copy_(true)
        for name, parameter in self.named.items():
            earlier = self.decay * self.fisher[name] if self.fisher else 0
            fresh[name] = earlier + fresh[name] / count
            self.anchor[name] = parameter.detach().clone()
        self.fisher = fresh

    def _squared_gradients(self, loss_of_batch, batches) -> tuple[dict, int]:
        import torch

        total, count = {name: torch.zeros_like(p) for name, p in self.named.items()}, 0
        for batch in batches:
            count += 1
            # a parameter that the loss does not reach has a gradient, and so a Fisher information, of zero
            gradients = torch.autograd.grad(
                SCALE * loss_of_batch(batch), list(self.named.values()), materialize_grads=True
            )
            for name, gradient in zip(total, gradients):
                total[name].addcmul_(gradient, gradient, value=SCALE**-2)
        return {name: value.detach() for name, value in total.items()}, count

    def tensors(self) -> dict:
        kinds = {"fisher": self.fisher, "anchor": self.anchor}
        return {f"{kind}/{name}": value for kind, held in kinds.items() for name, value in held.items()}

    def restore(self, tensors: dict) -> None:
        for path, value in tensors.items():
            kind, _, name = path.partition("/")
            getattr(self, kind)[name] = value


PLAIN = Method(prepare, label="EWC", group="regularisers", regulariser=ElasticWeights, fisher=True)
METHODS = {
    "ewc": PLAIN,
    "ewc-as-released": replace(
        PLAIN, label="EWC, as released", regulariser_options={"as_released": True}, learned_temperature=True
    ),
}
