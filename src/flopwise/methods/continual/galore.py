"""GaLore: full fine-tuning whose optimiser keeps the moments of matrices in a subspace of rank 8.

R = P^T G, N = Adam(R), W <- W - rate (2 P N) - rate x decay x W, with P renewed from G's singular vectors every 200 steps
of a task (`flopwise.methods.galore_adamw`). FoMo-in-Flux, official configuration (`galore_adamw`: rank 8,
update_proj_gap 200, scale 2, proj_type std, matrices only); Zhao et al. 2024."""

from flopwise.methods.continual import Method
from flopwise.methods.continual.full_ft import prepare


def optimiser(groups: list[dict], learning_rate: float):
    from flopwise.methods.galore_adamw import GaloreAdamW

    return GaloreAdamW(groups, learning_rate)


METHOD = Method(prepare, label="GaLore", group="adapters and low-rank updates", optimiser=optimiser)
