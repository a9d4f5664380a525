"""Tensors without data, to simulate training steps with: operators give shapes and storages, no values."""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

META = torch.device("meta")
_known: dict[tuple, object] = {}  # what calls of operators have given: facts of fresh tensors, or None


def shaped(operator, args: tuple, kwargs: dict):
    """What `operator` gives for tensors on the meta device. torch works most shapes out in Python; a model's layers are
    alike, so that few calls are new: for one that made tensors of its own before, such tensors are made."""
    key = (operator, _signature(args), _signature(tuple(kwargs.items())))
    facts = _known.get(key)
    if facts is not None:
        return _fresh(facts)
    result = operator(*args, **kwargs)
    if key not in _known:
        _known[key] = _facts(result, (*args, *kwargs.values()))
    return result


def _signature(value):
    """All of an argument that decides what an operator gives on the meta device."""
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(map(_signature, value))
    return type(value), value  # 1, 1.0 and True are equal and give results of three types


def _facts(result, inputs: tuple):
    """Shapes, strides and types of what an operator has made; None where these do not say all: a result that is a view or
    an input itself, is no tensor, lies elsewhere, or does not fill its storage."""
    results = list(result) if isinstance(result, list | tuple) else [result]
    made = [each for each in results if each is not None]  # a gradient that nobody asked for
    if not made or not all(isinstance(each, Tensor) and each.is_meta for each in made):
        return None
    kind = type(result) if isinstance(result, list | tuple) else None
    facts = kind, [each if each is None else (each.shape, each.stride(), each.dtype) for each in results]
    own, others = ({tensor.untyped_storage()._cdata for tensor in some} for some in (made, tensors_of(inputs)))
    again = _fresh(facts)
    sizes = [[tensor.untyped_storage().nbytes() for tensor in tensors_of([some])] for some in (results, again)]
    whole = sizes[0] == sizes[1] and not any(tensor.storage_offset() for tensor in made)
    return facts if whole and len(own) == len(made) and not own & others else None


def _fresh(facts: tuple):
    kind, each = facts
    made = [fact and torch.empty_strided(fact[0], fact[1], dtype=fact[2], device=META) for fact in each]
    return kind(made) if kind else made[0]


def tensors_of(values) -> list[Tensor]:
    """The tensors among the arguments of an operator."""
    nested = [tensors_of(value) if isinstance(value, list | tuple) else [value] for value in values]
    return [value for group in nested for value in group if isinstance(value, Tensor)]


class StandIn(Tensor):
    """A tensor of the shape, type and storage of `meta`, which lies on the meta device, that says it lies on the CPU: so
    autocast's rules for a CPU apply to it, which the meta device has none of. torch's FakeTensor does the same for any
    device, with checks that take ten times as long. Operators work on it inside `Simulation`."""

    meta: Tensor

    @staticmethod
    def __new__(cls, meta: Tensor):
        made = Tensor._make_wrapper_subclass(
            cls, meta.shape, meta.stride(), meta.storage_offset(), dtype=meta.dtype, device="cpu"
        )
        made.meta = meta
        return made

    @classmethod
    def __torch_dispatch__(cls, operator, types, args=(), kwargs=None):
        raise RuntimeError(f"{operator} on a stand-in outside of a simulation")


class Simulation(TorchDispatchMode):
    """Every operator inside runs on the meta device and gives stand-ins, new tensors included."""

    def made(self, tensor: Tensor) -> None:
        """Called with each result, a tensor on the meta device."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = {name: META if name == "device" else _meta(value) for name, value in kwargs.items()}
        return self._stand_in(shaped(operator, tuple(map(_meta, args)), given), (*args, *kwargs.values()))

    def _stand_in(self, result, inputs: tuple):
        if isinstance(result, Tensor):
            # an operator in place returns its input: the same object must come back
            same = next((each for each in inputs if isinstance(each, StandIn) and each.meta is result), None)
            if same is not None:
                return same
            self.made(result)
            return StandIn(result)
        if isinstance(result, list | tuple):
            return type(result)(self._stand_in(each, inputs) for each in result)
        return result


def _meta(value):
    """What an operator on the meta device is given for `value`."""
    if isinstance(value, StandIn):
        return value.meta
    if isinstance(value, Tensor):  # a constant with data, as `torch.tensor` makes it
        return value.to(META)
    if isinstance(value, list | tuple):
        return [_meta(each) for each in value]
    return value
