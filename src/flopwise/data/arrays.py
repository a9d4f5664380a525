"""Files that hold many images: CIFAR's batches, IDX, STL-10's binaries, SVHN's .mat, .npz and HDF5.

Nothing in them is executed: pickles go through an unpickler that knows arrays and plain containers only.
"""

import io
import math
import pickle
import struct
import zipfile
from contextlib import contextmanager

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.data.images import MAX_PIXELS
from flopwise.data.matlab import read_mat
from flopwise.data.tree import Tree

MAX_HEADER = 2**16  # bytes of the header of an array in an .npz
MAX_OBJECTS = 64 * 1024**2  # bytes of an array of objects (CUB's class names need 20 kB)
MAX_LABELS = 1024**3  # bytes of HDF5 labels (Shapes3D's need 23 MB)


@contextmanager
def damaged(where):
    """Turn any error while reading `where` into a one-line `RunFailure`: libraries fail on hostile bytes in many ways that
    all mean the same."""
    try:
        yield
    except RunFailure:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunFailure(f"{where} is damaged: {reason}") from error


def image_array(tree: Tree, path: str, index: int) -> np.ndarray:
    """Image number `index` of the array file `path`: uint8, (H, W) or (H, W, 3)."""
    images = images_of(tree, path)
    if not 0 <= index < len(images):
        raise RunFailure(f"{tree.where / path} holds {len(images)} images; image {index} was asked for")
    with damaged(tree.where / path):
        return np.ascontiguousarray(images[index])


def images_of(tree: Tree, path: str):
    """All images of an array file, uint8 (N, H, W) or (N, H, W, 3); HDF5 stays on disk. The last file used is kept
    open."""
    if path not in tree.arrays:
        with damaged(tree.where / path):
            images = _load_images(tree, path)
            shape = images.shape
            if images.dtype != np.uint8 or len(shape) not in (3, 4) or shape[3:] not in ((), (3,)):
                raise ValueError(f"images are {images.dtype} of shape {shape}")
            if shape[1] * shape[2] > MAX_PIXELS:
                raise ValueError(f"images of {shape[2]} x {shape[1]} pixels, more than the {MAX_PIXELS:,} allowed")
        tree.arrays.clear()
        tree.arrays[path] = images
    return tree.arrays[path]


def _load_images(tree: Tree, path: str):
    if path.endswith(".npz"):
        arrays = npz(tree, path, ("data",) if "data" in npz_names(tree, path) else ("imgs",))
        images = next(iter(arrays.values()))
        return images * np.uint8(255) if images.max(initial=0) <= 1 else images  # dSprites holds 0 and 1
    if path.endswith(".h5"):
        return hdf5(tree, path)["images"]
    if path.endswith(".mat"):
        return np.transpose(mat_numbers(tree, path, "X"), (3, 0, 1, 2))
    if path.endswith(".bin"):
        # STL-10 stores each channel column by column
        return np.frombuffer(tree.read(path), np.uint8).reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    if path.endswith("-ubyte"):
        return idx(tree, path)
    return cifar_batch(tree, path)[0]


def cifar_batch(tree: Tree, path: str, labels: str | None = None) -> tuple[np.ndarray, list[int]]:
    """(images (N, 32, 32, 3), labels) of one of CIFAR's python batches."""
    batch = restricted_pickle(tree, path)
    try:
        images = np.asarray(batch["data"]).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        targets = [int(target) for target in batch[labels or ("labels" if "labels" in batch else "fine_labels")]]
    except (KeyError, TypeError, ValueError) as error:
        raise RunFailure(f"{tree.where / path} is no CIFAR batch: {error!r}") from error
    if images.dtype != np.uint8 or len(images) != len(targets):
        raise RunFailure(f"{tree.where / path} is no CIFAR batch: {len(images)} images, {len(targets)} labels")
    return images, targets


def restricted_pickle(tree: Tree, path: str):
    """Unpickle arrays, lists, dicts, bytes and str; anything else in the file is refused before it is made."""
    with tree.open(path) as stream:
        return _unpickle(stream, tree.where / path)


