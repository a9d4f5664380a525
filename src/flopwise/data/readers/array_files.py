"""Sets that come as arrays; each sample keeps its place in the file and the file name that manifests give it."""

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.data.arrays import (
    cifar_batch,
    damaged,
    hdf5_labels,
    idx,
    images_of,
    mat,
    mat_numbers,
    npz,
    npz_names,
    restricted_pickle,
)
from flopwise.data.listing import Listing, Row, Source, listing

DIGITS = tuple("0123456789")
COLOURS = ("red", "orange", "yellow", "green", "blue", "pink")
HUES = (0, 1, 2, 3, 3, 4, 4, 4, 5, 5)  # ten hues to six colour names
SOLIDS = ("cube", "cylinder", "sphere", "pill")


def torchvision_array(tree, dataset, *, style: str, **options) -> Listing:
    """CIFAR's python batches, the IDX files of MNIST, STL-10's binaries, SVHN's cropped digits."""
    return {"cifar": _cifar, "idx": _idx, "stl10": _stl10, "svhn": _svhn}[style](tree, dataset, **options)


def _cifar(tree, dataset, *, folder: str, batches: dict, meta: str, labels: str, names: str, key: str) -> Listing:
    rows = {}
    for split, files in batches.items():
        rows[split] = []
        for file in files:
            path = f"{folder}/{file}"
            for place, target in enumerate(cifar_batch(tree, path, labels)[1]):
                rows[split].append(Row(key.format(split, len(rows[split])), target, (), Source(path, place)))
    with damaged(tree.where / folder / meta):
        found = [str(name) for name in restricted_pickle(tree, f"{folder}/{meta}")[names]]
    return _numbered(tree, dataset, rows, found)


def _idx(tree, dataset, *, folder: str, names: tuple[str, ...]) -> Listing:
    rows = {}
    for split, stem in (("train", "train"), ("test", "t10k")):
        images, labels = f"{folder}/raw/{stem}-images-idx3-ubyte", f"{folder}/raw/{stem}-labels-idx1-ubyte"
        rows[split] = _target_first(images, idx(tree, labels).ravel(), dataset, split)
        _same_length(tree, images, len(idx(tree, images)), len(rows[split]))
    return _numbered(tree, dataset, rows, names)


def _stl10(tree, dataset) -> Listing:
    folder, rows = "stl10_binary", {}
    for split in ("train", "test"):
        targets = np.frombuffer(tree.read(f"{folder}/{split}_y.bin"), np.uint8).astype(int) - 1
        images = f"{folder}/{split}_X.bin"
        rows[split] = _target_first(images, targets, dataset, split)
        _same_length(tree, images, len(tree.read(images)) / (3 * 96 * 96), len(targets))
    return _numbered(tree, dataset, rows, tree.text(f"{folder}/class_names.txt").split())


def _svhn(tree, dataset) -> Listing:
    rows = {}
    for split in ("train", "test"):
        path = f"{split}_32x32.mat"
        targets = mat_numbers(tree, path, "y").ravel().astype(int) % 10  # the file calls the digit 0 ten
        rows[split] = _target_first(path, targets, dataset, split)
        _same_length(tree, path, len(images_of(tree, path)), len(targets))
    return _numbered(tree, dataset, rows, DIGITS)


def torchvision_mat(tree, dataset, *, style: str, **options) -> Listing:
    """Flowers-102 and Stanford Cars: files, with labels in MATLAB arrays."""
    return {"flowers": _flowers, "cars": _cars}[style](tree, dataset, **options)


def _flowers(tree, dataset, *, splits: dict[str, str], names: tuple[str, ...]) -> Listing:
    labels = mat_numbers(tree, "flowers-102/imagelabels.mat", "labels").ravel().astype(int) - 1
    rows = {}
    for split, key in splits.items():
        images = mat_numbers(tree, "flowers-102/setid.mat", key).ravel().astype(int)
        odd = images[(images < 1) | (images > len(labels))]
        if odd.size:
            raise RunFailure(f"{tree.where}/flowers-102/setid.mat names image {odd[0]}; there are {len(labels)} labels")
        rows[split] = [Row(f"flowers-102/jpg/image_{image:05d}.jpg", int(labels[image - 1])) for image in images]
    return _numbered(tree, dataset, rows, names)


def _cars(tree, dataset) -> Listing:
    base, rows = "stanford_cars", {}
    for split, file in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        with damaged(tree.where / base / file):
            rows[split] = [
                Row(f"{base}/cars_{split}/{item['fname']}", int(item["class"].item()) - 1)
                for item in mat(tree, f"{base}/{file}")["annotations"]
            ]
    with damaged(tree.where / base / "devkit/cars_meta.mat"):
        names = [str(name) for name in mat(tree, f"{base}/devkit/cars_meta.mat")["class_names"]]
    return _numbered(tree, dataset, rows, names)


