"""Released vision transformers as encoders, and the head that segments from their levels."""

import pytest
import torch

from flopwise.core.errors import RunFailure, UserError
from flopwise.models import vit_tokens
from flopwise.models.compat import import_timm
from flopwise.models.upernet import POOLS, SideHead, UperNet, levels_of
from flopwise.models.vit_tokens import VitTokens

TINY = "vit_tiny_patch16_224"


def test_tokens_are_timms_own_at_its_size_and_one_a_patch_at_any_other():
    encoder = VitTokens(TINY).eval()
    pictures = torch.rand(2, 3, 224, 224)
    plain = import_timm().create_model(TINY, num_classes=0).eval()
    plain.load_state_dict(encoder.vit.state_dict())
    mean, deviation = (torch.tensor(values)[:, None, None] for values in vit_tokens.IMAGENET)
    assert torch.equal(encoder(pictures), plain.forward_features((pictures - mean) / deviation)[:, 1:])
    assert encoder(torch.rand(1, 3, 64, 96)).shape == (1, 24, 192)
    assert [level.shape for level in encoder.levels(torch.rand(1, 3, 64, 96), [3, 11])] == [(1, 192, 4, 6)] * 2


@pytest.mark.parametrize(
    ("pretrained", "made"),
    [
        ("vit_base_patch16_clip_224.openai", "vit_base_patch16_clip_quickgelu_224"),
        ("vit_base_patch16_clip_224.metaclip_400m", "vit_base_patch16_clip_quickgelu_224"),
        ("vit_base_patch16_clip_224.laion2b", "vit_base_patch16_clip_224"),
        ("vit_base_patch16_224.mae", "vit_base_patch16_224"),
    ],
)
def test_weights_get_the_activation_that_they_were_trained_with(pretrained, made):
    assert vit_tokens.name_of(pretrained) == made


def test_released_weights_are_read_without_their_head_and_others_refused(tmp_path):
    from safetensors.torch import save_file

    from flopwise.models import zoo

    name = f"{TINY}.augreg_in21k"
    whole = zoo.create(name, device="cpu")
    save_file(whole.state_dict(), tmp_path / "weights.safetensors")
    encoder = vit_tokens.released(name, tmp_path / "weights.safetensors")
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in encoder.vit.state_dict().items())
    assert encoder.mean.flatten().tolist() == [0.5] * 3
    other = {key: value for key, value in whole.state_dict().items() if not key.startswith("blocks.11")}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(RunFailure, match=r"does not fit vit_tiny_patch16_224\.augreg_in21k"):
        vit_tokens.released(name, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="resnet18 is no plain vision transformer"):
        VitTokens("resnet18")


def test_depth_counts_from_the_picture_to_the_head():
    encoder = VitTokens(TINY)
    names = ("pos_embed", "blocks.0.norm1.weight", "blocks.11.mlp.fc2.bias", "norm.bias")
    assert [encoder.depth_of(f"vit.{name}") for name in names] == [0, 1, 12, 13]


def test_upernet_is_that_of_transformers():
    """The heads of another library, with our weights under its names, give the same logits."""
    pytest.importorskip("transformers")
    from transformers import UperNetConfig
    from transformers.models.upernet.modeling_upernet import UperNetFCNHead, UperNetHead

    theirs = UperNetHead(UperNetConfig(hidden_size=16, num_labels=5, pool_scales=list(POOLS)), [12] * 4).eval()
    torch.manual_seed(0)
    ours, names = UperNet(12, 5, 16).eval(), {}
    for module, theirs_is in (("coarsest", "bottleneck"), ("joined", "fpn_bottleneck")):
        names[module] = theirs_is
    names |= {f"pooled.{i}.1": f"psp_modules.{i}.1" for i in range(4)}
    names |= {
        f"{own}.{i}": f"{other}.{i}"
        for own, other in (("lateral", "lateral_convs"), ("smooth", "fpn_convs"))
        for i in range(3)
    }
    state = {"classifier.weight": ours.classify[1].weight, "classifier.bias": ours.classify[1].bias}
    for own, other in names.items():
        state[f"{other}.conv.weight"] = ours.get_submodule(own)[0].weight
        norm = ours.get_submodule(own)[1]
        norm.running_mean.normal_(0, 0.1)
        state |= {f"{other}.batch_norm.{key}": value for key, value in norm.state_dict().items()}
    theirs.load_state_dict(state)
    levels = [torch.randn(2, 12, side, side + 4) for side in (32, 16, 8, 4)]
    assert torch.allclose(ours(levels), theirs(levels), atol=1e-5)

    other = UperNetFCNHead(UperNetConfig(hidden_size=16, num_labels=5, auxiliary_channels=256), [12] * 4).eval()
    side = SideHead(12, 5).eval()
    conv, norm = side.layers[0][0], side.layers[0][1]
    state = {f"convs.0.batch_norm.{key}": value for key, value in norm.state_dict().items()} | {
        "convs.0.conv.weight": conv.weight
    }
    other.load_state_dict(state | {f"classifier.{key}": value for key, value in side.layers[2].state_dict().items()})
    assert torch.allclose(side(levels), other(levels), atol=1e-5)
    assert levels_of(12) == [3, 5, 7, 11]
