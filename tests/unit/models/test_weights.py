"""The catalogue of released checkpoints, and the check of a user's copy against the model that the library makes."""

import csv
import dataclasses
import json
import sys
import warnings

import pytest
import torch
from safetensors.torch import save_file

from flopwise import cli
from flopwise.config import ROOT
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import sha256_file
from flopwise.models import checkpoints, weights
from flopwise.models.compat import import_open_clip, import_timm

SMALL = "mixnet_s.ft_in1k"


@pytest.fixture(scope="module")
def state() -> dict:
    return import_timm().create_model("mixnet_s", pretrained=False).state_dict()


def put(root, state: dict, ending: str = "safetensors", name: str = SMALL, wrap=lambda state: state):
    row = weights.checkpoint(name)
    path = root / row.model / f"{row.tag}.{ending}"
    path.parent.mkdir(exist_ok=True)
    if ending == "safetensors":
        save_file(state, path)
    else:
        torch.save(wrap(state), path)
    return path


def sparse(path, shapes: dict) -> None:
    """A safetensors file of these shapes whose zeros take no room on the disk."""
    header, end = {}, 0
    for key, shape in shapes.items():
        size = 4 * weights._size(shape)
        header[key] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)


def test_the_catalogue_agrees_with_the_libraries_own_tables():
    rows = weights.checkpoints()
    with checkpoints.CATALOGUE.open() as stream:
        assert len(list(csv.DictReader(stream))) == len(rows)
    open_clip, timm = import_open_clip(), import_timm()
    for row in rows.values():
        assert row.name == f"{row.model}.{row.tag}"
        if row.library == "timm":
            released = timm.get_pretrained_cfg(row.name)
            assert row.licence == (released.license or "")
            assert row.source.removeprefix("hub ") == (released.hf_hub_id or "timm's table of released weights")
            if row.sha256:
                assert row.file in released.url
                assert row.sha256 in row.file
        elif row.library == "open_clip" and row.tag != "datacomp_xl_s12.8b_b90k":  # which its table does not have
            released = open_clip.get_pretrained_cfg(row.model, row.tag)
            assert row.source == f"hub {released['hf_hub'].strip('/')}"
            assert row.sha256 in released["url"]


def test_every_checkpoint_that_a_preset_starts_from_is_in_the_catalogue():
    import yaml

    known = {(row.model.lower(), row.tag) for row in weights.checkpoints().values()}
    for preset in (ROOT / "config" / "scales").glob("*/continual.yaml"):
        for model, recipe in yaml.safe_load(preset.read_text())["models"].items():
            assert "pretrained" not in recipe or (model, recipe["pretrained"]) in known


