"""Released checkpoints: tiles, crops, clips, scores, the job with a small model in place of a released one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import wavfile

from flopwise.config import load
from flopwise.config import perceiver_evaluations as evaluations
from flopwise.config.claims import read_claims
from flopwise.config.files import claims_file
from flopwise.config.perceiver import Scaling
from flopwise.config.perceiver_evaluations import EVALUATIONS
from flopwise.core.device import Placement
from flopwise.core.errors import UserError
from flopwise.core.io import read_json, write_json, write_tensors
from flopwise.core.judge import judge_all
from flopwise.data.catalogue import dataset
from flopwise.data.readers import flow
from flopwise.models.perceiver import create, huggingface, tiles
from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.specs import (
    Audio,
    Flow,
    Fourier,
    FramePair,
    InputQueries,
    Label,
    LearnedQueries,
    Linear,
    Modalities,
    Multimodal,
    MultimodalQueries,
    PositionQueries,
    Video,
)  # fmt: skip
from flopwise.models.perceiver.specs import (
    Image as Pictures,
)
from flopwise.report.perceiver import figures
from flopwise.studies.perceiver import released, scaling, tables
from flopwise.studies.perceiver.claims import claim_context
from flopwise.studies.perceiver.price import cells_table, scoring_gflops

HOW = SimpleNamespace(batch_size=4, limit=None)
TILE = (24, 32)


def flow_model():
    inputs = FramePair(TILE, Fourier(4, TILE), features=8)
    config = Config(inputs, InputQueries(TILE[0] * TILE[1], inputs.channels), Flow(TILE), 8, 16, 1, heads=2)
    model = create(config)
    torch.nn.init.normal_(model.head.linear.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    return model.eval()


def test_tiles_are_placed_as_the_released_code_and_as_the_paper_say():
    assert (tiles.origins(436, 368), tiles.origins(1024, 496)) == ([0, 68], [0, 476, 528])
    assert (tiles.origins(375, 368), tiles.origins(1242, 496)) == ([0, 7], [0, 476, 746])
    assert (tiles.origins(436, 368, True), tiles.origins(1024, 496, True)) == ([0, 68], [0, 264, 528])
    assert tiles.origins(1440, 496) == [0, 476, 944]  # a third step would end beyond the picture
    assert tiles.origins(368, 368) == tiles.origins(368, 368, True) == [0]


def test_weights_of_a_tile_grow_towards_its_middle():
    found = tiles.tile_weights(4, 5)
    assert found.tolist() == [[1, 1, 1, 1, 1], [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("size", [(24, 32), (30, 50), (20, 40)])
@pytest.mark.parametrize("even", [False, True])
def test_a_constant_flow_is_put_together_again(size, even):
    model = flow_model()
    torch.nn.init.zeros_(model.head.linear.weight)
    model.head.linear.bias.data = torch.tensor([100.0, -50.0])
    said = tiles.tiled_flow(model, TILE, torch.rand(2, 2, 3, *size), 3, even=even)
    assert said.shape == (2, *size, 2)
    assert torch.allclose(said, torch.tensor([1.0, -0.5]).expand_as(said), atol=1e-5)


def test_overlapping_tiles_are_weighted_means():
    """Pixel by pixel, against a loop that shares no code."""
    model, frames = flow_model(), torch.rand(2, 3, 24, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = tiles.tiled_flow(model, TILE, frames[None], 1)[0]
        parts = {x: model(frames[None, ..., x : x + 32])[0] for x in (0, 8)}  # 40 wide: two tiles
    for y, x in ((0, 0), (5, 9), (12, 20), (23, 39)):
        inside = {start: x - start for start in parts if 0 <= x - start < 32}
        weight = {start: min(c + 1, 32 - c, y + 1, 24 - y) for start, c in inside.items()}
        wanted = sum(weight[start] * parts[start][y, c] for start, c in inside.items()) / sum(weight.values())
        assert torch.allclose(found[y, x], wanted, atol=1e-5)


@pytest.fixture
def copies(tmp_path):
    """Small copies of Sintel, KITTI, ImageNet and Kinetics."""
    rng, data = np.random.default_rng(0), tmp_path / "data"
    picture = lambda path, size=(40, 30): (  # noqa: E731
        path.parent.mkdir(parents=True, exist_ok=True),
        Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path),
    )
    sintel, kitti = data / "SINTEL" / "training", data / "KITTI2015" / "training"
    for number in (1, 2, 3):
        for render in ("clean", "final"):
            picture(sintel / render / "alley" / f"frame_{number:04d}.png")
        (sintel / "flow" / "alley").mkdir(parents=True, exist_ok=True)
        flow.write_flo(
            sintel / "flow" / "alley" / f"frame_{number:04d}.flo", rng.normal(0, 5, (30, 40, 2)).astype(np.float32)
        )
    for number in range(2):
        for frame in (10, 11):
            picture(kitti / "image_2" / f"{number:06d}_{frame}.png")
        (kitti / "flow_occ").mkdir(exist_ok=True)
        valid = rng.random((30, 40)) < 0.1 + 0.5 * number
        flow.write_kitti(
            kitti / "flow_occ" / f"{number:06d}_10.png", rng.normal(0, 9, (30, 40, 2)).astype(np.float32), valid
        )
    for number in range(3):
        for split in ("train", "val"):
            picture(data / "IMAGENET1K" / split / f"n{number:08d}" / "a.JPEG")
    kinetics = data / "KINETICS700"
    for name, labels in (("train", ("run", "sit")), ("validate", ("sit", "run", "sit"))):
        rows = [f"{label},v{name}{i},0,10,{name}" for i, label in enumerate(labels)]
        (kinetics / f"{name}.csv").parent.mkdir(exist_ok=True)
        (kinetics / f"{name}.csv").write_text("\n".join(["label,youtube_id,time_start,time_end,split", *rows]))
    for number in range(2):
        clip = kinetics / "clips" / f"vvalidate{number}_000000_000010"
        for frame in range(17):
            picture(clip / f"{frame:03d}.png")
        wavfile.write(clip / "sound.wav", 48_000, rng.integers(-9000, 9000, 4000).astype(np.int16))
    return data


def scored(name: str, model, copies, **how):
    one = EVALUATIONS[name]
    folder = copies / dataset(one.dataset).folder
    with torch.no_grad():
        return released.SCORES[one.kind](model, one, folder, SimpleNamespace(**vars(HOW) | how), Placement())


def test_end_point_errors_are_over_pixels_on_sintel_and_over_pairs_on_kitti(copies):
    """A model that says no flow: what is left is the truth's own length."""
    model = flow_model()
    torch.nn.init.zeros_(model.head.linear.weight)
    found, samples, listed = scored("sintel-clean", model, copies)
    truth = [
        flow.read_flo(path)[0] for path in sorted((copies / "SINTEL" / "training" / "flow" / "alley").glob("*[12].flo"))
    ]
    assert found["epe"] == pytest.approx(np.linalg.norm(truth, axis=-1).mean(), rel=1e-5)
    assert (found["epe"], samples, listed) == (pytest.approx(found["epe_even"], rel=1e-6), 2, 2)
    found, *_ = scored("kitti", model, copies)
    pairs = [flow.read_kitti(path) for path in sorted((copies / "KITTI2015" / "training" / "flow_occ").glob("*.png"))]
    lengths = [np.linalg.norm(truth, axis=-1)[valid] for truth, valid in pairs]
    assert found["epe"] == pytest.approx(np.mean([part.mean() for part in lengths]), rel=1e-5)
    assert abs(found["epe"] - np.concatenate(lengths).mean()) > 1e-3  # the two ways of averaging differ here
    assert found["fl_all"] == pytest.approx(100 * (np.concatenate(lengths) > 3).mean())


