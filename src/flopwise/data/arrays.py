"""Files that hold many images: CIFAR's batches, IDX, STL-10's binaries, SVHN's .mat, .npz and HDF5.

Nothing in them is executed: pickles go through an unpickler that knows arrays and plain containers only.
"""

import pickle
import struct
import zipfile

import numpy as np

from flopwise.core.errors import RunFailure
from flopwise.data.tree import Tree


def image_array(tree: Tree, path: str, index: int) -> np.ndarray:
    """Image number `index` of the array file `path`: uint8, (H, W) or (H, W, 3)."""
    images = images_of(tree, path)
    if not 0 <= index < len(images):
        raise RunFailure(f"{tree.where / path} holds {len(images)} images; image {index} was asked for")
    return np.ascontiguousarray(images[index])


def images_of(tree: Tree, path: str):
    """All images of an array file, (N, H, W) or (N, H, W, 3); HDF5 stays on disk. The last file used is kept open."""
    if path not in tree.arrays:
        images = _load_images(tree, path)
        tree.arrays.clear()
        tree.arrays[path] = images
    return tree.arrays[path]


def _load_images(tree: Tree, path: str):
    if path.endswith(".npz"):
        arrays = npz(tree, path, ("data",) if "data" in npz_names(tree, path) else ("imgs",))
        images = next(iter(arrays.values()))
        return images * np.uint8(255) if images.max(initial=0) <= 1 else images
    if path.endswith(".h5"):
        return hdf5(tree, path)["images"]
    if path.endswith(".mat"):
        return np.transpose(mat(tree, path)["X"], (3, 0, 1, 2))
    if path.endswith(".bin"):
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
    with tree.open(path) as stream, _archive(stream, tree.where / path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def npz(tree: Tree, path: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Arrays of an .npz; one of objects goes through the restricted unpickler."""
    where = tree.where / path
    found = {}
    with tree.open(path) as stream, _archive(stream, where) as archive:
        for name in names:
            if f"{name}.npy" not in archive.namelist():
                raise RunFailure(f"{where} has no array {name!r}; it has {', '.join(archive.namelist())}")
            with archive.open(f"{name}.npy") as member:
                found[name] = _npy(member, f"{where}[{name}]")
    return found


def _archive(stream, where) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise RunFailure(f"{where} is no .npz file: {error}") from error


def _npy(stream, where: str) -> np.ndarray:
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
        if dtype.hasobject:
            return np.asarray(_unpickle(stream, where))
        data = np.frombuffer(stream.read(), dtype)
        return data.reshape(shape, order="F" if fortran else "C")
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, MemoryError) as error:
        raise RunFailure(f"{where} is damaged: {error}") from error


def mat(tree: Tree, path: str) -> dict:
    """A MATLAB file (not 7.3), arrays and structs squeezed."""
    from scipy.io import loadmat

    with tree.open(path) as stream:
        try:
            return loadmat(stream, squeeze_me=True)
        except Exception as error:  # scipy raises many kinds on a damaged file
            raise RunFailure(f"{tree.where / path} is no MATLAB file: {error}") from error


def hdf5(tree: Tree, path: str):
    """An HDF5 file with `images` and `labels`, open for reading; needs h5py."""
    try:
        import h5py
    except ImportError as error:
        raise RunFailure(f"{tree.where / path} is HDF5: install h5py (pip install 'flopwise[real]')") from error
    try:
        content = h5py.File(tree.open(path), "r")
        own = all(isinstance(content.get(name, getlink=True), h5py.HardLink) for name in ("images", "labels"))
    except OSError as error:
        raise RunFailure(f"{tree.where / path} is no HDF5 file: {error}") from error
    if not own or any(content[name].external or content[name].is_virtual for name in ("images", "labels")):
        raise RunFailure(f"{tree.where / path} must hold the data sets images and labels itself, without links")
    return content