TABLE = {  # millions of parameters, arXiv 2310.17653, tables of the 20 teachers and the 20 students
    "convnext_large.fb_in22k_ft_in1k": 197.77,
    "volo_d4_224.sail_in1k": 192.96,
    "regnety_320.pycls_in1k": 145.05,
    "vgg13_bn.tv_in1k": 133.05,
    "regnetx_320.pycls_in1k": 107.81,
    "twins_svt_large.in1k": 99.27,
    "resnext101_32x8d.fb_swsl_ig1b_ft_in1k": 88.79,
    "swin_s3_base_224.ms_in1k": 71.13,
    "twins_pcpvt_large.in1k": 60.99,
    "volo_d2_224.sail_in1k": 58.68,
    "resmlp_36_224.fb_in1k": 44.69,
    "dla102.in1k": 33.27,
    "resnext50_32x4d.fb_swsl_ig1b_ft_in1k": 25.03,
    "vit_small_patch16_224.augreg_in21k_ft_in1k": 22.05,
    "gmlp_s16_224.ra3_in1k": 19.42,
    "coat_lite_mini.in1k": 11.01,
    "mixnet_l.ft_in1k": 7.33,
    "regnety_006.pycls_in1k": 6.06,
    "mixnet_s.ft_in1k": 4.13,
    "xcit_nano_12_p8_224.fb_in1k": 3.05,
    "xcit_large_24_p16_224.fb_in1k": 189.10,
    "vit_base_patch16_224.augreg_in21k_ft_in1k": 86.57,
    "pit_b_224.in1k": 73.76,
    "vit_relpos_medium_patch16_224.sw_in1k": 38.75,
    "pit_xs_224.in1k": 11.00,
    "pit_xs_distilled_224.in1k": 11.00,
    "resnext101_32x16d.fb_wsl_ig1b_ft_in1k": 194.03,
    "senet154.gluon_in1k": 115.09,
    "wide_resnet50_2.racm_in1k": 68.88,
    "resnet101c.gluon_in1k": 44.57,
    "resnetv2_50.a1h_in1k": 25.55,
    "resnet34.gluon_in1k": 21.80,
    "resnetv2_50x1_bit.goog_distilled_in1k": 25.55,
    "mixer_l16_224.goog_in21k_ft_in1k": 208.20,
    "mixer_b16_224.miil_in21k_ft_in1k": 59.88,
    "mixer_b16_224.goog_in21k_ft_in1k": 59.88,
    "resmlp_24_224.fb_in1k": 30.02,
    "resmlp_12_224.fb_in1k": 15.35,
    "resmlp_24_224.fb_distilled_in1k": 30.02,
}
PIT_XS = 10.62  # the table prints 11.00 for it, which is its distilled twin


@pytest.mark.slow
def test_sizes_are_those_of_the_models_that_the_libraries_make():
    for row in (row for row in weights.checkpoints().values() if row.library != "transformers"):
        shapes, parameters = weights.expected_shapes(row)
        millions = sum(torch.Size(shapes[key]).numel() for key in parameters) / 1e6
        assert float(row.params_m) == pytest.approx(millions, abs=0.0051), row.name


def test_sizes_are_the_published_ones():
    """open_clip's model profile, and the tables of the transfer study."""
    rows = weights.checkpoints()
    with (ROOT / "config" / "published" / "open_clip_profile.csv").open() as stream:
        profile = {row["model"]: float(row["params_m"]) for row in csv.DictReader(stream)}
    listed = [row for row in rows.values() if row.library == "open_clip" and row.model in profile]
    assert len(listed) >= 8
    for row in listed:
        assert float(row.params_m) == pytest.approx(profile[row.model], abs=0.011)
    assert len(TABLE) == 39  # one model is teacher and student
    found = {name: float(rows[name].params_m) for name in TABLE}
    assert found == {**TABLE, "pit_xs_224.in1k": PIT_XS}


def test_the_400_pairs_are_20_teachers_by_20_students():
    notes = [row.notes for row in weights.checkpoints().values() if row.study == "transfer"]
    assert sum(note.startswith("teacher") for note in notes) == 20
    assert sum(note.startswith(("student;", "teacher and student")) or note == "student" for note in notes) == 20


@pytest.mark.parametrize("ending", ["safetensors", "pt", "bin"])
def test_a_whole_copy_fits(tmp_path, state, ending):
    path = put(tmp_path, state, ending)
    facts = weights.verify(SMALL, tmp_path)
    assert facts["ok"]
    assert facts["file"] == str(path)
    assert (facts["tensors"], facts["hash"]) == (len(state), "not compared")
    assert facts["parameters_m"] == facts["expected_parameters_m"] == float(weights.checkpoint(SMALL).params_m)


def prefixed(prefix: str):
    return lambda state: {f"{prefix}{key}": value for key, value in state.items()}


