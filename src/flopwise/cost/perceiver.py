"""Parameters and forward FLOPs of Perceiver IO's published configurations, in closed form (arXiv 2107.14795). No torch.

One attention module with N_q queries of width D_q over N_k keys of width D_k, query-key width F, value width G and MLP
widening w costs

    2 [ N_q D_q F + N_k D_k (F + G) + N_q N_k (F + G) + N_q G D_q + 2 w N_q D_q^2 ]

FLOPs (norms, softmax and biases left out) and holds

    (D_q + 1) F + (D_k + 1) (F + G) + (G + 1) D_q + (D_q + 1) w D_q + (w D_q + 1) D_q

parameters and the LayerNorms of queries, of keys (cross-attention only) and before the MLP.

A model is one such module from inputs to latents, a stack of them on the latents, one from output queries to latents,
and what stands before and after. Configurations: the paper's appendix and tables 1, 5, 6, 7, 11 and 15, and the
released code where the paper is silent; `note` says which, and which published figure does not follow from them.
"""

from dataclasses import dataclass

from flopwise.cost.closed_forms import linear


@dataclass(frozen=True)
class Attention:
    """Widths of one module: queries, keys, query-key, value (defaults: keys' width), widening of the MLP."""

    query: int
    key: int
    qk: int
    value: int
    widening: int = 1
    cross: bool = True

    def parameters(self) -> int:
        query, key, qk, value, hidden = self.query, self.key, self.qk, self.value, self.widening * self.query
        projections = (query + 1) * qk + (key + 1) * (qk + value) + (value + 1) * query
        mlp = (query + 1) * hidden + (hidden + 1) * query
        return projections + mlp + 2 * (2 * query + (key if self.cross else 0))

    def flops(self, queries: int, keys: int) -> int:
        query, key, qk, value = self.query, self.key, self.qk, self.value
        products = queries * query * qk + keys * key * (qk + value) + queries * keys * (qk + value)
        return 2 * (products + queries * value * query + 2 * self.widening * queries * query**2)


@dataclass(frozen=True)
class Configuration:
    """One model at the size it is published with.

    latents, width: N x D; depth: layers run, distinct: layers with weights of their own (fewer where blocks share)
    inputs, input_width: M x C; outputs, output_width: O x E (outputs 0: latents averaged and projected, no decoder)
    qk, value: widths in encoder and latent layers, where they differ from the keys' and the latents' width
    decoder_qk, decoder_value: likewise in the decoder (default: the latents' width)
    widening: of the latent layers' MLPs
    extra_parameters, extra_flops: embeddings, preprocessors, learned queries, output heads
    """

    latents: int
    width: int
    depth: int
    inputs: int
    input_width: int
    outputs: int
    output_width: int
    distinct: int | None = None
    qk: int | None = None
    value: int | None = None
    decoder_qk: int | None = None
    decoder_value: int | None = None
    widening: int = 1
    extra_parameters: int = 0
    extra_flops: int = 0
    note: str = ""

    @property
    def encoder(self) -> Attention:
        qk = self.qk or self.input_width
        return Attention(self.width, self.input_width, qk, self.value or qk)

    @property
    def layer(self) -> Attention:
        qk, value = self.qk or self.width, self.value or self.width
        return Attention(self.width, self.width, qk, value, self.widening, cross=False)

    @property
    def decoder(self) -> Attention:
        qk = self.decoder_qk or self.width
        return Attention(self.output_width, self.width, qk, self.decoder_value or qk)


def parameters(model: Configuration) -> int:
    layers = (model.distinct or model.depth) * model.layer.parameters()
    decoder = model.decoder.parameters() if model.outputs else 0
    latents = model.latents * model.width
    return latents + model.encoder.parameters() + layers + decoder + model.extra_parameters


def flops(model: Configuration) -> int:
    """FLOPs of one forward pass of one example."""
    encode = model.encoder.flops(model.latents, model.inputs)
    layers = model.depth * model.layer.flops(model.latents, model.latents)
    decode = model.decoder.flops(model.outputs, model.latents) if model.outputs else 0
    return encode + layers + decode + model.extra_flops


def attention_products(model: Configuration) -> int:
    """The part of `flops` that is scores and weighted sums: what some published figures leave out."""

    def products(module: Attention, queries: int, keys: int) -> int:
        return 2 * queries * keys * (module.qk + module.value)

    encode = products(model.encoder, model.latents, model.inputs)
    layers = model.depth * products(model.layer, model.latents, model.latents)
    return encode + layers + products(model.decoder, model.outputs, model.latents)


def _language(symbols: int, tokens: int, latents: int, width: int, depth: int, note: str) -> Configuration:
    """Masked language model: embedding and position tables, learned output queries, tied output embedding (table 11;
    query-key width 256 from the released code)."""
    tables = symbols * 768 + 2 * tokens * 768 + symbols
    options = {"qk": 256, "value": width, "decoder_qk": 256, "decoder_value": 768}
    return Configuration(
        latents, width, depth, tokens, 768, tokens, 768, **options, extra_parameters=tables,
        extra_flops=linear(tokens, 768, symbols), note=note,
    )  # fmt: skip


