"""What a released checkpoint carries beside its tensors, against open_clip's own table and its own models."""

import json

import pytest
import torch

from flopwise.core.errors import UserError
from flopwise.models import clip

open_clip = clip.import_open_clip()


def test_names_and_configurations_are_open_clips_own():
    assert sorted(clip._library()) == sorted(open_clip.list_models())
    for name in ("RN101", "ViT-B-16-plus-240", "convnext_base_w", "PE-Core-B-16", "ViT-L-14-336"):
        assert clip.configuration(name) == open_clip.get_model_config(name)
        assert clip.configuration(name.lower()) == open_clip.get_model_config(name)


def test_every_checkpoint_of_the_table_is_kept_whole_or_refused_by_name():
    """Activation, mean, deviation, filter, mode and size of each, and the reason where it cannot be trained here."""
    kept, refused = 0, set()
    for model, tag in open_clip.list_pretrained():
        table, name = open_clip.get_pretrained_cfg(model, tag), f"{model}.{tag}"
        try:
            config, how = clip.configuration(name), clip.preprocessing(name)
        except UserError as error:
            assert model in str(error)
            refused.add(str(error).partition(": ")[2].split(" (")[0])
            continue
        kept += 1
        assert config["quick_gelu"] is table.get("quick_gelu", False)
        found = (how.mean, how.std, how.interpolation, how.resize_mode, how.size)
        wanted = (
            *(table[key] for key in ("mean", "std", "interpolation", "resize_mode")),
            config["vision_cfg"]["image_size"],
        )
        assert found == wanted, name
    assert kept > 90
    assert refused == {
        "it is a captioning model", "its text tower", "its tokenizer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("coca_ViT-L-14", "it is a captioning model"),
        ("xlm-roberta-base-ViT-B-32", r"its text tower \(xlm-roberta-base\) would have to be downloaded"),
        ("ViT-B-16-SigLIP", r"its tokenizer \(timm/ViT-B-16-SigLIP\) would have to be downloaded"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(name, reason):
    with pytest.raises(UserError, match=f"model {name} cannot be trained here: {reason}"):
        clip.create(name.lower(), device="meta")


def test_a_sigmoid_models_bias_is_a_reason(monkeypatch):
    config = {**open_clip.get_model_config("ViT-M-32"), "init_logit_bias": -10}
    monkeypatch.setattr(clip, "read_json", lambda path: config)
    with pytest.raises(UserError, match=r"ViT-M-32 cannot be trained here: it was made for a sigmoid loss, whose bias"):
        clip.configuration("ViT-M-32")


@pytest.mark.parametrize(("tag", "activation"), [("openai", "QuickGELU"), ("laion400m_e32", "GELU"), ("", "GELU")])
def test_the_tag_decides_the_activation_of_both_towers(tag, activation):
    model = clip.create(f"ViT-B-16.{tag}" if tag else "ViT-B-16", device="meta")
    for blocks in (model.visual.transformer.resblocks, model.transformer.resblocks):
        assert {type(block.mlp.gelu).__name__ for block in blocks} == {activation}


@pytest.mark.parametrize("name", ["EVA02-B-16", "MobileCLIP-B"])
def test_a_text_tower_of_its_own_is_kept(name):
    with torch.device("meta"):  # open_clip draws the weights, then moves them
        model, theirs = clip.create(name, device="meta"), open_clip.create_model(name, device="meta")
    assert type(model) is type(theirs) is open_clip.CustomTextCLIP
    shapes = [{key: value.shape for key, value in m.state_dict().items()} for m in (model, theirs)]
    assert shapes[0] == shapes[1]


def saved(folder, name: str) -> dict:
    clip.save(folder, name, {"logit_scale": torch.zeros(())})
    return json.loads((folder / clip.CONFIG).read_text())


@pytest.mark.parametrize(
    "name", ["ViT-H-14.dfn5b", "ViT-L-14.laion2b_s32b_b82k", "RN101.yfcc15m", "convnext_base.laion400m_s13b_b51k"]
)
def test_the_saved_folder_gives_open_clip_the_same_model_and_pictures(tmp_path, name):
    written = saved(tmp_path, name)
    assert written["flopwise"] == name
    with torch.device("meta"):
        model = open_clip.create_model(f"local-dir:{tmp_path}", load_weights=False, device="meta")
    table = open_clip.get_pretrained_cfg(*clip.parts(name))
    for key in ("mean", "std", "interpolation", "resize_mode"):
        held = model.visual.preprocess_cfg[key]
        assert held == (list(table[key]) if isinstance(table[key], tuple) else table[key])
    activations = {type(m) for m in model.modules() if type(m).__name__ in ("GELU", "QuickGELU")}
    assert (open_clip.transformer.QuickGELU in activations) is table.get("quick_gelu", False)


def test_the_official_codes_constant_normalisation_is_a_switch_behind_the_tag(tmp_path):
    own, constant = (clip.preprocessing(f"vit-h-14.dfn5b{end}") for end in ("", "-as-released"))
    assert clip.preprocessing("ViT-L-14.laion2b_s32b_b82k").mean == (0.5, 0.5, 0.5)
    assert clip.preprocessing("ViT-L-14.laion2b_s32b_b82k-as-released").mean == clip.MEAN
    assert (own.resize_mode, constant.resize_mode) == ("squash", "squash"), (
        "only the normalisation is the official code's"
    )
    written = saved(tmp_path, "ViT-L-14.laion2b_s32b_b82k-as-released")
    assert written["preprocess_cfg"]["std"] == list(clip.STD)
    assert written["model_cfg"] == {**open_clip.get_model_config("ViT-L-14"), "quick_gelu": False}


def test_embedded_models_are_as_they_were(tmp_path):
    written = saved(tmp_path, "vit-s-8")
    assert written["model_cfg"] == clip.configuration("vit-s-8")
    assert "quick_gelu" not in written["model_cfg"]
    how = {"mean": list(clip.MEAN), "std": list(clip.STD), "interpolation": "bicubic", "resize_mode": "shortest"}
    assert written["preprocess_cfg"] == how


def test_a_tag_that_nobody_knows_is_refused_with_those_that_are_known():
    with pytest.raises(
        UserError,
        match=r"model ViT-B-32 has no released checkpoint 'laion2b_s34b_b79' in .*did you mean laion2b_s34b_b79k\?",
    ):
        clip.create("vit-b-32.laion2b_s34b_b79", device="meta")
    assert clip.preprocessing("ViT-S-16.datacomp_xl_s12.8b_b90k") == clip.Preprocessing(224), "a row of our catalogue"


def test_a_way_of_resizing_that_cannot_be_kept_is_refused_by_name(monkeypatch):
    table = {**open_clip.get_pretrained_cfg("ViT-B-32", "datacomp_m_s128m_b4k")}
    monkeypatch.setattr(clip, "released", lambda name: {**table, "resize_mode": "longest"})
    with pytest.raises(
        UserError, match=r"resize_mode of checkpoint ViT-B-32.x 'longest' is unknown; allowed: shortest, squash"
    ):
        clip.preprocessing("ViT-B-32.x")
