"""A whole Perceiver IO as plain data: `model` builds it, `flopwise.cost.perceiver_models` prices it. No torch."""

from dataclasses import dataclass

from flopwise.core.choices import check
from flopwise.core.errors import UserError
from flopwise.models.perceiver import specs

ACTIVATIONS = ("tanh", "erf")  # GELU's approximation, as in the original code, or GELU itself, as in transformers


@dataclass(frozen=True)
class Widths:
    """One attention module: widths of queries, keys, query-key and value; heads; `cross`: keys are another array;
    `residual`: queries are added to what is attended to; `widening` of the MLP."""

    query: int
    key: int
    qk: int
    value: int
    heads: int
    cross: bool = True
    residual: bool = True
    widening: int = 1

    def __post_init__(self):
        for name, width in (("query-key", self.qk), ("value", self.value)):
            if width % self.heads:
                raise UserError(f"{name} width {width} does not divide among {self.heads} heads")


@dataclass(frozen=True)
class Config:
    """A whole model.

    layers: latent layers with weights of their own; blocks: how often they run, one after the other, on shared weights
    heads, cross_heads, decoder_heads: of latent layers, encoder, decoder
    qk, value: widths in encoder and latent layers (None: channels of the keys, in latent layers D)
    decoder_qk, decoder_value: likewise in the decoder (None: D)
    widening: of the latent layers' MLPs; those of encoder and decoder have 1
    query_residual: whether the decoder adds its queries; head None: decoder outputs as they are
    folded: where that takes fewer FLOPs, the encoder computes the same function in another order, without keys and values
        of its own; equal up to rounding, charged as if it did not
    """

    inputs: specs.Input
    queries: specs.Queries | None
    head: specs.Head | None
    latents: int
    width: int
    layers: int
    blocks: int = 1
    heads: int = 8
    cross_heads: int = 1
    decoder_heads: int = 1
    qk: int | None = None
    value: int | None = None
    decoder_qk: int | None = None
    decoder_value: int | None = None
    widening: int = 1
    query_residual: bool = False
    activation: str = "tanh"
    folded: bool = False

    def __post_init__(self):
        check("activation", self.activation, ACTIVATIONS)
        if (self.queries is None) != isinstance(self.head, specs.Average):
            raise UserError(
                "a model without output queries averages its latents: head Average and no queries go together"
            )
        if isinstance(self.queries, specs.InputQueries) and self.queries.channels != self.inputs.channels:
            raise UserError(
                f"queries made of inputs have the inputs' {self.inputs.channels} channels, not {self.queries.channels}"
            )
        if isinstance(self.head, specs.Tied) and self.queries.channels != self.inputs.channels:
            raise UserError(
                f"logits from the input embedding need queries of its {self.inputs.channels} channels, not "
                f"{self.queries.channels}"
            )
        if self.layer.value != self.width:
            raise UserError(f"value width {self.layer.value} of latent layers must be the latents' width {self.width}")

    @property
    def folds(self) -> bool:
        """Whether the encoder runs folded: with h heads, 2 h N C products per input in place of (C + N) (F + G)."""
        widths, channels = self.encoder, self.inputs.channels
        plain = (channels + self.latents) * (widths.qk + widths.value)
        return self.folded and 2 * widths.heads * self.latents * channels < plain

    @property
    def encoder(self) -> Widths:
        qk = self.qk or self.inputs.channels
        return Widths(self.width, self.inputs.channels, qk, self.value or qk, self.cross_heads)

    @property
    def layer(self) -> Widths:
        qk, value = self.qk or self.width, self.value or self.width
        return Widths(self.width, self.width, qk, value, self.heads, cross=False, widening=self.widening)

    @property
    def decoder(self) -> Widths | None:
        if self.queries is None:
            return None
        qk = self.decoder_qk or self.width
        value, channels = self.decoder_value or qk, self.queries.channels
        return Widths(channels, self.width, qk, value, self.decoder_heads, residual=self.query_residual)
