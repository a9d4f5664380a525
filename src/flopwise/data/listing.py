"""What a reader yields: plain lists of samples, and the one way to open an image."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from flopwise.core.errors import RunFailure
from flopwise.core.text import composed
from flopwise.data.catalogue import DataSet
from flopwise.data.readers.skips import Skips
from flopwise.data.tree import Problem, Tree


class Source(NamedTuple):
    """Where an image is: a file of the set's tree, or one of an array file (`index`), or a part of a picture (`box`:
    left, upper, right, lower in pixels)."""

    path: str
    index: int | None = None
    box: tuple[int, int, int, int] | None = None


class Sample(NamedTuple):
    """`key`: name of the image inside the set, as manifests have it; `captions`: those that come with the set."""

    key: str
    target: int
    captions: tuple[str, ...]
    source: Source


class Row(NamedTuple):
    """One line of a set's own annotations, before classes have numbers."""

    path: str
    label: str | int
    captions: tuple[str, ...] = ()
    source: Source | None = None


def copied(tree: Tree, copy: str, raw: str, label: str | int) -> Row:
    """An image that the official set-up copies from `raw` to `copy`, where manifests look for it; read where it is."""
    return Row(copy, label, (), Source(copy if copy in tree else raw))


@dataclass(frozen=True)
class Listing:
    """A data set as a list. `class_names[target]` is the name of a class; `splits` has `train` and `test` (empty where
    a set has no such split); retrieval sets without classes number their images. `membership`: `manifest` (the
    published lists), `rule` (the published rule on sorted files) or `own draw` (the published membership is not
    known; as many samples, drawn here). `problems`: what is wrong with the copy; `skips`: what the rule of the set passes
    over."""

    dataset: DataSet
    tree: Tree
    class_names: tuple[str, ...]
    splits: dict[str, list[Sample]]
    membership: str = "rule"
    problems: tuple[Problem, ...] = ()
    prepared: bool = False  # the images are copies whose shorter side is 224 pixels
    skips: Skips = field(default_factory=Skips)

    def check_archive(self) -> None:
        """Raises `RunFailure` where the set is an archive that is cut or damaged: what came after is lost, and nothing in the
        list of what is there would say so."""
        for problem in self.problems:
            if problem.path == f"{self.tree.folder}.tar":
                raise RunFailure(f"{self.tree.root / problem.path}: {problem.what}")

    def image(self, sample: Sample):
        """The image as a PIL image in RGB. Raises `RunFailure` that names the file which is missing or broken."""
        return open_source(self.tree, sample.source)

    def captions(self, sample: Sample) -> tuple[str, ...]:
        """The captions that a sample is trained with: its own, else the primer of its class."""
        return sample.captions or (self.dataset.primer(self.class_names[sample.target]),)


def listing(
    tree: Tree,
    dataset: DataSet,
    rows: dict[str, list[Row]],
    *,
    classes: Iterable | None = None,
    names: Callable[[list], list[str]] = lambda labels: [str(label) for label in labels],
    split: Callable[[list[Row]], dict[str, list[Row]]] | None = None,
    membership: str = "rule",
    skips: Skips | None = None,
) -> Listing:
    """Number the classes and split the rows.

    `rows`: by split, or all under `all` with a rule `split`. `classes`: the labels in order of their targets (default:
    those that occur, sorted); rows of any other label are passed over. `names` turns them into class names. `skips`: what
    the reader passed over before."""
    skips = skips or Skips()
    if "all" in rows:
        rows = split(rows["all"])
    everything = [row for part in rows.values() for row in part]
    labels = list(classes) if classes is not None else sorted({row.label for row in everything})
    if not everything or not labels:
        lost = "".join(f"; left out: {problem.path}: {problem.what}" for problem in tree.problems[:1])
        lost += "".join(f"; {line}" for line in skips.lines()[:1])
        raise RunFailure(f"{tree.where}: no image of {dataset.name} was found; expected {dataset.layout}{lost}")
    targets = {label: target for target, label in enumerate(labels)}
    for row in everything:
        if row.label not in targets:
            skips.add("image of a class that is not part of the set", f"{row.path} ({row.label})")
    splits = {
        key: [
            Sample(row.path, targets[row.label], row.captions, row.source or Source(row.path))
            for row in rows.get(key, [])
            if row.label in targets
        ]
        for key in ("train", "test")
    }
    return Listing(
        dataset, tree, tuple(map(composed, names(labels))), splits, membership, tuple(tree.problems), skips=skips
    )


def open_source(tree: Tree, source):
    """The image at `source` (path, index or None, box or None) as a PIL image in RGB."""
    if source.index is not None:
        from PIL import Image

        from flopwise.data.arrays import image_array

        return Image.fromarray(image_array(tree, source.path, source.index)).convert("RGB")
    from flopwise.data.images import open_image

    with tree.open(source.path) as stream:
        return open_image(stream, str(tree.where / source.path), source.box)
