"""A start from a released checkpoint: the file is read as `flopwise weights verify` reads it, what the checkpoint carries
reaches training, scoring and the saved folder, and what cannot be used is said before any data are listed."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from flopwise.config import load as load_settings
from flopwise.core.errors import RunFailure, UserError
from flopwise.data.files import ImageFiles
from flopwise.data.store import BuiltSet, Split, write_set
from flopwise.data.strings import Strings
from flopwise.models import clip, weights
from flopwise.studies.continual import pretrain
from flopwise.studies.continual.corpus import TaskBatches, load_corpus
from flopwise.studies.continual.evaluate import Evaluator
from flopwise.studies.continual.study import Study

TINY = {  # a vision transformer and a residual network that stand in for models of open_clip
    "RN50": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8},
    "ViT-B-32": {"image_size": 48, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
}
TAG = "laion400m_e31"


@pytest.fixture
def tiny(monkeypatch):
    """Models of open_clip that are small, but go by their names."""
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    real = clip.read_json

    def read(path):
        if path.stem not in TINY:
            return real(path)
        return {"embed_dim": 16, "vision_cfg": dict(TINY[path.stem]), "text_cfg": dict(text)}

    monkeypatch.setattr(clip, "read_json", read)


def settings_of(root, model: str, tag: str, micro: int = 0):
    models = {model: SimpleNamespace(pretrained=tag, micro_batch_size=micro)}
    return SimpleNamespace(
        preset=SimpleNamespace(continual=SimpleNamespace(models=models)), config=SimpleNamespace(weights_root=str(root))
    )


def put(root, state: dict, ending: str, model: str = "ViT-B-32", tag: str = TAG):
    path = root / model / f"{tag}.{ending}"
    path.parent.mkdir(exist_ok=True, parents=True)
    save_file(state, path) if ending == "safetensors" else torch.save(state, path)
    return path


def start(settings, model: str, out):
    pretrain._released(settings, model, out)
    return clip.load(out), json.loads((out / clip.CONFIG).read_text())


def test_the_start_keeps_weights_activation_and_pictures(tiny, tmp_path):
    model = clip.create("ViT-B-32", seed=7)
    half = {f"module._orig_mod.{key}": value.half() for key, value in model.state_dict().items()}
    put(tmp_path, {"state_dict": half}, "pt")
    found, written = start(settings_of(tmp_path, "vit-b-32", TAG), "vit-b-32", tmp_path / "out")
    assert all(torch.equal(found[key], value.half().float()) for key, value in model.state_dict().items())
    assert written["model_cfg"]["quick_gelu"] is True, "laion400m_e31 of this model was trained so"
    assert written["preprocess_cfg"]["mean"] == list(clip.MEAN)
    loaded = clip.import_open_clip().create_model(f"local-dir:{tmp_path / 'out'}")
    pixels = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    own = clip.create(f"vit-b-32.{TAG}")
    own.load_state_dict(found)
    with torch.no_grad():
        assert torch.equal(loaded.eval().encode_image(pixels), own.eval().encode_image(pixels))
        own = clip.create("vit-b-32")
        own.load_state_dict(found)
        assert not torch.allclose(loaded.encode_image(pixels), own.eval().encode_image(pixels), atol=1e-5)


BROKEN = {  # what may be wrong with a file -> how it is made from a whole one
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "an error page": lambda path: path.write_text("<html><body>404</body></html>"),
    "empty": lambda path: path.write_bytes(b""),
    "of another model": lambda path: _other(path),
}


def _other(path) -> None:
    state = clip.create("vit-xs-8").state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_bad_file_is_the_same_line_here_and_in_verify(tiny, tmp_path, monkeypatch, ending, fault):
    row = weights.checkpoint("ViT-B-32.laion2b_s34b_b79k")
    path = put(tmp_path, clip.create("ViT-B-32").state_dict(), ending, tag=row.tag)
    BROKEN[fault](path)
    with pytest.raises(RunFailure) as started:
        start(settings_of(tmp_path, "vit-b-32", row.tag), "vit-b-32", tmp_path / "out")
    try:
        facts = weights.verify(row.name, tmp_path)
        verified = weights.misfit(facts["file"], facts["name"], facts["problems"])
    except RunFailure as error:
        verified = str(error)
    assert str(started.value) == verified
    assert "\n" not in verified
    assert not (tmp_path / "out" / clip.WEIGHTS).exists()


def test_a_start_from_a_residual_network_keeps_its_statistics(tiny, tmp_path):
    model = clip.create("RN50", seed=1)
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.fill_(3.5)
    put(tmp_path, model.state_dict(), "safetensors", "RN50", "cc12m")
    found, written = start(settings_of(tmp_path, "rn50", "cc12m"), "rn50", tmp_path / "out")
    assert found["visual.bn1.running_var"].eq(3.5).all()
    assert written["model_cfg"]["quick_gelu"] is True


@pytest.mark.parametrize(
    ("model", "tag", "micro", "said"),
    [
        (
            "vit-b-16",
            "nothing",
            0,
            r"model vit-b-16: model ViT-B-16 has no released checkpoint 'nothing' in open_clip's table",
        ),
        (
            "vit-b-16",
            "openai",
            0,
            r"model vit-b-16: ViT-B-16.openai is missing: no .*ViT-B-16/openai.\{safetensors,pt,pth,bin\}",
        ),
        ("coca-vit-b-32", "x", 0, r"model coca-vit-b-32: model 'coca-vit-b-32' does not exist"),
        (
            "rn101",
            None,
            16,
            r"model rn101: micro_batch_size 16 cuts a batch into parts, of which batch normalisation \(visual.bn1\)",
        ),
    ],
)
def test_what_cannot_be_used_is_missing_in_a_line(tmp_path, model, tag, micro, said):
    (line,) = pretrain.missing_weights(settings_of(tmp_path, model, tag, micro), [model])
    assert "\n" not in line
    import re

    assert re.match(said, line), line


def test_a_released_start_waits_for_no_data():
    study = Study(load_settings(scale="workstation"))
    assert study.job("pretrain", "vit-b-32").inputs == ()
    assert Study(load_settings(scale="smoke")).job("pretrain", "vit-xs-8").inputs != ()


def stored(tmp_path, prepared: bool = False):
    """A scale with one adaptation and one evaluation set of a wide picture each, and a pool; a model with mean 0.5."""
    data, results = tmp_path / "copies", tmp_path / "results"
    (data / "s").mkdir(parents=True)
    ramp = np.linspace(0, 255, 120, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(ramp[None, :, None], (40, 120, 3)).copy()).save(data / "s" / "0.png")
    split = Split(ImageFiles(data, Strings.of(["s/0.png"]), np.zeros(1, np.int32)), np.zeros(1, np.int64), ["a ramp"])
    facts = {"template": "a {}", "role": "adaptation", "task": "classification", "prepared": prepared}
    for name in ("one", "two"):
        write_set(results / "data" / name, BuiltSet(split, split, ["ramp"]), {**facts, "name": name})
    write_set(results / "data" / "pool", split, {"name": "pool", "role": "pre-training"})
    evaluation = SimpleNamespace(batch_size=4, fraction=1.0, minimum=1, split="test")
    models = {"vit-b-32": SimpleNamespace(pretrained=TAG)}
    study = SimpleNamespace(precision="fp32", evaluation=evaluation, models=models)
    data_config = SimpleNamespace(adaptation=("one",), evaluation=("two",), kind="catalogue")
    preset = SimpleNamespace(continual=study, data=data_config)
    return SimpleNamespace(preset=preset, config=SimpleNamespace(data_root=str(data), device="cpu"), results=results)


@pytest.fixture
def table(monkeypatch):
    """The checkpoint's entry in the library's table, to be changed."""
    entry = {"mean": (0.5,) * 3, "std": (0.25,) * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    monkeypatch.setattr(clip, "released", lambda name: entry if "." in name else {})
    return entry


def test_mean_deviation_and_resizing_reach_training_and_scoring(tiny, table, tmp_path, monkeypatch):
    settings, seen = stored(tmp_path), []
    batches = TaskBatches(
        load_corpus(settings, "vit-b-32", "pool"), np.zeros(1, int), np.arange(0), (0, 1, 0), 2, 1, 0, 0
    )
    images, _ = batches[0]
    assert images.shape == (2, 3, 48, 48)
    levels = 255 * (0.25 * images + 0.5)
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    assert levels.std() > 20
    monkeypatch.setattr(
        "flopwise.models.lean.encode_image", lambda model, pixels: seen.append(pixels) or torch.ones(len(pixels), 4)
    )
    monkeypatch.setattr("flopwise.models.lean.encode_text", lambda model, tokens: torch.ones(len(tokens), 4))
    evaluator = Evaluator(settings, "vit-b-32")
    evaluator.scores(evaluator.network())
    line = seen[0][0, 0, 0]
    assert line[0] < -1.9, "squashed: both ends of the ramp are there, which a cut from the middle would lose"
    assert line[-1] > 1.9
    table["resize_mode"] = "shortest"
    evaluator = Evaluator(settings, "vit-b-32")
    evaluator.scores(evaluator.network())
    assert seen[-1][0, 0, 0].abs().max() < 0.8


def test_copies_that_a_checkpoint_cannot_use_are_refused(tiny, table, tmp_path):
    settings = stored(tmp_path, prepared=True)
    with pytest.raises(
        UserError,
        match=r"is read from copies of 224 pixels \(shortest, bicubic\), the model takes 48 pixels \(squash, bilinear\)",
    ):
        load_corpus(settings, "vit-b-32", "pool")
    with pytest.raises(UserError, match="data set one is read from copies"):
        Evaluator(settings, "vit-b-32")
    table |= {"resize_mode": "shortest", "interpolation": "bicubic"}
    load_corpus(settings, "vit-b-32", "pool")
