"""Make torchvision, and with it open_clip and timm, importable on a CPU-only torch.

The package index carries one torchvision wheel per platform, a CUDA build. Beside a CPU build of torch its native
library cannot load, and `import torchvision` then stops at an operator that the library would have declared. Declaring
the two missing schemas is all that the Python side needs; the compiled operators themselves (non-maximum suppression,
region pooling) are used by nothing here.
"""

import importlib.util
from functools import cache
from pathlib import Path

_LIBRARY = None  # keeps the declarations alive for the life of the process


def prepare_torchvision() -> None:
    """Declare torchvision's detection operators where its native library does not load. Call before the first import
    of torchvision, open_clip or timm; calling it again does nothing."""
    global _LIBRARY
    import torch

    specification = importlib.util.find_spec("torchvision")
    if _LIBRARY is not None or specification is None or hasattr(torch.ops.torchvision, "nms"):
        return
    try:
        for native in Path(specification.origin).parent.glob("_C.*"):
            torch.ops.load_library(native)
    except OSError:
        _LIBRARY = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@cache
def import_open_clip():
    """Return the `open_clip` module."""
    prepare_torchvision()
    import open_clip

    return open_clip


@cache
def import_timm():
    """Return the `timm` module."""
    prepare_torchvision()
    import timm

    return timm
