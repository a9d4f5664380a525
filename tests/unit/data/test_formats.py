"""Optical flow, label maps, sound and lists of clips: the same values as independent readers give for the same files."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from flopwise.core.errors import RunFailure, UserError
from flopwise.data.readers import audio, coco, flow, segmentation
from flopwise.models.compat import prepare_torchvision

RNG = np.random.default_rng(0)


def one_line(error) -> None:
    assert "\n" not in str(error.value)


@pytest.fixture
def field() -> np.ndarray:
    return RNG.normal(0, 20, (13, 17, 2)).astype(np.float32)


# Optical flow


def test_flo_files_agree_with_opencv_both_ways(tmp_path, field):
    cv2 = pytest.importorskip("cv2")
    flow.write_flo(tmp_path / "mine.flo", field)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "mine.flo")), field)
    assert cv2.writeOpticalFlow(str(tmp_path / "theirs.flo"), field)
    read, valid = flow.read_flo(tmp_path / "theirs.flo")
    np.testing.assert_array_equal(read, field)
    assert valid.all()
    assert (tmp_path / "mine.flo").read_bytes() == (tmp_path / "theirs.flo").read_bytes()


def test_unknown_flow_is_not_valid(tmp_path, field):
    field[2, 3] = 1.5e9
    field[4, 5, 1] = np.nan
    flow.write_flo(tmp_path / "a.flo", field)
    read, valid = flow.read_flo(tmp_path / "a.flo")
    assert np.argwhere(~valid).tolist() == [[2, 3], [4, 5]]
    assert np.isfinite(read).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PIEX" + bytes(16), "is no .flo file"),
        (b"PIEH\x01\x00", "is cut"),
        (b"PIEH" + struct.pack("<ii", 2**31 - 1, 2**31 - 1), "impossible size"),
        (b"PIEH" + struct.pack("<ii", -3, 4), "impossible size"),
        (b"PIEH" + struct.pack("<ii", 2, 2) + bytes(31), "need 44 bytes, the file has 43"),
        (b"PIEH" + struct.pack("<ii", 2, 2) + bytes(40), "need 44 bytes, the file has 52"),
    ],
)
def test_a_flo_file_that_cannot_be_right_is_refused(tmp_path, content, reason):
    (tmp_path / "a.flo").write_bytes(content)
    with pytest.raises(RunFailure, match=reason) as caught:
        flow.read_flo(tmp_path / "a.flo")
    one_line(caught)


def test_flow_that_is_missing_is_named(tmp_path):
    with pytest.raises(RunFailure, match=r"no\.flo cannot be read: No such file"):
        flow.read_flo(tmp_path / "no.flo")
    with pytest.raises(RunFailure, match=r"no\.png is missing"):
        flow.read_kitti(tmp_path / "no.png")


def test_kitti_flow_agrees_with_opencv_both_ways(tmp_path, field):
    cv2 = pytest.importorskip("cv2")
    valid = RNG.random(field.shape[:2]) < 0.6
    flow.write_kitti(tmp_path / "a.png", field, valid)
    stored = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(stored[..., 2] > 0, valid)
    expected = (stored[..., :2].astype(np.float64) - 2**15) / 64
    np.testing.assert_allclose(expected[valid], field[valid], atol=1 / 128)
    read, found = flow.read_kitti(tmp_path / "a.png")
    np.testing.assert_array_equal(found, valid)
    np.testing.assert_array_equal(read[valid], expected[valid])
    assert not read[~valid].any()


@pytest.mark.parametrize("strategy", range(5))
def test_16_bit_png_keeps_every_bit_with_every_filter(tmp_path, strategy):
    cv2 = pytest.importorskip("cv2")
    smooth = np.cumsum(RNG.integers(-300, 300, (40, 51, 3)), axis=1) + 30_000  # makes libpng use several row filters
    samples = np.vstack([smooth, RNG.integers(0, 2**16, (9, 51, 3))]).astype(np.uint16)
    options = [cv2.IMWRITE_PNG_STRATEGY, strategy, cv2.IMWRITE_PNG_COMPRESSION, 9]
    cv2.imwrite(str(tmp_path / "a.png"), samples[..., ::-1], options)
    np.testing.assert_array_equal(flow.read_png16(tmp_path / "a.png"), samples)


def test_flow_beyond_the_format_and_other_pictures_are_refused(tmp_path, field):
    with pytest.raises(UserError, match=r"from -512 to 511\.98 pixels"):
        flow.write_kitti(tmp_path / "a.png", np.full_like(field, 600), np.ones(field.shape[:2], bool))
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    with pytest.raises(RunFailure, match=r"b\.png: .*16-bit RGB PNG"):
        flow.read_kitti(tmp_path / "b.png")
    flow.write_kitti(tmp_path / "c.png", field, np.ones(field.shape[:2], bool))
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:400])
    with pytest.raises(RunFailure, match=r"c\.png"):
        flow.read_kitti(tmp_path / "c.png")


def picture(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)).save(path)


def test_sintel_pairs_agree_with_torchvision(tmp_path, field):
    prepare_torchvision()
    datasets = pytest.importorskip("torchvision.datasets")
    base = tmp_path / "Sintel" / "training"
    for scene, frames in (("alley_1", 4), ("market_2", 3)):
        for number in range(1, frames + 1):
            for render in ("clean", "final"):
                picture(base / render / scene / f"frame_{number:04d}.png")
            if number < frames:
                flow.write_flo(base / "flow" / scene / f"frame_{number:04d}.flo", field + number)
    picture(base / "occlusions" / "alley_1" / "frame_0002.png")
    for render in ("clean", "final"):
        pairs = flow.sintel_pairs(tmp_path / "Sintel", render)
        theirs = datasets.Sintel(str(tmp_path), pass_name=render)
        frames = [tuple(map(str, each)) for each in theirs._image_list]
        assert [(str(pair.first), str(pair.second)) for pair in pairs] == sorted(
            frames
        )  # theirs: as the disk lists them
        for pair in pairs:
            expected = theirs[frames.index((str(pair.first), str(pair.second)))][2]
            np.testing.assert_array_equal(flow.read_flo(pair.flow)[0], expected.transpose(1, 2, 0))
    assert [pair.occlusion is not None for pair in pairs] == [False, True, False, False, False]
    (base / "flow" / "market_2" / "frame_0001.flo").unlink()
    with pytest.raises(UserError, match=r"1 files are missing .*market_2.frame_0001\.flo"):
        flow.sintel_pairs(tmp_path / "Sintel")


def test_kitti_pairs_agree_with_torchvision(tmp_path, field):
    prepare_torchvision()
    datasets = pytest.importorskip("torchvision.datasets")
    base = tmp_path / "KittiFlow" / "training"
    for number in range(3):
        picture(base / "image_2" / f"{number:06d}_10.png")
        picture(base / "image_2" / f"{number:06d}_11.png")
        (base / "flow_occ").mkdir(exist_ok=True)
        flow.write_kitti(base / "flow_occ" / f"{number:06d}_10.png", field, RNG.random((13, 17)) < 0.5)
    pairs = flow.kitti_pairs(tmp_path / "KittiFlow")
    theirs = datasets.KittiFlow(str(tmp_path))
    assert [(str(p.first), str(p.second), str(p.flow)) for p in pairs] == [
        (*map(str, images), str(target)) for images, target in zip(theirs._image_list, theirs._flow_list)
    ]
    with pytest.raises(UserError, match="no pair of frames"):
        flow.kitti_pairs(tmp_path)


def test_autoflow_reads_all_four_parts(tmp_path, field):
    for part in (1, 2, 3, 4):
        folder = tmp_path / f"static_40k_png_{part}_of_4" / f"table_{part}_batch_0"
        for name in ("im0.png", "im1.png"):
            picture(folder / name)
        flow.write_flo(folder / "forward.flo", field)
    assert [pair.flow.parent.parent.name[15] for pair in flow.autoflow_pairs(tmp_path)] == list("1234")


# Label maps


@pytest.fixture
def label_map() -> np.ndarray:
    labels = RNG.integers(0, 7, (6, 9)).astype(np.uint8)
    labels[0, :3] = 255
    return labels


@pytest.mark.parametrize("mode", ["L", "P"])
def test_label_maps_are_indices_never_colours(tmp_path, label_map, mode):
    image = Image.fromarray(label_map)
    if mode == "P":
        image = Image.frombytes("P", image.size, label_map.tobytes())
        image.putpalette(RNG.integers(0, 256, 768).astype(np.uint8).tobytes())
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(segmentation.read_labels(tmp_path / "a.png", 7), label_map)
    if cv2 := pytest.importorskip("cv2") if mode == "L" else None:
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED), label_map)


def test_reduced_labels_move_by_one_and_nothing_else_gets_lost(tmp_path, label_map):
    Image.fromarray(label_map).save(tmp_path / "a.png")
    labels = segmentation.read_labels(tmp_path / "a.png", 6, reduce_zero_label=True)
    known = (label_map != 0) & (label_map != 255)
    np.testing.assert_array_equal(labels[known], label_map[known] - 1)
    assert (labels[~known] == segmentation.IGNORE).all()


def test_a_label_map_of_other_classes_or_size_is_refused(tmp_path, label_map):
    Image.fromarray(label_map).save(tmp_path / "a.png")
    with pytest.raises(RunFailure, match=r"a\.png: value [56] is no class, the set has 5"):
        segmentation.read_labels(tmp_path / "a.png", 5)
    Image.fromarray(label_map).convert("RGB").save(tmp_path / "b.png")
    with pytest.raises(RunFailure, match="a label map is a grey or palette picture"):
        segmentation.read_labels(tmp_path / "b.png", 7)
    Image.new("RGB", (5, 5)).save(tmp_path / "c.jpg")
    with pytest.raises(RunFailure, match="9 x 6 pixels, its image has"):
        segmentation.read_scene(tmp_path / "c.jpg", tmp_path / "a.png", 7)


def test_ade20k_folders(tmp_path, label_map):
    for name in ("b", "a"):
        for kind, ending in (("images", "jpg"), ("annotations", "png")):
            folder = tmp_path / kind / "training"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(label_map).save(folder / f"ADE_{name}.{ending}")
    scenes = segmentation.ade20k_scenes(tmp_path, "training")
    assert [image.stem for image, _ in scenes] == [labels.stem for _, labels in scenes] == ["ADE_a", "ADE_b"]
    picture, labels = segmentation.read_scene(*scenes[0], 150, reduce_zero_label=True)
    assert picture.mode == "RGB"
    assert labels.shape == (6, 9)
    scenes[1][1].unlink()
    with pytest.raises(UserError, match=r"1 of 2 label maps are missing, the first is .*ADE_b\.png"):
        segmentation.ade20k_scenes(tmp_path, "training")
    scenes[0][0].unlink()
    scenes[1][0].unlink()
    with pytest.raises(UserError, match=r"1 of 1 images are missing, the first is .*ADE_a\.jpg"):
        segmentation.ade20k_scenes(tmp_path, "training")


# Sound and clips


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_agrees_with_libsndfile(tmp_path, subtype, channels):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    soundfile.write(path, RNG.uniform(-1, 1, (500, channels)), 48_000, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_allclose(audio.read_wav(path, 48_000, mono=False), expected, atol=1e-7)
    np.testing.assert_allclose(audio.read_wav(path, 48_000), expected.mean(axis=1), atol=1e-6)


def test_sound_that_is_cut_or_of_another_rate_is_refused(tmp_path):
    from scipy.io import wavfile

    path = tmp_path / "a.wav"
    wavfile.write(path, 44_100, np.zeros(1000, np.int16))
    with pytest.raises(UserError, match="44100 samples per second, expected 48000; convert the file"):
        audio.read_wav(path, 48_000)
    content = path.read_bytes()
    for broken in (content[:1000], content[:30], b"RIFX" + content[4:], b"", content[:4] + b"\xff" * 60):
        path.write_bytes(broken)
        with pytest.raises(RunFailure, match=r"a\.wav: not a WAV file that can be read") as caught:
            audio.read_wav(path, 44_100)
        one_line(caught)
    wavfile.write(path, 44_100, np.array([0, np.nan], np.float32))
    with pytest.raises(RunFailure, match="no numbers"):
        audio.read_wav(path, 44_100)


CLASSES = 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n'
SEGMENTS = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=2, num_segs=2\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n"
    '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/05zppz"\n-0RWZT-miFs, 420.000, 430.000, "/m/05zppz"\n'
)


def test_audioset_lists(tmp_path):
    (tmp_path / "classes.csv").write_text(CLASSES)
    (tmp_path / "segments.csv").write_text(SEGMENTS)
    identifiers, names = audio.audioset_classes(tmp_path / "classes.csv")
    assert names == ["Speech", "Male speech, man speaking"]
    assert audio.audioset_clips(tmp_path / "segments.csv", identifiers) == [
        audio.Clip("--PJHxphWEs", 30.0, 40.0, (0, 1)),
        audio.Clip("-0RWZT-miFs", 420.0, 430.0, (1,)),
    ]
    for old, new, reason in (
        ("/m/09x0r", "/m/zzz", "line 4: class '/m/zzz' is not in the list"),
        (" 40.000,", "", "line 4: 3 columns, expected 4"),
        (" 40.000", " soon", "line 4: '30.000' to 'soon' is no span"),
        ("430.000", "430.000\xff", r"is not UTF-8 \(byte 0xff in line 5"),
    ):
        (tmp_path / "bad.csv").write_bytes(SEGMENTS.replace(old, new, 1).encode("latin-1"))
        with pytest.raises(RunFailure, match=reason):
            audio.audioset_clips(tmp_path / "bad.csv", identifiers)


def test_kinetics_lists(tmp_path):
    head = "label,youtube_id,time_start,time_end,split\n"
    (tmp_path / "train.csv").write_text(head + 'yoga,---0dWlqevI,19,29,train\n"a, b",xyz,0,10,train\n')
    clips, names = audio.kinetics_clips(tmp_path / "train.csv")
    assert names == ["a, b", "yoga"]
    assert clips[0] == audio.Clip("---0dWlqevI", 19.0, 29.0, (1,))
    (tmp_path / "validate.csv").write_text(head + "juggling,abc,0,10,validate\n")
    with pytest.raises(RunFailure, match="'juggling' is not among the 2 known ones"):
        audio.kinetics_clips(tmp_path / "validate.csv", names)


def test_frames_of_a_clip(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number:03d}.png")
    frames = audio.read_frames(tmp_path, 2)
    np.testing.assert_array_equal(frames[1], np.asarray(Image.open(tmp_path / "001.png")))
    with pytest.raises(UserError, match="holds 3 frames, 4 are needed"):
        audio.read_frames(tmp_path, 4)


def test_coco_annotations(tmp_path):
    path = tmp_path / "a.json"
    content = {"images": [{"id": 9, "file_name": "9.jpg"}, {"id": 4, "file_name": "4.jpg"}]}
    content["annotations"] = [{"image_id": 9, "caption": "A dog. "}, {"image_id": 9, "caption": "Two dogs"}]
    path.write_text(json.dumps(content))
    assert coco.read_captions(path) == {"9.jpg": ["A dog.", "Two dogs"]}
    content["annotations"] = [{"image_id": 9, "category_id": category} for category in (18, 1, 18)]
    content["categories"] = [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}]
    path.write_text(json.dumps(content))
    assert coco.read_classes(path) == ({"4.jpg": [], "9.jpg": [0, 1]}, ["person", "dog"])
    with pytest.raises(RunFailure, match="3 annotations without a caption"):
        coco.read_captions(path)
    path.write_text("[1]")
    with pytest.raises(RunFailure, match="no COCO annotation file"):
        coco.read_captions(path)


@pytest.mark.parametrize(
    ("images", "annotation", "reason"),
    [
        ([(1, "1.jpg")], {"caption": 5}, "1 annotations without a caption"),
        ([(1, "1.jpg")], {"caption": "x", "image_id": [1]}, "TypeError"),
        ([(1, "1.jpg")], {"caption": "x", "image_id": 2}, "1 annotations .* of a picture that is not listed"),
        ([(1, "1.jpg")], {"category_id": [1]}, "1 annotations without a category_id"),
        ([(1, "1.jpg")], {"category_id": 7}, "annotation of an unknown class 7"),
        ([(1, "1.jpg")], "text", "damaged or no COCO annotation file"),
        ([(1, "../../etc/x.jpg")], {"caption": "x"}, "1 file names that name no file of the folder"),
        ([(1, "1.jpg"), (2, "1.jpg")], {"caption": "x"}, "two entries of one id or file_name"),
        ([(1, "1.jpg"), (1, "2.jpg")], {"caption": "x"}, "two entries of one id or file_name"),
        ([("1", "1.jpg")], {"caption": "x"}, "an id that is no whole number"),
        ([(1, 5)], {"caption": "x"}, "a file_name that is no text"),
    ],
)
def test_coco_annotations_that_cannot_be_right_are_one_line(tmp_path, images, annotation, reason):
    content = {"images": [{"id": key, "file_name": name} for key, name in images]}
    content["categories"] = [{"id": 1, "name": "person"}]
    content["annotations"] = [{"image_id": images[0][0], **annotation} if isinstance(annotation, dict) else annotation]
    (tmp_path / "a.json").write_text(json.dumps(content))
    read = coco.read_classes if "category_id" in annotation else coco.read_captions
    with pytest.raises(RunFailure, match=reason) as caught:
        read(tmp_path / "a.json")
    one_line(caught)