class Echo(torch.nn.Module):
    """Says class 0 first, then 1, and so on; what it was shown is kept."""

    config = SimpleNamespace(inputs=SimpleNamespace(size=(16, 16)))

    def forward(self, pictures):
        self.shown = pictures
        return -torch.arange(10.0).expand(len(pictures), 10)


def test_pictures_are_the_middle_and_classes_the_sorted_folders(copies):
    model = Echo()
    found, samples, listed = scored("imagenet-conv", model, copies, batch_size=2)
    assert found == {"top1": pytest.approx(100 / 3), "top5": 100.0}
    assert (samples, listed) == (3, 3)
    image = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (256, 1, 3)))
    assert released.centre(image, 224)[0, [0, -1], 0].tolist() == [16, 239]
    found, samples, listed = scored("imagenet-conv", model, copies, limit=1)
    assert (samples, listed) == (1, 3)


def clip_model():
    video, sound = Fourier(2, (16, 2, 2)), Fourier(2, (160,))
    inputs = Multimodal(
        {"audio": Audio(160, 16, sound), "image": Video(16, (8, 8), (1, 4, 4), video), "label": Label(2)}, mask_tokens=True,
        hidden=("label",),
    )  # fmt: skip
    queries = MultimodalQueries(
        {
            "audio": PositionQueries((10,), sound),
            "image": PositionQueries((16, 8, 8), video),
            "label": LearnedQueries(1, 8),
        }
    )
    return create(Config(inputs, queries, Modalities(8, {"audio": 16, "image": 3, "label": 2}), 4, 16, 1)).eval()


def test_a_clip_decoded_in_parts_is_the_clip_decoded_at_once():
    model, generator = clip_model(), torch.Generator().manual_seed(0)
    inputs = {
        "image": torch.rand(1, 16, 3, 8, 8, generator=generator),
        "audio": torch.rand(1, 160, generator=generator),
    }
    with torch.no_grad():
        parts, whole = released.decoded(model, inputs, chunks=7), model(inputs)
    assert torch.allclose(parts["audio"], whole["audio"][0], atol=1e-6)
    assert torch.allclose(parts["image"].permute(0, 2, 3, 1).reshape(-1, 3), whole["image"][0], atol=1e-6)
    assert torch.allclose(parts["label"], whole["label"][0], atol=1e-6)


