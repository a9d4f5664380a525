"""`data verify` of sets that are no lists of images with classes or captions: small copies, right and broken."""

import dataclasses
import io
import json
import struct
import sys
import tarfile
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from real_trees import picture, put
from scipy.io import wavfile

from flopwise import cli
from flopwise.core.errors import UserError
from flopwise.data import manifests
from flopwise.data import verify as module
from flopwise.data.catalogue import catalogue, dataset
from flopwise.data.formats import OTHER_FORMATS
from flopwise.data.manifests import open_listing
from flopwise.data.prepare import prepare
from flopwise.data.readers.flow import write_kitti

FRAME = picture(".png", (12, 9))
FLO = b"PIEH" + struct.pack("<ii", 12, 9) + bytes(8 * 12 * 9)


def sintel(base):
    for number in range(1, 4):
        for render in ("clean", "final"):
            put(base / f"training/{render}/alley/frame_{number:04d}.png", FRAME)
        put(base / f"training/flow/alley/frame_{number:04d}.flo", FLO)
        put(base / f"training/occlusions/alley/frame_{number:04d}.png", FRAME)


def kitti(base):
    for frame in ("10", "11"):
        put(base / f"training/image_2/000000_{frame}.png", FRAME)
    (base / "training/flow_occ").mkdir()
    write_kitti(base / "training/flow_occ/000000_10.png", np.zeros((9, 12, 2), np.float32), np.ones((9, 12), bool))


def autoflow(base):
    for part in (1, 2):
        folder = base / f"static_40k_png_{part}_of_4/table_0_batch_0"
        for name, content in (("im0.png", FRAME), ("im1.png", FRAME), ("forward.flo", FLO)):
            put(folder / name, content)


def ade20k(base):
    for split in ("training", "validation"):
        put(base / f"images/{split}/a.jpg", picture(".jpg", (12, 9)))
        (base / f"annotations/{split}").mkdir(parents=True)
        Image.new("L", (12, 9), 150).save(base / f"annotations/{split}/a.png")


def glue_tsv(base):
    for split, lines in (("train", 3), ("dev", 2)):
        body = "".join(f"{n}\ta\tb\tentailment\n" for n in range(lines))
        put(base / f"RTE/{split}.tsv", "index\tsentence1\tsentence2\tlabel\n" + body)
    put(base / "RTE/test.tsv", "index\tsentence1\tsentence2\n0\ta\tb\n")


def glue_hub(base):
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=["not_duplicate", "duplicate"])
    for split, labels in (("train", [0, 1, 1]), ("validation", [1]), ("test", [-1])):
        texts = {name: [f"{name} {n}" for n in range(len(labels))] for name in ("question1", "question2")}
        features = datasets.Features({**{name: datasets.Value("string") for name in texts}, "label": label})
        (base / "qqp").mkdir(parents=True, exist_ok=True)
        rows = datasets.Dataset.from_dict({**texts, "label": labels}, features)
        rows.to_parquet(base / f"qqp/{split}-00000-of-00001.parquet")


def coco(base):
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in (1, 2)]
    shared = {"images": images, "categories": [{"id": 1, "name": "person"}]}
    captions = {**shared, "annotations": [{"image_id": 1, "caption": "A"}]}
    put(base / "annotations/captions_train2017.json", json.dumps(captions))
    put(base / "annotations/instances_train2017.json", json.dumps({**shared, "annotations": []}))
    for number in (1, 2):
        put(base / f"train2017/{number}.jpg")


def cub(base):
    put(base / "images.txt", "1 a/1.jpg\n2 b/2.jpg\n3 b/3.jpg\n")
    put(base / "image_class_labels.txt", "1 1\n2 2\n3 2\n")
    put(base / "train_test_split.txt", "1 1\n2 1\n3 0\n")
    put(base / "classes.txt", "1 001.A\n2 002.B\n")
    for name in ("a/1", "b/2", "b/3"):
        put(base / f"images/{name}.jpg")


def documents(base):
    put(base / "c4-train.00000.json", "".join(json.dumps({"text": text}) + "\n" for text in ("one", "two", "three")))
    put(base / "more/x.txt", "a whole document")


def shards(base, broken: bool = False):
    base.mkdir(exist_ok=True)
    with tarfile.open(base / "00000.tar", "w") as archive:
        for key in ("a", "b"):
            for ending, content in (("jpg", picture()), ("txt", f"caption {key}".encode())):
                content = b"no picture" if broken and (key, ending) == ("b", "jpg") else content
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def clip(folder, frames: int):
    for number in range(frames):
        put(folder / f"{number:03d}.jpg")
    wavfile.write(folder / "sound.wav", 48_000, np.zeros(480, np.int16))


