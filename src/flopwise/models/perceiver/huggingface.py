"""Weights in the layout of the package transformers: names of tensors, and configurations from its models. transformers is
not imported; its models are looked at, not made."""

import torch
from torch import Tensor

from flopwise.core.errors import UserError
from flopwise.models.perceiver import specs
from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.model import Perceiver, create

BLOCK = {
    "norm_query": "attention.self.layernorm1", "norm_key": "attention.self.layernorm2", "query": "attention.self.query",
    "key": "attention.self.key", "value": "attention.self.value", "output": "attention.output.dense",
    "norm_mlp": "layernorm", "widen": "mlp.dense1", "narrow": "mlp.dense2",
}  # fmt: skip
INPUTS = {
    "embedding": "embeddings", "stem.convolution": "convnet.conv", "stem.norm": "convnet.batchnorm",
    "positions.projection": "positions_projection", "padding": "padding", "mask": "mask",
}  # fmt: skip
POSITIONS = "output_position_encodings.position_embeddings"
ACTIVATIONS = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
COMPUTED = "num_batches_tracked"  # of batch normalisation; a file holds it or not
SHOWN = 5  # tensors named in a message before "and N more"


def tensor_name(name: str, config: Config) -> str:
    """Name in transformers of our tensor called `name`."""
    part, _, rest = name.partition(".")
    decoder = "perceiver.decoder" if isinstance(config.head, specs.Tied) else "perceiver.decoder.decoder"
    match part:
        case "latents":
            return "perceiver.embeddings.latents"
        case "encoder":
            return f"perceiver.encoder.cross_attention.{_block(rest)}"
        case "layers":
            number, _, inner = rest.partition(".")
            return f"perceiver.encoder.self_attends.{number}.{_block(inner)}"
        case "decoder":
            return f"{decoder}.decoding_cross_attention.{_block(rest)}"
        case "queries":
            return _query_name(rest, decoder)
        case "head":
            return _head_name(rest, decoder)
    return f"perceiver.input_preprocessor.{_input_name(rest, config.inputs)}"


def _block(name: str) -> str:
    layer, _, kind = name.partition(".")
    return f"{BLOCK[layer]}.{kind}"


def _query_name(name: str, decoder: str) -> str:
    if name == "table":
        return f"{decoder}.{POSITIONS}"
    group, _, rest = name.partition(".")
    if group == "parts":
        return f"perceiver.decoder.modalities.{rest.removesuffix('.table')}.decoder.{POSITIONS}"
    return f"perceiver.decoder.{name}"


def _head_name(name: str, decoder: str) -> str:
    if name == "bias":
        return "embedding_decoder.bias"
    if name.startswith("linear."):
        return f"{decoder}.final_layer.{name.removeprefix('linear.')}"
    _, modality, kind = name.split(".")
    return f"perceiver.output_postprocessor.modalities.{modality}.classifier.{kind}"


def _input_name(name: str, inputs) -> str:
    if name == "positions.table":
        return f"position_embeddings.{'weight' if isinstance(inputs, specs.Text) else 'position_embeddings'}"
    if name.startswith("project."):
        layer = "conv_after_patches" if isinstance(inputs, specs.FramePair) else "convnet_1x1"
        return name.replace("project", layer)
    for ours, theirs in INPUTS.items():
        if name.startswith(f"{ours}."):
            return theirs + name.removeprefix(ours)
    raise UserError(f"transformers has no counterpart of the input adapter's tensor {name}")


def load(model: Perceiver, state: dict[str, Tensor]) -> None:
    """Copy the tensors of `state`, named as in transformers, into `model`. Raises `UserError` that names those which are
    missing, unexpected or of another shape."""
    own = {tensor_name(name, model.config): (name, value) for name, value in model.state_dict().items()}
    missing = sorted(name for name in own.keys() - state.keys() if not name.endswith(COMPUTED))
    unexpected = sorted(name for name in state.keys() - own.keys() if not name.endswith(COMPUTED))
    both = sorted(own.keys() & state.keys())
    misshapen = [f"{name} is {_shape(state[name])}, expected {_shape(own[name][1])}" for name in both
                 if state[name].shape != own[name][1].shape]  # fmt: skip
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
    if problems := [_several(kind, names) for kind, names in kinds if names]:
        raise UserError(f"the weights do not fit this model: {'; '.join(problems)}")
    with torch.no_grad():
        model.load_state_dict({own[name][0]: state[name] for name in both}, strict=False)


def state_dict(model: Perceiver) -> dict[str, Tensor]:
    """The weights of `model` as transformers names them."""
    return {tensor_name(name, model.config): value for name, value in model.state_dict().items()}


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _several(kind: str, names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''} {kind}: {', '.join(names[:SHOWN])}{more}"