def test_clips_that_are_there_are_scored(copies):
    model = clip_model()
    torch.nn.init.zeros_(model.head.parts["label"].weight)
    model.head.parts["label"].bias.data = torch.tensor([0.0, 1.0])  # says `sit`, which the first of the two clips shows
    found, samples, listed = scored("kinetics", model, copies)
    assert (samples, listed) == (2, 3)
    assert found["top1"] == 50
    assert found["audio_psnr_peak2"] == pytest.approx(found["audio_psnr"] + 6.0206, abs=1e-4)
    assert released.psnr(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20)


def test_the_job_reads_weights_as_transformers_names_them(copies, tmp_path, monkeypatch):
    small = Config(Pictures((32, 32), Fourier(4, (32, 32))), LearnedQueries(1, 16), Linear(6, single=True), 4, 16, 1)
    monkeypatch.setattr(released.published, "find", lambda name: small)
    weights = tmp_path / "weights" / "imagenet-fourier" / "deepmind.safetensors"
    write_tensors(weights, huggingface.state_dict(create(small, seed=5)))
    options = {"data_root": str(copies), "weights_root": str(tmp_path / "weights")}
    settings = load(scale="workstation", **options)
    out = tmp_path / "scores.json"
    released.released_job(settings, "imagenet-fourier", out, tmp_path / "state", "code")
    found = read_json(out)
    assert (found["published"], found["samples"]) == ({"top1": 79.0}, 3)
    pictures = [Image.open(path) for path in sorted((copies / "IMAGENET1K" / "val").glob("*/*"))]  # one of each class
    shown = torch.stack([torch.tensor(released.centre(picture, 32)).permute(2, 0, 1) / 255 for picture in pictures])
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (released.MEAN, released.DEVIATION))
    with torch.no_grad():
        said = create(small, seed=5).eval()((shown - mean) / deviation).argsort(1, descending=True)
    right = said == torch.arange(3)[:, None]
    assert found["metrics"]["top1"] == pytest.approx(100 * float(right[:, 0].float().mean()))
    assert found["metrics"]["top5"] == pytest.approx(100 * float(right[:, :5].any(1).float().mean()))
    missing = released.missing(settings)
    assert (
        len(missing) == 14
    )  # optical flow three times and the autoencoder, two other image models, four tasks of GLUE twice
    assert all("deepmind.{safetensors,pt,pth,bin}" in line or "no GLUE/ below data_root" in line for line in missing)
    write_tensors(weights, {"other": torch.zeros(2)})
    with pytest.raises(UserError, match="the weights do not fit this model"):
        released.released_job(settings, "imagenet-fourier", out, tmp_path / "state", "code")


def test_names_and_prices():
    from flopwise.models.checkpoints import checkpoints

    known = {row.model for row in checkpoints().values() if row.study == "perceiver"}
    assert {one.checkpoint for one in EVALUATIONS.values() if one.released} <= known
    assert {one.kind for one in EVALUATIONS.values()} == set(evaluations.KINDS) == {*released.SCORES, "glue"}
    how = load(scale="workstation").preset.perceiver.released
    assert scoring_gflops("imagenet-conv", how) == pytest.approx(50_000 * 369.2, rel=1e-3)
    with pytest.raises(UserError, match=r"released.evaluations is 'sintel'"):
        load(scale="workstation", overrides={"perceiver": {"released": {"evaluations": ["sintel"]}}})
    with pytest.raises(UserError, match="name nothing to run"):
        load(scale="workstation", overrides={"perceiver": {"released": {"evaluations": []}}})


def test_a_scale_that_trains_nothing_has_its_tables_and_figures(tmp_path):
    settings = load(scale="workstation", results=str(tmp_path))
    folder = settings.results / "perceiver"
    (folder / "cells.tsv").parent.mkdir(parents=True)
    cells_table(settings).to_csv(folder / "cells.tsv", sep="\t", index=False)
    sizes = Scaling(inputs=(32, 64, 128), outputs=(32, 64, 128), layers=(1, 2, 3), transformer=64)
    scaling.scaling_job(sizes, folder / "scaling.json")
    for name, one in EVALUATIONS.items():
        facts = {
            "published": one.published,
            "checkpoint": one.checkpoint,
            "dataset": one.dataset,
            "samples": 2,
            "listed": 4,
        }
        metrics = {"metrics": {metric: value + 1 for metric, value in one.published.items()}, "source": one.source}
        write_json(folder / "released" / f"{name}.json", facts | metrics)
    tables.collect(settings, folder, folder / "tables")
    runs = figures.load(folder / "tables")
    assert figures.arms(runs).figure is None
    assert len(figures.learning(runs)) == len(figures.metrics(runs)) == 0
    assert figures.released(runs)["difference"].tolist() == pytest.approx([1.0] * 13)
    context = claim_context(settings, folder / "tables")
    verdicts = {
        one["id"]: one["verdict"] for one in judge_all(read_claims(claims_file("perceiver")), context)["claims"]
    }
    assert verdicts["perceiver-check-images"] == "not testable at this scale"
