"""A method that finds nothing to act on in a tower is refused, with one message in training and in pricing."""

import pytest
import torch

from flopwise.core.errors import UserError
from flopwise.cost import price
from flopwise.cost.subjects import Subject
from flopwise.methods.continual import apply, load
from flopwise.models import clip
from flopwise.models.selection import check_selected, train_only

BLOCKS = "fused attention projections (*.attn.in_proj_weight)"
PERCEPTRONS = "second layers of perceptrons (*.mlp.c_proj)"
NORMS = "LayerNorms (parameters named ln_*)"


@pytest.mark.parametrize("name", ["RN101", "convnext_base", "MobileCLIP-B"])
@pytest.mark.parametrize(
    ("method", "kind"), [("lora-r4", BLOCKS), ("dora-r8", BLOCKS), ("vera-r4", BLOCKS), ("lnfit", NORMS)]
)
def test_the_same_line_in_training_and_in_pricing(name, method, kind):
    made = clip.create(name, device="meta")
    before = {key: p.requires_grad for key, p in made.named_parameters()}
    lines = []
    for way in (
        lambda: apply(method, made, None, name),
        lambda: price.prepared(Subject(name, made, None, None), method),
    ):
        with pytest.raises(UserError) as caught:
            way()
        lines.append(str(caught.value))
    assert lines == [f"method {method} does not fit {name}: the model has no {kind} in its image tower"] * 2
    assert {key: p.requires_grad for key, p in made.named_parameters()} == before, "nothing half done"


def test_each_kind_of_layer_must_be_there_in_each_tower():
    model = clip.create("vit-xs-8")
    for block in model.transformer.resblocks:
        block.mlp.second = block.mlp.c_proj
        del block.mlp.c_proj
    with pytest.raises(UserError, match=r"second layers of perceptrons .* in its text tower"):
        load("lora-r4").prepare(model, torch.Generator(), rank=4)


def test_a_model_without_towers_is_looked_at_as_a_whole():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2))
    train_only(model, lambda name: "bias" in name, "biases")
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["1.bias"]
    with pytest.raises(UserError, match=r"^the model has no biases$"):
        check_selected(model, [], "biases")
    with pytest.raises(
        UserError, match="method locked-text does not fit it: the model has no separate image and text towers"
    ):
        apply("locked-text", model, None, "it")


def test_a_method_of_ones_own_that_trains_nothing_is_refused(monkeypatch):
    from dataclasses import replace

    from flopwise.methods import continual

    nothing = replace(load("full-ft"), prepare=lambda model, generator: model.requires_grad_(False))
    monkeypatch.setattr(continual, "load", lambda name: nothing)
    with pytest.raises(UserError, match="method mine does not fit vit-xs-8: nothing in the model trains"):
        apply("mine", clip.create("vit-xs-8"), None, "vit-xs-8")
