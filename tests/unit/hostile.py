"""Bad input of every kind, as the table of docs/hostile-input.md lists it: what is given, and with which exit status one line
answers it."""

import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """given: for a reader. arguments: of `flopwise`, `{here}` stands for a folder of the case's own. make: puts the bad input
    there. status: 2 where a person asked for something wrong, 1 where something that was there is damaged."""

    area: str
    given: str
    arguments: tuple[str, ...]
    make: Make = lambda here: None
    status: int = 2


def data(name: str, content: bytes | str) -> Make:
    def make(here: Path) -> None:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return make


def folder(name: str) -> Make:
    return lambda here: (here / name).mkdir(parents=True)


def command_line() -> list[Case]:
    def case(given: str, arguments: str, **more) -> Case:
        return Case("command line", given, tuple(arguments.split()), **more)

    return [
        case("a command that does not exist", "plam"),
        case("a sub-command that does not exist", "data prepar sintel"),
        case("an option that does not exist", "plan --fast"),
        case("an option without its value", "--scale"),
        case("a missing argument", "data describe"),
        case("a missing option", "data verify sintel"),
        case("one argument too many", "plan laptop"),
        case("a word where a number belongs", "--threads two plan"),
        case("no threads", "--threads 0 plan"),
        case("a scale that does not exist", "--scale huge plan"),
        case("a rule that does not exist", "--scale smoke run continual_trian"),
        case("a rule of a study that does not run here", "--scale paper run perceiver_train"),
        case("a job that does not exist", "--scale smoke run continual_train vit-xs-8/f1/uniform/adam/all"),
        case("a job of a rule that has no names", "--scale smoke run report page"),
        case("a job without its name", "--scale smoke run continual_train"),
        case("a data set that does not exist, nearly right", "--scale smoke data describe digitz"),
        case("a data set that does not exist", "--scale smoke data describe zzzz"),
        case("a home that does not exist", "data verify sintel --root ~nobody-here/data"),
        case("an environment variable that is not set", "data verify sintel --root $FLOPWISE_NOT_SET/data"),
        case("a study that has no checkpoints", "weights list --study bogus"),
        case("a result that does not exist", "audit {here}/final.svg"),
        case("a file that is no result", "audit {here}/notes.txt", make=data("notes.txt", "x")),
        case("a summary before anything ran", "--scale smoke --results {here}/r report summary", status=1),
        case("a job whose inputs are not made", "--scale smoke --results {here}/r run continual_collect", status=1),
        case("a notebook whose tables are not made", "--scale smoke --results {here}/r run cost_figures", status=1),
    ]


