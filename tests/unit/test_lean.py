"""The lean forward pass against open_clip's own."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from flopwise.methods.continual import load
from flopwise.models import clip, lean

CAPTIONS = ["a red circle", "two blue squares and a very long description of them " * 3, "", "K", "a leaf on a table"]


def inputs(name: str):
    config = clip.configuration(name)
    size = config["vision_cfg"]["image_size"]
    images = torch.randn(len(CAPTIONS), 3, size, size, generator=torch.Generator().manual_seed(0))
    return images, clip.tokenizer(name)(CAPTIONS)


def gradients(model, features) -> dict:
    image, text, scale = features
    logits = scale * image @ text.T
    labels = torch.arange(len(image))
    model.zero_grad()
    (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)).backward()
    return {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", clip.EMBEDDED)
@pytest.mark.parametrize("method", ["full-ft", "lnfit", "lora-r4"])
def test_features_and_gradients_are_open_clips(name, method):
    model, recipe = clip.create(name, seed=1), load(method)
    recipe.prepare(model, torch.Generator().manual_seed(0), **recipe.prepare_options)
    with torch.no_grad():  # away from the initial point, where many of the values are 0 or 1
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2)))
    batch = inputs(name)
    expected, found = model(*batch), lean.forward(model, *batch)
    for theirs, ours in zip(expected, found):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)
    expected, found = gradients(model, expected), gradients(model, found)
    for key, theirs in expected.items():
        assert (theirs is None) == (found[key] is None), key
        if theirs is not None:
            torch.testing.assert_close(found[key], theirs, rtol=1e-3, atol=1e-5 * float(theirs.abs().max() + 1))


def test_work_is_left_out(monkeypatch):
    """Counted on what really runs: fewer FLOPs than open_clip's forward, and no call of its attention module."""
    from torch.utils.flop_counter import FlopCounterMode

    model, (images, tokens) = clip.create("vit-s-8"), inputs("vit-s-8")
    counts = []
    for forward in (model, lambda *batch: lean.forward(model, *batch)):
        with FlopCounterMode(display=False) as counter:
            forward(images, tokens)
        counts.append(counter.get_total_flops())
    assert counts[1] < 0.75 * counts[0]


@pytest.mark.parametrize("change", ["visual pooling", "text pooling", "meta", "autocast", "hook", "bidirectional"])
def test_what_is_not_the_standard_model_takes_open_clips_forward(change):
    config = clip.configuration("vit-xs-8")
    if change == "visual pooling":
        config["vision_cfg"]["pool_type"] = "avg"
    if change == "text pooling":
        config["text_cfg"]["pool_type"] = "last"
    if change == "bidirectional":
        config["text_cfg"]["no_causal_mask"] = True
    model, batch = clip.import_open_clip().CLIP(**config), inputs("vit-xs-8")
    if change == "meta":
        model, batch = model.to("meta"), [part.to("meta") for part in batch]
    seen = []
    if change == "hook":
        model.visual.transformer.resblocks[0].attn.register_forward_hook(lambda *_: seen.append(1))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=change == "autocast"):
        expected, found = model(*batch), lean.forward(model, *batch)
    for theirs, ours in zip(expected, found):
        assert theirs.shape == ours.shape
        if change != "meta":
            torch.testing.assert_close(ours, theirs)
    if change == "hook":
        assert len(seen) == 2
