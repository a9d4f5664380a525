"""Heads for the classes of the data, image towers of open_clip, transfer sets that are read and not held."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from flopwise.config import load
from flopwise.config.transfer import Heads
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.data.catalogue import dataset
from flopwise.models import clip, image_towers
from flopwise.models.miniature import outputs
from flopwise.models.zoo import create
from flopwise.studies.transfer import heads, network, pair, pictures, zoo


def coloured(count: int = 60) -> pictures.Pictures:
    """Three classes by their colour, 32 pixels."""
    rng, targets = np.random.default_rng(0), np.arange(count) % 3
    images = rng.integers(0, 90, (count, 32, 32, 3), dtype=np.uint8)
    images[np.arange(count), ..., targets] += 150
    part = pictures.Part(images, targets.astype(np.int64))
    return pictures.Pictures(part, part, ["red", "green", "blue"], None, "x")


def test_a_head_is_fitted_and_nothing_else_moves():
    """Of a network of timm, and of an image tower of open_clip."""
    torch.manual_seed(0)
    plain = create("resnet18", "cpu", 3)
    plain.normalisation = (0.5,) * 3, (0.25,) * 3
    for model in (plain, image_towers.create("vit-xs-8", 3)):
        before = {name: value.clone() for name, value in model.state_dict().items()}
        how = Heads(epochs=30, batch_size=20, learning_rate=1.0)
        facts = heads.fit(model, coloured(), how, Placement(), "x")
        moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        assert {name.rpartition(".")[2] for name in moved} == {"weight", "bias"}
        assert len(moved) == 2
        assert facts["steps"] == 90
        assert facts["loss"] < 0.6  # of log 3 = 1.1
    with pytest.raises(UserError, match="60 pictures, fewer than a batch of 256"):
        heads.fit(model, coloured(), Heads(), Placement(), "x")


def test_rates_of_a_head_rise_and_fall():
    found = [heads.rate(step, 100, 1.0, 0.1) for step in range(101)]
    assert (found[0], found[4], found[100]) == (0.2, 1.0, pytest.approx(0.1))
    assert found[5:] == sorted(found[5:], reverse=True)


def test_released_weights_keep_all_but_a_head_of_other_classes(tmp_path):
    settings = load(scale="paper", weights_root=str(tmp_path))
    model = settings.preset.transfer.zoo["regnety-006"]
    made = network.create(model, 1000)
    (tmp_path / "regnety_006").mkdir()
    save_file(made.state_dict(), tmp_path / "regnety_006" / "pycls_in1k.safetensors")
    found, headless = network.released(model, 20, str(tmp_path))
    own, other = made.state_dict(), found.state_dict()
    assert headless
    changed = {name for name in own if own[name].shape != other[name].shape or not torch.equal(own[name], other[name])}
    assert changed == {"head.fc.weight", "head.fc.bias"}
    with pytest.raises(
        UserError, match=r"regnety_006\.pycls_in1k has no head for the 3 classes .* `transfer\.heads` fits one"
    ):
        zoo.take_over(settings, model, coloured(), Placement(), "x")
    settings = load(
        scale="paper", weights_root=str(tmp_path), overrides={"transfer": {"heads": {"epochs": 1, "batch_size": 20}}}
    )
    state, facts = zoo.take_over(settings, model, coloured(), Placement(), "x")
    assert state["head.fc.weight"].shape[0] == 3
    assert facts["steps"] == 3


@pytest.mark.parametrize(
    "name", ["volo_d1_224", "pit_ti_distilled_224", "resnetv2_50", "dla46_c", "regnety_006", "resmlp_12_224"]
)
def test_a_released_model_says_what_timm_says_and_shows_what_its_head_sees(name):
    """Models with one linear head, two heads, a head on the map of features, a convolution as head."""
    model = create(name, "cpu", 5).eval()
    for layer in heads.classifiers(model):  # some start at zero
        torch.nn.init.normal_(layer.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    model.normalisation = (0.0,) * 3, (1.0,) * 3
    pixels = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features, logits = outputs(model, pixels)
        assert torch.equal(logits, model(pixels))
    assert features.shape[1] > 5
    names = heads._names(model, heads.classifiers(model))
    assert {value.shape[0] for key, value in model.state_dict().items() if key in names} == {5}
    assert not any(value.shape[0] == 5 for key, value in model.state_dict().items() if value.ndim and key not in names)


def test_a_head_that_weights_lack_is_the_same_in_every_run():
    settings = load(scale="paper")
    one, other = (network.create(settings.preset.transfer.zoo["regnety-006"], 3).state_dict() for _ in range(2))
    assert torch.equal(one["head.fc.weight"], other["head.fc.weight"])
    seeded = settings.preset.transfer.zoo["regnety-006"].model_copy(update={"seed": 1})
    assert not torch.equal(one["head.fc.weight"], network.create(seeded, 3).state_dict()["head.fc.weight"])


def test_a_teacher_of_another_domain_keeps_its_head_and_nothing_else(tmp_path, monkeypatch):
    changes = {
        "zoo": {"regnety-drawn": {"pretrained": "regnety_006.pycls_in1k", "tuned_on": "domainnet_infograph",
                                  "role": "elsewhere", "gflops": 1.2}},
        "tuning": {"epochs": 2, "batch_size": 20},
    }  # fmt: skip
    settings = load(scale="paper", weights_root=str(tmp_path), data_root=str(tmp_path), overrides={"transfer": changes})
    own = settings.preset.transfer.zoo["regnety-drawn"]
    start = network.create(own, 1000).state_dict()
    (tmp_path / "regnety_006").mkdir()
    save_file(start, tmp_path / "regnety_006" / "pycls_in1k.safetensors")
    asked = []
    monkeypatch.setattr(pictures, "real", lambda name, *rest: asked.append(name) or coloured())
    data = pictures.Pictures(coloured().train, coloured().test, [str(k) for k in range(1000)], None, "x")
    state, facts = zoo.take_over(settings, own, data, Placement(), "x")
    assert asked == ["domainnet_infograph"]
    assert (facts["steps"], state["head.fc.weight"].shape[0]) == (6, 1000)
    same = {name for name in start if torch.equal(start[name], state[name])}
    assert same == {"head.fc.weight", "head.fc.bias"}
    again, _ = zoo.take_over(settings, own, data, Placement(), "x")
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_training_elsewhere_is_charged_and_its_data_are_asked_for(tmp_path):
    from flopwise.studies.transfer.complementary import kinds, pairs
    from flopwise.studies.transfer.price import zoo_gflops
    from flopwise.studies.transfer.released import missing

    settings = load(scale="paper", weights_root=str(tmp_path), data_root=str(tmp_path))
    study = settings.preset.transfer
    outside = [name for name in study.models if study.zoo[name].tuned_on]
    forward = sum(study.zoo[name].gflops for name in outside)
    assert zoo_gflops(settings) == pytest.approx(50 * 3 * forward * dataset("domainnet_infograph").n_train)
    assert sum("domainnet_infograph" in line for line in missing(settings)) == 1
    assert not {name for pair in pairs(study) for name in pair} & set(outside)
    assert kinds(study, outside[0], "pit-xs-224") == {"pair": "elsewhere", "among": "control"}
    with pytest.raises(UserError, match="`tuned_on` needs a model of timm with its own head"):
        load(scale="smoke", overrides={"transfer": {"zoo": {"x": {"network": "vit-p8", "tuned_on": "imagenet_1k"}}}})


def test_an_image_tower_takes_its_part_of_a_checkpoint_and_says_what_it_said(tmp_path):
    whole = clip.create("vit-xs-8", seed=3).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    made = image_towers.create("vit-xs-8", 3).eval()
    assert made.normalisation == (clip.MEAN, clip.STD)
    image_towers.load(made, "vit-xs-8", tmp_path / "w.safetensors")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(made.forward_features(images), whole.encode_image(images), atol=1e-6)
    save_file(made.state_dict(), tmp_path / "tower.safetensors")
    again, side = pair.checkpoint(f"open_clip/vit-xs-8:{tmp_path / 'tower.safetensors'}", 3)
    with torch.no_grad():
        assert torch.equal(again(images), made(images))
    assert side == 32
    with pytest.raises(UserError, match="tells 3 classes apart, the data have 4"):
        pair.checkpoint(f"open_clip/vit-xs-8:{tmp_path / 'tower.safetensors'}", 4)


def test_pictures_of_a_real_transfer_set_are_not_held(tmp_path):
    base = tmp_path / "CALTECH256" / "caltech256" / "256_ObjectCategories" / "001.ak47"
    base.mkdir(parents=True)
    for k in range(12):
        Image.new("RGB", (50, 40), (0, 20 * k, 0)).save(base / f"000_{k:04d}.jpg")
    data = pictures.real("caltech256_transfer", str(tmp_path), 32, threads=2)
    held = pictures.chosen(data.train, np.array([4, 2, 7]))
    assert isinstance(held, pictures.Chosen)
    assert len(held) == 3
    assert torch.equal(held[np.array([2, 0])], pictures.tensor(data.train, np.array([7, 4])))
    assert held[:2].shape == (2, 3, 32, 32)


def test_other_data_sets_and_image_towers_are_priced():
    from flopwise.studies.transfer.price import forward_gflops, price

    tower = {"image_tower": "ViT-B-32.laion2b_s34b_b79k", "family": "transformer"}
    changes = {
        "dataset": "cub_transfer", "heads": {}, "zoo": {"clip-b-32": tower},
        "models": ["clip-b-32", "pit-xs-224", "resnext50-32x4d"],
        "experiments": {"published": {"student": ["pit-xs-224"], "teacher": ["resnext50-32x4d"]}},
    }  # fmt: skip
    settings = load(scale="workstation", overrides={"transfer": changes})
    assert price(settings)["cells"] > 0
    assert forward_gflops(settings.preset.transfer.zoo["clip-b-32"], 200) == pytest.approx(8.8, abs=0.3)
