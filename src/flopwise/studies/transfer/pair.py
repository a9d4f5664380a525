"""Any two checkpoints, beyond the study: is there something to gain, and what does a transfer do?"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flopwise.config.transfer import Amount, Axes, JobResources, TransferPreset, View
from flopwise.core.choices import among
from flopwise.core.device import Placement
from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import read_json, sha256_json
from flopwise.data import loader
from flopwise.methods.transfer import Method, load
from flopwise.models import miniature
from flopwise.models.weights import read
from flopwise.studies.transfer import flips
from flopwise.studies.transfer.heads import classifiers
from flopwise.studies.transfer.network import fit
from flopwise.studies.transfer.pictures import Part, Pictures, material, tensor
from flopwise.studies.transfer.predictions import ask, test_scores
from flopwise.studies.transfer.run import Material, Source, Transfer

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
WORTH = 3.0  # sampling errors above 0 from which complementary knowledge is taken to be there


@dataclass(frozen=True)
class How:
    """How a pair's transfer trains; defaults are the official code's, per 256 samples of a batch for the rate."""

    method: str = "kl-dp"
    share: float = 1.0
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float | None = None
    seed: int = 0


def network_of(spec: str, classes: int):
    """(model with random weights, side of its pictures, file of its weights) of `NETWORK:FILE`, where NETWORK is one of
    flopwise.models.miniature, `timm/<model>` or `open_clip/<model>`, of any number of classes. The file of the latter holds the
    image tower as `tower.*` and a linear head `head.weight`, `head.bias`."""
    name, _, path = spec.partition(":")
    if not path:
        raise UserError(
            f"{spec!r} names no weights; give NETWORK:FILE; NETWORK is timm/<model>, open_clip/<model> or one of "
            + ", ".join(miniature.NETWORKS)
        )
    if not Path(path).is_file():
        raise UserError(f"{path} does not exist; give {name}:FILE with a file of weights")
    if name.startswith("timm/"):
        from flopwise.models.compat import import_timm

        timm, wanted = import_timm(), name.removeprefix("timm/")
        if wanted.partition(".")[0] not in timm.list_models():
            raise UserError(f"timm has no model {wanted!r}; {among(wanted, timm.list_models())}")
        model = timm.create_model(wanted, pretrained=False, num_classes=classes)
        facts = model.pretrained_cfg
        model.normalisation = facts["mean"], facts["std"]
        return model, facts["input_size"][-1], Path(path)
    if name.startswith("open_clip/"):
        from flopwise.models import clip, image_towers

        wanted = name.removeprefix("open_clip/")
        return image_towers.create(wanted, classes), clip.preprocessing(wanted).size, Path(path)
    if name not in miniature.NETWORKS:
        raise UserError(
            f"network {name!r} is unknown; {among(name, miniature.NETWORKS)}, timm/<model> and open_clip/<model>"
        )
    return miniature.create(name, classes), miniature.SIZE, Path(path)


def checkpoint(spec: str, classes: int):
    """(model with the weights of `NETWORK:FILE`, in evaluation mode; side of its pictures). Raises `UserError` where the file's
    classes are not the data's."""
    model, side, path = network_of(spec, classes)
    state = read(path)
    heads = classifiers(model)
    head = next(name for name, module in model.named_modules() if any(module is one for one in heads))
    found = state.get(f"{head}.weight")
    if found is not None and found.shape[0] != classes:
        raise UserError(
            f"{path} tells {found.shape[0]} classes apart, the data have {classes}; teacher, student and data must share them"
        )
    fit(model, state, str(path))
    return model.eval(), side


def classes_of(folder: Path) -> int:
    """Number of classes of the pictures in `folder`."""
    if (folder / "card.json").is_file():
        return len(read_json(folder / "card.json")["classes"])
    if not (folder / "train").is_dir():
        raise UserError(
            f"{folder} has no folder train/; needed are train/<class>/ and test/<class>/, or a material's folder"
        )
    return sum(path.is_dir() for path in (folder / "train").iterdir())


def pictures_of(folder: Path, side: int) -> Pictures:
    """Pictures of an embedded material, or of class folders `train/<class>/` and `test/<class>/`, resized to `side`."""
    if (folder / "card.json").is_file():
        return material(folder)
    for split in ("train", "test"):
        if not (folder / split).is_dir():
            raise UserError(
                f"{folder} has no folder {split}/; needed are train/<class>/ and test/<class>/, or a material's folder"
            )
    classes = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
    if unknown := sorted({path.name for path in (folder / "test").iterdir() if path.is_dir()} - set(classes)):
        raise UserError(f"{folder / 'test' / unknown[0]}: a class that train/ does not have")
    parts = [_folder(folder / split, classes, side) for split in ("train", "test")]
    return Pictures(*parts, classes, None, sha256_json([str(folder), side, len(parts[0]), len(parts[1])]))


