"""The lean forward pass against open_clip's own."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from flopwise.methods.continual import load
from flopwise.models import clip, lean
from flopwise.models.loss import contrastive_loss

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


@pytest.mark.parametrize(
    ("name", "method"),
    [(name, method) for name in clip.EMBEDDED for method in ("full-ft", "lnfit", "lora-r4") if "perceiver" not in name]
    + [("perceiver-xs", "full-ft"), ("perceiver-xs", "bitfit")],
)
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


def adapted(method: str, dtype):
    model, recipe = clip.create("vit-xs-8", seed=1).to(dtype), load(method)
    recipe.prepare(model, torch.Generator().manual_seed(0), **recipe.prepare_options)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2)))
    images, tokens = inputs("vit-xs-8")
    return model, [p for p in model.parameters() if p.requires_grad], images.to(dtype), tokens


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("method", ["full-ft", "locked-image", "lora-r4", "dora-r4", "vera-r4"])
def test_micro_batches_give_the_whole_batchs_loss_and_gradients(method, size):
    """In float64, where rounding cannot hide an error; 5 samples, so that the last part is smaller."""
    model, trained, *batch = adapted(method, torch.float64)
    whole, parts = contrastive_loss(model, *batch), contrastive_loss(model, *batch, size)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=0)
    for ours, theirs in zip(torch.autograd.grad(parts, trained), torch.autograd.grad(whole, trained)):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-13)


def test_micro_batches_follow_autocast_and_loss_scaling():
    """The backward pass runs outside of autocast, and yet computes each part again in the lower precision."""
    model, trained, *batch = adapted("full-ft", torch.float32)
    exact = torch.autograd.grad(contrastive_loss(model, *batch), trained)
    found = []
    for size in (0, 2):
        with torch.autocast("cpu", torch.bfloat16):
            loss = contrastive_loss(model, *batch, size)
        model.zero_grad()
        (2.0**16 * loss).backward()
        found.append([p.grad / 2.0**16 for p in trained])
    apart = [sum((a - b).square().sum() for a, b in zip(*pair)).sqrt() for pair in ((found[0], exact), found)]
    assert 0 < apart[1] < 2 * apart[0], "as far from the whole batch in bfloat16 as that is from float32"
    length = sum(value.square().sum() for value in exact).sqrt()
    assert apart[1] < 0.05 * length


def test_micro_batches_keep_inputs_and_features_alone():
    """Bytes that the forward pass saves for the backward one."""
    model, _, images, tokens = adapted("full-ft", torch.float32)

    def saved(size: int) -> int:
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda value: kept.append(value.nbytes) or value, lambda v: v):
            contrastive_loss(model, images, tokens, size)
        return sum(kept)

    assert saved(2) - images.nbytes - tokens.nbytes < 0.02 * saved(0)


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


@pytest.mark.parametrize("tower", ["timm", "own"])
def test_towers_of_other_kinds_take_open_clips_forward(tower):
    """An image tower of timm, and a text tower that is a module of its own."""
    config = clip.configuration("vit-xs-8")
    if tower == "timm":
        config["vision_cfg"] = {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_pool": "token",
            "timm_proj": None,
        }
        config["embed_dim"] = 64
    model = clip.import_open_clip().CustomTextCLIP(**config).eval()
    size = config["vision_cfg"]["image_size"]
    batch = torch.randn(len(CAPTIONS), 3, size, size), clip.tokenizer("vit-xs-8")(CAPTIONS)
    for theirs, ours in zip(model(*batch), lean.forward(model, *batch)):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-6)


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
