"""Images with captions, and sets that only a manifest describes."""

from flopwise.core.errors import RunFailure
from flopwise.data.listing import Listing, Row, Sample, Source, listing
from flopwise.data.readers.skips import Skips
from flopwise.data.readers.splits import every_fifth
from flopwise.data.readers.tables import python_list, table
from flopwise.data.tree import Problem


def retrieval_csv(tree, dataset, *, folder: str) -> Listing:
    """annotations.csv with `filename`, `split` and `raw` (a list of captions); the test images, numbered in order."""
    lines = [
        line for line in table(tree, "annotations.csv", "filename", "split", "raw") if line["split"].strip() == "test"
    ]
    samples = []
    for target, line in enumerate(lines):
        captions = tuple(python_list(line["raw"]))
        if not captions:
            raise RunFailure(f"{tree.where / 'annotations.csv'}: {line['filename']} has no list of captions")
        path = f"{folder}/{line['filename']}"
        samples.append(Sample(path, target, captions, Source(path)))
    if not samples:
        raise RunFailure(f"{tree.where / 'annotations.csv'} has no line of the split test")
    return Listing(dataset, tree, (), {"train": [], "test": samples}, problems=tuple(tree.problems))


def image_text_pairs(tree, dataset, *, images: str, texts: str, classes: tuple[str, ...], same: dict) -> Listing:
    """FS-COCO: <group>/<id>.jpg beside <group>/<id>.txt. The published class is the noun that a CLIP model finds most
    fitting; here it is the first word of the caption, as it stands or without a plural s, that names a class; a sketch
    whose caption names none is passed over."""
    rows, known, skips = [], set(classes), Skips()
    for path in tree.files(images):
        text = f"{texts}{path[len(images) :].rpartition('.')[0]}.txt"
        if text not in tree:
            tree.problems.append(Problem(path, "sketch without a text beside it"))
            continue
        caption = next((line.strip() for line in tree.text(text).splitlines() if line.strip()), "")
        label = _first_class(caption, known, same)
        if label is None:
            skips.add("sketch whose caption names no class", path)
        else:
            rows.append(Row(path, label, (f"A sketch of {caption}",)))
    sketched = {path[len(images) :].rpartition(".")[0] for path in tree.files(images)}
    for path in tree.files(texts):
        if path[len(texts) :].rpartition(".")[0] not in sketched:
            tree.problems.append(Problem(path, "text without a sketch beside it"))
    return listing(
        tree,
        dataset,
        {"all": rows},
        classes=classes,
        split=every_fifth,
        membership="own draw",
        skips=skips,
    )


def _first_class(caption: str, known: set[str], same: dict[str, str]) -> str | None:
    for word in caption.lower().split():
        word = word.strip(".,;:!?\"'()")
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            form = same.get(form, form)
            if form in known:
                return form
    return None


def flat_images_manifest(tree, dataset) -> Listing:
    """A folder of images without any annotation: only the published manifests say which class is where."""
    raise RunFailure(
        f"{dataset.name} can only be read with its published manifests: put {dataset.folder}_train.json and "
        f"{dataset.folder}_test.json into {tree.root}"
    )
