import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from flopwise.core.errors import RunFailure
from flopwise.data.loader import Member, Resize, load, random_box, view
from flopwise.models import clip

SIZES = [(320, 240), (240, 400), (224, 224), (100, 90), (500, 130)]


def picture(width: int, height: int) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 9, width), np.linspace(0, 7, height))
    waves = [128 + 100 * np.sin(x * a + y * b) for a, b in ((1, 2), (3, -1), (0.5, 4))]
    return Image.fromarray(np.stack(waves, axis=2).astype(np.uint8))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, size in enumerate(SIZES):
        picture(*size).save(folder / f"{i}.jpg", quality=90)
    return [folder / f"{i}.jpg" for i in range(len(SIZES))]


def torchvisions(path, seed, side=224):
    clip.import_open_clip()
    from torchvision.transforms import InterpolationMode, functional

    image, bicubic = Image.open(path).convert("RGB"), InterpolationMode.BICUBIC
    if seed is None:
        image = functional.center_crop(functional.resize(image, side, bicubic), [side, side])
    else:
        left, upper, right, lower = random_box(*image.size, seed)
        image = functional.resized_crop(image, upper, left, lower - upper, right - left, [side, side], bicubic)
    return functional.pil_to_tensor(image).permute(1, 2, 0)


def pixels(source, seed, side=224):
    return torch.frombuffer(load(source, side, seed), dtype=torch.uint8).view(side, side, 3)


def test_pixels_are_torchvisions_for_the_same_boxes(files):
    for path in files:
        for seed in (None, 1, 2):
            assert torch.equal(pixels(path, seed), torchvisions(path, seed)), (path, seed)


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_whole_pictures_are_those_of_open_clips_own_transform(files, mode, name):
    open_clip = clip.import_open_clip()
    theirs = open_clip.image_transform(96, False, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=mode, interpolation=name)
    for path in files:
        wanted = theirs(Image.open(path)).mul(255).round().to(torch.uint8).permute(1, 2, 0)
        assert torch.equal(
            torch.frombuffer(load(path, 96, None, Resize(mode, name)), dtype=torch.uint8).view(96, 96, 3), wanted
        )
        assert view(Image.open(path).convert("RGB"), 96, None, Resize(mode, name)) == wanted.numpy().tobytes()


def test_crops_are_resized_by_the_same_filter(files):
    smooth, sharp = (load(files[4], 64, 3, Resize("squash", name)) for name in ("bilinear", "bicubic"))
    assert smooth != sharp
    assert sharp == load(files[4], 64, 3)


def test_a_large_jpeg_decoded_at_a_fraction_is_within_a_level(tmp_path):
    picture(2400, 1900).save(tmp_path / "large.jpg", quality=92)
    for sample in ((tmp_path / "large.jpg", None), (tmp_path / "large.jpg", 5)):
        difference = (pixels(*sample).int() - torchvisions(*sample).int()).abs().float()
        assert difference.mean() < 1
        assert difference.max() < 8


def test_members_of_a_tar_file_are_read_in_place(files, tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        for path in files:
            archive.add(path, path.name)
    with tarfile.open(tmp_path / "shard.tar") as archive:
        members = [Member(tmp_path / "shard.tar", info.offset_data, info.size) for info in archive]
    for member, path in zip(members, files, strict=True):
        assert torch.equal(pixels(member, 3), pixels(path, 3))


def test_boxes_lie_inside_and_have_the_share_and_ratio_asked_for():
    for seed in range(200):
        left, upper, right, lower = random_box(300, 260, seed)
        assert 0 <= left < right <= 300
        assert 0 <= upper < lower <= 260
        assert 0.88 <= (right - left) * (lower - upper) / (300 * 260) <= 1
        assert 0.74 <= (right - left) / (lower - upper) <= 1.34
    assert random_box(500, 100, 0) == (183, 0, 316, 100)  # no crop of nine tenths fits: the largest central one


def test_what_is_no_image_is_named(tmp_path):
    stream = io.BytesIO()
    picture(300, 300).save(stream, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(stream.getvalue()[:2000])
    (tmp_path / "text.jpg").write_text("no image")
    for name, said in (("cut.jpg", "cannot be read"), ("text.jpg", "cannot be read"), ("absent.jpg", "is missing")):
        with pytest.raises(RunFailure, match=f"{name}:? {said}"):
            load(tmp_path / name, 224)
    with pytest.raises(RunFailure, match=r"absent\.tar cannot be read: No such file"):
        load(Member(tmp_path / "absent.tar", 0, 9), 224)
