"""Our Perceiver IO against that of transformers: the same weights, the same outputs, for every head that both have."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import unfold

from flopwise.core.errors import UserError
from flopwise.models import weights
from flopwise.models.compat import prepare_torchvision
from flopwise.models.perceiver import PUBLISHED, create, from_huggingface, huggingface, load_huggingface

prepare_torchvision()

from transformers import PerceiverConfig  # noqa: E402
from transformers.models import perceiver  # noqa: E402

TINY = {
    "num_latents": 6, "d_latents": 16, "num_blocks": 2, "num_self_attends_per_block": 2, "num_self_attention_heads": 4,
    "num_cross_attention_heads": 1, "num_labels": 5, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
TEXT = {"vocab_size": 40, "max_position_embeddings": 24, "d_model": 16, "num_cross_attention_heads": 2}
CLIP = {
    "num_frames": 2, "audio_samples_per_frame": 32, "image_size": 2, "output_shape": [1, 2, 8, 8],
    "output_num_channels": 12, "_label_trainable_num_channels": 24,
}  # fmt: skip
KINDS = {  # case -> (class, settings, elements of the input array)
    "masked language model": ("MaskedLM", TEXT | {"qk_channels": 8, "v_channels": 16}, 24),
    "text classifier": ("SequenceClassification", TEXT | {"cross_attention_shape_for_attention": "q"}, 24),
    "image, Fourier": ("ImageClassificationFourier", {"hidden_act": "gelu_new"}, 60),
    "image, learned": ("ImageClassificationLearned", {"image_size": 8}, 64),
    "image, convolution": ("ImageClassificationConvProcessing", {"self_attention_widening_factor": 4}, 5 * 8),
    "optical flow": ("OpticalFlow", {"train_size": [6, 9]}, 54),
    "multimodal": ("MultimodalAutoencoding", CLIP, 4 + 2 * 4 + 1),
}  # fmt: skip
SIZES = {"image, Fourier": (10, 6), "image, learned": (8, 8), "image, convolution": (22, 35)}  # odd ones too


def pair(case: str, seed: int):
    """(transformers' model, all its weights moved away from where they start; ours with the same weights)."""
    kind, settings, _ = KINDS[case]
    torch.manual_seed(seed)
    theirs = getattr(perceiver, f"PerceiverFor{kind}")(PerceiverConfig(**TINY | settings)).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
        for buffer in theirs.buffers():  # running statistics of batch normalisation
            if buffer.is_floating_point():
                buffer.add_(torch.rand(buffer.shape))
    return theirs, from_huggingface(theirs)


def example(case: str, batch: int) -> tuple[tuple, dict, dict]:
    """(our input, our options, transformers' arguments)."""
    if case in ("masked language model", "text classifier"):
        symbols = torch.randint(40, (batch, 24))
        return symbols, {}, {"inputs": symbols}
    if case == "optical flow":
        frames = torch.randn(batch, 2, 3, 6, 9)
        around = unfold(frames.flatten(0, 1), 3, padding=1).view(-1, 3, 9, 54).transpose(1, 2)
        return frames, {}, {"inputs": around.reshape(batch, 2, 27, 6, 9)}
    if case == "multimodal":
        clip = {
            "audio": torch.randn(batch, 64),
            "image": torch.randn(batch, 2, 3, 8, 8),
            "label": torch.randn(batch, 5),
        }
        points = {"audio": torch.tensor([3, 0]), "image": torch.randperm(128)[:40]}
        return clip, {"points": points}, {
            "inputs": clip | {"audio": clip["audio"][:, :, None]}, "subsampled_output_points": points | {"label": None},
        }  # fmt: skip
    pictures = torch.randn(batch, 3, *SIZES[case])
    return pictures, {}, {"inputs": pictures}


def tensors(output) -> list[torch.Tensor]:
    return [output[name] for name in sorted(output)] if isinstance(output, dict) else [output]


def distance(ours, theirs) -> float:
    """The largest difference, in units of the largest output or of 1."""
    ours, theirs = ([part.detach() for part in tensors(output)] for output in (ours, theirs))
    assert [part.shape for part in ours] == [part.shape for part in theirs]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=1)) for a, b in zip(ours, theirs))


TOLERANCE = 1e-5


def run(models, case: str, seed: int, mask=None, their_mask=None) -> float:
    theirs, ours = models
    torch.manual_seed(100 + seed)
    inputs, options, arguments = example(case, batch=1 + seed)
    given = None if their_mask is None else their_mask.long()
    with torch.no_grad():
        return distance(ours(inputs, mask=mask, **options), theirs(**arguments, attention_mask=given).logits)


