"""Optical flow on disk: Middlebury's `.flo`, KITTI's 16-bit PNG, and the folders of Sintel, KITTI 2015 and AutoFlow.

A flow is float32 (H, W, 2) in pixels, u (to the right) first; `valid` is bool (H, W).
"""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.io import atomic_path
from flopwise.data.images import decode

MAGIC = b"PIEH"  # 202021.25 as a little-endian float32
MAX_SIDE = 20_000  # pixels
UNKNOWN = 1e9  # larger values of `.flo` mark unknown flow
OFFSET, STEPS = 2**15, 64.0  # KITTI: stored = 64 u + 2^15


class FlowPair(NamedTuple):
    """Paths of two consecutive frames and of the flow from the first to the second; `occlusion` (Sintel: PNG, white
    where the pixel has no counterpart) is None where the set has none."""

    first: Path
    second: Path
    flow: Path
    occlusion: Path | None = None


def read_flo(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """(flow, valid) of a `.flo` file; unknown pixels (|u| or |v| > 1e9, or no number) are invalid and set to 0."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RunFailure(f"{path} cannot be read: {error.strerror}") from error
    if content[:4] != MAGIC:
        raise RunFailure(f"{path} is no .flo file: it starts with {content[:4]!r}, not with {MAGIC!r}")
    if len(content) < 12:
        raise RunFailure(f"{path} is cut: {len(content)} bytes")
    width, height = struct.unpack_from("<ii", content, 4)
    _check_size(path, width, height)
    if len(content) != 12 + 8 * width * height:
        raise RunFailure(
            f"{path}: {width} x {height} pixels need {12 + 8 * width * height} bytes, the file has {len(content)}"
        )
    flow = np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2).astype(np.float32)
    valid = (np.abs(flow) <= UNKNOWN).all(axis=2)  # false for NaN too
    flow[~valid] = 0
    return flow, valid


def write_flo(path: Path | str, flow: np.ndarray) -> None:
    height, width = _shape(flow)
    with atomic_path(path) as temporary:
        temporary.write_bytes(MAGIC + struct.pack("<ii", width, height) + flow.astype("<f4").tobytes())


def read_kitti(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """(flow, valid) of a 16-bit RGB PNG whose channels are u, v and valid; invalid pixels are set to 0."""
    stored = read_png16(path)
    valid = stored[..., 2] > 0
    flow = (stored[..., :2].astype(np.float32) - OFFSET) / np.float32(STEPS)
    flow[~valid] = 0
    return flow, valid


def write_kitti(path: Path | str, flow: np.ndarray, valid: np.ndarray) -> None:
    """Write a flow in steps of 1/64 pixel. Raises `UserError` for a valid flow beyond -512 ... 511.98 pixels."""
    height, width = _shape(flow)
    stored = np.zeros((height, width, 3), np.uint16)
    steps = np.rint(np.where(valid[..., None], flow, 0) * STEPS) + OFFSET
    if not ((steps >= 0) & (steps < 2**16)).all():
        raise UserError(f"{path}: this format holds flow from -512 to 511.98 pixels, given are larger values")
    stored[..., :2] = steps
    stored[..., 2] = valid
    write_png16(path, stored)


def read_png16(path: Path | str) -> np.ndarray:
    """uint16 (H, W, 3) of a 16-bit RGB PNG. Pillow keeps 8 bits of such samples; its decoder is run twice, once for
    the high and once for the low bytes."""
    high, low = (decode(path, None, lambda image, mode=mode: _bytes(image, mode)) for mode in "BL")
    return high.astype(np.uint16) << 8 | low


def _bytes(image, order: str) -> np.ndarray:
    if image.format != "PNG" or [tile.args for tile in image.tile] != ["RGB;16B"]:
        raise ValueError(f"a 16-bit RGB PNG without interlacing is expected, not {image.format} in mode {image.mode}")
    # raw mode RGB;16B keeps the first byte of a sample, RGB;16L the second
    image.tile = [tile._replace(args=f"RGB;16{order}") for tile in image.tile]
    return np.asarray(image)


def write_png16(path: Path | str, samples: np.ndarray) -> None:
    """Write uint16 (H, W, 3) as a 16-bit RGB PNG, which Pillow cannot."""
    height, width = samples.shape[:2]
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.hstack([np.zeros((height, 1), np.uint8), rows])  # filter type 0 in front of each row
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b""))
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            stream.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


def sintel_pairs(root: Path | str, render: str = "clean", split: str = "training") -> list[FlowPair]:
    """Consecutive frames of `<root>/training/{clean,final}/<scene>/frame_XXXX.png` with `flow/<scene>/frame_XXXX.flo`
    and, where it is there, `occlusions/<scene>/frame_XXXX.png`. Raises `UserError` that names what is missing, a frame
    between two others too."""
    if render not in ("clean", "final"):
        raise UserError(f"Sintel's renderings are clean and final, not {render!r}")
    base, pairs = Path(root) / split, []
    for scene in _folders(base / render):
        for number in _numbers(scene)[:-1]:
            first, second = (scene / f"frame_{n:04d}.png" for n in (number, number + 1))
            flow = base / "flow" / scene.name / f"{first.stem}.flo"
            occlusion = base / "occlusions" / scene.name / first.name
            pairs.append(FlowPair(first, second, flow, occlusion if occlusion.is_file() else None))
    return _complete(base, pairs)


def _numbers(scene: Path) -> list[int]:
    """The sorted numbers of the files `frame_<number>.png`."""
    names = [path.stem.removeprefix("frame_") for path in scene.glob("frame_*.png")]
    odd = next((name for name in names if not name.isdecimal()), None)
    if odd is not None:
        raise UserError(f"{scene}: frame_{odd}.png is no frame of a scene; their names are frame_<number>.png")
    return sorted(map(int, names))


def kitti_pairs(root: Path | str, split: str = "training", flow: str = "flow_occ") -> list[FlowPair]:
    """`<root>/training/image_2/*_10.png` and `*_11.png` with `flow_occ/*_10.png` (occluded pixels included; `flow_noc`
    leaves them out)."""
    base = Path(root) / split
    frames, flows = base / "image_2", base / flow
    found = [*frames.glob("*_10.png"), *frames.glob("*_11.png"), *flows.glob("*_10.png")]
    numbers = sorted({path.name[: -len("_10.png")] for path in found})
    return _complete(
        base, [FlowPair(frames / f"{n}_10.png", frames / f"{n}_11.png", flows / f"{n}_10.png") for n in numbers]
    )


def autoflow_pairs(root: Path | str) -> list[FlowPair]:
    """`<root>/static_40k_png_{1..4}_of_4/table_*/{im0.png, im1.png, forward.flo}`: all four parts."""
    parts = [Path(root) / f"static_40k_png_{number}_of_4" for number in (1, 2, 3, 4)]
    folders = [folder for part in parts for folder in _folders(part)]
    return _complete(Path(root), [FlowPair(f / "im0.png", f / "im1.png", f / "forward.flo") for f in folders])


def _complete(base: Path, pairs: list[FlowPair]) -> list[FlowPair]:
    missing = [path for pair in pairs for path in (pair.first, pair.second, pair.flow) if not path.is_file()]
    if missing:
        raise UserError(f"{len(missing)} files are missing under {base}, the first is {missing[0]}")
    if not pairs:
        raise UserError(f"no pair of frames under {base}: it does not have the expected folders")
    return pairs


def _folders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []


def _check_size(path, width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise RunFailure(f"{path}: impossible size {width} x {height}")


def _shape(flow: np.ndarray) -> tuple[int, int]:
    assert flow.ndim == 3
    assert flow.shape[2] == 2
    return flow.shape[:2]
