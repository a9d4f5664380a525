"""What a training recipe does to single parameters besides following the gradient: which decay, and a bound on the
logit scale."""

import math

from flopwise.config.continual import Recipe

LARGEST = math.log(100)  # logit scale (Radford et al. 2021, section 2.5)


def groups(named: dict, recipe: Recipe, weight_decay: float, vectors: tuple[str, ...] = ()) -> list[dict]:
    """Parameter groups of an optimiser, those that decay first. `named`: name -> parameter; `vectors`: see `Method`.

    Under `matrices` decay parameters of two or more dimensions, as in open_clip's training: weights, convolutions,
    embeddings of tokens and positions, factors of adapters. Norms, biases, the class embedding, the temperature and
    vectors of adapters do not."""
    whole = recipe.decay == "all"
    decays = {n: whole or (p.ndim >= 2 and n.rpartition(".")[2] not in vectors) for n, p in named.items()}
    parts = [([p for n, p in named.items() if decays[n] is part], weight_decay * part) for part in (True, False)]
    return [{"params": parameters, "weight_decay": decay} for parameters, decay in parts if parameters]


def bound(model, recipe: Recipe) -> None:
    """Called after each step: where the recipe says so, a logit scale that trains stays at most ln 100."""
    if recipe.clamp and model.logit_scale.requires_grad:
        model.logit_scale.data.clamp_(max=LARGEST)
