"""Ask the models of the zoo: about the test pictures, and about every view of the transfer set that is kept."""

from pathlib import Path

import numpy as np

from flopwise.config import Settings
from flopwise.core.device import Placement, place
from flopwise.core.errors import RunFailure
from flopwise.core.io import sha256_json, write_json
from flopwise.core.seeds import numpy_generator
from flopwise.data import distort
from flopwise.data.store import open_arrays, write_arrays
from flopwise.models.miniature import outputs
from flopwise.studies.transfer import network, pictures
from flopwise.studies.transfer.cache import LogitCache, Said, View, key_of
from flopwise.studies.transfer.pictures import Part, Pictures
from flopwise.studies.transfer.plan import Grid

SHOWN = 1000  # training pictures whose accuracy is told
CHUNK = 1000  # pictures that are distorted at a time
TEST = ("predicted", "confidence")  # arrays that are kept of the test pictures


def ask(model, images, placement: Placement, batch_size: int) -> Said:
    """What the model says of pictures uint8 (n, 3, H, W); in evaluation mode, without gradients. Raises
    `RunFailure` where a logit is not finite."""
    import torch

    logits, features = [], []
    with torch.no_grad(), placement.autocast():
        for first in range(0, len(images), batch_size):
            seen, said = outputs(model, pictures.pixels(placement.put(images[first : first + batch_size])))
            logits.append(said.float().cpu())
            features.append(seen.float().cpu())
    found = Said(torch.cat(logits), torch.cat(features))
    if not found.logits.isfinite().all():
        bad = int((~found.logits.isfinite()).any(1).nonzero()[0])
        raise RunFailure(f"the model's logits of picture {bad} are not finite; its weights are broken")
    return found


def test_scores(model, part: Part, placement: Placement, batch_size: int) -> dict[str, np.ndarray]:
    """predicted int32 (n,), confidence float32 (n,): its softmax probability."""
    parts = []
    for first in range(0, len(part), 4 * batch_size):  # a few batches in memory at a time
        images = pictures.tensor(part, slice(first, first + 4 * batch_size))
        probabilities = ask(model, images, placement, batch_size).logits.softmax(1)
        parts.append([one.numpy() for one in probabilities.max(1)])
    confidence, predicted = (np.concatenate(each) for each in zip(*parts))
    return {"predicted": predicted.astype(np.int32), "confidence": confidence.astype(np.float32)}


def view(study, name: str, index: int) -> View:
    return View(name, index, study.views[name].distort)


def shown(data: Pictures, indices: np.ndarray, view: View):
    """The transfer set's pictures as the view has them, uint8 (n, 3, H, W). The numbers are drawn for all training pictures,
    so that a picture's view does not depend on which others are in the set."""
    import torch

    images = pictures.tensor(data.train, indices)
    if not view.distort:
        return images
    numbers = distort.draw(len(data.train), 0, *view.seed)[indices]
    parts = zip(images.split(CHUNK), numbers.split(CHUNK))
    return torch.cat(
        [pictures.bytes_of(distort.distorted(pictures.pixels(part), own, view.distort)) for part, own in parts]
    )


def samples_digest(indices: np.ndarray) -> str:
    return sha256_json(indices.tolist())


def predictions_job(settings: Settings, names: tuple[str, ...], zoo: Path, out: Path) -> dict:
    """Ask the models `names`, whose weights lie in `zoo`/<model>/. Writes `out`/<model>/ (test pictures), `out`/cache/
    (logits of views) and `out`/asked.json (accuracies, keys, costs)."""
    study, data = settings.preset.transfer, pictures.load(settings)
    placement, grid = place(settings.config.device, study.precision), Grid(study)
    cache, asked, start = LogitCache(out / "cache"), {}, placement.clock()
    few = np.sort(numpy_generator(0, "shown").permutation(len(data.train))[:SHOWN])  # real sets lie class by class
    first = Part(data.train.images[few], data.train.targets[few])
    for name in names:
        model = placement.put(network.restored(settings, name, len(data.classes), zoo / name))
        before = placement.clock()
        scores = test_scores(model, data.test, placement, study.evaluation_batch_size)
        tested = placement.clock() - before
        write_arrays(out / name, scores, {}, {"model": name})
        digest = network.digest(zoo / name)
        keys = _keep(cache, study, data, placement, model, name, digest, grid.kept_of(name))
        kept = placement.clock() - before - tested
        seen = test_scores(model, first, placement, study.evaluation_batch_size)
        accuracy = {"test": _accuracy(scores, data.test), "train": _accuracy(seen, first)}
        asked[name] = {
            "weights": digest,
            "keys": keys,
            "accuracy": accuracy,
            "test_seconds": tested,
            "cache_seconds": kept,
        }
    write_json(out / "asked.json", asked)
    return {"evaluate_seconds": placement.clock() - start}


def _accuracy(scores: dict, part: Part) -> float:
    return 100 * float((scores["predicted"] == part.targets).mean())


def _keep(
    cache: LogitCache, study, data: Pictures, placement: Placement, model, name: str, digest: str, wanted
) -> list[list]:
    """Ask a model about every kept view of the transfer sets `wanted`, (amount, view) each, unless that is known; returns
    [amount, view, index, key] of each."""
    keys = []
    for amount, view_name in wanted:
        indices = data.share(study.amounts[amount].share)
        for index in range(study.views[view_name].count):
            one = view(study, view_name, index)
            key = key_of(digest, data.digest, samples_digest(indices), one)
            if not cache.has(key):
                said = ask(model, shown(data, indices, one), placement, study.evaluation_batch_size)
                facts = {"model": name, "view": view_name, "index": index, "amount": amount, "samples": len(indices)}
                cache.put(key, said, facts)
            keys.append([amount, view_name, index, key])
    return keys


def read_scores(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of one model's test pictures."""
    stored = open_arrays(folder).arrays
    return {name: np.asarray(stored[name]) for name in TEST}
