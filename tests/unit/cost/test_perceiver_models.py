"""The closed forms against the models that they price, what they promise about scaling, and the paper's figures."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from flopwise.config import ROOT
from flopwise.cost import flops, perceiver, tables
from flopwise.cost import perceiver_models as forms
from flopwise.models.perceiver import PUBLISHED, Config, create, specs
from flopwise.report import cost as report

GRID = specs.Fourier(2, (6, 6))
SIZES = {"latents": 5, "width": 16, "layers": 2, "blocks": 3, "heads": 4, "widening": 2}
SCALING = Config(specs.Units(32_768, 32), specs.InputQueries(32_768, 32), None, latents=32, width=64, layers=1)


def of(inputs, queries, head, **options) -> Config:
    return Config(inputs, queries, head, **SIZES | options)


def example(spec, device: str = "cpu"):
    """One input of the right shape."""
    match spec:
        case specs.Text():
            return torch.zeros(1, spec.length, dtype=torch.int64, device=device)
        case specs.Image():
            return torch.zeros(1, 3, *spec.size, device=device)
        case specs.FramePair():
            return torch.zeros(1, 2, 3, *spec.size, device=device)
        case specs.Video():
            return torch.zeros(1, spec.frames, 3, *spec.size, device=device)
        case specs.Audio():
            return torch.zeros(1, spec.samples, device=device)
        case specs.Label():
            return torch.zeros(1, spec.classes, device=device)
        case specs.Units():
            return torch.zeros(1, spec.units, spec.features, device=device)
    return {name: example(part, device) for name, part in spec.parts.items()}


def sampled(config: Config, device: str = "cpu"):
    """The points that a training step decodes, where the configuration says so."""
    if not isinstance(config.queries, specs.MultimodalQueries):
        return None
    counts = {name: getattr(part, "sampled", None) for name, part in config.queries.parts.items()}
    return {name: torch.arange(count, device=device) for name, count in counts.items() if count}


def counted(config: Config, device: str = "cpu") -> int:
    network = create(config, device=device)
    return flops.forward(network, example(config.inputs, device), points=sampled(config, device))


SOUND, VIDEO = specs.Fourier(3, (4,)), specs.Fourier(2, (2, 2, 2))
PARTS = {"audio": specs.Audio(16, 4, SOUND), "image": specs.Video(2, (4, 4), (1, 2, 2), VIDEO), "label": specs.Label(3)}
ASKED = {"audio": specs.PositionQueries((4,), SOUND, 3), "image": specs.PositionQueries((2, 4, 4), VIDEO, 5),
         "label": specs.LearnedQueries(1, 20)}  # fmt: skip
TINY = {
    "bytes": of(specs.Text(40, 12, 16), specs.LearnedQueries(12, 16), specs.Tied(40), qk=8, value=16, cross_heads=2,
                decoder_qk=12, decoder_value=24, decoder_heads=2),
    "tasks": of(specs.Text(40, 12, 16), specs.LearnedQueries(2, 20), specs.Tasks({"one": 2, "two": 3})),
    "pixels": of(specs.Image((6, 6), GRID), specs.LearnedQueries(1, 16), specs.Linear(8, True), query_residual=True),
    "patches": of(specs.Image((6, 6), GRID, patch=2, features=9), None, specs.Average(8)),
    "learned": of(specs.Image((6, 6), specs.Learned(36, 8, True), features=14), specs.LearnedQueries(1, 16), specs.Linear(8)),
    "convolution": of(specs.Image((13, 18), GRID, stem="conv"), specs.LearnedQueries(1, 16), specs.Linear(8, True)),
    "unpadded": of(specs.Image((13, 18), GRID, stem="conv-unpadded"), specs.LearnedQueries(1, 16), specs.Linear(8, True)),
    "flow": of(specs.FramePair((6, 6), GRID, 8), specs.InputQueries(36, 18), specs.Flow((6, 6))),
    "apart": of(specs.FramePair((6, 6), specs.Fourier(2, (2, 6, 6)), 8, 1, True), specs.InputQueries(36, 23), specs.Flow((6, 6))),
    "units": of(specs.Units(9, 7, 12), specs.InputQueries(9, 12), specs.Linear(3)),
    "clips": of(specs.Multimodal(PARTS, mask_tokens=True), specs.MultimodalQueries(ASKED),
                specs.Modalities(10, {"audio": 4, "image": 3, "label": 3})),
    "sounds": of(specs.Multimodal(PARTS), specs.LearnedQueries(1, 16), specs.Linear(5, True)),
}  # fmt: skip


@pytest.mark.parametrize("name", TINY)
def test_closed_forms_are_what_the_counter_counts(name):
    form, network = forms.closed_form(TINY[name]), create(TINY[name])
    assert perceiver.parameters(form) == sum(parameter.numel() for parameter in network.parameters())
    assert (
        perceiver.flops(form) == sum(forms.parts(form).values()) == counted(TINY[name]) == counted(TINY[name], "meta")
    )


def test_the_folded_order_runs_fewer_flops_and_is_charged_the_same():
    for name in ("bytes", "pixels"):
        folded = replace(TINY[name], folded=True)
        assert counted(folded) < counted(TINY[name]) == perceiver.flops(forms.closed_form(folded))
    many_heads = replace(TINY["bytes"], folded=True, latents=50, cross_heads=8)
    assert not many_heads.folds  # it would take more
    assert counted(many_heads) == perceiver.flops(forms.closed_form(many_heads))


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_the_closed_forms_cost_at_their_full_size(name):
    form, network = forms.closed_form(PUBLISHED[name]), create(name, device="meta")
    assert perceiver.parameters(form) == sum(parameter.numel() for parameter in network.parameters())
    assert perceiver.flops(form) == counted(PUBLISHED[name], "meta")


@pytest.mark.parametrize("name", perceiver.CONFIGURATIONS)
def test_models_are_those_of_the_papers_tables(name):
    """`cost.perceiver` was written from the tables, `models.perceiver.published` from the architecture."""
    model, tables = forms.closed_form(PUBLISHED[name]), perceiver.CONFIGURATIONS[name]
    assert perceiver.flops(model) == perceiver.flops(tables)
    # the tables leave out AudioSet's padding vectors, because the number of audio bands is not stated
    padding = 487 + 4 - PUBLISHED[name].inputs.parts["audio"].channels if name.startswith("audioset") else 0
    assert perceiver.parameters(model) - padding == perceiver.parameters(tables)


def resized(inputs: int, outputs: int, layers: int = 1) -> Config:
    return replace(SCALING, inputs=specs.Units(inputs, 32), queries=specs.InputQueries(outputs, 32), layers=layers)


def affine(sizes, costs) -> tuple[float, float]:
    """(slope, largest residual over the largest cost) of a straight line."""
    line = np.polynomial.Polynomial.fit(sizes, costs, 1).convert()
    return float(line.coef[1]), float(np.abs(line(np.array(sizes)) - costs).max() / max(costs))


def test_cost_is_affine_in_inputs_and_in_outputs():
    """Section E.2, counted by running the model: at fixed latents, 2 (C (F + G) + N (F + G)) FLOPs per input."""
    sizes = [256 * 2**power for power in range(8)]
    of_inputs, of_outputs = forms.slopes(forms.closed_form(SCALING))
    assert of_inputs == 2 * (32 * 64 + 32 * 64) == 8192
    assert of_outputs == 2 * (32 * 64 + 32 * 128 + 64 * 32 + 2 * 32**2)
    for slope, configs in (
        (of_inputs, [resized(size, 7) for size in sizes]),
        (of_outputs, [resized(sizes[-1], size) for size in sizes]),
    ):
        costs = [counted(config, "meta") for config in configs]
        assert costs == [perceiver.flops(forms.closed_form(config)) for config in configs]
        found, residual = affine(sizes, costs)
        assert residual < 1e-9
        assert found == pytest.approx(slope, rel=1e-9)
    quadratic = [size**2 for size in sizes]
    assert affine(sizes, quadratic)[1] > 1e-2  # such a line would be found out


def test_depth_costs_the_same_whatever_the_inputs_and_outputs():
    deeper = {
        counted(resized(inputs, outputs, 8), "meta") - counted(resized(inputs, outputs, 4), "meta")
        for inputs, outputs in ((256, 256), (4096, 256), (4096, 4096))
    }
    assert deeper == {4 * forms.closed_form(SCALING).layer.flops(32, 32)} == {7_340_032}


def test_parts_of_the_published_cost():
    """Billions of FLOPs that encoding, latent layers and decoding take."""
    expected = {
        "language-bytes": (9.13, 101.20, 9.80), "imagenet-fourier": (43.2, 360.8, 2.2), "optical-flow": (560.7, 360.8, 963.8),
    }  # fmt: skip
    for name, gflops in expected.items():
        parts = forms.parts(forms.closed_form(PUBLISHED[name]))
        found = [parts[part] / 1e9 for part in ("encode", "process", "decode")]
        assert found == pytest.approx(gflops, abs=0.06), name


def published() -> list[dict]:
    with (ROOT / "config" / "published" / "perceiver_io_cost.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert all(row["source"] for row in rows)
    return [{**row, **{key: float(row[key]) if row[key] else None for key in ("params_m", "gflops")}} for row in rows]


AUDIT = {  # model -> (parameters in millions here, holds, GFLOPs here, holds), re-derived independently
    "language-bytes": (201.10823, True, 120.95, False),
    "language-bytes-plus": (425.60743, True, 240.87, True),
    "language-sentencepiece": (223.155456, True, 133.61, False),
    "language-bytes-128": (430.13223, None, 127.40, False),
    "language-bytes-512": (105.849862, None, 134.12, False),
    "bert-base": (110.1, True, 121.81, False),
    "bert-bytes": (20.1, True, 129.40, True),
    "imagenet-fourier": (48.440627, True, 406.12, True),
    "imagenet-learned": (62.255848, True, 478.04, False),
    "imagenet-conv": (48.646522, True, 369.25, True),
    "imagenet-fourier-average": (42.1, True, 403.96, True),
    "imagenet-b-fourier": (212.1, True, 268.7, False),
    "imagenet-b-conv": (212.4, True, 231.7, False),
    "optical-flow": (41.057134, False, 1886.7, False),
    "optical-flow-16-1024": (27.908974, True, 985.5, True),
    "multimodal": (19.858855, True, 260.1, False),
    "multimodal-all": (19.858855, True, 7470, False),
    "audioset-raw": (24.9, True, 52.7, True),
    "audioset-mel": (86.6, False, 129.3, True),
    "audioset-raw-average": (20.97, True, 52.2, True),
    "audioset-mel-average": (20.97, True, 60.6, True),
    "alphastar-entities": (2.435, None, 3.29, True),
    "starcraft": (10.9, None, 0.929, True),
}


def test_the_audit_has_every_published_row_with_its_verdict():
    given = published()
    assert {row["model"] for row in given} == set(AUDIT)
    for row, found in zip(given, forms.audit(given)):
        params, params_hold, gflops, gflops_hold = AUDIT[row["model"]]
        assert (found["params_hold"], found["gflops_hold"]) == (params_hold, gflops_hold), row["model"]
        assert found["params_m_here"] == pytest.approx(params, rel=5e-3)
        assert found["gflops_here"] == pytest.approx(gflops, rel=1e-3)
        for key, here in (("params_residual", params), ("gflops_residual", gflops)):
            given_figure = row["params_m" if key == "params_residual" else "gflops"]
            if given_figure is not None:
                assert found[key] == pytest.approx(here / given_figure - 1, abs=5e-3)
        assert found["note"] or False not in (params_hold, gflops_hold)


def test_the_page_on_the_model_shows_the_audit():
    lines = (ROOT / "docs" / "perceiver.md").read_text(encoding="utf-8").splitlines()
    for row in report.perceiver_table(tables.perceiver_io()).itertuples(index=False):
        beginning = "| " + " | ".join(row) + " |"
        assert [line for line in lines if line.startswith(beginning)], beginning


def test_what_would_explain_the_figures_that_do_not_hold():
    """Attention left out; logits at one FLOP per multiply-add; 261 channels; 12 layers; another width of inputs."""
    language = perceiver.CONFIGURATIONS["language-bytes"]
    assert (perceiver.flops(language) - perceiver.attention_products(language)) / 1e9 == pytest.approx(113, abs=0.1)
    bert = forms.TRANSFORMERS["bert-base"]
    assert (bert.flops() - replace(bert, symbols=0).flops()) / 1e9 == pytest.approx(25.17, abs=0.01)
    assert (bert.flops() + replace(bert, symbols=0).flops()) / 2e9 == pytest.approx(109.2, abs=0.05)
    narrow = replace(perceiver.CONFIGURATIONS["imagenet-learned"], input_width=261)
    assert perceiver.flops(narrow) / 1e9 - narrow.extra_flops / 1e9 == pytest.approx(406.1, abs=0.1)
    jft = perceiver.CONFIGURATIONS["imagenet-b-fourier"]
    for model, gflops in (
        (replace(jft, depth=12), 212.9), (replace(jft, input_width=514), 334.6),
        (replace(perceiver.CONFIGURATIONS["imagenet-b-conv"], depth=12), 175.9),
    ):  # fmt: skip
        assert perceiver.flops(model) / 1e9 == pytest.approx(gflops, abs=0.12)
    assert perceiver.parameters(replace(jft, input_width=514)) / 1e6 == pytest.approx(213.0, abs=0.1)
