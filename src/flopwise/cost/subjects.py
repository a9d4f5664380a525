"""What is priced: a model of open_clip or timm on the meta device, with its inputs and its training loss."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.cost.names import LIBRARIES
from flopwise.models.loss import symmetric


@dataclass(frozen=True)
class Subject:
    """name: as given, `library:NAME`
    module: the model, without data (meta device)
    inputs: batch size -> its inputs, on the given device
    loss: (module, inputs) -> the training loss
    """

    name: str
    module: nn.Module
    inputs: Callable[..., tuple[Tensor, ...]]
    loss: Callable[[nn.Module, tuple[Tensor, ...]], Tensor]

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.module.parameters())


def split(name: str) -> tuple[str, str]:
    """`library:NAME` in its two parts."""
    library, colon, rest = name.partition(":")
    if not colon or not rest:
        raise UserError(f"model {name!r}: write it as LIBRARY:NAME with LIBRARY one of {', '.join(LIBRARIES)}")
    return check("library", library, LIBRARIES), rest


def load(name: str) -> Subject:
    """The subject called `open_clip:NAME`, `timm:NAME`, at the library's own input size, or `perceiver:NAME` of a published model
    that classifies pictures; NAME of the former two may carry the tag of a released checkpoint behind a dot, whose activation,
    number of classes and input size are then priced."""
    library, rest = split(name)
    if library == "open_clip":
        return _open_clip(name, rest)
    if library == "timm":
        return _timm(name, rest)
    return _perceiver(name, rest)


def contrastive_loss(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """CLIP's loss after the library's own forward, which works on fake tensors too."""
    if hasattr(module, "text_decoder"):
        raise UserError("training a captioning model (CoCa) is not priced; `forward` is")
    image, text = inputs
    similarity = module.encode_image(image, normalize=True) @ module.encode_text(text, normalize=True).T
    # scaled after the product, as the published code does: a frozen image tower then needs no gradient of its features
    return symmetric(similarity * module.logit_scale.exp())


def classification_loss(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Cross-entropy of the logits; a model without classes is charged for its forward and backward alone."""
    output = module(inputs[0])
    return functional.cross_entropy(output, output.new_zeros(len(output), dtype=torch.long))


def _open_clip(name: str, rest: str) -> Subject:
    from flopwise.models.clip import released
    from flopwise.models.compat import import_open_clip

    library, model = import_open_clip(), rest.partition(".")[0]
    check("open_clip model", model, library.list_models())
    activation = released(rest).get("quick_gelu", False)
    text_configuration = library.get_model_config(model).get("text_cfg", {})
    if "hf_model_name" in text_configuration:
        raise UserError(f"{name}: its text tower ({text_configuration['hf_model_name']}) would have to be downloaded")
    with torch.device("meta"):
        module = _quietly(lambda: library.create_model(model, device="meta", force_quick_gelu=activation))
    size = module.visual.image_size
    height, width = size if isinstance(size, tuple) else (size, size)

    def inputs(batch_size: int, device: str = "meta") -> tuple[Tensor, Tensor]:
        tokens = torch.zeros(batch_size, module.context_length, dtype=torch.long, device=device)
        return torch.empty(batch_size, 3, height, width, device=device), tokens

    return Subject(name, module, inputs, contrastive_loss)


def _timm(name: str, rest: str) -> Subject:
    from flopwise.models import zoo
    from flopwise.models.compat import import_timm

    module = _quietly(lambda: zoo.create(rest))
    shape = import_timm().data.resolve_model_data_config(module)["input_size"]

    def inputs(batch_size: int, device: str = "meta") -> tuple[Tensor]:
        return (torch.empty(batch_size, *shape, device=device),)

    return Subject(name, module, inputs, classification_loss)


def _perceiver(name: str, rest: str) -> Subject:
    from flopwise.models import perceiver
    from flopwise.models.perceiver.specs import Image, Linear

    known = perceiver.PUBLISHED.items()
    classify = [key for key, one in known if isinstance(one.inputs, Image) and isinstance(one.head, Linear)]
    config = perceiver.find(rest)
    if rest not in classify:
        raise UserError(
            f"{name}: training steps are priced for {', '.join(classify)}; other perceiver names have `forward`"
        )

    def inputs(batch_size: int, device: str = "meta") -> tuple[Tensor]:
        return (torch.empty(batch_size, 3, *config.inputs.size, device=device),)

    return Subject(name, perceiver.create(config, device="meta"), inputs, classification_loss)


def _quietly(make: Callable[[], nn.Module]) -> nn.Module:
    """Without the library's warning that the weights are random: there are none."""
    logging.disable(logging.WARNING)
    try:
        return make()
    finally:
        logging.disable(logging.NOTSET)
