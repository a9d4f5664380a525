"""Perceiver IO (arXiv 2107.14795): one architecture for any inputs and any outputs. `config` and `specs` say what a model
is made of, `published` names the paper's; nothing here imports torch before a model is made."""

from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.published import PUBLISHED, find

__all__ = ["PUBLISHED", "Config", "create", "find", "from_huggingface", "load_huggingface"]


def create(model: str | Config, *, seed: int = 0, device: str = "cpu"):
    """A freshly initialised `torch.nn.Module` in float32, as in the original code: the published configuration of that name
    or the given one. `seed` fixes the weights; `device` may be `meta` (shapes only). Raises `UserError` for an unknown
    name."""
    from flopwise.models.perceiver import model as implementation

    return implementation.create(find(model) if isinstance(model, str) else model, seed=seed, device=device)


def from_huggingface(module):
    """Our model with configuration and weights of a Perceiver model of transformers that has a head; for the same inputs it
    gives the same outputs. Raises `UserError` for a model without a counterpart here."""
    from flopwise.models.perceiver import huggingface

    return huggingface.convert(module)


def load_huggingface(model, state: dict) -> None:
    """Put a state dict with the tensor names of transformers into one of our models. Raises `UserError` where names or shapes
    do not fit."""
    from flopwise.models.perceiver import huggingface

    huggingface.load(model, state)
