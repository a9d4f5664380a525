"""State of a model that is no parameter, such as the running statistics of batch normalisation. No gradient made it, so
nothing that works on weights applies to it: merges leave it alone (`flopwise.methods.merging`), a pass that trains nothing
leaves it as it was, and a batch that goes through a model in parts is refused where it would be made of each part alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from flopwise.core.errors import UserError

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # torch's names, the last part of a buffer's name


def names(model) -> frozenset[str]:
    """Names of the buffers that are stored with a model's weights."""
    return frozenset(model.state_dict().keys() - {name for name, _ in model.named_parameters()})


def train(model) -> None:
    """Put a model into training mode; batch normalisation whose own parameters are all frozen keeps its statistics, so
    that a locked tower stays as it is."""
    model.train()
    for _, layer in _batch_norms(model):
        own = list(layer.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            layer.eval()


@contextmanager
def kept(model) -> Iterator[None]:
    """Leave all buffers as they were, whatever passes through the model inside."""
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        yield
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(before[name])


def check_parts(model, size: int) -> None:
    """Raise `UserError` where batch normalisation would take its statistics from parts of a batch, `size` samples each."""
    for name, layer in _batch_norms(model):
        if layer.training:
            raise UserError(
                f"micro_batch_size {size} cuts a batch into parts, of which batch normalisation ({name}) would take "
                "statistics one by one; allowed for this model is 0, the whole batch"
            )


def _batch_norms(model) -> Iterator[tuple[str, object]]:
    """(path, layer) of every batch normalisation."""
    from torch.nn import BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm

    for name, layer in model.named_modules():
        if isinstance(layer, BatchNorm1d | BatchNorm2d | BatchNorm3d | SyncBatchNorm):
            yield name, layer
