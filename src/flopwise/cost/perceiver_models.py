"""Closed forms of any Perceiver IO that `flopwise.models.perceiver` describes, and the audit of the paper's figures. No torch.

`closed_form` turns a model's description into the widths and sizes that `flopwise.cost.perceiver` prices, with what its
input adapter, its queries and its head add. The two are written apart: a test holds the published configurations of
`flopwise.cost.perceiver`, taken from the paper, beside those that the models are built from.
"""

import math
from dataclasses import dataclass

from flopwise.core.choices import check
from flopwise.cost import perceiver
from flopwise.cost.closed_forms import block, linear
from flopwise.models.perceiver import published, specs
from flopwise.models.perceiver.config import Config

TOLERANCE = 0.01  # a figure holds if it is so near what is published: three digits are printed


def closed_form(model: Config, note: str = "") -> perceiver.Configuration:
    """What `perceiver.parameters` and `perceiver.flops` price: one example with all its inputs, and the queries that
    `model.queries.count` counts."""
    count, channels = (model.queries.count, model.queries.channels) if model.queries else (0, model.width)
    around = _input_parameters(model.inputs) + _query_parameters(model.queries) + _head_parameters(model)
    return perceiver.Configuration(
        model.latents, model.width, model.layers * model.blocks, model.inputs.elements, model.inputs.channels, count, channels,
        distinct=model.layers, qk=model.qk, value=model.value, decoder_qk=model.decoder_qk, decoder_value=model.decoder_value,
        widening=model.widening, extra_parameters=around, extra_flops=_input_flops(model.inputs) + _head_flops(model), note=note,
    )  # fmt: skip


def slopes(form: perceiver.Configuration) -> tuple[int, int]:
    """FLOPs per input element in the encoder, and per output query in the decoder, adapter and head aside: with latents
    fixed the cost of a model is affine in both (section E.2)."""
    encoder, decoder, latents = form.encoder, form.decoder, form.latents
    return (
        encoder.flops(latents, 1) - encoder.flops(latents, 0),
        decoder.flops(1, latents) - decoder.flops(0, latents),
    )


def parts(form: perceiver.Configuration) -> dict[str, int]:
    """FLOPs by part: encode, process, decode, around (adapter and head)."""
    return {
        "encode": form.encoder.flops(form.latents, form.inputs),
        "process": form.depth * form.layer.flops(form.latents, form.latents),
        "decode": form.decoder.flops(form.outputs, form.latents) if form.outputs else 0,
        "around": form.extra_flops,
    }


def _input_parameters(inputs) -> int:
    match inputs:
        case specs.Text():
            return (inputs.symbols + inputs.length) * inputs.channels
        case specs.Image():
            stem = (_stem_values() + 2) * specs.STEM_CHANNELS if inputs.stem else _map(inputs.values, inputs.features)
            return stem + _position_parameters(inputs.positions)
        case specs.FramePair():
            return _map(inputs.values, inputs.features)
        case specs.Units():
            return _map(inputs.features, inputs.width)
        case specs.Multimodal():
            padding = sum(inputs.channels - part.channels + _input_parameters(part) for part in inputs.parts.values())
            return padding + (len(inputs.parts) * inputs.channels if inputs.mask_tokens else 0)
    return 0  # video, audio, label


def _position_parameters(positions) -> int:
    if isinstance(positions, specs.Fourier):
        return 0
    projection = _map(positions.channels, positions.channels) if positions.projected else 0
    return positions.positions * positions.channels + projection


def _query_parameters(queries) -> int:
    match queries:
        case specs.LearnedQueries():
            return queries.count * queries.channels
        case specs.MultimodalQueries():
            return sum(queries.channels - part.channels + _query_parameters(part) for part in queries.parts.values())
    return 0


def _head_parameters(model: Config) -> int:
    width, head = model.queries.channels if model.queries else model.width, model.head
    match head:
        case specs.Linear():
            return _map(width, head.outputs)
        case specs.Tied():
            return head.symbols
        case specs.Flow():
            return _map(width, 2)
        case specs.Tasks():
            return sum(_map(width, width) + _map(width, outputs) for outputs in head.outputs.values())
        case specs.Modalities():
            return _map(width, head.width) + sum(_map(head.width, outputs) for outputs in head.outputs.values())
        case specs.Average():
            return _map(width, head.classes)
    return 0


def _map(inputs: int, outputs: int | None) -> int:
    """Parameters of a linear map; None: there is none."""
    return (inputs + 1) * outputs if outputs else 0


def _stem_values() -> int:
    return specs.COLOURS * specs.STEM_KERNEL**2