def _unpickle(stream, where):
    try:
        return _Restricted(stream, encoding="latin1").load()
    except Exception as error:  # a broken pickle can raise anything
        raise RunFailure(f"{where}: refused or damaged: {error}") from error


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return _NDARRAY
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if name == "_frombuffer" and module in ("numpy.core.numeric", "numpy._core.numeric"):
            return _from_buffer
        raise pickle.UnpicklingError(f"it names {module}.{name}; only arrays, lists, dicts, bytes and str are read")

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it refers to something outside the file")


_NDARRAY = object()  # stands for the type, so that a pickle cannot call it


def _empty_array(kind, shape, code):
    if kind is not _NDARRAY or tuple(shape) != (0,):
        raise pickle.UnpicklingError("an array of an odd kind")
    return np.ndarray((0,), np.int8)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes coded as {encoding}")
    return text.encode("latin1")


def _from_buffer(buffer, dtype, shape, order):
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def idx(tree: Tree, path: str) -> np.ndarray:
    """An IDX file of unsigned bytes: big-endian magic 0x000008dd (dd dimensions), sizes, data."""
    content, where = tree.read(path), tree.where / path
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        raise RunFailure(f"{where} is no IDX file of unsigned bytes")
    dimensions = content[3]
    if len(content) < 4 + 4 * dimensions:
        raise RunFailure(f"{where} is cut")
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    data = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    if data.size != int(np.prod([int(n) for n in shape], dtype=object)):
        raise RunFailure(f"{where} is cut: {data.size} bytes for the shape {shape}")
    return data.reshape(shape)


def npz_names(tree: Tree, path: str) -> list[str]:
    with tree.open(path) as stream, damaged(tree.where / path), zipfile.ZipFile(stream) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def npz(tree: Tree, path: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Arrays of an .npz; one of objects goes through the restricted unpickler. No more is unpacked than the array's own
    shape asks for."""
    where = tree.where / path
    found = {}
    with tree.open(path) as stream, damaged(where), zipfile.ZipFile(stream) as archive:
        for name in names:
            if f"{name}.npy" not in archive.namelist():
                raise RunFailure(f"{where} has no array {name!r}; it has {', '.join(archive.namelist())}")
            with damaged(f"{where}[{name}]"), archive.open(f"{name}.npy") as member:
                found[name] = _npy(member, f"{where}[{name}]")
    return found


def _npy(member, where: str) -> np.ndarray:
    head = io.BytesIO(member.read(MAX_HEADER))
    version = np.lib.format.read_magic(head)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(head)
    member.seek(head.tell())
    size = MAX_OBJECTS if dtype.hasobject else math.prod(shape) * dtype.itemsize
    content = member.read(size)
    if member.read(1):  # looks at the checksum too, where the content ends
        raise ValueError(f"more than the {size:,} bytes of shape {shape} and {dtype}")
    if dtype.hasobject:
        return np.asarray(_unpickle(io.BytesIO(content), where))
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def mat(tree: Tree, path: str) -> dict:
    """The variables of a MATLAB file, see `read_mat`."""
    return read_mat(tree.read(path), tree.where / path)


def mat_numbers(tree: Tree, path: str, name: str) -> np.ndarray:
    """The variable `name` of a MATLAB file, which must be an array of numbers."""
    found = mat(tree, path).get(name)
    if not isinstance(found, np.ndarray):
        raise RunFailure(f"{tree.where / path} has no array of numbers {name!r}")
    return found


def hdf5(tree: Tree, path: str):
    """An HDF5 file with `images` and `labels`, open for reading; needs h5py."""
    try:
        import h5py
    except ImportError as error:
        raise RunFailure(f"{tree.where / path} is HDF5: install h5py (pip install 'flopwise[real]')") from error
    with damaged(tree.where / path):
        content = h5py.File(tree.open(path), "r")
        own = all(isinstance(content.get(name, getlink=True), h5py.HardLink) for name in ("images", "labels"))
        if not own or any(content[name].external or content[name].is_virtual for name in ("images", "labels")):
            raise RunFailure(f"{tree.where / path} must hold the data sets images and labels itself, without links")
        return content


def hdf5_labels(tree: Tree, path: str) -> np.ndarray:
    """The array `labels` of an HDF5 file."""
    with damaged(tree.where / path), hdf5(tree, path) as content:
        if content["labels"].nbytes > MAX_LABELS:
            raise ValueError(f"labels of shape {content['labels'].shape}")
        return content["labels"][()]