def convert(module) -> Perceiver:
    """Our model with configuration, weights and mode (training or not) of a transformers model with its head. transformers
    drops attention weights in training by default; there is no dropout here."""
    config = configuration(type(module).__name__, module.config)
    model = create(config)
    load(model, module.state_dict())
    return model.to(next(module.parameters()).device).train(module.training)


def configuration(kind: str, config) -> Config:
    """Of the transformers model class called `kind` with the `PerceiverConfig` `config`: its structure in our terms."""
    if kind not in KINDS:
        raise UserError(f"{kind} has no counterpart here; there is one for {', '.join(KINDS)}")
    _check_supported(config)
    inputs, queries, head, options = KINDS[kind](config)
    as_query = config.cross_attention_shape_for_attention == "q"
    return Config(
        inputs, queries, head, config.num_latents, config.d_latents, config.num_self_attends_per_block,
        blocks=config.num_blocks, heads=config.num_self_attention_heads, cross_heads=config.num_cross_attention_heads,
        qk=config.qk_channels or (config.d_latents if as_query else None), value=config.v_channels or config.qk_channels,
        widening=config.self_attention_widening_factor, activation=ACTIVATIONS[config.hidden_act],
        **({"decoder_qk": queries.channels} if as_query else {}) | options,
    )  # fmt: skip


def _check_supported(config) -> None:
    """Settings of transformers that no released model uses and that are not built here."""
    allowed = {
        "hidden_act": tuple(ACTIVATIONS), "use_query_residual": (True,), "cross_attention_widening_factor": (1,),
        "cross_attention_shape_for_attention": ("kv", "q"),
    }  # fmt: skip
    for name, values in allowed.items():
        if getattr(config, name) not in values:
            raise UserError(f"{name} is {getattr(config, name)!r}; supported: {', '.join(map(str, values))}")


def _text(config) -> specs.Text:
    return specs.Text(config.vocab_size, config.max_position_embeddings, config.d_model)


def _masked_lm(config):
    queries = specs.LearnedQueries(config.max_position_embeddings, config.d_model)
    decoder = {"decoder_heads": 8, "decoder_qk": 256, "decoder_value": config.d_model}
    return _text(config), queries, specs.Tied(config.vocab_size), decoder


def _classifier(config, inputs):
    query = specs.LearnedQueries(1, config.d_latents)
    return inputs, query, specs.Linear(config.num_labels, single=True), {"query_residual": True}


def _square(config) -> tuple[int, int]:
    side = config.image_size
    return (side, side) if isinstance(side, int) else tuple(side)


def _learned(config):
    size = _square(config)
    positions = specs.Learned(size[0] * size[1], 256, projected=True)
    return _classifier(config, specs.Image(size, positions, features=256))


def _fourier(config):
    return _classifier(config, specs.Image((224, 224), specs.Fourier(64, (224, 224))))


def _convolution(config):
    positions = specs.Fourier(64, (56, 56))
    return _classifier(config, specs.Image((224, 224), positions, stem="conv-unpadded"))


def _optical_flow(config):
    size = tuple(config.train_size)
    inputs = specs.FramePair(size, specs.Fourier(64, size))
    return inputs, specs.InputQueries(size[0] * size[1], inputs.channels), specs.Flow(size), {}


def _autoencoding(config):
    frames, samples, side = config.num_frames, config.num_frames * config.audio_samples_per_frame, config.image_size
    video, audio = specs.Fourier(32, (frames, side, side)), specs.Fourier(192, (samples,))
    shape, patch = tuple(config.output_shape[1:]), config.samples_per_patch
    parts = {
        "audio": specs.Audio(samples, patch, audio), "image": specs.Video(frames, shape[1:], (1, 4, 4), video),
        "label": specs.Label(config.num_labels),
    }  # fmt: skip
    queries = {
        "audio": specs.PositionQueries((samples // patch,), audio), "image": specs.PositionQueries(shape, video),
        "label": specs.LearnedQueries(1, config._label_trainable_num_channels),
    }  # fmt: skip
    head = specs.Modalities(config.output_num_channels, {"audio": patch, "image": 3, "label": config.num_labels})
    return specs.Multimodal(parts, mask_tokens=True, hidden=("label",)), specs.MultimodalQueries(queries), head, {}


KINDS = {  # class of transformers -> (inputs, queries, head, options of the decoder)
    "PerceiverForMaskedLM": _masked_lm,
    "PerceiverForSequenceClassification": lambda config: _classifier(config, _text(config)),
    "PerceiverForImageClassificationLearned": _learned,
    "PerceiverForImageClassificationFourier": _fourier,
    "PerceiverForImageClassificationConvProcessing": _convolution,
    "PerceiverForOpticalFlow": _optical_flow,
    "PerceiverForMultimodalAutoencoding": _autoencoding,
}
