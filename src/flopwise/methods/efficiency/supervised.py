"""Supervised: cross-entropy of softmax(W h + b) with the label; with several labels, with the uniform distribution over them."""

from flopwise.methods.efficiency import SUPERVISED, Batch, Facts, Objective


def learner(trunk, facts: Facts, smallest: float, colour: float):
    from torch import nn
    from torch.nn.functional import cross_entropy

    class Supervised(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.head = trunk, nn.Linear(trunk.shape.width, facts.classes)

        def loss(self, batch: Batch):
            pictures = batch.view(smallest, colour)
            return cross_entropy(self.head(self.trunk(pictures).mean(1)), batch.targets)

    return Supervised()


OBJECTIVE = Objective(learner, "supervised", SUPERVISED, needs="labels", options={"smallest": 0.5, "colour": 0.5})