WRAPPED = {  # what training programs write around a model's weights
    "plain": lambda s: s,
    "a dictionary": lambda s: {"epoch": 3, "state_dict": s},
    "one in another": lambda s: {"model": {"state_dict": s}, "optimizer": {"state": {}}},
    "averaged weights beside others": lambda s: {"state_dict": {"x": torch.zeros(1)}, "state_dict_ema": s},
    "torch's averaged model": lambda s: {"model_ema": {"n_averaged": torch.tensor(7), **prefixed("module.")(s)}},
    "data-parallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled, then data-parallel": prefixed("module._orig_mod."),
    "data-parallel, then compiled": prefixed("_orig_mod.module."),
    "flat names of a dictionary": prefixed("state_dict.model.module."),
    "one layer compiled": lambda s: {k.replace("conv_stem.", "conv_stem._orig_mod."): v for k, v in s.items()},
}
FLAT = [name for name, wrap in WRAPPED.items() if all(isinstance(v, int) for v in wrap({"a.b": 1}).values())]


@pytest.mark.parametrize("name", WRAPPED)
def test_what_training_programs_put_around_weights_is_taken_off(tmp_path, state, name):
    """In both kinds of files, by the check and by the reader of values."""
    wrap = WRAPPED[name]
    files = [put(tmp_path, state, "pth", wrap=wrap)]
    if name in FLAT:
        (tmp_path / "safe").mkdir()
        files.append(put(tmp_path / "safe", wrap(state)))
    for path in files:
        assert weights.verify(SMALL, path.parents[1])["problems"] in (
            [],
            ["its SHA-256 is not a907afbc, that of mixnet_s-a907afbc.pth"],
        )
        found = weights.read(path)
        assert found.keys() == state.keys()
        assert all(torch.equal(found[key], state[key]) for key in state)
    assert len(FLAT) == 7


def test_a_prefix_that_not_all_names_have_stays_and_a_tensor_twice_is_refused(tmp_path, state):
    path = put(tmp_path, {"module.a": torch.zeros(2), "b": torch.zeros(2)}, "pt")
    assert weights.read(path).keys() == {"module.a", "b"}
    path = put(tmp_path, {"a.w": torch.zeros(2), "a._orig_mod.w": torch.ones(2)}, "pt")
    with pytest.raises(RunFailure, match="holds tensors twice, with and without"):
        weights.read(path)


def test_verify_says_what_a_checkpoint_carries(tmp_path, state):
    put(tmp_path, state)
    carried = weights.verify(SMALL, tmp_path)["carries"]
    assert carried == {
        "input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 0.875, "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
    }  # fmt: skip
    carried = weights.carries(weights.checkpoint("vit-l-14.openai"))
    assert (carried["quick_gelu"], carried["size"], carried["resize_mode"]) == (True, 224, "shortest")
    assert weights.carries(weights.checkpoint("ViT-L-14.laion2b_s32b_b82k"))["std"] == (0.5, 0.5, 0.5)


def test_what_is_missing_unexpected_or_misshapen_is_named(tmp_path, state):
    changed = {key: value for key, value in state.items() if key != "bn1.weight"}
    changed |= {"head.weight": torch.zeros(3), "classifier.weight": torch.zeros(10, 1536)}
    del changed["bn1.num_batches_tracked"]  # a counter that old files lack
    put(tmp_path, changed)
    facts = weights.verify(SMALL, tmp_path)
    assert not facts["ok"]
    assert (facts["missing"], facts["unexpected"]) == (["bn1.weight"], ["head.weight"])
    assert facts["misshapen"] == {"classifier.weight": [[10, 1536], [1000, 1536]]}
    assert facts["parameters_m"] < facts["expected_parameters_m"]
    assert "1 tensors have another shape: classifier.weight is 10 x 1536, expected 1000 x 1536" in facts["problems"]


def test_the_hash_in_a_released_file_name_is_compared(tmp_path, state, monkeypatch):
    path = put(tmp_path, state, "pth")
    facts = weights.verify(SMALL, tmp_path)
    assert facts["hash"] == "different"
    assert facts["problems"] == ["its SHA-256 is not a907afbc, that of mixnet_s-a907afbc.pth"]
    row = dataclasses.replace(weights.checkpoint(SMALL), sha256=sha256_file(path)[:8])
    monkeypatch.setattr(weights, "checkpoints", lambda: {SMALL: row})
    assert weights.verify(SMALL, tmp_path)["hash"] == "equal"