def _folder(folder: Path, classes: list[str], side: int) -> Part:
    found = [
        (path, label) for label, name in enumerate(classes) for path in sorted((folder / name).glob("*"))
        if path.suffix.lower() in ENDINGS
    ]  # fmt: skip
    if not found:
        raise UserError(f"{folder} holds no pictures ({', '.join(ENDINGS)}) in folders of classes")
    images = np.stack([np.frombuffer(loader.load(path, side), np.uint8).reshape(side, side, 3) for path, _ in found])
    return Part(images, np.array([label for _, label in found], np.int64))


@dataclass
class Pair:
    """What is known of a pair. scores: of teacher, student and, once there was a transfer, `after`."""

    data: Pictures
    scores: dict[str, dict]

    @property
    def flips(self) -> flips.Flips:
        return flips.flips(
            self.scores["teacher"]["predicted"],
            self.scores["student"]["predicted"],
            self.data.test.targets,
            len(self.data.classes),
        )

    def facts(self) -> dict:
        """Accuracies and flips in % of the test pictures, and whether there is something to gain."""
        found, n, targets = self.flips, len(self.data.test), self.data.test.targets
        accuracy = {name: 100 * float((one["predicted"] == targets).mean()) for name, one in self.scores.items()}
        positive = 100 * found.positive / n
        error = flips.sampling_error(positive, n)
        together = 100 * float((flips.ensemble(self.scores["teacher"], self.scores["student"]) == targets).mean())
        facts = {
            "test_pictures": n, "classes": len(self.data.classes), "accuracy": accuracy, "rho_pos": positive,
            "rho_neg": 100 * found.negative / n, "sampling_error": error, "ensemble": together,
            "something_to_gain": bool(positive > WORTH * error),
        }  # fmt: skip
        if "after" in self.scores:
            one = flips.change(
                *(self.scores[name]["predicted"] for name in ("student", "after", "teacher")),
                targets,
                len(self.data.classes),
            )
            facts |= {"delta": one.delta, "gain": one.gain, "loss": one.loss, "error": one.error, "mcnemar_p": one.p_value,
                      "transfer_rate": one.rate, "remaining": one.remaining}  # fmt: skip
        return {name: None if value != value else value for name, value in facts.items()}


def look(teacher, student, data: Pictures, placement: Placement, batch_size: int = 64) -> Pair:
    """What both models say of the test pictures."""
    scores = {}
    for name, model in (("teacher", teacher), ("student", student)):
        try:
            scores[name] = test_scores(placement.put(model), data.test, placement, batch_size)
        except RunFailure as error:
            raise RunFailure(f"{name}: {error}") from error
    return Pair(data, scores)


def transfer(pair: Pair, teacher, student, how: How, placement: Placement) -> dict:
    """Transfer from the teacher into a copy of the student; adds `after` to the pair's scores and returns the new weights."""
    import torch

    method: Method = load(how.method)
    if method.several or method.teachers == "none":
        raise UserError(
            f"--method is {how.method!r}, which is not for one teacher; allowed are kl, xekl, xekl-mcl, kl-dp, kl-dp-u ..."
        )
    rate = how.learning_rate or (1e-2 if method.slow else 1e-4) * how.batch_size / 256
    names = {"student": "student", "teacher": "teacher"}
    config = TransferPreset(
        max_core_seconds=1, defaults=Axes(**names, method=how.method), models=("student", "teacher"), experiments={"pair": {}},
        batch_size=how.batch_size, learning_rate=rate, slow_learning_rate=rate, job=JobResources(),
    )  # fmt: skip
    indices = pair.data.share(how.share)
    images = tensor(pair.data.train, indices)
    labels = torch.from_numpy(pair.data.train.targets[indices])
    one = Material([images], labels, View(count=1), Amount(share=how.share, epochs=how.epochs))
    sources = [Source([ask(placement.put(model), images, placement, how.batch_size)]) for model in (student, teacher)]
    learner = copy.deepcopy(student)
    run = Transfer(config, method, one, learner, sources[0], sources[1:], how.seed, placement)
    weights = run.run()
    if run.result.status != "done":
        raise RunFailure(
            f"the transfer diverged at step {run.result.diverged_at}; give it a lower --learning-rate than {rate:g}"
        )
    learner.load_state_dict(weights)
    pair.scores["after"] = test_scores(placement.put(learner.eval()), pair.data.test, placement, how.batch_size)
    return weights