def _image(inputs: int, channels: int, before: int = 0, before_flops: int = 0, note: str = "", **more) -> Configuration:
    """ImageNet: 512 x 1024 latents, one learned query of width 1024, 1,000 classes; configuration A runs 8 blocks of 6
    layers that share their weights."""
    shape = {"depth": 48, "distinct": 6, "outputs": 1} | more
    head = 1024 * shape["outputs"] + 1025 * 1000
    return Configuration(
        512, 1024, inputs=inputs, input_width=channels, output_width=1024, **shape,
        extra_parameters=head + before, extra_flops=linear(1, 1024, 1000) + before_flops, note=note,
    )  # fmt: skip


def _flow(latents: int, depth: int, note: str) -> Configuration:
    """Optical flow at 368 x 496: 3 x 3 patches of both frames (54 values) projected to 64, 258 Fourier features, the
    same array as queries, projection to 2 (appendix H; the order of projection as in the released code)."""
    pixels, patch, fourier = 368 * 496, 54, 258
    channels = 64 + fourier
    head = (patch + 1) * 64 + (channels + 1) * 2
    work = linear(pixels, patch, 64) + linear(pixels, channels, 2)
    return Configuration(
        latents, 512, depth, pixels, channels, pixels, channels, extra_parameters=head, extra_flops=work, note=note
    )  # fmt: skip


def _multimodal(video: int, audio: int, latents: int, note: str) -> Configuration:
    """Kinetics: 1,920 audio and 50,176 video patches and a label, padded to 704 channels; queries of width 1026 for
    `video` pixels, `audio` patches and the label, projected to 512 and to each modality (released code)."""
    padding = 303 + 461 + 4 + 3 * 704 + (831 + 641 + 2) + 1024
    heads = 1027 * 512 + 513 * (3 + 16 + 700)
    queries = video + audio + 1
    work = linear(queries, 1026, 512) + linear(video, 512, 3) + linear(audio, 512, 16) + linear(1, 512, 700)
    return Configuration(
        latents, 512, 8, 52_097, 704, queries, 1026, extra_parameters=padding + heads, extra_flops=work, note=note
    )  # fmt: skip


def _audioset(inputs: int, width: int, outputs: int = 1, note: str = "") -> Configuration:
    """AudioSet: 512 latents, 12 layers, inputs of width 487, one query of width 1024, 527 classes (table 6)."""
    head = 1024 + 1025 * 527 if outputs else (width + 1) * 527
    work = linear(1, 1024 if outputs else width, 527)
    return Configuration(
        512, width, 12, inputs, 487, outputs, 1024, extra_parameters=head, extra_flops=work, note=note
    )  # fmt: skip


_PIXELS, _CONV = 224 * 224, 55 * 55
_RESNET_STEM = 7 * 7 * 3 * 64
_B = "16 layers, MLP widened 4 times: parameters follow from 16 layers, the published FLOPs from 12"
CONFIGURATIONS: dict[str, Configuration] = {
    "language-bytes": _language(262, 2048, 256, 1280, 26, "published FLOPs leave out the attention products"),
    "language-bytes-plus": _language(262, 2048, 256, 1536, 40, "query-key width not stated; 256 fits both figures"),
    "language-sentencepiece": _language(32_000, 512, 256, 1280, 26, "published FLOPs do not follow"),
    "language-bytes-128": _language(262, 2048, 128, 1920, 26, "published FLOPs do not follow"),
    "language-bytes-512": _language(262, 2048, 512, 896, 26, "published FLOPs do not follow"),
    "imagenet-fourier": _image(_PIXELS, 261),
    "imagenet-learned": _image(
        _PIXELS, 512, _PIXELS * 256 + 257 * 256 + 4 * 256, linear(_PIXELS, 3, 256) + linear(_PIXELS, 256, 256),
        "published FLOPs are those of 261 input channels, not of 512",
    ),
    "imagenet-conv": _image(
        _CONV, 322, _RESNET_STEM + 2 * 64, linear(112 * 112, 147, 64), "55 x 55 tokens, as in the converted weights"
    ),
    "imagenet-fourier-average": _image(_PIXELS, 261, outputs=0, note="Perceiver: latents averaged, no decoder"),
    "imagenet-b-fourier": _image(_PIXELS, 261, depth=16, distinct=16, widening=4, note=_B),
    "imagenet-b-conv": _image(
        _CONV, 322, _RESNET_STEM + 2 * 64, linear(112 * 112, 147, 64), depth=16, distinct=16, widening=4, note=_B
    ),
    "optical-flow": _flow(2048, 24, "the published pair belongs to 16 layers and 1024 latents"),
    "optical-flow-16-1024": _flow(1024, 16, "not a published row; its figures are printed for the larger model"),
    "multimodal": _multimodal(512, 512, 784, "training queries: 512 of each modality; published FLOPs do not follow"),
    "multimodal-all": _multimodal(802_816, 1_920, 784, "all queries; published FLOPs do not follow"),
    "audioset-raw": _audioset(13_024, 512),
    "audioset-mel": _audioset(17_344, 1024, note="published parameters are 1.9 % higher"),
    "audioset-raw-average": _audioset(13_024, 512, 0, "Perceiver: latents averaged, no decoder"),
    "audioset-mel-average": _audioset(17_344, 512, 0, "Perceiver: latents averaged, no decoder"),
}  # fmt: skip