def random_mask(case: str, seed: int) -> torch.Tensor:
    mask = torch.rand(1 + seed, KINDS[case][2], generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[:, 0] = True
    return mask


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("case", KINDS)
def test_outputs_are_those_of_transformers(case, seed):
    models, mask = pair(case, seed), random_mask(case, seed)
    assert sum(p.numel() for p in models[0].parameters()) == sum(p.numel() for p in models[1].parameters())
    assert run(models, case, seed) <= TOLERANCE
    assert run(models, case, seed, mask, mask) <= TOLERANCE


@pytest.mark.parametrize("case", KINDS)
def test_one_weight_or_one_mask_that_differs_is_found(case):
    theirs, ours = pair(case, 1)
    changed, mask = copy.deepcopy(ours), random_mask(case, 1)
    with torch.no_grad():
        changed.encoder.value.weight[0, 0] += 0.1
    assert run((theirs, changed), case, 1) > 10 * TOLERANCE
    other = mask.clone()
    other[0, -1] = ~other[0, -1]
    assert run((theirs, ours), case, 1, mask, other) > 10 * TOLERANCE


@pytest.mark.parametrize("case", ["optical flow", "multimodal"])
def test_inputs_may_be_shaped_as_transformers_takes_them(case):
    theirs, ours = pair(case, 0)
    _, _, arguments = example(case, 2)
    points = arguments.get("subsampled_output_points")
    with torch.no_grad():
        assert distance(ours(arguments["inputs"], points=points), theirs(**arguments).logits) <= TOLERANCE


def test_shorter_text_and_other_sizes_of_pictures():
    theirs, ours = pair("masked language model", 0)
    short, mask = torch.randint(40, (2, 9)), torch.tensor([[1] * 9, [1] * 4 + [0] * 5])
    fourier = pair("image, Fourier", 0)
    with torch.no_grad():
        assert distance(ours(short, mask), theirs(input_ids=short, attention_mask=mask).logits) <= TOLERANCE
        for size in ((5, 5), (12, 20)):
            pictures = torch.randn(2, 3, *size)
            assert distance(fourier[1](pictures), fourier[0](pictures).logits) <= TOLERANCE


@pytest.mark.parametrize("case", ["masked language model", "image, Fourier", "multimodal"])
def test_the_folded_order_gives_the_same(case):
    """Weights nearer to their start: rounding is another, and with large scores it would show."""
    _, ours = pair(case, 1)
    folded = create(replace(ours.config, folded=True)).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.mul_(0.5)
    folded.load_state_dict(ours.state_dict())
    assert folded.encoder.folded
    torch.manual_seed(0)
    inputs, options, _ = example(case, 3)
    mask = random_mask(case, 2)
    assert distance(folded(inputs, mask, **options), ours(inputs, mask, **options)) <= 1e-4
    gradients = []
    for model in (folded, ours):
        sum(part.square().mean() for part in tensors(model(inputs, mask, **options))).backward()
        # a constant added to all scores of a query changes nothing: the keys' bias has no gradient but rounding
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[1].keys() - gradients[0].keys() <= {"encoder.key.bias"}
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-2, atol=1e-4 * float(gradient.abs().max() + 1))


def test_gradients_are_those_of_transformers():
    theirs, ours = pair("masked language model", 0)
    symbols = torch.randint(40, (3, 24))
    for output in (theirs(symbols).logits, ours(symbols)):
        output.square().mean().backward()
    expected = {name: p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        gradient = expected[huggingface.tensor_name(name, ours.config)]
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max() + 1))


@pytest.mark.parametrize("case", KINDS)
def test_names_and_shapes_go_both_ways(case):
    theirs, ours = pair(case, 0)
    state = huggingface.state_dict(ours)
    expected = theirs.state_dict()
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in expected.items()
    }
    assert all(torch.equal(value, expected[name]) for name, value in state.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", [row.model for row in weights.checkpoints().values() if row.library == "transformers"])
def test_published_sizes_have_the_tensors_of_the_released_checkpoints(name):
    expected, _ = weights.expected_shapes(weights.checkpoint(f"{name}.deepmind"))
    state = huggingface.state_dict(create(PUBLISHED[name], device="meta"))
    assert {key: list(value.shape) for key, value in state.items()} == expected


def test_weights_that_do_not_fit_are_named():
    theirs, ours = pair("masked language model", 0)
    state = theirs.state_dict()
    with pytest.raises(UserError, match=r"\d+ tensors missing: .*; \d+ tensors unexpected: .* and \d+ more$"):
        load_huggingface(ours, pair("image, Fourier", 0)[0].state_dict())
    with pytest.raises(UserError, match=r"fit this model: 1 tensor missing: embedding_decoder\.bias$"):
        load_huggingface(ours, {name: value for name, value in state.items() if name != "embedding_decoder.bias"})
    with pytest.raises(UserError, match=r"1 tensor of another shape: embedding_decoder\.bias is 7, expected 40$"):
        load_huggingface(ours, state | {"embedding_decoder.bias": torch.zeros(7)})


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"hidden_act": "relu"}, "hidden_act is 'relu'"), ({"use_query_residual": False}, "use_query_residual is False"),
     ({"cross_attention_widening_factor": 2}, "cross_attention_widening_factor is 2"), ({}, "PerceiverModel has no counter")],
)  # fmt: skip
def test_models_without_a_counterpart_are_refused(settings, words):
    kind = perceiver.PerceiverForImageClassificationFourier if settings else perceiver.PerceiverModel
    with pytest.raises(UserError, match=words):
        from_huggingface(kind(PerceiverConfig(**TINY | settings)))