def _input_flops(inputs) -> int:
    match inputs:
        case specs.Image(stem=None):
            elements, positions = inputs.elements, inputs.positions
            projected = isinstance(positions, specs.Learned) and positions.projected
            behind = linear(elements, positions.channels, positions.channels) if projected else 0
            return linear(elements, inputs.values, inputs.features or 0) + behind
        case specs.Image():
            return linear(math.prod(math.ceil(side / 2) for side in inputs.size), _stem_values(), specs.STEM_CHANNELS)
        case specs.FramePair():
            return linear(inputs.elements, inputs.values, inputs.features)
        case specs.Units():
            return linear(inputs.elements, inputs.features, inputs.width or 0)
        case specs.Multimodal():
            return sum(_input_flops(part) for part in inputs.parts.values())
    return 0  # looked up or left as it is


def _head_flops(model: Config) -> int:
    queries, head = model.queries, model.head
    match head:
        case specs.Linear():
            return linear(queries.count, queries.channels, head.outputs)
        case specs.Tied():
            return linear(queries.count, queries.channels, head.symbols)
        case specs.Flow():
            return linear(queries.count, queries.channels, 2)
        case specs.Tasks():
            width = queries.channels
            return sum(linear(1, width, width) + linear(1, width, outputs) for outputs in head.outputs.values())
        case specs.Modalities():
            each = (linear(queries.parts[name].count, head.width, outputs) for name, outputs in head.outputs.items())
            return linear(queries.count, queries.channels, head.width) + sum(each)
        case specs.Average():
            return linear(1, model.width, head.classes)
    return 0


@dataclass(frozen=True)
class Transformer:
    """Encoder that the paper compares with, its MLP widened 4 times. symbols: of a tied output embedding with a bias, 0:
    none; positions: rows of the learned table; projections: linear maps of the same width behind the last block."""

    width: int
    depth: int
    tokens: int
    symbols: int = 0
    positions: int = 0
    projections: int = 0

    def parameters(self) -> int:
        """Blocks with biases and two LayerNorms each."""
        blocks = self.depth * (12 * self.width**2 + 13 * self.width)
        tables = (self.symbols + self.positions) * self.width + self.symbols
        return blocks + tables + self.projections * (self.width + 1) * self.width

    def flops(self) -> int:
        after = linear(self.tokens, self.width, self.symbols + self.projections * self.width)
        return self.depth * block(self.tokens, self.width) + after


TRANSFORMERS = {
    "bert-base": Transformer(768, 12, 512, symbols=32_000, positions=512),
    "bert-bytes": Transformer(512, 6, 2048, symbols=published.BYTES, positions=2048),
    "alphastar-entities": Transformer(256, 3, 512, projections=1),
}
NOTES = {
    "bert-base": "the published FLOPs count the logits at one FLOP per multiply-add",
    "bert-bytes": "width 512, as the published parameters need",
    "alphastar-entities": "the entity Transformer alone",
    "starcraft": "widths are not stated; these give the published FLOPs",
}


def find(name: str) -> perceiver.Configuration | Transformer:
    """Of a published configuration of `flopwise.cost.perceiver`, one that only the models know, or a Transformer."""
    check("perceiver model", name, dict.fromkeys([*TRANSFORMERS, *perceiver.CONFIGURATIONS, *published.PUBLISHED]))
    if name in TRANSFORMERS:
        return TRANSFORMERS[name]
    if name in perceiver.CONFIGURATIONS:
        return perceiver.CONFIGURATIONS[name]
    return closed_form(published.find(name))


def sizes(form: perceiver.Configuration | Transformer) -> tuple[int, int]:
    """Parameters, and forward FLOPs of one example."""
    if isinstance(form, Transformer):
        return form.parameters(), form.flops()
    return perceiver.parameters(form), perceiver.flops(form)


def audit(rows: list[dict]) -> list[dict]:
    """Hold published figures beside what follows from the configuration.

    rows: with `model` (a name that `find` knows), `params_m` and `gflops` (None where not published)
    Each row comes back with `params_m_here`, `gflops_here`; `params_residual`, `gflops_residual` (here over published,
    less 1) and `params_hold`, `gflops_hold` (within 1 %), None where nothing is published; and `note`.
    """
    found = []
    for row in rows:
        form = find(row["model"])
        parameters, operations = sizes(form)
        note, here = getattr(form, "note", ""), {"params_m": parameters / 1e6, "gflops": operations / 1e9}
        residuals = {name: None if row[name] is None else here[name] / row[name] - 1 for name in here}
        holds = {name: None if value is None else abs(value) <= TOLERANCE for name, value in residuals.items()}
        found.append(
            {**row, "params_m_here": here["params_m"], "gflops_here": here["gflops"],
             "params_residual": residuals["params_m"], "gflops_residual": residuals["gflops"],
             "params_hold": holds["params_m"], "gflops_hold": holds["gflops"], "note": note or NOTES.get(row["model"], "")}
        )  # fmt: skip
    return found