def configuration() -> list[Case]:
    def case(given: str, content: str | bytes, **more) -> Case:
        return Case("configuration", given, ("--config", "{here}/own.yaml", "plan"), data("own.yaml", content), **more)

    def override(given: str, line: str, scale: str = "smoke") -> Case:
        return case(given, f"scale: {scale}\noverrides: {line}\n")

    return [
        Case("configuration", "a file that does not exist", ("--config", "{here}/none.yaml", "plan")),
        Case("configuration", "a folder", ("--config", "{here}/own.yaml", "plan"), folder("own.yaml")),
        case("an empty file", ""),
        case("a list", "- scale\n"),
        case("a line that is no YAML", "scale: [smoke\n"),
        case("a tab for indentation", "overrides:\n\tcost: {}\n"),
        case("Latin-1", "# Größe\nscale: smoke\n".encode("latin-1")),
        case("UTF-16", "# Größe\nscale: smoke\n".encode("utf-16")),
        case("bytes that are no text", bytes(range(256))),
        case("a tag that would make an object", "scale: !!python/object/apply:os.getcwd []\n"),
        case("an unknown key, nearly right", "scal: smoke\n"),
        case("a number for a name", "scale: 7\n"),
        case("nothing for a name", "scale:\n"),
        case("a scale that does not exist", "scale: huge\n"),
        case("a device that does not exist", "scale: smoke\ndevice: tpu\n"),
        case("results in an empty name", "scale: smoke\nresults: ''\n"),
        case("results with braces", "scale: smoke\nresults: out/{run}\n"),
        case("results of a home that does not exist", "scale: smoke\nresults: ~nobody-here/out\n"),
        case("results under a variable that is not set", "scale: smoke\nresults: $FLOPWISE_NOT_SET/out\n"),
        case("a number for a folder", "scale: smoke\ndata_root: 3\n"),
        case("overrides that are no keys", "scale: smoke\noverrides: [cost]\n"),
        override("an override that does not exist", "{costs: {}}"),
        override("an override of a study that does not run here", "{perceiver: {seeds: 3}}", "paper"),
        override("a study's override that is no keys", "{continual: 3}"),
        override("a key that a study does not have", "{continual: {batchsize: 3}}"),
        override("a budget of nothing", "{continual: {budget_gflops: 0}}"),
        override("a negative rate", "{continual: {learning_rate: -1}}"),
        override("a rate that is no number", "{continual: {learning_rate: .nan}}"),
        override("half a batch", "{continual: {batch_size: 1.5}}"),
        override("a mixture that does not add up", "{continual: {mixtures: {odd: [0.5, 0.1, 0.1]}}}"),
        override("a method that does not exist", "{continual: {experiments: {headline: {method: [full-tf]}}}}"),
        override("an experiment that does not exist", "{continual: {experiments: {headlines: {}}}}"),
        override("a model that does not exist", "{continual: {defaults: {model: vit-xxl}}}"),
        override("no seeds", "{continual: {experiments: {headline: {seeds: 0}}}}"),
        override("a data set that does not exist", "{data: {adaptation: [digitz]}}"),
        override("a data set twice", "{data: {adaptation: [digits, digits]}}"),
        override("a pool without samples", "{data: {pools: {pool: {samples: 0}}}}"),
        override("a family of the pool that does not exist", "{data: {pools: {narrow: {samples: 99, families: [x]}}}}"),
    ]


def costs() -> list[Case]:
    def case(given: str, arguments: str, **more) -> Case:
        return Case("cost", given, ("cost", *arguments.split()), **more)

    return [
        case("a model without its library", "forward ViT-B-32"),
        case("a library that does not exist", "forward keras:ViT-B-32"),
        case("a model that does not exist in open_clip", "forward open_clip:ViT-B-33"),
        case("a model that does not exist in timm", "forward timm:resnet52q"),
        case("a Perceiver IO configuration that does not exist", "forward perceiver:huge"),
        case("a method that does not exist", "step --model open_clip:ViT-B-32 --method full-tf"),
        case("an empty batch", "step --model open_clip:ViT-B-32 --batch-size 0"),
        case("a batch of one with batch normalisation over pooled maps", "step --model timm:resnest14d --batch-size 1"),
        case("a convention that does not exist", "step --model open_clip:ViT-B-32 --convention both"),
        case("a precision that does not exist", "step --model open_clip:ViT-B-32 --precision int8"),
        case("adapters where a tower has no layer for them", "step --model open_clip:RN50 --method lora-r4"),
        case("a tower to lock that a classifier lacks", "step --model timm:resnet18 --method locked-text"),
        case("a negative budget", "table --model open_clip:ViT-B-32 --budget -1"),
        case("a budget that is no number", "table --model open_clip:ViT-B-32 --budget nan"),
        case("an accounting that does not exist", "table --model open_clip:ViT-B-32 --accounting twice"),
    ]