def npz_array(tree, dataset, *, style: str, **options) -> Listing:
    """CUB-200 as arrays, and dSprites."""
    return {"cub": _cub, "dsprites": _dsprites}[style](tree, dataset, **options)


def _cub(tree, dataset) -> Listing:
    rows, names = {}, []
    for split in ("train", "test"):
        path = f"{split}_data.npz"
        content = npz(tree, path, ("targets", "classes"))
        with damaged(tree.where / path):
            rows[split] = [
                Row(f"cub-200-images-{split}/{place}.png", int(target), (), Source(path, place))
                for place, target in enumerate(content["targets"])
            ]
            names = names or [str(item[1]).replace("_", " ").replace("-", " ") for item in content["classes"].tolist()]
    return _numbered(tree, dataset, rows, names)


def _dsprites(tree, dataset, *, draw: tuple[int, int], removed: tuple[int, ...], names: tuple[str, ...]) -> Listing:
    """Positions 9, 10, 11, 21 and 22 of 32 go in both directions; what is left forms a 3 x 3 grid. Training and test
    images are drawn with NumPy's old generator, seed 0; keys count the images that are left."""
    path = "dsprites.npz"
    if "imgs" not in npz_names(tree, path):
        raise RunFailure(f"{tree.where / path} has no array 'imgs'")
    latents = npz(tree, path, ("latents_values",))["latents_values"]
    kept = np.ones(len(latents), bool)
    with damaged(tree.where / path):
        for column in (-1, -2):
            kept &= ~np.isin(latents[:, column], np.unique(latents[:, column])[list(removed)])
    places = np.flatnonzero(kept)
    shape, x, y = (latents[places, column] for column in (1, -2, -1))
    third = [(value > 0.33).astype(int) + (value > 0.66) for value in (x, y)]
    targets = (shape.astype(int) - 1) * 9 + third[0] * 3 + third[1]
    train, test = _draw(np.random.RandomState(0), len(places), draw, tree.where / path)
    rows = {
        split: [
            Row(f"dsprites-images-{split}/{i}.png", int(targets[i]), (), Source(path, int(places[i])))
            for i in sorted(chosen)
        ]
        for split, chosen in (("train", train), ("test", test))
    }
    return _numbered(tree, dataset, rows, names)


def h5_array(tree, dataset, *, draw: tuple[int, int]) -> Listing:
    """3D Shapes: class = colours of floor, wall and object (ten hues, six names) and solid. The published draw had no
    seed; this one has seed 0."""
    path = "shapes3d.h5"
    with damaged(tree.where / path):
        latents = np.round(hdf5_labels(tree, path), 2)
        hues = np.rint(latents[:, :3] * 10)
        if not ((hues >= 0) & (hues < len(HUES))).all():
            raise ValueError("a hue is not between 0 and 1")
        floor, wall, thing = np.asarray(HUES)[hues.astype(int)].T
        targets = floor + 6 * wall + 36 * thing + 216 * latents[:, 4].astype(int)
    train, test = _draw(np.random.RandomState(0), len(latents), draw, tree.where / path)
    rows = {
        split: [Row(f"shapes3d-images-{split}/{i}.png", int(targets[i]), (), Source(path, i)) for i in sorted(chosen)]
        for split, chosen in (("train", train), ("test", test))
    }
    names = [
        f"{thing} {solid} on a {floor} floor with a {wall} wall"
        for solid in SOLIDS
        for thing in COLOURS
        for wall in COLOURS
        for floor in COLOURS
    ]
    return _numbered(tree, dataset, rows, names, membership="own draw")


def _draw(generator, count: int, sizes: tuple[int, int], where) -> tuple[list[int], list[int]]:
    if count < sum(sizes):
        raise RunFailure(f"{where} holds {count} images; {sizes[0]} and {sizes[1]} are drawn")
    first = generator.choice(count, sizes[0], replace=False).tolist()
    rest = sorted(set(range(count)) - set(first))
    return first, generator.choice(rest, sizes[1], replace=False).tolist()


def _target_first(path: str, targets, dataset, split: str) -> list[Row]:
    stem = f"{dataset.folder.lower()}-images-{split}"
    return [
        Row(f"{stem}/{target}-{place}.png", int(target), (), Source(path, place))
        for place, target in enumerate(targets)
    ]


def _same_length(tree, path: str, images: float, labels: int) -> None:
    if images != labels:
        raise RunFailure(f"{tree.where / path} holds {images:g} images, but there are {labels} labels")


def _numbered(tree, dataset, rows: dict, names, membership: str = "rule") -> Listing:
    """Targets are numbers already; they must index `names`."""
    for part in rows.values():
        odd = next((row for row in part if not 0 <= row.label < len(names)), None)
        if odd is not None:
            raise RunFailure(f"{tree.where}: {odd.path} has the target {odd.label}; there are {len(names)} classes")
    return listing(
        tree,
        dataset,
        rows,
        classes=range(len(names)),
        names=lambda _: list(names),
        membership=membership,
    )
