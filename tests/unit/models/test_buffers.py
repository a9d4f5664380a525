"""Running statistics are no weights: what trains nothing, and what is locked, leaves them alone."""

import pytest
import torch

from flopwise.core.errors import UserError
from flopwise.methods.continual import apply
from flopwise.models import buffers, clip
from flopwise.models.loss import contrastive_loss

CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8},
    "text_cfg": {"context_length": 24, "vocab_size": 2048, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return clip.import_open_clip().CLIP(**CONFIG)


@pytest.fixture
def batch():
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return images, clip.tokenizer("vit-xs-8")(["a leaf", "two keys", "a red car", "K"])


def statistics(model) -> dict:
    return {name: value.clone() for name, value in model.named_buffers() if name.endswith(buffers.STATISTICS)}


def moved(model, before: dict) -> set[bool]:
    return {not torch.equal(before[name], value) for name, value in statistics(model).items()}


def test_names_are_those_stored_with_the_weights(model):
    found = buffers.names(model)
    assert found == statistics(model).keys()
    assert "attn_mask" not in found, "made anew by the library, never stored"
    assert buffers.names(clip.create("vit-xs-8")) == frozenset()


def test_a_pass_that_trains_nothing_leaves_them_as_they_were(model, batch):
    buffers.train(model)
    before = statistics(model)
    with buffers.kept(model):
        contrastive_loss(model, *batch).backward()
        assert moved(model, before) == {True}
    assert moved(model, before) == {False}


@pytest.mark.parametrize(("method", "moves"), [("locked-image", False), ("locked-text", True), ("bitfit", True)])
def test_a_locked_tower_keeps_its_statistics(model, batch, method, moves):
    apply(method, model, None, "tiny")
    buffers.train(model)
    before = statistics(model)
    contrastive_loss(model, *batch).backward()
    assert moved(model, before) == {moves}
    assert model.training


def test_a_batch_in_parts_with_batch_normalisation_is_refused(model, batch):
    with pytest.raises(
        UserError, match=r"micro_batch_size 2 cuts a batch into parts, of which batch normalisation \(visual.bn1\)"
    ):
        contrastive_loss(model.train(), *batch, 2)
    whole = contrastive_loss(model, *batch, 4)
    assert whole.isfinite(), "one part is the whole batch"
    model.eval()
    torch.testing.assert_close(contrastive_loss(model, *batch, 2), contrastive_loss(model, *batch))