def streams() -> list[Case]:
    def case(given: str, content: str | bytes, tasks: str = "2") -> Case:
        arguments = ("--scale", "smoke", "stream", "describe", "{here}/s.json", "--tasks", tasks)
        return Case("streams", given, arguments, data("s.json", content))

    build = ("--scale", "smoke", "--results", "{here}/r", "stream", "build")
    good = json.dumps(["digits+++1", "digits+++2"])
    return [
        Case("streams", "a file that does not exist", ("stream", "describe", "{here}/none.json")),
        Case("streams", "a folder", ("stream", "describe", "{here}/s.json"), folder("s.json")),
        case("an empty file", ""),
        case("no JSON", "digits+++1"),
        case("an object", "{}"),
        case("an empty list", "[]"),
        case("numbers", "[1, 2]"),
        case("entries without a data set", json.dumps(["one", "two"])),
        case("an entry twice", json.dumps(["digits+++1", "digits+++1"])),
        case("Latin-1", '["digits+++één"]'.encode("latin-1")),
        case("UTF-16", good.encode("utf-16")),
        case("brackets without end", "[" * 100_000),
        case("more tasks than entries", good, "3"),
        case("no tasks", good, "0"),
        case("a word for a number of tasks", good, "many"),
        case("tasks of data sets that come back", json.dumps(["a+++1", "b+++1", "a+++2"]), "datasets"),
        Case("streams", "an order that does not exist", (*build, "alphabetic", "--out", "{here}/s.json")),
        Case("streams", "a negative seed", (*build, "random", "--out", "{here}/s.json", "--seed", "-1")),
        Case("streams", "a folder to write to", (*build, "random", "--out", "{here}")),
        Case("streams", "a model that the scale does not have", (*build, "random", "--out", "{here}/s.json", "--model", "x")),
        Case("streams", "an order whose model is not made", (*build, "similarity", "--out", "{here}/s.json"), status=1),
    ]  # fmt: skip


CHECKPOINT = "xcit_nano_12_p8_224.fb_in1k"


def weights() -> list[Case]:
    """Files in the place of a released checkpoint."""

    def case(given: str, make: Make, status: int = 1) -> Case:
        return Case("weights", given, ("weights", "verify", CHECKPOINT, "--root", "{here}"), make, status)

    def file(name: str, content: bytes) -> Make:
        return data(f"xcit_nano_12_p8_224/{name}", content)

    def saved(content, cut: int = 0) -> Make:
        def make(here: Path) -> None:
            import torch

            path = here / "xcit_nano_12_p8_224" / "fb_in1k.pth"
            path.parent.mkdir()
            torch.save(content(torch), path)
            os.truncate(path, path.stat().st_size - cut)

        return make

    return [
        Case("weights", "a checkpoint that is not in the catalogue", ("weights", "verify", "resnet", "--root", "{here}")),
        Case("weights", "a folder that does not exist", ("weights", "verify", CHECKPOINT, "--root", "{here}/none")),
        case("nothing where it should be", lambda here: None, 2),
        case("a file that ends in nothing known", file("fb_in1k.ckpt", b"x"), 2),
        case("a folder in its place", folder("xcit_nano_12_p8_224/fb_in1k.pth"), 2),
        case("an empty file", file("fb_in1k.pth", b"")),
        case("an error page", file("fb_in1k.pth", b"<!DOCTYPE html><title>404</title>")),
        case("an error page called .safetensors", file("fb_in1k.safetensors", b"<!DOCTYPE html><title>404</title>")),
        case("a download that stopped", saved(lambda torch: {"a": torch.zeros(9_999)}, cut=20_000)),
        case("a pickle that would run a command", saved(lambda torch: {"a": Command()})),
        case("a whole model, which is code", saved(lambda torch: torch.nn.Linear(2, 2))),
        case("a list", saved(lambda torch: [1, 2])),
        case("settings without tensors", saved(lambda torch: {"state_dict": {"lr": 0.1}})),
        case("tensors of another model", saved(lambda torch: {"fc.weight": torch.zeros(2, 2)})),
    ]  # fmt: skip


class Command:
    """What a hostile pickle holds."""

    def __reduce__(self):
        return os.system, ("touch hostile",)