def kinetics(base):
    header = "label,youtube_id,time_start,time_end,split\n"
    put(base / "train.csv", header + "abseiling,_0aVZZ2rGds,3,13,train\nzumba,gone,0,10,train\n")
    put(base / "validate.csv", header + "zumba,BBBBBBBBBBB,100,110,validate\n")
    clip(base / "clips/_0aVZZ2rGds_000003_000013", 16)
    clip(base / "clips/BBBBBBBBBBB_000100_000110", 17)


def audioset(base):
    put(base / "class_labels_indices.csv", 'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Man"\n')
    comment = "# Segments csv created\n# num_ytids=1\n# YTID, start_seconds, end_seconds, positive_labels\n"
    for name, video, start in (("balanced_train", "a", 30.0), ("unbalanced_train", "b", 0.0), ("eval", "c", 8.5)):
        line = f'{video}, {start:.3f}, {start + 10:.3f}, "/m/09x0r,/m/05zppz"\n'
        put(base / f"{name}_segments.csv", comment + line)
    clip(base / "clips/a_30000", 32)
    clip(base / "clips/c_8500", 32)


def change(path: str, content: bytes | str):
    return lambda base: put(base / path, content)


def move(path: str, to: str):
    return lambda base: (base / path).rename(base / to)


WHOLE = "cannot be read as a whole"
READ = "file that cannot be read"
CASES: dict[str, tuple] = {  # set -> maker, (n_train, n_test, n_classes), counts found, a damage -> what verify then names
    "sintel": (sintel, (0, 2, None), {"test, clean": 2, "test, final": 2}, {
        READ: change("training/final/alley/frame_0003.png", FRAME[:50]),
        WHOLE: move("training/flow/alley/frame_0002.flo", "other.flo"),
    }),
    "kitti_flow_2015": (kitti, (0, 1, None), {"test": 1}, {
        READ: change("training/flow_occ/000000_10.png", FRAME),
        WHOLE: move("training/image_2/000000_11.png", "other.png"),
    }),
    "autoflow": (autoflow, (2, None, None), {"train": 2}, {
        READ: change("static_40k_png_2_of_4/table_0_batch_0/im1.png", picture(".png", (9, 12))),
        "wrong number of samples": lambda base: autoflow_more(base),
    }),
    "ade20k": (ade20k, (1, 1, 150), {"train": 1, "test": 1}, {
        READ: lambda base: Image.new("L", (12, 9), 151).save(base / "annotations/validation/a.png"),
        WHOLE: move("annotations/training/a.png", "other.png"),
    }),
    "glue_rte": (glue_tsv, (3, 2, 2), {"train": 3, "test": 2}, {
        READ: change("RTE/test.tsv", "index\tsentence1\n"),
        WHOLE: change("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tperhaps\n"),
        "wrong number of samples": change("RTE/dev.tsv", "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n"),
    }),
    "glue_qqp": (glue_hub, (3, 1, 2), {"train": 3, "test": 1}, {
        READ: change("qqp/test-00000-of-00001.parquet", b"PAR1"),
        WHOLE: move("qqp/validation-00000-of-00001.parquet", "other.parquet"),
    }),
    "coco": (coco, (2, None, 1), {"train": 2, "with captions": 1}, {
        READ: change("train2017/2.jpg", picture()[:100]),
        "missing file": move("train2017/1.jpg", "other.jpg"),
        WHOLE: change("annotations/captions_train2017.json", "{}"),
    }),
    "cub_transfer": (cub, (2, 1, 2), {"train": 2, "test": 1}, {
        READ: change("images/b/3.jpg", "text"),
        WHOLE: move("images/b/3.jpg", "other.jpg"),
        "wrong number of classes": change("classes.txt", "1 001.A\n2 002.B\n3 003.C\n"),
    }),
    "c4": (documents, (4, None, None), {"files": 2, "documents": 4}, {
        "a line that is no JSON object with 'text' in UTF-8": change("c4-train.00001.json", "{"),
        READ: change("x.parquet", "PAR1"),
    }),
    "cc3m": (shards, (2, None, None), {"shards": 1, "pairs": 2}, {
        "the image cannot be read": lambda base: shards(base, broken=True),
        "the shard is cut or damaged, its end is lost": change("00001.tar", "no archive"),
    }),
    "kinetics_700": (kinetics, (2, 1, 2), {"train": 2, "test": 1, "clips": 2}, {
        READ: move("clips/_0aVZZ2rGds_000003_000013/000.jpg", "other.jpg"),
        "clip that no list names": move("clips/BBBBBBBBBBB_000100_000110", "clips/BBBBBBBBBBB"),
        "no clip is there": move("clips", "videos"),
        WHOLE: change("train.csv", "id\n"),
    }),
    "audioset": (audioset, (2, 1, 2), {"train": 2, "test": 1, "clips": 2}, {
        READ: lambda base: wavfile.write(base / "clips/c_8500/sound.wav", 16_000, np.zeros(9, np.int16)),
        WHOLE: move("class_labels_indices.csv", "other.csv"),
    }),
}  # fmt: skip


