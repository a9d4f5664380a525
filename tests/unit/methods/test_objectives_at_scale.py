"""The objectives around a vision transformer of timm, as they pre-train on real pictures."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch.func import functional_call

from flopwise.config.load import preset
from flopwise.cost import closed_forms, flops, pretraining
from flopwise.data import views
from flopwise.methods.efficiency import Batch, Facts, load, names
from flopwise.models.vit_tokens import VitTokens

FACTS, SIDE = Facts(6, 49_408, 32), 224
SMALL = {
    "clip": {"width": 32, "heads": 2, "depth": 2}, "dino": {"local_side": 96, "local": 2}, "mae": {"depth": 2},
    "simclr": {"layers": 3},
}  # fmt: skip


def learner(name: str, **more):
    torch.manual_seed(0)
    options = {**load(name).options, **SMALL.get(name, {})}
    return load(name).learner(VitTokens("vit_tiny_patch16_224", **more), FACTS, **options), options


def batch(device: str = "cpu", look=views.view) -> Batch:
    put = lambda shape, **kind: torch.ones(shape, device=device, **kind)  # noqa: E731
    generator = torch.Generator().manual_seed(0)
    return Batch(put((2, 3, 256, 256)), generator, put((2, 6)) / 6, put((2, 32), dtype=torch.long), look, SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_closed_forms_are_what_a_step_executes(name):
    net, options = learner(name)
    counted = flops.count(lambda: net.loss(batch()).backward()) / 2
    trunk = pretraining.Trunk(192, 12, 16, "patches", SIDE, prefix=1)
    assert pretraining.per_image(name, trunk, 2, 6, 32, options) == pytest.approx(counted, rel=5e-3)


def test_the_scales_recipes_cost_what_the_published_ones_do():
    """But for CLIP's text, 32 instead of 77 tokens long."""
    study = preset("paper").efficiency
    trunk = pretraining.Trunk(768, 12, 16, "patches", SIDE, prefix=1)
    for name, method in study.methods.items():
        options = {**load(name).options, **method.options}
        ours = pretraining.per_image(name, trunk, study.batch_size, 1000, 32, options)
        more = (
            {"text": (384, 6, 32)}
            if name == "clip"
            else {"kept": 0.15, "decoder": (512, 2)}
            if name == "mae-tiny"
            else {}
        )
        published = closed_forms.pretraining(name.removesuffix("-tiny"), closed_forms.VIT_B16, **more)
        assert ours == pytest.approx(published, rel=5e-3), name


class _Loss(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, one):
        return self.net.loss(one)


@pytest.mark.parametrize("name", names())
def test_a_loss_needs_no_tensor_of_another_device(name):
    """On torch's device without memory, which refuses to meet the CPU's as a GPU does."""
    net = _Loss(learner(name)[0])
    state = {key: value.to("meta") for key, value in [*net.named_parameters(), *net.named_buffers()]}
    look = lambda pictures, generator, smallest, colour, size, **_: pictures.new_empty(2, 3, size, size)  # noqa: E731
    assert functional_call(net, state, (batch("meta", look),)).device.type == "meta"


def test_a_view_needs_no_tensor_of_another_device(monkeypatch):
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which this device does not know
    pictures = torch.empty(2, 3, 40, 40, device="meta")
    view = views.view(pictures, torch.Generator(), 0.1, 1.0, 32, blur=0.5, solarise=0.2)
    assert (view.device.type, view.shape) == ("meta", (2, 3, 32, 32))


def test_what_is_computed_again_gives_the_same_gradients():
    found = []
    for again in (False, True):
        net, _ = learner("simclr", recompute=again)
        net.loss(batch()).backward()
        found.append([p.grad for p in net.parameters() if p.grad is not None])
    assert len(found[0]) == len(found[1]) > 100
    assert all(torch.equal(a, b) for a, b in zip(*found))


def pictures(n: int = 4, side: int = 48) -> torch.Tensor:
    return torch.rand((n, 3, side, side), generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_view_of_all_is_the_picture_or_its_mirror_image():
    made = views.view(pictures(16), seeded(), 1.0, 0.0)
    mirrored = [torch.allclose(one, own.flip(2), atol=1e-5) for one, own in zip(made, pictures(16))]
    same = [torch.allclose(one, own, atol=1e-5) for one, own in zip(made, pictures(16))]
    assert all(a != b for a, b in zip(mirrored, same))
    assert 2 < sum(same) < 14
    assert torch.equal(
        views.view(pictures(), seeded(), 0.1, 1.0, blur=0.5), views.view(pictures(), seeded(), 0.1, 1.0, blur=0.5)
    )


def test_crops_keep_the_share_of_the_area_and_the_ratio_that_they_are_asked_for():
    """Of a picture whose colours say where they are."""
    side = 200
    line = torch.linspace(0, 1, side)
    where = torch.stack([line.expand(side, side), line[:, None].expand(side, side), torch.zeros(side, side)])
    made = views.view(where.expand(300, -1, -1, -1), seeded(), 0.05, 0.0, 64, largest=0.4)
    wide, high = ((made[:, k].amax((1, 2)) - made[:, k].amin((1, 2))) * 64 / 63 for k in (0, 1))
    share, ratio = wide * high, wide / high
    assert 0.045 < share.min() < 0.07
    assert 0.37 < share.max() < 0.42
    assert 0.72 < ratio.min() < 0.80
    assert 1.25 < ratio.max() < 1.39


def test_blur_is_scipys_and_colours_stay_in_range():
    from scipy.ndimage import gaussian_filter

    own, u = pictures(3, 64), torch.tensor([0.0, 0.5, 1.0])
    made = views._blurred(own, u)
    for one, picture, sigma in zip(made, own, (0.1, 1.05, 2.0)):
        reach = max(1, int(np.ceil(3 * 2.0 * 64 / 224)))
        theirs = gaussian_filter(
            picture.numpy(), (0, sigma * 64 / 224, sigma * 64 / 224), mode="mirror", radius=(0, reach, reach)
        )
        assert np.allclose(one.numpy(), theirs, atol=1e-5)
    loud = views.view(own, seeded(), 0.2, 1.0, solarise=1.0)
    assert (loud.min() >= 0, loud.max() <= 1) == (True, True)
    assert views.view(own, seeded(), 1.0, 0.0, solarise=1.0).max() <= 0.5 + 1e-5
