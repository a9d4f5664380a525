"""Perceiver IO: position features, what the architecture promises, every published configuration, bad input."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from flopwise.core.errors import UserError
from flopwise.core.loop import adamw, update
from flopwise.models.perceiver import PUBLISHED, Config, attention, create, inputs, positions, specs

POSITIONS = specs.Fourier(2, (6, 6))
SIZES = {"latents": 5, "width": 16, "layers": 2, "heads": 4}
BYTES = Config(
    specs.Text(40, 12, 16), specs.LearnedQueries(12, 16), specs.Tied(40), cross_heads=2, decoder_heads=2, **SIZES
)
UNITS = Config(specs.Units(9, 7, 12), specs.InputQueries(9, 12), specs.Linear(3), query_residual=True, **SIZES)
FLOW = Config(specs.FramePair((6, 6), POSITIONS, 8), specs.InputQueries(36, 18), specs.Flow((6, 6)), **SIZES)
PICTURES = Config(
    specs.Image((6, 6), POSITIONS, features=14),
    specs.LearnedQueries(1, 16),
    specs.Linear(8, True),
    query_residual=True,
    **SIZES,
)
AVERAGE = replace(PICTURES, queries=None, head=specs.Average(8))
TASKS = replace(BYTES, queries=specs.LearnedQueries(3, 16), head=specs.Tasks({"accept": 2, "judge": 2, "score": 1}))
VIDEO, SOUND = specs.Fourier(2, (2, 2, 2)), specs.Fourier(3, (4,))
CLIPS = Config(
    specs.Multimodal(
        {"audio": specs.Audio(16, 4, SOUND), "image": specs.Video(2, (4, 4), (1, 2, 2), VIDEO), "label": specs.Label(3)},
        mask_tokens=True, hidden=("label",),
    ),
    specs.MultimodalQueries(
        {"audio": specs.PositionQueries((4,), SOUND), "image": specs.PositionQueries((2, 4, 4), VIDEO),
         "label": specs.LearnedQueries(1, 20)}
    ),
    specs.Modalities(10, {"audio": 4, "image": 3, "label": 3}), **SIZES,
)  # fmt: skip
CLIP = {"audio": torch.randn(2, 16), "image": torch.randn(2, 2, 3, 4, 4), "label": torch.eye(3)[:2]}


def model(config: Config):
    """With all weights away from their start, where flow and averages are zero."""
    made = create(config, seed=3).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return made.requires_grad_(False)


def test_fourier_features_by_hand():
    """Three points, two bands up to a resolution of four: frequencies 1 and 2."""
    found = positions.fourier_features(positions.grid_positions((3,)), specs.Fourier(2, (4,)))
    expected = torch.tensor([[-1.0, 0, 0, -1, 1], [0.0, 0, 0, 1, 1], [1.0, 0, 0, -1, 1]])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    two = positions.fourier_features(positions.grid_positions((2, 3)), specs.Fourier(2, (4, 4)))
    assert two.shape == (6, specs.Fourier(2, (4, 4)).channels)
    assert two[:, :2].tolist() == [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]]


def test_points_of_subsampled_queries_lie_beside_those_of_inputs():
    found = positions.point_positions(torch.tensor([0, 5, 7]), (2, 4))
    assert found.tolist() == [[-1, -1], [0, -0.5], [0, 0.5]]


def test_patches_by_hand():
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    around = inputs.neighbourhoods(picture, 3)[0]
    assert around[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 0, 4, 5]
    assert around[2, 1].tolist() == [4, 5, 6, 8, 9, 10, 12, 13, 14]
    frames = torch.stack([picture, picture + 100], dim=1)  # (1, 2, 1, 4, 4)
    cut = inputs.blocks(frames, (2, 2, 2))
    assert cut.shape == (1, 1, 2, 2, 8)
    assert cut[0, 0, 1, 0].tolist() == [8, 9, 12, 13, 108, 109, 112, 113]


def test_padded_stem_halves_as_the_original_and_shifts_against_the_other():
    pictures = torch.randn(1, 3, 224, 224)
    padded, other = inputs.ConvolutionStem(True).eval(), inputs.ConvolutionStem(False).eval()
    other.load_state_dict(padded.state_dict())
    assert padded(pictures).shape == (1, 64, 56, 56)
    assert other(pictures).shape == (1, 64, 55, 55)
    odd = specs.Image((23, 10), POSITIONS, stem="conv")
    assert padded(torch.randn(1, 3, 23, 10)).shape[2:] == odd.grid
    # a window of the padded one starts two pixels before the picture, of the other three
    shifted = torch.nn.functional.pad(pictures, [1, 0, 1, 0])
    torch.testing.assert_close(padded.convolution(shifted[:, :, :63, :63]), other.convolution(shifted[:, :, :63, :63]))


@pytest.mark.parametrize("config", [BYTES, FLOW, UNITS], ids=["bytes", "flow", "units"])
def test_an_output_does_not_depend_on_which_others_are_decoded(config):
    """And so the mean gradient over random subsets of queries is the full gradient."""
    example = {BYTES: torch.randint(40, (2, 12)), FLOW: torch.randn(2, 2, 3, 6, 6), UNITS: torch.randn(2, 9, 7)}[config]
    network, points = model(config).requires_grad_(True), torch.tensor([7, 0, 3])
    full = network(example).flatten(1, -2)
    torch.testing.assert_close(network(example, points=points), full[:, points], rtol=1e-5, atol=1e-5)
    full.square().sum().backward()
    expected, found = network.latents.grad.clone(), 0
    for half in (torch.arange(0, full.shape[1], 2), torch.arange(1, full.shape[1], 2)):
        network.zero_grad()
        network(example, points=half).square().sum().backward()
        found = found + network.latents.grad
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_multimodal_points_are_chosen_by_modality():
    network, points = model(CLIPS), {"image": torch.tensor([31, 2])}
    full, some = network(CLIP), network(CLIP, points=points)
    assert {name: tuple(rows.shape) for name, rows in full.items()} == {
        "audio": (2, 16),
        "image": (2, 32, 3),
        "label": (2, 3),
    }
    torch.testing.assert_close(some["image"], full["image"][:, [31, 2]], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(some["audio"], full["audio"], rtol=1e-5, atol=1e-5)


def test_hidden_modalities_are_not_read():
    network, shown = model(CLIPS), {"label": torch.tensor([[False], [True]])}
    without = network({name: CLIP[name] for name in ("audio", "image")})
    hidden, partly = network(CLIP), network(CLIP, hidden=shown)
    for name in without:
        torch.testing.assert_close(without[name], hidden[name])
        torch.testing.assert_close(partly[name][1], hidden[name][1], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(partly[name][0], hidden[name][0], rtol=1e-3)


def test_sets_have_no_order():
    network, units, order = model(UNITS), torch.randn(2, 9, 7), torch.randperm(9)
    torch.testing.assert_close(network(units[:, order]), network(units)[:, order], rtol=1e-5, atol=1e-5)
    x = network.inputs(units)
    torch.testing.assert_close(network.encode(x[:, order]), network.encode(x), rtol=1e-5, atol=1e-5)


def test_the_head_may_be_asked_about_some_outputs_alone():
    network, symbols = model(BYTES), torch.randint(40, (2, 12))
    where = torch.zeros(2, 12, dtype=torch.bool)
    where[0, 3] = where[1, 7] = where[1, 2] = True
    torch.testing.assert_close(network(symbols, where=where), network(symbols)[where], rtol=1e-5, atol=1e-5)


def test_a_masked_element_is_an_element_that_is_not_there():
    network, symbols = model(BYTES), torch.randint(40, (2, 12))
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[:, 8:] = False
    torch.testing.assert_close(network(symbols, mask), network(symbols[:, :8]), rtol=1e-5, atol=1e-5)


def test_tasks_are_read_from_their_own_queries():
    network, symbols = model(TASKS), torch.randint(40, (2, 12))
    full = network(symbols)
    assert {name: tuple(rows.shape) for name, rows in full.items()} == {
        "accept": (2, 2),
        "judge": (2, 2),
        "score": (2, 1),
    }
    one = network(symbols, points=torch.tensor([2]))
    assert list(one) == ["score"]
    torch.testing.assert_close(one["score"], full["score"], rtol=1e-5, atol=1e-5)


def test_frames_apart_are_queried_at_the_first():
    apart = specs.FramePair((6, 6), specs.Fourier(2, (2, 6, 6)), 8, apart=True)
    config = replace(FLOW, inputs=apart, queries=specs.InputQueries(36, apart.channels))
    network, frames = model(config), torch.randn(2, 2, 3, 6, 6)
    x = network.inputs(frames)
    assert x.shape == (2, 72, apart.channels)
    assert set(x[0, :36, 8].tolist()) == {-1.0}  # time of the first frame
    assert network(frames).shape == (2, 6, 6, 2)


def test_start_of_training():
    network = create(replace(PICTURES, latents=64, width=256, queries=specs.LearnedQueries(1, 256)), seed=1)
    network.requires_grad_(False)
    assert float(network.latents.std()) == pytest.approx(0.02 * 0.88, rel=0.03)  # cut at two deviations
    assert float(network.latents.abs().max()) <= 0.04
    assert float(network.layers[0].query.weight.std()) == pytest.approx(256**-0.5, rel=0.03)
    assert float(network.head.linear.weight.std()) == pytest.approx(0.88 * 256**-0.5, rel=0.03)
    assert not any(float(part.bias.abs().max()) for part in (network.encoder.key, network.head.linear))
    for config, example in ((FLOW, torch.randn(2, 2, 3, 6, 6)), (AVERAGE, torch.randn(2, 3, 6, 6))):
        assert not create(config)(example).any()
    assert torch.equal(create(FLOW, seed=5).latents, create(FLOW, seed=5).latents)
    assert not torch.equal(create(FLOW, seed=5).latents, create(FLOW, seed=6).latents)


def test_a_masked_language_model_learns():
    """Symbols repeat after three, so that a hidden one can be told from its neighbours."""
    generator = torch.Generator().manual_seed(0)
    network = create(BYTES, seed=0)
    optimiser, losses = adamw(list(network.parameters()), 3e-3, 0.0), []
    for _ in range(150):
        symbols = torch.randint(1, 6, (16, 3), generator=generator).repeat(1, 4)
        hidden = torch.rand(16, 12, generator=generator) < 0.15
        hidden[:, 0] = True
        loss = cross_entropy(network(symbols.masked_fill(hidden, 0))[hidden], symbols[hidden])
        update(loss, optimiser, 3e-3, clip_norm=1.0)
        losses.append(loss.item())
    chance = math.log(5)
    assert losses[0] > 0.9 * chance
    assert sum(losses[-10:]) / 10 < 0.75 * chance


@pytest.mark.parametrize("heads", [1, 4])
def test_the_fused_kernel_gives_what_is_written_out(heads):
    """Keys and values of all heads, or one for all; value width unlike the query-key width; some keys not to be read."""
    query, key, value = torch.randn(2, 4, 5, 6), torch.randn(2, heads, 7, 6), torch.randn(2, heads, 7, 10)
    mask = torch.rand(2, 1, 1, 7) < 0.6
    mask[..., 0] = True
    for given in (None, mask):
        found, expected = (way(query, key, value, given, 2.5) for way in (attention.fused, attention.written_out))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, attention.fused(query, key, value, None, 2.5))


def test_both_gelus_differ():
    symbols = torch.randint(40, (2, 12))
    tanh, erf = model(BYTES), model(replace(BYTES, activation="erf"))
    assert 1e-6 < float((tanh(symbols) - erf(symbols)).abs().max()) < 0.1


MISTAKES = {
    "a text longer than the table": (BYTES, torch.zeros(1, 13, dtype=torch.int64), {}, "13 have 13 elements; .* at most 12"),
    "a text without a batch": (BYTES, torch.zeros(5, dtype=torch.int64), {}, r"text inputs have shape \(5\); expected"),
    "an empty mask": (
        BYTES, torch.zeros(2, 12, dtype=torch.int64), {"mask": torch.tensor([[1] * 12, [0] * 12])},
        "nothing to read in example 1 of the batch",
    ),
    "a mask of another shape": (
        BYTES, torch.zeros(2, 12, dtype=torch.int64), {"mask": torch.ones(2, 5)}, r"mask has shape \(2, 5\); .* = \(2, 12\)",
    ),
    "a point that is not there": (
        BYTES, torch.zeros(1, 12, dtype=torch.int64), {"points": torch.tensor([0, 12])}, "points reach from 0 to 12; there",
    ),
    "grey pictures": (PICTURES, torch.randn(2, 1, 6, 6), {}, r"image inputs have shape \(2, 1, 6, 6\); expected \(batch, 3, any"),
    "frames of another size": (FLOW, torch.randn(1, 2, 3, 6, 7), {}, r"expected \(batch, 2, 3, 6, 6\)"),
    "too large a set": (UNITS, torch.randn(1, 10, 7), {}, "a set of 10 units is too large; .* at most 9"),
    "units of other features": (UNITS, torch.randn(1, 9, 8), {}, r"unit set inputs have shape \(1, 9, 8\)"),
    "a modality too few": (CLIPS, {"audio": CLIP["audio"]}, {}, "modalities given: audio; expected: audio, image$"),
    "a modality too many": (CLIPS, CLIP | {"smell": CLIP["audio"]}, {}, "given: audio, image, label, smell; expected"),
    "short sound": (CLIPS, CLIP | {"audio": torch.randn(2, 12)}, {}, r"audio inputs have shape \(2, 12\); .* \(batch, 16\)"),
    "few frames": (CLIPS, CLIP | {"image": CLIP["image"][:, :1]}, {}, r"video inputs .* expected \(batch, 2, 3, 4, 4\)"),
    "a label of another world": (
        CLIPS, CLIP | {"label": torch.eye(4)[:2]}, {"hidden": {"label": torch.zeros(2, 1, dtype=torch.bool)}},
        r"label inputs have shape \(2, 4\); expected \(batch, 3\)",
    ),
    "an unknown modality hidden": (CLIPS, CLIP, {"hidden": {"smell": torch.ones(2, 1)}}, "modality with mask tokens 'smell'"),
    "an unknown modality decoded": (CLIPS, CLIP, {"points": {"smell": torch.tensor([0])}}, "modality to decode 'smell'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_bad_input_is_one_line(mistake):
    config, example, options, words = MISTAKES[mistake]
    with pytest.raises(UserError, match=words) as caught:
        model(config)(example, **options)
    assert "\n" not in str(caught.value)


def test_pictures_of_another_size_than_a_learned_table():
    network = model(replace(PICTURES, inputs=specs.Image((6, 6), specs.Learned(36, 8), features=14)))
    assert network(torch.randn(1, 3, 6, 6)).shape == (1, 8)
    for size in ((6, 7), (3, 6)):
        with pytest.raises(UserError, match=f"inputs of {size[0]} x {size[1]} have .* learned positions is for 36"):
            network(torch.randn(1, 3, *size))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: replace(BYTES, heads=3), "query-key width 16 does not divide among 3 heads"),
        (lambda: replace(BYTES, value=8), "value width 8 of latent layers must be the latents' width 16"),
        (lambda: replace(BYTES, queries=None), "head Average and no queries go together"),
        (lambda: replace(BYTES, queries=specs.LearnedQueries(12, 8)), "need queries of its 16 channels, not 8"),
        (lambda: replace(UNITS, queries=specs.InputQueries(9, 7)), "have the inputs' 12 channels, not 7"),
        (lambda: replace(BYTES, activation="relu"), "activation 'relu' is unknown; allowed: tanh, erf"),
        (lambda: specs.Image((6, 6), POSITIONS, patch=4), "image of 6 x 6 cannot be cut into patches of 4 x 4"),
        (lambda: specs.Audio(10, 4, SOUND), "audio of 10 cannot be cut into patches of 4"),
        (lambda: create("language-byte"), "perceiver model 'language-byte' is unknown; did you mean language-bytes"),
    ],
)
def test_impossible_models_are_one_line(make, words):
    with pytest.raises(UserError, match=words):
        model(config) if isinstance(config := make(), Config) else config


def test_every_published_model_can_be_made():
    """Tables 5 and 6: inputs and widths."""
    sizes = {name: (c.inputs.elements, c.inputs.channels, c.queries.count, c.queries.channels)
             for name, c in PUBLISHED.items() if c.queries}  # fmt: skip
    assert sizes["language-bytes"] == (2048, 768, 2048, 768)
    assert sizes["imagenet-fourier"] == (50_176, 261, 1, 1024)
    assert sizes["imagenet-learned"] == (50_176, 512, 1, 1024)
    assert sizes["imagenet-conv-padded"] == (3_136, 322, 1, 1024)
    assert sizes["optical-flow"] == (182_528, 322, 182_528, 322)
    assert sizes["optical-flow-apart"] == (365_056, 451, 182_528, 451)
    assert sizes["multimodal-all"] == (52_097, 704, 804_737, 1026)
    assert sizes["audioset-raw"][:2] == (13_024, 487)
    assert sizes["audioset-mel"][:2] == (17_344, 487)
    assert sizes["starcraft"] == (512, 128, 512, 128)