def autoflow_more(base):
    folder = base / "static_40k_png_4_of_4/table_1_batch_0"
    for name, content in (("im0.png", FRAME), ("im1.png", FRAME), ("forward.flo", FLO)):
        put(folder / name, content)


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Callable:
    """Makes a small right copy; the row's counts are those of it."""

    def make(name: str):
        row = dataset(name)
        maker, (train, test, classes), *_ = CASES[name]
        small = dataclasses.replace(row, n_train=train, n_test=test, n_classes=classes)
        monkeypatch.setattr(module, "dataset", lambda _: small)
        maker(tmp_path / row.folder)
        return tmp_path / row.folder

    return make


def test_every_kind_that_a_row_has_is_tried():
    kinds = {row.reader for row in catalogue().values()} & set(OTHER_FORMATS)
    assert {dataset(name).reader for name in CASES} == kinds


@pytest.mark.parametrize("name", CASES)
def test_a_right_copy_is_right(copy, name):
    base = copy(name)
    _, (_, _, classes), counts, _ = CASES[name]
    result = module.verify(name, base.parent)
    assert result["problems"] == {}
    assert result["ok"]
    assert {part: count["found"] for part, count in result["counts"].items()} == counts
    if classes and "classes" in result:
        assert result["classes"] == {"found": classes, "expected": classes}
    assert ": right\n" in module.verify_text(result)
    assert module.verify(name, base.parent, quick=True)["ok"]


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, case in CASES.items() for kind in case[3]])
def test_damage_is_named(copy, name, kind):
    base = copy(name)
    CASES[name][3][kind](base)
    result = module.verify(name, base.parent)
    assert not result["ok"]
    assert result["problems"][kind]["count"] == 1
    assert f"1 x {kind}" in module.verify_text(result)
    if kind == READ:
        assert module.verify(name, base.parent, quick=True)["ok"]


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("sintel", "kitti_flow_2015", "autoflow", "ade20k")]
)
def test_text_has_a_mark_or_is_named(copy, name):
    """Byte order marks change nothing; a list in another encoding is named, whichever list it is."""
    base, named = copy(name), 0
    for path in sorted(p for p in base.rglob("*") if p.suffix in (".csv", ".json", ".txt", ".tsv")):
        content = path.read_bytes()
        path.write_bytes(b"\xef\xbb\xbf" + content)
        assert module.verify(name, base.parent)["ok"]
        path.write_bytes(content.decode().encode("utf-16"))
        said = module.verify_text(module.verify(name, base.parent))
        named += f"{path} is not UTF-8 (byte 0xff in line 1; it looks like UTF-16): save it as UTF-8" in said
        assert ": WRONG" in said
        path.write_bytes(content)
    assert named >= {"glue_qqp": 0, "cc3m": 0, "c4": 1}.get(name, 2)


@pytest.mark.parametrize("name", ["coco", "cub_transfer"])
def test_pictures_are_found_in_either_form(copy, name):
    base, lists = copy(name), {"coco": ("annotations/*.json", "1.jpg"), "cub_transfer": ("images.txt", "a/1.jpg")}[name]
    for path in base.glob(lists[0]):
        put(path, path.read_text().replace(lists[1], lists[1].replace("1", "h\u00e9ron")))
    picture = next(base.rglob("1.jpg"))
    picture.rename(picture.with_name("he\u0301ron.jpg"))
    assert module.verify(name, base.parent)["problems"] == {}


def test_a_frame_between_two_others_is_missed(copy):
    base = copy("sintel")
    (base / "training/clean/alley/frame_0002.png").unlink()
    said = module.verify_text(module.verify("sintel", base.parent))
    assert "2 files are missing" not in said
    assert "1 files are missing" in said
    assert "frame_0002.png" in said