class Hostile:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def test_damage_and_code_are_refused_in_one_line(tmp_path, state):
    whole = put(tmp_path, state).read_bytes()
    folder = tmp_path / "mixnet_s"
    zipped = put(tmp_path, state, "bin").read_bytes()
    script = folder / "script"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), script)
    torch.save({"weight": Hostile()}, folder / "hostile")
    torch.save([torch.zeros(3)], folder / "list")
    cases = [
        ("safetensors", whole[:-9]),
        ("safetensors", whole[:4]),
        ("safetensors", b"\xff" * 64),
        ("bin", zipped[: len(zipped) // 2]),
        ("bin", script.read_bytes()),
        ("bin", (folder / "hostile").read_bytes()),
        ("bin", (folder / "list").read_bytes()),
        ("bin", b""),
    ]
    for ending, content in cases:
        for path in folder.glob("ft_in1k.*"):
            path.unlink()
        (folder / f"ft_in1k.{ending}").write_bytes(content)
        with pytest.raises(RunFailure, match=r"is damaged, or holds code|holds no named tensors") as caught:
            weights.verify(SMALL, tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ViT-S-16.datacomp_xl_s12.8b_b90k", "RN50.openai"])
def test_clip_models_of_any_size_are_checked_without_their_weights(tmp_path, name):
    open_clip = import_open_clip()
    row = weights.checkpoint(name)
    with torch.device("meta"):
        model = open_clip.create_model(row.model, device="meta")
    path = tmp_path / row.model.lower() / f"{row.tag}.safetensors"  # as the presets write the model
    sparse(path, {key: list(value.shape) for key, value in model.state_dict().items()})
    facts = weights.verify(name.lower(), tmp_path)
    assert facts["ok"], facts["problems"]
    assert facts["parameters_m"] == float(row.params_m)


PUBLISHED = {
    "language-bytes": 201,
    "imagenet-learned": 62.3,
    "imagenet-fourier": 48.4,
    "imagenet-conv": 48.6,
    "multimodal": 20.0,
}


def test_perceiver_models_have_the_published_numbers_of_parameters(tmp_path):
    pytest.importorskip("transformers")
    for row in (row for row in weights.checkpoints().values() if row.library == "transformers"):
        shapes, parameters = weights.expected_shapes(row)
        millions = sum(weights._size(shapes[key]) for key in parameters) / 1e6
        assert millions == pytest.approx(float(row.params_m), abs=0.006)
        if row.model in PUBLISHED:
            assert millions == pytest.approx(PUBLISHED[row.model], rel=0.01)
    sparse(tmp_path / row.model / f"{row.tag}.safetensors", shapes)
    assert weights.verify(row.name, tmp_path)["ok"]


def test_mistakes_are_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="is not in the catalogue; did you mean ViT-B-32"):
        weights.verify("ViT-B-32", tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        weights.verify(SMALL, tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"is missing: no .*mixnet_s.ft_in1k\.\{safetensors,pt,pth,bin\}; .* hub timm/"):
        weights.verify(SMALL, tmp_path)


def test_the_command_says_by_its_status_whether_a_copy_fits(tmp_path, state, monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["flopwise", "weights", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code or 0, *capsys.readouterr()

    status, out, _ = run("list", "--study", "transfer", "--json")
    assert status == 0
    assert SMALL in {row["name"] for row in json.loads(out)}
    put(tmp_path, state)
    status, out, _ = run("verify", SMALL, "--root", str(tmp_path), "--json")
    assert (status, json.loads(out)["ok"]) == (0, True)
    put(tmp_path, {"conv_stem.weight": state["conv_stem.weight"]})
    status, out, error = run("verify", SMALL, "--root", str(tmp_path), "--json")
    assert (status, json.loads(out)["ok"], error.count("\n")) == (1, False, 1)
    status, out, error = run("verify", "nothing", "--root", str(tmp_path))
    assert (status, out, error.count("\n")) == (2, "", 1)