def data_sets() -> list[Case]:
    """Copies of real data sets. `make_tree` writes a right one in the set's own layout; then one thing goes wrong."""
    from real_trees import make as make_tree

    from flopwise.data.catalogue import dataset

    def case(given: str, name: str, damage: Make, status: int = 1) -> Case:
        def make(here: Path) -> None:
            make_tree(name, here)
            damage(here / dataset(name).folder)

        return Case(
            "data sets", given, ("data", "prepare", name, "--root", "{here}", "--out", "{here}/out"), make, status
        )

    def table(name: str, file: str, old: str, new: str) -> Make:
        """Replace words of an annotation file."""

        def damage(base: Path) -> None:
            content = (base / file).read_text(encoding="utf-8")
            assert old in content
            (base / file).write_text(content.replace(old, new), encoding="utf-8")

        return damage

    def first(base: Path, pattern: str) -> Path:
        return min(path for path in base.rglob(pattern) if path.is_file())

    def picture(content: bytes | None, pattern: str = "*.jpg") -> Make:
        def damage(base: Path) -> None:
            path = first(base, pattern)
            path.unlink() if content is None else path.write_bytes(
                content or path.read_bytes()[: path.stat().st_size // 2]
            )

        return damage

    def packed(change: Callable[[bytes], bytes], mode: str = "w") -> Make:
        """The set as an archive, its bytes changed."""

        def damage(base: Path) -> None:
            import shutil

            archive = base.with_suffix(".tar")
            with tarfile.open(archive, mode) as tar:
                tar.add(base, base.name)
            archive.write_bytes(change(archive.read_bytes()))
            shutil.rmtree(base)

        return damage

    def gone(base: Path) -> None:
        base.rename(base.with_name("elsewhere"))

    def emptied(base: Path) -> None:
        gone(base)
        base.mkdir()

    def filed(base: Path) -> None:
        gone(base)
        base.write_text("a file")

    page, dollars = b"<!DOCTYPE html><title>403</title>", "dataset_dollarstreet/images_v2_imagenet_train.csv"
    return [
        Case("data sets", "a name that is not in the catalogue", ("data", "prepare", "dollarstret", "--root", "{here}")),
        Case("data sets", "a set that nobody outside can have", ("data", "prepare", "jft_300m", "--root", "{here}")),
        Case("data sets", "a root that does not exist", ("data", "prepare", "dtd", "--root", "{here}/none")),
        Case("data sets", "a root that is a file", ("data", "prepare", "dtd", "--root", "{here}/f"), data("f", "x")),
        case("no folder of the set", "dtd", gone),
        case("an empty folder of the set", "dtd", emptied),
        case("a file where the folder should be", "dtd", filed),
        case("an archive that stops", "objectnet", packed(lambda content: content[: len(content) // 2])),
        case("an empty archive", "objectnet", packed(lambda content: b"")),
        case("a compressed archive", "objectnet", packed(lambda content: content, "w:gz")),
        case("an archive that is none", "objectnet", packed(lambda content: page * 99)),
        case("a picture that stops", "dtd", picture(b"")),
        case("an error page for a picture", "dtd", picture(page)),
        case("an empty picture", "dtd", lambda base: first(base, "*.jpg").write_bytes(b"")),
        case("a picture that starts a program", "dtd", picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")),
        case("a picture that a list names and nobody has", "dtd", picture(None)),
        case("a folder for a picture", "dtd", lambda base: swapped(first(base, "*.jpg"))),
        case("a list that is not there", "dtd", lambda base: (base / "dtd/dtd/labels/test1.txt").unlink()),
        case("a list in UTF-16", "dtd", recoded("dtd/dtd/labels/test1.txt", "utf-16")),
        case("a table in Windows-1252", "dollarstreet", recoded(dollars, "cp1252", "Côte d'Ivoire")),
        case("a table in UTF-16", "dollarstreet", recoded(dollars, "utf-16")),
        case("a table without a column", "dollarstreet", table("dollarstreet", dollars, "imageRelPath", "path")),
        case("an empty table", "dollarstreet", lambda base: (base / dollars).write_bytes(b"")),
        case("a table of zero bytes", "dollarstreet", lambda base: (base / dollars).write_bytes(bytes(999))),
        case("a table of one endless line", "dollarstreet", lambda base: (base / dollars).write_bytes(b"a" * 300_000)),
        case("JSON that stops", "ai2diagrams", lambda base: cut(base / "ai2d/categories.json")),
        case("JSON of another form", "ai2diagrams", lambda base: (base / "ai2d/categories.json").write_text("[1]")),
        case("JSON nested without end", "ai2diagrams", lambda base: (base / "ai2d/categories.json").write_text("[" * 99_999)),
        case("JSON in Latin-1", "ai2diagrams", lambda base: (base / "ai2d/categories.json").write_bytes(b'{"1.png": "\xe9"}')),
        case("a split that names no images", "sun397", lambda base: (base / "split_zhou_sun397.json").write_text("{}")),
        case("scenes without scenes", "clevr", lambda base: first(base, "*.json").write_text("{}")),
        case("a pickle that would run a command", "cifar100", lambda base: first(base, "train").write_bytes(pickled())),
        case("a pickle that stops", "cifar100", lambda base: cut(first(base, "train"))),
        case("an array file that stops", "mnist", lambda base: cut(first(base, "train-images*"))),
        case("an array file of another kind", "mnist", lambda base: first(base, "train-images*").write_bytes(page)),
        case("labels and images of different number", "stl10", lambda base: cut(base / "stl10_binary/train_y.bin")),
        case("a MATLAB file that is none", "flowers102", lambda base: first(base, "setid.mat").write_bytes(page)),
        case("a MATLAB file that stops", "svhn", lambda base: cut(base / "train_32x32.mat")),
        case("a zip of arrays that stops", "dsprites", lambda base: cut(first(base, "*.npz"))),
        case("an HDF5 file that is none", "shapes3d", lambda base: first(base, "*.h5").write_bytes(page)),
        case("a retrieval table without captions", "mscoco", lambda base: first(base, "*.csv").write_text("filename\na.jpg\n")),
    ]  # fmt: skip


def recoded(file: str, encoding: str, more: str = "") -> Make:
    def damage(base: Path) -> None:
        content = (base / file).read_text(encoding="utf-8")
        (base / file).write_bytes((content + (f"\n{more}\n" if more else "")).encode(encoding))

    return damage


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def swapped(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pickled() -> bytes:
    import pickle

    return pickle.dumps({"data": Command()}, protocol=2)


def other_formats() -> list[Case]:
    """Copies of data sets that are no lists of images, by `data verify`, each with the first damage that its own test has."""
    from test_verify_formats import CASES

    from flopwise.data.catalogue import dataset

    given = {
        "sintel": "a frame that stops", "kitti_flow_2015": "a picture for a flow field", "autoflow": "frames of two sizes",
        "ade20k": "a mask with a class too many", "glue_rte": "a table without a column", "glue_qqp": "a Parquet file that stops",
        "coco": "a picture that stops", "cub_transfer": "text for a picture", "c4": "a line that is no JSON",
        "cc3m": "a broken picture in a shard", "kinetics_700": "a frame that is missing", "audioset": "sound of another rate",
    }  # fmt: skip

    def case(name: str) -> Case:
        def make(here: Path) -> None:
            CASES[name][0](here / dataset(name).folder)
            next(iter(CASES[name][3].values()))(here / dataset(name).folder)

        arguments = ("data", "verify", name, "--root", "{here}")
        return Case("other formats", f"{dataset(name).title}: {given[name]}", arguments, make, 1)

    return [case(name) for name in CASES]


CASES = (command_line, configuration, costs, streams, weights, data_sets, other_formats)