@pytest.mark.parametrize(
    ("name", "lost"), [("kitti_flow_2015", "image_2/000000_10.png"), ("autoflow", "table_0_batch_0/im0.png")]
)
def test_a_pair_without_its_first_frame_is_missed(copy, name, lost):
    base = copy(name)
    next(path for path in base.rglob("*.png") if str(path).endswith(lost)).unlink()
    assert f"1 files are missing under {base}" in module.verify_text(module.verify(name, base.parent))


def test_what_is_not_read_is_a_note(copy):
    base = copy("c4")
    for name in ("more/a.txt.zst", "b.csv", ".hidden"):
        put(base / name, "text")
    result = module.verify("c4", base.parent)
    assert result["ok"]
    assert result["notes"] == ["not read: 1 x .csv", "not read: 1 x .txt.zst"]


def test_torn_samples_are_named_by_verify_too(copy):
    base = copy("cc3m")
    with tarfile.open(base / "00001.tar", "w") as archive:
        for member in ("c.jpg", "d.jpg", "c.txt", "d.txt", "e.left.jpg"):
            info = tarfile.TarInfo(member)
            info.size = len(picture())
            archive.addfile(info, io.BytesIO(picture()))
    said = module.verify_text(module.verify("cc3m", base.parent))
    assert "2 x files of one sample not side by side (make the shard with tar --sort=name)" in said
    assert "1 x no image or caption among files that end in .left.jpg" in said


def test_web_pools_may_have_lost_pairs(copy, monkeypatch):
    base = copy("cc3m")
    monkeypatch.setattr(module, "dataset", lambda name: dataclasses.replace(dataset(name), n_train=5))
    result = module.verify("cc3m", base.parent)
    assert result["ok"]
    assert "pairs: 2 found, 5 expected" in result["notes"]


def test_the_command_says_by_its_status_whether_a_copy_is_right(copy, tmp_path, monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["flopwise", "data", *arguments])
        try:
            cli.main()
        except SystemExit as caught:
            return caught.code or 0, *capsys.readouterr()
        return 0, *capsys.readouterr()

    base = copy("sintel")
    assert run("verify", "sintel", "--root", str(tmp_path))[0] == 0
    (base / "training/flow/alley/frame_0001.flo").write_bytes(FLO[:40])
    status, out, _ = run("verify", "sintel", "--root", str(tmp_path), "--json")
    assert (status, list(json.loads(out)["problems"])) == (1, [READ])
    status, _, error = run("verify", "sintel", "--root", str(tmp_path / "nowhere"))
    assert (status, error.count("\n")) == (2, 1)


@pytest.mark.parametrize(("name", "said"), [("sintel", "nothing is prepared"), ("align", "is private")])
def test_there_is_nothing_to_prepare_of_other_formats(tmp_path, name, said):
    with pytest.raises(UserError, match=said) as caught:
        prepare(name, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_set_that_shares_its_folder_with_one_of_the_63_is_prepared_beside_it(tmp_path):
    for number in range(6):
        put(tmp_path / f"CALTECH256/caltech256/256_ObjectCategories/001.ak47/{number}.jpg")
        put(tmp_path / f"CALTECH256/caltech256/256_ObjectCategories/002.flag/{number}.jpg")
    for name, train, test in (("caltech256", 8, 4), ("caltech256_transfer", 10, 2)):
        assert prepare(name, tmp_path)["counts"] == {"train": train, "test": test}
    for name, train in (("caltech256", 8), ("caltech256_transfer", 10)):
        found = open_listing(name, tmp_path)
        assert (found.prepared, len(found.splits["train"])) == (True, train)


def test_a_set_without_counts_in_its_row_is_prepared_and_verified(tmp_path, monkeypatch):
    row = dataclasses.replace(dataset("imagenet_21k"), n_train=None, n_test=None, n_classes=None)
    for place in (module, manifests):
        monkeypatch.setattr(place, "dataset", lambda name: row)
    for name in ("n01440764", "n01443537"):
        put(tmp_path / f"IMAGENET21K/{name}/1.JPEG", picture())
    result = module.verify("imagenet_21k", tmp_path)
    assert result["ok"]
    assert result["counts"]["train"] == {"expected": None, "found": 2}
    assert "train: 2 images" in module.verify_text(result)
    facts = prepare("imagenet_21k", tmp_path)
    assert (facts["counts"], facts["copies_made"]) == ({"train": 2, "test": 0}, 2)
